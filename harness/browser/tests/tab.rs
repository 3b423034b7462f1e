//! What a page does wrong is noticed.
//!
//! Where there is no Chromium or no axe-core, its trials are ignored with the command that gets them.

use std::fmt::Debug;
use std::process::ExitCode;

use browser::{Axe, Tab, Trouble, in_a_browser, trial};
use libtest_mimic::{Arguments, Failed};

fn main() -> ExitCode {
    let trials = vec![
        trial("errors_of_scripts_and_of_loading_are_complaints", |_| {
            in_a_tab(complaints)
        }),
        trial(
            "what_is_waited_for_in_vain_is_told_with_what_is_there",
            |_| in_a_tab(in_vain),
        ),
        trial("axe_finds_what_cannot_be_read_or_has_no_name", |axe| {
            in_a_tab(async |tab: &Tab| inaccessible(tab, axe).await)
        }),
        trial("a_focus_that_jumps_or_cannot_be_seen_is_noticed", |_| {
            in_a_tab(lost_focus)
        }),
    ];
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

fn in_a_tab(look: impl AsyncFnOnce(&Tab) -> Result<(), Failed>) -> Result<(), Failed> {
    in_a_browser(async |browser| {
        let tab = browser.open("about:blank").await?;
        look(&tab).await
    })
}

async fn show(tab: &Tab, body: &str) -> Result<(), Trouble> {
    tab.run(&format!(
        "document.documentElement.lang = 'en';
        document.title = 'a page';
        document.body.innerHTML = {body:?};"
    ))
    .await
}

async fn complaints(tab: &Tab) -> Result<(), Failed> {
    equal(&tab.all_complaints().await?, &[""; 0])?;
    tab.run(
        "console.log('fine');
        console.warn('careful', 1);
        setTimeout(() => { throw new Error('thrown'); });
        await new Promise((done) => setTimeout(done));
        await fetch('http://127.0.0.1:1/').catch(() => {});",
    )
    .await?;
    tab.until_complaint("Failed to load resource").await?;
    let complaints = tab.all_complaints().await?;
    let heard = |words: &str| complaints.iter().any(|line| line.contains(words));
    match heard("careful 1") && heard("Error: thrown") && !heard("fine") {
        true => Ok(()),
        false => Err(format!("heard {complaints:?}").into()),
    }
}

async fn in_vain(tab: &Tab) -> Result<(), Failed> {
    show(tab, "<p>something else</p>").await?;
    let waited = tab.until("a heading", "document.querySelector('h1')");
    match waited.await {
        Err(Trouble::Late(words))
            if words.contains("a heading") && words.contains("something else") =>
        {
            Ok(())
        }
        other => Err(format!("{other:?}").into()),
    }
}

async fn inaccessible(tab: &Tab, axe: &Axe) -> Result<(), Failed> {
    show(
        tab,
        "<main><h1>Title</h1><p>Text</p><button>Go</button></main>",
    )
    .await?;
    equal(&axe.problems(tab).await?, &[""; 0])?;
    show(
        tab,
        "<main><h1>Title</h1><p style='color: #999'>Text</p><button></button></main>",
    )
    .await?;
    let problems = axe.problems(tab).await?;
    let rules: Vec<&str> = problems
        .iter()
        .filter_map(|p| p.split(':').next())
        .collect();
    equal(&rules, &["button-name", "color-contrast"])
}

async fn lost_focus(tab: &Tab) -> Result<(), Failed> {
    show(tab, "<button>a</button><button>b</button>").await?;
    equal(
        &stops(tab).await?,
        &["button a true true", "button b true true"],
    )?;
    show(tab, "<button style='outline: none'>a</button>").await?;
    equal(&stops(tab).await?, &["button a true false"])?;
    show(tab, "<button tabindex=2>a</button>").await?;
    equal(&stops(tab).await?, &["button a false true"])
}

/// Where the focus goes, whether each stop follows the one before, and whether it is seen.
async fn stops(tab: &Tab) -> Result<Vec<String>, Trouble> {
    let stops = tab.focus_order().await?.into_iter();
    let words = stops.map(|stop| format!("{} {} {}", stop.what, stop.follows, stop.visible));
    Ok(words.collect())
}

fn equal<T: PartialEq<U> + Debug, U: Debug>(found: &[T], expected: &[U]) -> Result<(), Failed> {
    match found == expected {
        true => Ok(()),
        false => Err(format!("expected {expected:?}, found {found:?}").into()),
    }
}

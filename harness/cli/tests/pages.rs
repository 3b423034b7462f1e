//! The pages that the command line makes, in a browser: the report of a run, and the playground. They open without a
//! complaint, do what they are for, and everybody can use them.
//!
//! Where there is no Chromium or no axe-core, its trials are ignored with the command that gets them.

mod changed;

use std::process::{ExitCode, Stdio};
use std::time::Duration;

use browser::{Axe, Browser, Look, Tab, in_a_browser, trial};
use changed::{CHANGED, KEPT, Review, leave_pending, write_report};
use libtest_mimic::{Arguments, Failed};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;
use tokio::time::timeout;

/// How long a program may take to say what is waited for, with the building of the services.
const PATIENCE: Duration = Duration::from_secs(240);
/// A phone and a desk, by day and by night.
const LOOKS: [Look; 4] = [
    Look {
        width: 390,
        dark: false,
    },
    Look {
        width: 390,
        dark: true,
    },
    Look {
        width: 1280,
        dark: false,
    },
    Look {
        width: 1280,
        dark: true,
    },
];
/// What only a message of the changed one says.
const WORD: &str = "elsa-lindqvist";

fn main() -> ExitCode {
    let trials = vec![
        trial(
            "the_report_finds_a_message_and_everybody_can_use_it",
            |axe| in_a_browser(async |browser| report(browser, axe).await),
        ),
        trial("a_flow_is_accepted_on_the_page_of_the_review", |axe| {
            in_a_browser(async |browser| review(browser, axe).await)
        }),
        trial(
            "the_playground_shows_what_arrives_and_everybody_can_use_it",
            |axe| in_a_browser(async |browser| playground(browser, axe).await),
        ),
    ];
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

async fn report(browser: &Browser, axe: &Axe) -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    write_report(folder.path()).await?;
    let page = format!("file://{}/report.html", folder.path().display());
    let tab = browser.open(&page).await?;

    tab.run(&format!(
        "const query = document.getElementById('query');
        query.value = {WORD:?};
        query.dispatchEvent(new Event('input', {{ bubbles: true }}));"
    ))
    .await?;
    let found: Vec<String> = tab
        .evaluate("[...document.querySelectorAll('#items > li:not([hidden]) > a')].map(({ hash }) => hash)")
        .await?;
    if found != [format!("#scenario/{CHANGED}")] {
        return Err(
            format!("a search for {WORD:?} should find {CHANGED}; it found {found:?}").into(),
        );
    }

    let mut problems = Vec::new();
    for view in ["scenarios", "promises", "messages", "coverage", "contract"] {
        tab.run(&format!("location.hash = {view:?}")).await?;
        problems.extend(problems_of(&tab, axe, view).await?);
    }
    for id in [KEPT, CHANGED] {
        tab.run(&format!("location.hash = 'scenario/{id}'")).await?;
        let shown = format!("document.getElementById('detail').ariaLabel === {id:?}");
        tab.until(id, &shown).await?;
        tab.run("document.querySelector('#detail button.step').click()")
            .await?;
        problems.extend(problems_of(&tab, axe, id).await?);
    }
    let opened = format!(
        "document.querySelector('#detail .steps pre.code')?.textContent.includes({WORD:?})"
    );
    tab.until("the message is shown whole", &opened).await?;
    problems.extend(focus_problems(&tab).await?);
    done(&tab, problems).await
}

async fn review(browser: &Browser, axe: &Axe) -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    write_report(folder.path()).await?;
    let recorded = leave_pending(folder.path())?;
    let review = Review::start(folder.path()).await?;
    let tab = browser.open(&review.page).await?;

    tab.run(&format!("location.hash = 'scenario/{CHANGED}'"))
        .await?;
    let accept = "[...document.querySelectorAll('#actions button')].find(({ textContent }) => textContent.startsWith('Accept'))";
    tab.until("the changed flow can be accepted", accept)
        .await?;
    let problems = problems_of(&tab, axe, "the review").await?;
    tab.run(&format!("{accept}.click()")).await?;
    let said = "document.querySelector('#actions .notice')?.textContent.startsWith('Accepted')";
    tab.until("the page says that the flow is accepted", said)
        .await?;
    let snapshot = folder.path().join(format!("snapshots/{CHANGED}.snap"));
    let reviewed = std::fs::read_to_string(&snapshot)?;
    if reviewed != recorded || snapshot.with_extension("snap.new").exists() {
        return Err(
            format!("what was accepted should be the reviewed flow; that is {reviewed}").into(),
        );
    }
    let done = done(&tab, problems).await;
    review.end().await?;
    done
}

async fn playground(browser: &Browser, axe: &Axe) -> Result<(), Failed> {
    let ports = [
        "--port",
        "0",
        "--websocket-port",
        "0",
        "--gateway-port",
        "0",
    ];
    let mut play = Command::new(env!("CARGO_BIN_EXE_notifications"))
        .args(["play", "--runtime", "processes"])
        .args(ports)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let printed = play.stdout.take().ok_or("its output is not read")?;
    let mut lines = BufReader::new(printed).lines();
    let page = loop {
        let line = timeout(PATIENCE, lines.next_line()).await??;
        let line = line.ok_or("the playground ended before it said where its page is")?;
        if let Some(page) = line.trim().strip_prefix("page") {
            break page.trim().to_owned();
        }
    };
    let tab = browser.open(&page).await?;

    let open = "document.querySelectorAll('.connection .state[data-is=good]').length === 2";
    tab.until("both users are connected", open).await?;
    tab.run("document.querySelector('#publish button.first').click()")
        .await?;
    let arrived = "document.querySelector('.connection .log li[data-event]')";
    tab.until("a message arrives", arrived).await?;
    tab.run(
        "const user = document.querySelector('.user');
        user.querySelector('select').value = 'expired';
        user.querySelector('button.first').click();",
    )
    .await?;
    let refused =
        "document.querySelector('.connection[data-code=\"1008\"] .closing:not([hidden])')";
    tab.until("an expired token is refused", refused).await?;

    let mut problems = problems_of(&tab, axe, "the playground").await?;
    problems.extend(focus_problems(&tab).await?);
    let done = done(&tab, problems).await;
    // As a Ctrl-C does: it takes the system down.
    let pid = play.id().ok_or("the playground has ended")?.to_string();
    Command::new("kill")
        .args(["-s", "INT", &pid])
        .status()
        .await?;
    timeout(PATIENCE, play.wait()).await??;
    done
}

/// What axe-core finds wrong with `view`, however it is looked at.
async fn problems_of(tab: &Tab, axe: &Axe, view: &str) -> Result<Vec<String>, Failed> {
    let mut problems = Vec::new();
    for look in LOOKS {
        tab.look(look).await?;
        let found = axe.problems(tab).await?;
        problems.extend(
            found
                .iter()
                .map(|problem| format!("{view}, {look:?}: {problem}")),
        );
    }
    Ok(problems)
}

/// What is wrong with the way of the focus: it begins at a link to what the page is about, goes down the page, and is
/// always seen.
async fn focus_problems(tab: &Tab) -> Result<Vec<String>, Failed> {
    let mut problems = Vec::new();
    for look in LOOKS {
        tab.look(look).await?;
        let stops = tab.focus_order().await?;
        match stops.first() {
            Some(first) if first.what.starts_with("a Skip to") => {}
            first => problems.push(format!(
                "{look:?}: the focus should begin at a skip link; it begins at {first:?}"
            )),
        }
        let wrong = stops.iter().filter(|stop| !stop.follows || !stop.visible);
        problems.extend(wrong.map(|stop| format!("{look:?}: the focus: {stop:?}")));
    }
    Ok(problems)
}

async fn done(tab: &Tab, mut problems: Vec<String>) -> Result<(), Failed> {
    let complaints = tab.all_complaints().await?;
    problems.extend(
        complaints
            .into_iter()
            .map(|words| format!("the console: {words}")),
    );
    match problems.is_empty() {
        true => Ok(()),
        false => Err(problems.join("\n").into()),
    }
}

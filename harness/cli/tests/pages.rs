//! The pages that the command line makes, in a browser: the report of a run, and the playground. They open without a
//! complaint, do what they are for, and everybody can use them.
//!
//! Where there is no Chromium or no axe-core, its trials are ignored with the command that gets them.

use std::path::Path;
use std::process::{ExitCode, Stdio};
use std::time::Duration;

use browser::{Axe, Browser, Look, Tab};
use harness::data::checkout;
use harness::system::Chromium;
use libtest_mimic::{Arguments, Completion, Failed, Trial};
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
/// A scenario whose reviewed flow the test changes, and one that stays as it is.
const CHANGED: &str = "notifications/delivery/other-users";
const KEPT: &str = "gateway/status/own_batch";
/// What only a message of the changed one says.
const WORD: &str = "elsa-lindqvist";

fn main() -> ExitCode {
    let axe = Chromium::program().and_then(|_| Axe::read());
    let trial = |name: &str, play: fn(Axe) -> Result<(), Failed>| {
        let axe = axe.clone();
        Trial::ignorable_test(name, move || match axe {
            Err(reason) => Ok(Completion::ignored_with(reason)),
            Ok(axe) => play(axe).map(|()| Completion::Completed),
        })
    };
    let trials = vec![
        trial(
            "the_report_finds_a_message_and_everybody_can_use_it",
            |axe| in_a_browser(async |browser| report(browser, &axe).await),
        ),
        trial(
            "the_playground_shows_what_arrives_and_everybody_can_use_it",
            |axe| in_a_browser(async |browser| playground(browser, &axe).await),
        ),
    ];
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

#[tokio::main]
async fn in_a_browser(
    look: impl AsyncFnOnce(&Browser) -> Result<(), Failed>,
) -> Result<(), Failed> {
    let browser = Browser::start().await?;
    let seen = look(&browser).await;
    browser.stop().await;
    seen
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
        .evaluate("[...document.querySelectorAll('#items > li:not([hidden])')].map(({ id }) => id)")
        .await?;
    if found != [format!("scenario/{CHANGED}")] {
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

/// Plays two scenarios, one of which has another flow than was reviewed, and writes the report in `folder`.
async fn write_report(folder: &Path) -> Result<(), Failed> {
    let checkout = checkout().ok_or("the test is one of a checkout")?;
    let copied = Command::new("cp")
        .arg("-r")
        .args([checkout.join("contracts"), checkout.join("snapshots")])
        .arg(folder)
        .status();
    if !copied.await?.success() {
        return Err("the contract cannot be copied".into());
    }
    let snapshot = folder.join(format!("snapshots/{CHANGED}.snap"));
    let reviewed = std::fs::read_to_string(&snapshot)?;
    std::fs::write(&snapshot, reviewed.replace("For colleague.", "For nobody."))?;
    let run = Command::new(env!("CARGO_BIN_EXE_notifications"))
        .args(["verify", "--runtime", "processes", "--data"])
        .arg(folder)
        .arg("--report")
        .arg(folder)
        .args([CHANGED, KEPT])
        .kill_on_drop(true)
        .output();
    let output = timeout(PATIENCE, run).await??;
    match output.status.code() {
        Some(1) => Ok(()),
        status => Err(format!(
            "the changed flow should be noticed, with exit status 1; it was {status:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        )
        .into()),
    }
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

//! A run with a changed flow, its report, and the review of it, in a folder of their own.

use std::fs;
use std::io;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use harness::data::checkout;
use libtest_mimic::Failed;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

/// How long a program may take, with the building of the services.
const PATIENCE: Duration = Duration::from_secs(240);
/// A scenario whose reviewed flow is changed, and one that stays as it is.
pub const CHANGED: &str = "notifications/delivery/other-users";
pub const KEPT: &str = "gateway/status/own_batch";

/// Plays two scenarios, one of which has another flow than was reviewed, and writes the report in `folder`.
pub async fn write_report(folder: &Path) -> Result<(), Failed> {
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
    let reviewed = fs::read_to_string(&snapshot)?;
    fs::write(&snapshot, reviewed.replace("For colleague.", "For nobody."))?;
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

/// Leaves the flow that was recorded beside the reviewed one, as insta does in a checkout. Says what the reviewed one is once
/// it is accepted.
pub fn leave_pending(folder: &Path) -> io::Result<String> {
    let snapshot = format!("snapshots/{CHANGED}.snap");
    let checkout = checkout().unwrap_or(folder);
    let recorded = fs::read_to_string(checkout.join(&snapshot))?;
    let new = recorded.replacen("description:", "assertion_line: 1\ndescription:", 1);
    fs::write(folder.join(snapshot).with_extension("snap.new"), new)?;
    Ok(recorded)
}

/// A running `review --web`. Dropping it kills it.
pub struct Review {
    child: Child,
    _printed: Lines<BufReader<ChildStdout>>,
    /// The page's address, with its token.
    pub page: String,
}

impl Review {
    /// Serves the results in `folder`, and reviews the flows there.
    pub async fn start(folder: &Path) -> Result<Self, Failed> {
        let mut child = Command::new(env!("CARGO_BIN_EXE_notifications"))
            .args(["review", "--web", "--from"])
            .arg(folder)
            .arg("--data")
            .arg(folder)
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let printed = child.stdout.take().ok_or("its output is not read")?;
        let mut lines = BufReader::new(printed).lines();
        let line = timeout(PATIENCE, lines.next_line()).await??;
        let line = line.ok_or("the review ended before it said where its page is")?;
        let page = line.strip_prefix("review").ok_or("no page")?;
        let page = page.trim().to_owned();
        Ok(Self {
            child,
            _printed: lines,
            page,
        })
    }

    /// Ends it as a Ctrl-C does; it has to end well.
    pub async fn end(mut self) -> Result<(), Failed> {
        let pid = self.child.id().ok_or("it has ended")?.to_string();
        Command::new("kill")
            .args(["-s", "INT", &pid])
            .status()
            .await?;
        let status = timeout(PATIENCE, self.child.wait()).await??;
        match status.success() {
            true => Ok(()),
            false => Err(format!("a review that is over should end well: {status}").into()),
        }
    }
}

//! The command line, run with a profile.

use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;
use tokio::time::timeout;

/// The longest that a run may take that finds nothing to play scenarios on.
const DEADLINE: Duration = Duration::from_secs(120);

/// How a run went.
#[derive(Debug)]
pub struct Verified {
    pub status: i32,
    /// Standard output.
    pub printed: String,
    /// Standard error.
    pub said: String,
}

/// Runs `cargo verify` with the profile `p.toml`, beside which `files` are.
pub async fn verify(profile: &str, files: &[(&str, &str)], filters: &[&str]) -> Verified {
    let files: Vec<_> = files.iter().copied().chain([("p.toml", profile)]).collect();
    let arguments = [&["--system", "p.toml", "--report", "report"], filters].concat();
    run(&arguments, &files).await
}

/// Runs `cargo verify compare` with two profiles.
pub async fn compare(old: &str, new: &str, filters: &[&str]) -> Verified {
    let profiles = ["compare", "--old", "old.toml", "--new", "new.toml"];
    let files = [("old.toml", old), ("new.toml", new)];
    run(&[&profiles, filters].concat(), &files).await
}

async fn run(arguments: &[&str], files: &[(&str, &str)]) -> Verified {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let run = Command::new(env!("CARGO_BIN_EXE_notifications"))
        .arg("verify")
        .args(arguments)
        .current_dir(folder.path())
        .env_remove("HARNESS_RUNTIME")
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = timeout(DEADLINE, run).await.unwrap().unwrap();
    Verified {
        status: output.status.code().unwrap(),
        printed: String::from_utf8(output.stdout).unwrap(),
        said: String::from_utf8(output.stderr).unwrap(),
    }
}

impl Verified {
    /// Whether the run ended because there was no system, and said nothing but a message that begins with `words`.
    #[track_caller]
    pub fn is_one_message(&self, words: &str) {
        assert_eq!(self.status, 2, "{self:?}");
        let lines: Vec<&str> = self.said.lines().filter(|line| !line.is_empty()).collect();
        let [begin, contract, message] = lines.as_slice() else {
            panic!("one message should have been said: {self:#?}");
        };
        assert!(begin.starts_with("starting or reaching "), "{self:?}");
        assert!(contract.starts_with("contract "), "{self:?}");
        let message = message.trim_start_matches("the system did not start: ");
        assert!(
            message.starts_with(words),
            "{message:?} should begin with {words:?}"
        );
    }
}

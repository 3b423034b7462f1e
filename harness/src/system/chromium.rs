//! A headless Chromium as a child process that does not outlive this one, and neither does the folder that it writes in.

use std::collections::VecDeque;
use std::env;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufRead, AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use super::{Guardian, StartError};

/// Names the program, where it is not one of [`PROGRAMS`] on the path.
const VARIABLE: &str = "CHROMIUM";
/// What distributions and its makers call the program.
const PROGRAMS: [&str; 4] = [
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
];
/// How long it may take from its start to its first word to whoever drives it.
const START_DEADLINE: Duration = Duration::from_secs(60);
/// What it prints before the address at which it is driven.
const LISTENING: &str = "DevTools listening on ";
/// How many of its lines are shown if it does not start.
const SHOWN: usize = 20;

/// What it is told besides where to write: to keep to itself, and to go on working in a tab that nobody looks at. A page
/// notices one of them: it need not ask anybody whether it may connect to this machine.
const ARGUMENTS: [&str; 17] = [
    "--headless",
    "--remote-debugging-port=0",
    "--no-first-run",
    "--no-default-browser-check",
    "--no-service-autorun",
    "--disable-background-networking",
    "--disable-background-timer-throttling",
    "--disable-backgrounding-occluded-windows",
    "--disable-breakpad",
    "--disable-component-update",
    "--disable-dev-shm-usage",
    "--disable-extensions",
    "--disable-features=LocalNetworkAccessChecks",
    "--disable-gpu",
    "--disable-renderer-backgrounding",
    "--disable-sync",
    "--password-store=basic",
];

/// A running Chromium. Dropping it kills all of its processes, as does the end of this one, however it comes; the folder
/// is removed then.
#[must_use = "dropping a browser ends it"]
pub struct Chromium {
    address: String,
    folder: PathBuf,
    // Before the guardian, whose end kills it.
    child: Child,
    guardian: Guardian,
}

impl Chromium {
    /// The program on this machine; an error says how to get one.
    pub fn program() -> Result<PathBuf, String> {
        if let Some(named) = env::var_os(VARIABLE) {
            let path = PathBuf::from(&named);
            return match path.is_file() {
                true => Ok(path),
                false => Err(format!(
                    "{VARIABLE} names {}, which is no file",
                    path.display()
                )),
            };
        }
        let path = env::var_os("PATH").unwrap_or_default();
        let folders: Vec<PathBuf> = env::split_paths(&path).collect();
        let found = PROGRAMS.iter().find_map(|name| {
            let mut candidates = folders.iter().map(|folder| folder.join(name));
            candidates.find(|candidate| candidate.is_file())
        });
        found.ok_or_else(|| {
            format!(
                "there is no Chromium on this machine: `apt-get install chromium`, or name another with {VARIABLE}"
            )
        })
    }

    /// Starts it, with a new folder, and waits until it can be driven.
    pub async fn start() -> Result<Self, StartError> {
        let program = Self::program().map_err(StartError)?;
        let trouble = |what: &str, error: std::io::Error| {
            StartError(format!("{}: {what}: {error}", program.display()))
        };
        let mut guardian = Guardian::start().map_err(|error| trouble("no guardian", error))?;
        let name = format!("notification-contracts-{}", uuid::Uuid::new_v4().simple());
        let folder = env::temp_dir().join(name);
        guardian
            .remove_folder(&folder.display().to_string())
            .await
            .map_err(|error| trouble("cannot be guarded", error))?;
        fs::create_dir(&folder)
            .map_err(|error| trouble(&format!("no folder {}", folder.display()), error))?;
        let mut child = command(&program, &folder)
            .spawn()
            .map_err(|error| trouble("cannot be run", error))?;
        if let Some(pid) = child.id() {
            let watched = guardian.watch_group(pid).await;
            watched.map_err(|error| trouble("cannot be watched", error))?;
        }
        let Some(printed) = child.stderr.take() else {
            let words = format!("{}: nothing can be read of it", program.display());
            return Err(StartError(words));
        };
        let mut lines = BufReader::new(printed).lines();
        match timeout(START_DEADLINE, address(&mut lines)).await {
            Ok(Ok(address)) => {
                // Nobody reads on, and it is not to wait for that.
                tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
                Ok(Self {
                    address,
                    folder,
                    child,
                    guardian,
                })
            }
            Ok(Err(printed)) => Err(StartError(format!(
                "{} ended before it could be driven; it printed:\n{printed}",
                program.display()
            ))),
            Err(_) => Err(StartError(format!(
                "{} cannot be driven after {} s",
                program.display(),
                START_DEADLINE.as_secs()
            ))),
        }
    }

    /// Where it is driven, by Chrome's DevTools protocol: `ws://host:port/…`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// What it writes in, which is gone when it is.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Kills it, and returns when it is gone and its folder, too.
    pub async fn stop(mut self) {
        self.guardian.finish().await;
        let _ = self.child.wait().await;
    }
}

fn command(program: &Path, folder: &Path) -> Command {
    let mut command = Command::new(program);
    command
        .args(ARGUMENTS)
        .arg(format!("--user-data-dir={}", folder.display()))
        // What it keeps elsewhere otherwise.
        .env("HOME", folder)
        .env("TMPDIR", folder)
        .env("XDG_CONFIG_HOME", folder)
        .env("XDG_CACHE_HOME", folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true);
    if is_root() {
        // For root it has no sandbox, and asks to be told so.
        command.arg("--no-sandbox");
    }
    command.arg("about:blank");
    command
}

/// Reads on until it says where it is driven; the error is what it printed instead.
async fn address(lines: &mut Lines<impl AsyncBufRead + Unpin>) -> Result<String, String> {
    let mut last = VecDeque::new();
    while let Ok(Some(line)) = lines.next_line().await {
        if let Some(address) = line.strip_prefix(LISTENING) {
            return Ok(address.trim().to_owned());
        }
        if last.len() == SHOWN {
            last.pop_front();
        }
        last.push_back(line);
    }
    Err(Vec::from(last).join("\n"))
}

fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}

//! The program that publishes where Redis cannot be reached from here.

use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::process::Command;
use tokio::sync::Mutex;
use tokio::time::timeout;

use super::Publication;
use crate::profile::{Profile, program, template};
use crate::scenario::{Failure, Outcome};
use crate::system::Guardian;

/// How long the program may take for one message.
const DEADLINE: Duration = Duration::from_secs(10);

/// Starts a program for each message. Clones share the guardian of what runs.
#[derive(Clone)]
pub(crate) struct Publisher {
    /// The program and its arguments, as templates.
    command: Vec<String>,
    folder: PathBuf,
    file: String,
    deadline: Duration,
    guardian: Arc<Mutex<Guardian>>,
}

impl Publisher {
    /// One that starts `command`, in the folder of `profile`.
    pub fn new(command: &[String], profile: &Profile) -> Outcome<Self> {
        let guardian = Guardian::start();
        let guardian = guardian
            .map_err(|error| Failure::System(format!("failed to start a shell: {error}")))?;
        Ok(Self {
            command: command.to_owned(),
            folder: profile.folder.clone(),
            file: profile.file.clone(),
            deadline: DEADLINE,
            guardian: Arc::new(Mutex::new(guardian)),
        })
    }

    /// Publishes one message. The program goes on to its end, or to the deadline, when the caller does not wait for it.
    pub async fn publish(&self, publication: &Publication) -> Outcome {
        let (publisher, publication) = (self.clone(), publication.clone());
        let run = tokio::spawn(async move { publisher.run(&publication).await });
        let ran = run.await.unwrap_or_else(|panic| Err(panic.to_string()));
        ran.map_err(|problem| {
            Failure::System(format!(
                "`publish` of [backplane] in {} {problem}",
                self.file
            ))
        })
    }

    async fn run(&self, (channel, message): &Publication) -> Result<(), String> {
        let values = [("channel", channel.clone())];
        let mut words = self
            .command
            .iter()
            .map(|word| template::fill(word, &values));
        let name = words.next().unwrap_or_default();
        let mut child = Command::new(program(&self.folder, &name))
            .args(words)
            .current_dir(&self.folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            // What it starts itself, as a shell does, is killed with it; and a Ctrl-C is not for it.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| format!("cannot be run: {name}: {error}"))?;
        // Nothing has waited for it yet.
        let pid = child.id().unwrap_or_default();
        let guarded = self.guardian.lock().await.watch_group(pid).await;
        guarded.map_err(|error| format!("cannot be watched: {error}"))?;
        let mut input = child.stdin.take();
        let write = async {
            if let Some(input) = &mut input {
                // A program that does not read its message says so by its exit status, or it does not need it.
                let _ = input.write_all(message).await;
            }
            drop(input.take());
        };
        let run = async { tokio::join!(write, child.wait_with_output()).1 };
        let ran = timeout(self.deadline, run).await;
        let mut guardian = self.guardian.lock().await;
        match ran {
            Ok(output) => {
                // It has ended: its number may soon be another process's.
                let _ = guardian.forget_group(pid).await;
                let output = output.map_err(|error| format!("failed: {name}: {error}"))?;
                if output.status.success() {
                    return Ok(());
                }
                let printed = String::from_utf8_lossy(&output.stderr);
                Err(format!(
                    "failed: {name}: {}: {}",
                    output.status,
                    printed.trim()
                ))
            }
            Err(_) => {
                let _ = guardian.kill_group(pid).await;
                let seconds = self.deadline.as_secs();
                Err(format!("failed: {name} did not end in {seconds} s"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn publisher(folder: &std::path::Path, script: &str) -> Publisher {
        Publisher {
            command: ["sh", "-c", script, "{channel}"]
                .map(str::to_owned)
                .to_vec(),
            folder: folder.to_owned(),
            file: "p.toml".to_owned(),
            deadline: Duration::from_secs(1),
            guardian: Arc::new(Mutex::new(Guardian::start().unwrap())),
        }
    }

    #[tokio::test]
    async fn the_program_gets_each_message_on_its_standard_input_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let publisher = publisher(folder.path(), "cat >> \"$0\"");
        for message in ["one\n", "two\n"] {
            let publication = ("ws:7".to_owned(), message.into());
            publisher.publish(&publication).await.unwrap();
        }
        let written = std::fs::read_to_string(folder.path().join("ws:7")).unwrap();
        assert_eq!(written, "one\ntwo\n");
    }

    #[rstest]
    #[case::fails("echo no route >&2; exit 3", "sh: exit status: 3: no route")]
    #[case::hangs("sleep 3600", "sh did not end in 1 s")]
    #[tokio::test]
    async fn a_program_that_fails_is_system_trouble(#[case] script: &str, #[case] problem: &str) {
        let folder = tempfile::tempdir().unwrap();
        let publication = ("ws:7".to_owned(), b"{}".to_vec());
        let failure = publisher(folder.path(), script).publish(&publication).await;
        let words = format!("`publish` of [backplane] in p.toml failed: {problem}");
        assert_eq!(failure, Err(Failure::System(words)));
    }

    #[tokio::test]
    async fn a_program_that_hangs_is_killed_with_what_it_started() {
        let folder = tempfile::tempdir().unwrap();
        // The last process of the group to hold the other end closes it.
        let script = "exec 3<>\"$1\"; sleep 3600 & sleep 3600";
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = format!(
            "/dev/tcp/{}",
            listener.local_addr().unwrap().to_string().replace(':', "/")
        );
        let mut publisher = publisher(folder.path(), script);
        publisher.command[0] = "bash".to_owned();
        publisher.command.push(at);
        let publication = ("ws:7".to_owned(), b"{}".to_vec());
        let (failure, accepted) = tokio::join!(publisher.publish(&publication), listener.accept());
        assert!(failure.is_err(), "{failure:?}");
        let mut stream = accepted.unwrap().0;
        let mut byte = [0];
        let read = tokio::io::AsyncReadExt::read(&mut stream, &mut byte);
        assert_eq!(
            timeout(Duration::from_secs(10), read)
                .await
                .unwrap()
                .unwrap(),
            0
        );
    }
}

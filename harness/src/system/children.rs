//! Child processes that do not outlive this one.
//!
//! A guardian, a shell that waits for the end of its input, kills the children when this process dies without
//! having done so, even by SIGKILL: the kernel closes the pipe.

use std::fmt::Display;
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::ops::Range;
use std::process::Stdio;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU16, Ordering};

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, Command};

use super::log::Log;
use super::{Exit, StartError};

/// Reads from standard input whom to watch, by process id, a group's being negative, and whom to forget or to kill now;
/// at its end kills those that are left, unless told `done`, and then removes their folder, if there is one. What is being
/// killed may still be writing in it.
const GUARDIAN: &str = "trap '' INT TERM HUP
pids=
folder=
forget() {
  left=
  for other in $pids; do [ \"$other\" = \"$1\" ] || left=\"$left $other\"; done
  pids=$left
}
while read -r word pid; do
  case $word in
    done) exit 0 ;;
    watch) pids=\"$pids $pid\" ;;
    forget) forget \"$pid\" ;;
    kill) kill -s KILL -- \"$pid\" 2>/dev/null; forget \"$pid\" ;;
    folder) folder=$pid ;;
  esac
done
for pid in $pids; do kill -s KILL -- \"$pid\" 2>/dev/null; done
[ -n \"$folder\" ] || exit 0
tries=0
until rm -rf -- \"$folder\" 2>/dev/null || [ \"$tries\" = 200 ]; do sleep 0.05; tries=$((tries + 1)); done";

/// Ports are taken from below the range that the kernel gives to outgoing connections, so that none of those can
/// take one between its choice and its use.
const PORTS: Range<u16> = 20_000..32_000;
/// A run takes its ports from so many that no other run takes any of: one that is chosen here and used later, by a part or by
/// a spare one, must be free then.
const BLOCK: u16 = 1_000;

/// Running children. [`stop`](Self::stop) ends them and waits; a drop kills them.
pub(super) struct Children {
    children: Vec<(&'static str, Child)>,
    /// There is one as soon as there is a child.
    guardian: Option<Guardian>,
    log: Log,
}

/// A shell that kills what it watches once this process has ended, however it ends. Dropping it is such an end.
pub(crate) struct Guardian {
    shell: Child,
    input: ChildStdin,
}

impl Children {
    /// None yet; their output will go to `log`.
    pub fn new(log: &Log) -> Self {
        Self {
            children: Vec::new(),
            guardian: None,
            log: log.clone(),
        }
    }

    /// Starts `command` as the child `name`, in the place of one of that name that has ended.
    pub async fn spawn(&mut self, name: &'static str, mut command: Command) -> io::Result<()> {
        let guardian = match &mut self.guardian {
            Some(guardian) => guardian,
            None => self.guardian.insert(Guardian::start()?),
        };
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // A Ctrl-C in the terminal is for this process, which then ends the children in order.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()?;
        if let Some(pid) = child.id() {
            guardian.watch(pid).await?;
        }
        if let Some(stdout) = child.stdout.take() {
            keep_lines(name, stdout, &self.log);
        }
        if let Some(stderr) = child.stderr.take() {
            keep_lines(name, stderr, &self.log);
        }
        self.children.retain(|(other, _)| *other != name);
        self.children.push((name, child));
        Ok(())
    }

    /// Kills the children and waits until they are gone.
    pub async fn stop(mut self) {
        self.end().await;
    }

    /// The same for children that others hold too.
    pub async fn end(&mut self) {
        for (_, child) in &mut self.children {
            // An error means that it has ended already.
            let _ = child.start_kill();
        }
        for (_, child) in &mut self.children {
            let _ = child.wait().await;
        }
        if let Some(guardian) = self.guardian.take() {
            guardian.dismiss().await;
        }
    }

    /// Sends `signal` (`SIGTERM` …) to the child `name`; does nothing to one that has ended.
    pub async fn signal(&mut self, name: &str, signal: &str) -> io::Result<()> {
        let child = self.children.iter().find(|(part, _)| *part == name);
        // A child that has been waited for has no id: the number may be another process's by now.
        let Some(pid) = child.and_then(|(_, child)| child.id()) else {
            return Ok(());
        };
        // The shell's own kill: sending a signal otherwise takes a crate, or unsafe code.
        Command::new("sh")
            .args(["-c", "kill -s \"$1\" \"$2\"", "sh"])
            .args([signal.trim_start_matches("SIG"), &pid.to_string()])
            .status()
            .await?;
        Ok(())
    }

    /// The process id of the child `name`, unless it has ended.
    pub fn id(&self, name: &str) -> Option<u32> {
        let child = self.children.iter().find(|(part, _)| *part == name);
        child.and_then(|(_, child)| child.id())
    }

    /// How the child `name` ended, if it did.
    pub fn exit(&mut self, name: &str) -> Option<Exit> {
        let (_, child) = self.children.iter_mut().find(|(part, _)| *part == name)?;
        match child.try_wait() {
            Ok(None) => None,
            Ok(Some(status)) => Some(Exit {
                status: status.code().map(i64::from),
            }),
            Err(_) => Some(Exit { status: None }),
        }
    }
}

impl Guardian {
    /// Watches nothing yet.
    pub fn start() -> io::Result<Self> {
        let mut shell = Command::new("sh")
            .args(["-c", GUARDIAN])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()?;
        let input = shell.stdin.take().ok_or(io::ErrorKind::BrokenPipe)?;
        Ok(Self { shell, input })
    }

    /// Watches the leader of a process group with all its group.
    pub async fn watch_group(&mut self, leader: u32) -> io::Result<()> {
        self.tell("watch", -i64::from(leader)).await
    }

    /// Watches the group no longer: its leader has ended.
    pub async fn forget_group(&mut self, leader: u32) -> io::Result<()> {
        self.tell("forget", -i64::from(leader)).await
    }

    /// Kills the group.
    pub async fn kill_group(&mut self, leader: u32) -> io::Result<()> {
        self.tell("kill", -i64::from(leader)).await
    }

    /// Removes the folder `path`, which may not be there yet, when what it watches has been killed. It has one at most.
    pub async fn remove_folder(&mut self, path: &str) -> io::Result<()> {
        self.tell("folder", path).await
    }

    /// Kills what it watches now, and returns when that is done.
    pub async fn finish(mut self) {
        drop(self.input);
        let _ = self.shell.wait().await;
    }

    async fn watch(&mut self, pid: u32) -> io::Result<()> {
        self.tell("watch", pid).await
    }

    async fn tell(&mut self, word: &str, about: impl Display) -> io::Result<()> {
        self.input
            .write_all(format!("{word} {about}\n").as_bytes())
            .await
    }

    async fn dismiss(mut self) {
        let _ = self.input.write_all(b"done\n").await;
        drop(self.input);
        let _ = self.shell.wait().await;
    }
}

fn keep_lines(name: &'static str, stream: impl AsyncRead + Send + Unpin + 'static, log: &Log) {
    let log = log.clone();
    tokio::spawn(async move {
        let mut lines = BufReader::new(stream).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            log.push(name, &line);
        }
    });
}

/// A loopback port that nobody listens on, another one each call.
pub(super) fn free_port() -> Result<u16, StartError> {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    static CLAIM: OnceLock<Option<(TcpListener, Range<u16>)>> = OnceLock::new();
    // With more runs at the same time than there are blocks, those that come last take what they find.
    let ports = match CLAIM.get_or_init(|| claim(PORTS, std::process::id())) {
        Some((_held, block)) => block.clone(),
        None => PORTS,
    };
    let size = ports.end - ports.start;
    for _ in 0..size {
        let port = ports.start + NEXT.fetch_add(1, Ordering::Relaxed) % size;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Ok(port);
        }
    }
    Err(StartError(format!("no free port in {ports:?}")))
}

/// A block of `ports` that belongs to nobody else as long as the listener is there, which has its first port; none where all
/// are taken. Which is tried first follows from `number`.
fn claim(ports: Range<u16>, number: u32) -> Option<(TcpListener, Range<u16>)> {
    let count = u32::from((ports.end - ports.start) / BLOCK);
    (0..count).find_map(|step| {
        let block = (number % count + step) % count;
        let first = ports.start + block as u16 * BLOCK;
        let held = TcpListener::bind((Ipv4Addr::LOCALHOST, first)).ok()?;
        Some((held, first + 1..first + BLOCK))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_at_the_same_time_take_no_port_of_one_another() {
        let (_first, first) = claim(PORTS, 7).unwrap();
        let (_second, second) = claim(PORTS, 7).unwrap();
        assert_eq!(first.len(), usize::from(BLOCK) - 1);
        assert!(
            first.end <= second.start || second.end <= first.start,
            "{first:?}, {second:?}"
        );
        assert!(PORTS.contains(&first.start) && PORTS.contains(&(second.end - 1)));
    }

    #[test]
    fn a_port_is_another_one_each_time() {
        let (first, second) = (free_port().unwrap(), free_port().unwrap());
        assert_ne!(first, second);
    }
}

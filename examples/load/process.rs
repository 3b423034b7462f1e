//! Processes that are measured: started so that they never outlive this one, and read about in `/proc`.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, ChildStdin, Command};

/// Starts a program, tells its process id, and kills it at the end of its own input: a pipe from this process, which
/// the kernel closes however this process ends.
const GUARDIAN: &str = r#"trap '' INT TERM HUP
"$@" </dev/null >/dev/null &
echo $!
read -r _
kill -KILL $!"#;

/// A running program. Dropping it ends it.
#[must_use = "dropping a process ends it"]
pub struct Process {
    /// Its id.
    pub pid: u32,
    guardian: Child,
    input: ChildStdin,
}

impl Process {
    /// Starts `program`; what it logs goes to `/dev/null`, its errors to ours.
    pub async fn start(
        program: &Path,
        arguments: &[String],
        environment: &HashMap<&str, String>,
    ) -> io::Result<Self> {
        let mut guardian = Command::new("/bin/sh")
            .args(["-c", GUARDIAN, "sh"])
            .arg(program)
            .args(arguments)
            .env_clear()
            .envs(environment)
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let input = guardian.stdin.take().ok_or(io::ErrorKind::BrokenPipe)?;
        let output = guardian.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
        let mut pid = String::new();
        BufReader::new(output).read_line(&mut pid).await?;
        let pid = pid.trim().parse().map_err(io::Error::other)?;
        Ok(Self {
            pid,
            guardian,
            input,
        })
    }

    /// Kills it and waits until it is gone.
    pub async fn stop(mut self) {
        drop(self.input);
        let _ = self.guardian.wait().await;
    }
}

/// The CPU time that the process `pid` (or `self`) has used, all its threads together.
pub fn cpu(pid: &str) -> io::Result<Duration> {
    let mut nanos = 0;
    for task in fs::read_dir(format!("/proc/{pid}/task"))? {
        // A thread may end meanwhile.
        let statistics = fs::read_to_string(task?.path().join("schedstat")).unwrap_or_default();
        let first = statistics.split(' ').next();
        nanos += first
            .and_then(|field| field.parse::<u64>().ok())
            .unwrap_or(0);
    }
    Ok(Duration::from_nanos(nanos))
}

/// The resident memory of the process `pid`, in KiB.
pub fn resident(pid: u32) -> io::Result<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .and_then(|field| field.trim().strip_suffix(" kB")?.parse().ok())
        .ok_or_else(|| io::Error::other("no VmRSS in /proc"))
}

/// How many files a process may have open here (`ulimit -n`).
pub fn open_files() -> io::Result<usize> {
    let limits = fs::read_to_string("/proc/self/limits")?;
    let line = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"));
    let soft = line.and_then(|line| line.split_whitespace().next());
    Ok(soft
        .and_then(|soft| soft.parse().ok())
        .unwrap_or(usize::MAX))
}

/// An address that nobody listens on, below the ports that outgoing connections get.
pub fn free_address() -> io::Result<SocketAddr> {
    let first = 12_000 + (std::process::id() % 8_000) as u16;
    (first..20_000)
        .chain(12_000..first)
        .map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
        .find(|address| TcpListener::bind(address).is_ok())
        .ok_or_else(|| io::ErrorKind::AddrInUse.into())
}

//! The processor time and the memory that a part takes, all its processes together.

use std::fs;
use std::io;
use std::ops::Sub;
use std::path::Path;
use std::time::Duration;

/// What a part has used so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// The processor time since its start, user and system.
    pub cpu: Duration,
    /// The memory that it holds now, in bytes.
    pub memory: u64,
}

impl Usage {
    /// That of the process `pid` of this machine and of all that it has started and that still runs (proc(5)).
    pub fn of_processes(pid: u32) -> io::Result<Self> {
        let mut sum = Self::of_process(pid)?;
        let mut parents = vec![pid];
        while let Some(parent) = parents.pop() {
            for child in children(parent) {
                // One that has ended meanwhile uses nothing any more.
                if let Ok(usage) = Self::of_process(child) {
                    sum.cpu += usage.cpu;
                    sum.memory += usage.memory;
                    parents.push(child);
                }
            }
        }
        Ok(sum)
    }

    fn of_process(pid: u32) -> io::Result<Self> {
        let mut cpu = Duration::ZERO;
        for task in fs::read_dir(format!("/proc/{pid}/task"))? {
            cpu += thread(&task?.path());
        }
        let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
        let resident = status.lines().find_map(|line| {
            let kilobytes = line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB")?;
            kilobytes.parse::<u64>().ok()
        });
        let no_memory = || io::Error::other(format!("/proc/{pid}/status has no VmRSS"));
        Ok(Self {
            cpu,
            memory: 1024 * resident.ok_or_else(no_memory)?,
        })
    }
}

/// What was used between two moments: the processor time; the memory is what has been added, none where it shrank.
impl Sub for Usage {
    type Output = Self;

    fn sub(self, earlier: Self) -> Self {
        Self {
            cpu: self.cpu.saturating_sub(earlier.cpu),
            memory: self.memory.saturating_sub(earlier.memory),
        }
    }
}

/// The processor time of the thread whose folder in `/proc` this is, to the nanosecond; nothing of one that has ended.
fn thread(folder: &Path) -> Duration {
    let statistics = fs::read_to_string(folder.join("schedstat")).unwrap_or_default();
    let nanoseconds = statistics.split(' ').next().and_then(|n| n.parse().ok());
    Duration::from_nanos(nanoseconds.unwrap_or(0))
}

/// The processes that `pid` has started and that still run.
fn children(pid: u32) -> Vec<u32> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task"));
    let of_task = |task: io::Result<fs::DirEntry>| {
        let list = fs::read_to_string(task.ok()?.path().join("children")).ok()?;
        Some(
            list.split_whitespace()
                .filter_map(|id| id.parse().ok())
                .collect::<Vec<u32>>(),
        )
    };
    tasks
        .into_iter()
        .flatten()
        .filter_map(of_task)
        .flatten()
        .collect()
}

#[cfg(test)]
mod tests {
    use std::hint::black_box;
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn work_and_memory_are_counted() {
        let own = || Usage::of_processes(std::process::id()).unwrap();
        let (before, mut sum) = (own(), 0_u64);
        while (own() - before).cpu < Duration::from_millis(20) {
            sum = black_box(sum.wrapping_add(1));
        }
        let held = own().memory;
        assert!((1 << 20..1 << 40).contains(&held), "{held} bytes");
    }

    #[test]
    fn between_two_moments_memory_may_shrink() {
        let usage = |cpu, memory| Usage {
            cpu: Duration::from_secs(cpu),
            memory,
        };
        assert_eq!(usage(5, 70) - usage(2, 50), usage(3, 20));
        assert_eq!(usage(5, 50) - usage(2, 70), usage(3, 0));
    }

    #[test]
    fn what_a_process_has_started_counts_as_its_own() {
        // A shell that waits for a program of its own is two processes.
        let mut shell = Command::new("sh")
            .args(["-c", "cat; :"])
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let deadline = std::time::Instant::now() + Duration::from_secs(10);
        while children(shell.id()).is_empty() && std::time::Instant::now() < deadline {
            std::thread::yield_now();
        }
        let alone = Usage::of_process(shell.id()).unwrap();
        let both = Usage::of_processes(shell.id()).unwrap();
        drop(shell.stdin.take());
        shell.wait().unwrap();
        assert!(both.memory > alone.memory, "{alone:?} {both:?}");
    }
}

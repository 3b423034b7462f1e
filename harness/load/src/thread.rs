//! The threads of this program that are measured, or that measure.

use std::fs;
use std::time::Duration;

/// A thread of this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Thread(u32);

impl Thread {
    /// The one that asks.
    pub fn this() -> Option<Self> {
        let link = fs::read_link("/proc/thread-self").ok()?;
        let id = link.file_name()?.to_str()?.parse().ok()?;
        Some(Self(id))
    }

    /// The processor time that it has used, user and system; nothing where the system does not say, or it has ended.
    pub fn cpu(self) -> Option<Duration> {
        nanoseconds(&format!("/proc/self/task/{}/schedstat", self.0))
    }

    /// Lets its sleeps end when they are to, and not up to 50 µs later.
    pub fn wake_in_time(self) {
        // Where that is not allowed, how late it wakes is told all the same.
        let _ = fs::write(format!("/proc/{}/timerslack_ns", self.0), "1");
    }
}

/// The processor time that this process has used, all its threads together, in the resolution of the scheduler.
pub fn of_this_process() -> Duration {
    let tasks = fs::read_dir("/proc/self/task").into_iter().flatten();
    let paths = tasks.filter_map(|task| Some(task.ok()?.path().join("schedstat")));
    paths.filter_map(|path| nanoseconds(path.to_str()?)).sum()
}

/// How long all processors of this machine have been busy, and how long they have been at all.
pub fn of_the_machine() -> Option<(Duration, Duration)> {
    let text = fs::read_to_string("/proc/stat").ok()?;
    let fields = text.lines().next()?.strip_prefix("cpu ")?;
    // user nice system idle iowait irq softirq steal: of a hundredth of a second each (proc(5)).
    let ticks: Vec<u64> = fields
        .split_whitespace()
        .take(8)
        .filter_map(|field| field.parse().ok())
        .collect();
    let all: u64 = ticks.iter().sum();
    let idle: u64 = ticks.get(3..5)?.iter().sum();
    Some((
        Duration::from_millis(10 * (all - idle)),
        Duration::from_millis(10 * all),
    ))
}

fn nanoseconds(path: &str) -> Option<Duration> {
    let text = fs::read_to_string(path).ok()?;
    text.split(' ')
        .next()?
        .parse()
        .ok()
        .map(Duration::from_nanos)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_works_uses_the_processor_and_no_other_does() {
        let (begin, wait) = std::sync::mpsc::channel::<()>();
        let (tell, told) = std::sync::mpsc::channel();
        let idle = std::thread::spawn(move || {
            tell.send(Thread::this().unwrap()).unwrap();
            let _ = wait.recv();
        });
        let other = told.recv().unwrap();
        let (own, others) = (Thread::this().unwrap(), other.cpu().unwrap());
        let mut sum = 0_u64;
        while own.cpu().unwrap() < Duration::from_millis(20) {
            sum = std::hint::black_box(sum.wrapping_add(1));
        }
        assert!(other.cpu().unwrap() - others < Duration::from_millis(20));
        assert!(of_this_process() >= Duration::from_millis(20));
        drop(begin);
        idle.join().unwrap();
    }
}

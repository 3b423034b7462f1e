//! The backend: publishes what a workload says, when it says.

use std::io;
use std::thread::sleep;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use super::book::{Book, histogram};
use super::line::Line;
use super::message::{Form, Message};
use super::thread::Thread;
use super::workload::{BATCH, Pace, Workload};

/// Who publishes to one target.
pub struct Publisher {
    /// Where it publishes.
    pub line: Line,
    /// By user.
    pub channels: Vec<String>,
    /// What messages look like.
    pub form: Form,
    /// The next group's number.
    pub next: u64,
}

/// What was published in a turn.
pub struct Published {
    /// How many messages.
    pub messages: u64,
    /// How long it took until the last had been delivered, or nothing came any more.
    pub time: Duration,
    /// How much later than it was due each group was published, in nanoseconds; empty in a closed loop.
    pub lateness: Histogram<u64>,
    /// The processor time of the thread that published.
    pub cpu: Duration,
    /// Whether everything has been delivered that had to be.
    pub caught_up: bool,
}

/// How many groups that are overdue are published together.
const OVERDUE: u64 = 64;

impl Publisher {
    /// Publishes for `time`, and waits for the last delivery. Blocks.
    pub fn publish(
        &mut self,
        workload: &Workload,
        book: &Book,
        time: Duration,
    ) -> io::Result<Published> {
        let thread = Thread::this();
        let cpu = || thread.and_then(Thread::cpu).unwrap_or_default();
        let (before, began) = (cpu(), Instant::now());
        let mut published = match workload.pace {
            Pace::PerSecond(rate) => self.pace(workload, book, time, rate)?,
            Pace::Maximum => self.flood(workload, book, time)?,
            Pace::Idle => self.nothing(),
        };
        published.caught_up = published.caught_up && book.caught_up(0);
        published.time = began.elapsed();
        published.cpu = cpu().saturating_sub(before);
        Ok(published)
    }

    /// Publishes one message to each user, and waits until it is there; false if it does not come.
    pub fn fence(&mut self, users: u32, book: &Book) -> io::Result<bool> {
        for first in (0..users).step_by(BATCH as usize) {
            let last = users.min(first + BATCH);
            self.add(book, first..last, 0);
            self.line.send()?;
            self.line.answered()?;
        }
        Ok(book.caught_up(0))
    }

    fn nothing(&self) -> Published {
        Published {
            messages: 0,
            time: Duration::ZERO,
            lateness: histogram(),
            cpu: Duration::ZERO,
            caught_up: true,
        }
    }

    /// An open loop: each group is published when it is due, or as soon as those before it are.
    fn pace(
        &mut self,
        workload: &Workload,
        book: &Book,
        time: Duration,
        rate: f64,
    ) -> io::Result<Published> {
        if let Some(thread) = Thread::this() {
            thread.wake_in_time();
        }
        let mut published = self.nothing();
        let pause = Duration::from_secs_f64(f64::from(workload.group()) / rate);
        let groups = (time.as_secs_f64() / pause.as_secs_f64()).round().max(1.0) as u64;
        let began = Instant::now();
        let due = |number: u64| began + pause.mul_f64(number as f64);
        let mut number = 0;
        while number < groups {
            sleep(due(number).saturating_duration_since(Instant::now()));
            let now = Instant::now();
            let until = groups.min(number + OVERDUE);
            while number < until && due(number) <= now {
                let lateness = now - due(number);
                published.lateness.saturating_record(nanoseconds(lateness));
                let told = nanoseconds(due(number) - book.began).max(1);
                published.messages += self.add(book, workload.receivers(self.next), told);
                self.next += 1;
                number += 1;
            }
            self.line.send()?;
            self.line.answered()?;
        }
        Ok(published)
    }

    /// A closed loop: as much as is delivered.
    fn flood(&mut self, workload: &Workload, book: &Book, time: Duration) -> io::Result<Published> {
        let mut published = self.nothing();
        let window = workload.window() * u64::from(workload.per_user);
        let began = Instant::now();
        while began.elapsed() < time {
            let mut batch = 0;
            while batch < u64::from(BATCH) {
                batch += self.add(book, workload.receivers(self.next), 0);
                self.next += 1;
            }
            published.messages += batch;
            self.line.send()?;
            self.line.answered()?;
            if !book.caught_up(window) {
                published.caught_up = false;
                break;
            }
        }
        Ok(published)
    }

    /// Adds a message for each of `users` to what is sent next; how many these are.
    fn add(&mut self, book: &Book, users: impl Iterator<Item = u32>, due: u64) -> u64 {
        let (line, channels, form) = (&mut self.line, &self.channels, &mut self.form);
        book.publish(users, |user, number| {
            let message = Message { user, number, due };
            line.publish(&channels[user as usize], form.write(message));
        })
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

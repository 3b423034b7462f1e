//! What the publisher and the clients of one target know of each other while messages are on their way.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

/// How long nothing may come before what is missing counts as not delivered.
pub const SILENCE: Duration = Duration::from_secs(10);
/// The longest time that is told from a longer one.
const LONGEST: u64 = 60_000_000_000;
/// How exact a time is, in digits.
const DIGITS: u8 = 3;

/// The book of one target's deliveries.
pub struct Book {
    /// When time zero of the messages was.
    pub began: Instant,
    /// How many connections are open.
    pub open: AtomicU64,
    /// Whether the clients are to leave.
    pub over: AtomicBool,
    received: AtomicU64,
    /// How many deliveries someone waits for.
    awaited: AtomicU64,
    pages: Mutex<Pages>,
    enough: Condvar,
    latencies: Mutex<Histogram<u64>>,
}

/// What is counted together.
struct Pages {
    /// By user: messages, and connections that are open.
    published: Vec<u64>,
    connections: Vec<u32>,
    expected: u64,
    /// Deliveries that nobody has to wait for any more: the connection has ended.
    excused: u64,
}

impl Book {
    /// Of so many users with so many connections each.
    pub fn new(began: Instant, users: u32, connections: u32) -> Self {
        Self {
            began,
            open: AtomicU64::new(0),
            over: AtomicBool::new(false),
            received: AtomicU64::new(0),
            awaited: AtomicU64::new(u64::MAX),
            pages: Mutex::new(Pages {
                published: vec![0; users as usize],
                connections: vec![connections; users as usize],
                expected: 0,
                excused: 0,
            }),
            enough: Condvar::new(),
            latencies: Mutex::new(histogram()),
        }
    }

    /// Enters messages to each of these users, one for each time that it is named; `write` gets their numbers.
    pub fn publish(
        &self,
        users: impl Iterator<Item = u32>,
        mut write: impl FnMut(u32, u64),
    ) -> u64 {
        let mut pages = self.pages();
        let mut count = 0;
        for user in users {
            let number = pages.published[user as usize];
            pages.published[user as usize] += 1;
            pages.expected += u64::from(pages.connections[user as usize]);
            write(user, number);
            count += 1;
        }
        count
    }

    /// How many messages have been published to `user`.
    pub fn published(&self, user: u32) -> u64 {
        self.pages().published[user as usize]
    }

    /// Enters the end of a connection of `user`, to which `arrived` of the user's messages have come, and says how many had
    /// been published by then.
    pub fn ended(&self, user: u32, arrived: u64) -> u64 {
        self.open.fetch_sub(1, Ordering::Relaxed);
        let mut pages = self.pages();
        let published = pages.published[user as usize];
        pages.connections[user as usize] -= 1;
        pages.excused += published - arrived;
        drop(pages);
        self.tell();
        published
    }

    /// Enters deliveries, and how long they took.
    pub fn received(&self, count: u64) {
        let received = self.received.fetch_add(count, Ordering::Relaxed) + count;
        if received >= self.awaited.load(Ordering::Relaxed) {
            self.tell();
        }
    }

    /// How many deliveries there have been.
    pub fn deliveries(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }

    /// How many deliveries are on their way.
    pub fn underway(&self) -> u64 {
        let pages = self.pages();
        (pages.expected - pages.excused).saturating_sub(self.deliveries())
    }

    /// Waits until at most `behind` deliveries are on their way; false when nothing comes any more.
    pub fn caught_up(&self, behind: u64) -> bool {
        let mut pages = self.pages();
        let (mut last, mut since) = (self.deliveries(), Instant::now());
        loop {
            let awaited = (pages.expected - pages.excused).saturating_sub(behind);
            self.awaited.store(awaited, Ordering::SeqCst);
            let received = self.received.load(Ordering::SeqCst);
            if received >= awaited {
                self.awaited.store(u64::MAX, Ordering::Relaxed);
                return true;
            }
            if received > last {
                (last, since) = (received, Instant::now());
            }
            let Some(patience) = SILENCE.checked_sub(since.elapsed()) else {
                return false;
            };
            // It is woken at the latest when something may have come without a word.
            let patience = patience.min(Duration::from_millis(100));
            let waited = self.enough.wait_timeout(pages, patience);
            pages = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// How long deliveries took, to be added to.
    pub fn latencies(&self) -> MutexGuard<'_, Histogram<u64>> {
        self.latencies
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// How long deliveries took since the last call, in nanoseconds.
    pub fn take_latencies(&self) -> Histogram<u64> {
        std::mem::replace(&mut self.latencies(), histogram())
    }

    fn tell(&self) {
        // Whoever waits has looked at the numbers under this lock.
        drop(self.pages());
        self.enough.notify_all();
    }

    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An empty one, of nanoseconds.
pub fn histogram() -> Histogram<u64> {
    Histogram::new_with_max(LONGEST, DIGITS)
        .unwrap_or_else(|error| panic!("the bounds of a histogram are right: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn publish(book: &Book, users: &[u32]) -> Vec<(u32, u64)> {
        let mut written = Vec::new();
        book.publish(users.iter().copied(), |user, number| {
            written.push((user, number))
        });
        written
    }

    #[test]
    fn what_is_published_is_on_its_way_until_it_has_come_to_every_connection() {
        let book = Book::new(Instant::now(), 2, 3);
        assert_eq!(publish(&book, &[0, 0, 1]), [(0, 0), (0, 1), (1, 0)]);
        book.received(7);
        assert_eq!((book.deliveries(), book.underway()), (7, 2));
        assert!(book.caught_up(2));
        book.received(2);
        assert!(book.caught_up(0));
    }

    #[test]
    fn nobody_waits_for_a_connection_that_has_ended() {
        let book = Book::new(Instant::now(), 1, 2);
        book.open.store(2, Ordering::Relaxed);
        publish(&book, &[0, 0]);
        book.received(3);
        assert_eq!(book.ended(0, 1), 2);
        assert!(book.caught_up(0));
        publish(&book, &[0]);
        assert_eq!(book.underway(), 1);
    }
}

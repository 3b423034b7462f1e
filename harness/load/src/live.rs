//! What is told while a load is on: a line each second.

use std::io::{IsTerminal, Write};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval};

use super::book::Book;

/// Whose turn it is, for who tells of it. Clones are the same.
#[derive(Clone, Default)]
pub struct Live(Arc<Mutex<Option<Scene>>>);

struct Scene {
    words: String,
    /// Of all targets of a workload, and whose turn it is.
    books: Vec<Arc<Book>>,
    now: usize,
}

impl Live {
    /// From now on it is the turn of the target that has the book `now` of `books`; `words` say in what.
    pub(crate) fn turn(&self, words: String, books: Vec<Arc<Book>>, now: usize) {
        let scene = Scene { words, books, now };
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(scene);
    }

    /// Prints a line each second to standard error, in place of the last one on a terminal. Never returns.
    pub async fn tell(self) {
        let mut seconds = interval(Duration::from_secs(1));
        seconds.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let began = Instant::now();
        let mut last = 0;
        seconds.tick().await;
        loop {
            seconds.tick().await;
            if let Some(line) = self.line(&mut last) {
                say(&format!("{:>4} s  {line}", began.elapsed().as_secs()));
            }
        }
    }

    fn line(&self, last: &mut u64) -> Option<String> {
        let scene = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Scene { words, books, now } = scene.as_ref()?;
        let deliveries = books.iter().map(|book| book.deliveries()).sum();
        let new = match *last <= deliveries {
            true => deliveries - *last,
            // Those of another workload.
            false => deliveries,
        };
        *last = deliveries;
        let Some(book) = books.get(*now) else {
            return Some(words.clone());
        };
        let open = book.open.load(Ordering::Relaxed);
        let p99 = match &*book.latencies() {
            none if none.is_empty() => String::new(),
            some => format!(", p99 {:.2} ms", some.value_at_quantile(0.99) as f64 / 1e6),
        };
        let underway = book.underway();
        Some(format!(
            "{words}: {open} open, {new} deliveries/s, {underway} under way{p99}"
        ))
    }
}

/// Prints a line that the next one replaces, on a terminal.
fn say(line: &str) {
    let mut stderr = std::io::stderr();
    // Nobody may be reading.
    let _ = match stderr.is_terminal() {
        true => write!(stderr, "\r\x1b[K{line}").and_then(|()| stderr.flush()),
        false => writeln!(stderr, "{line}"),
    };
}

/// Clears the line that would have been replaced.
pub fn clear() {
    let mut stderr = std::io::stderr();
    if stderr.is_terminal() {
        let _ = write!(stderr, "\r\x1b[K").and_then(|()| stderr.flush());
    }
}

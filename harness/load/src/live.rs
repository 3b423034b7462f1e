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
    /// Of the target whose turn it is; none while connections are opened.
    book: Option<Arc<Book>>,
    /// How many of its deliveries have been told of, or were before its turn.
    told: u64,
    /// Since when there are new ones: the last line, or where that was another's, the begin of its turn.
    since: Instant,
}

impl Live {
    /// From now on it is the turn of the target that has this `book`, or nobody's; `words` say in what.
    pub(crate) fn turn(&self, words: String, book: Option<Arc<Book>>) {
        let told = book.as_ref().map_or(0, |book| book.deliveries());
        let since = Instant::now();
        let scene = Scene {
            words,
            book,
            told,
            since,
        };
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(scene);
    }

    /// Prints a line each second to standard error, in place of the last one on a terminal. Never returns.
    pub async fn tell(self) {
        let mut seconds = interval(Duration::from_secs(1));
        seconds.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let began = Instant::now();
        seconds.tick().await;
        loop {
            seconds.tick().await;
            if let Some(line) = self.line() {
                say(&format!("{:>4} s  {line}", began.elapsed().as_secs()));
            }
        }
    }

    fn line(&self) -> Option<String> {
        let mut scene = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Scene {
            words,
            book,
            told,
            since,
        } = scene.as_mut()?;
        let Some(book) = book else {
            return Some(words.clone());
        };
        let deliveries = book.deliveries();
        let new = deliveries.saturating_sub(*told);
        *told = deliveries;
        let time = std::mem::replace(since, Instant::now()).elapsed();
        let rate = new as f64 / time.as_secs_f64().max(0.001);
        let open = book.open.load(Ordering::Relaxed);
        let p99 = match &*book.latencies() {
            none if none.is_empty() => String::new(),
            some => format!(", p99 {:.2} ms", some.value_at_quantile(0.99) as f64 / 1e6),
        };
        let underway = book.underway();
        Some(format!(
            "{words}: {open} open, {rate:.0} deliveries/s, {underway} under way{p99}"
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

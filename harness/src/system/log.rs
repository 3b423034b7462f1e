//! What the parts printed, kept for a scenario that fails.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;
use tokio::time::timeout;

use crate::client::PATIENCE;

/// How many lines of a part are shown at most.
const SHOWN: usize = 20;
/// How many lines of a part are kept at most; older ones are forgotten.
const KEPT: usize = 20_000;

/// The parts' output lines. Clones share them.
#[derive(Clone, Default)]
pub(super) struct Log {
    parts: Arc<Mutex<BTreeMap<String, Part>>>,
    pushed: Arc<Notify>,
}

/// A moment in the parts' output.
pub struct Mark(BTreeMap<String, usize>);

#[derive(Default)]
struct Part {
    forgotten: usize,
    lines: Vec<String>,
}

impl Log {
    /// Adds a line that `part` printed.
    pub fn push(&self, part: &str, line: &str) {
        let mut parts = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
        let part = parts.entry(part.to_owned()).or_default();
        if part.lines.len() >= KEPT {
            part.lines.drain(..KEPT / 2);
            part.forgotten += KEPT / 2;
        }
        part.lines.push(line.trim_end().to_owned());
        drop(parts);
        self.pushed.notify_waiters();
    }

    /// Has these lines in place of those that `part` is known to have printed.
    pub fn replace(&self, part: &str, lines: Vec<String>) {
        let mut parts = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
        parts.entry(part.to_owned()).or_default().lines = lines;
    }

    /// All that `part` has printed, once a line contains `words`; the error is the same after [`PATIENCE`] without one.
    pub async fn until(&self, part: &str, words: &str) -> Result<Vec<String>, Vec<String>> {
        let lines = || {
            let parts = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
            parts.get(part).map(|part| part.lines.clone())
        };
        let wait = async {
            loop {
                let pushed = self.pushed.notified();
                tokio::pin!(pushed);
                // Enabled before the look, so that a line between look and wait is not missed.
                pushed.as_mut().enable();
                let lines = lines().unwrap_or_default();
                if lines.iter().any(|line| line.contains(words)) {
                    return lines;
                }
                pushed.await;
            }
        };
        timeout(PATIENCE, wait)
            .await
            .map_err(|_| lines().unwrap_or_default())
    }

    pub fn mark(&self) -> Mark {
        let parts = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
        Mark(
            parts
                .iter()
                .map(|(name, part)| (name.clone(), part.forgotten + part.lines.len()))
                .collect(),
        )
    }

    /// Each part's lines since `mark`: those that contain one of `words`. Where no part has such a line, the
    /// last few of each.
    pub fn since(&self, mark: &Mark, words: &[String]) -> String {
        let parts = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
        let since = |name: &str, part: &Part| {
            let from = mark.0.get(name).copied().unwrap_or(0);
            let new = &part.lines[from.saturating_sub(part.forgotten).min(part.lines.len())..];
            new.to_vec()
        };
        let mut text = String::new();
        for (name, part) in parts.iter() {
            let mut lines = since(name, part);
            lines.retain(|line| words.iter().any(|word| line.contains(word.as_str())));
            show(&mut text, name, &lines, SHOWN);
        }
        if text.is_empty() {
            for (name, part) in parts.iter() {
                let name_and_caution = format!("{name}, naming nothing of this scenario,");
                show(&mut text, &name_and_caution, &since(name, part), SHOWN / 4);
            }
        }
        text
    }

    /// The last lines of `part`.
    pub fn tail(&self, part: &str) -> String {
        let parts = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
        let mut text = String::new();
        match parts.get(part) {
            Some(printed) => {
                show(&mut text, part, &printed.lines, SHOWN);
            }
            None => {
                let _ = writeln!(text, "{part} printed nothing");
            }
        }
        text
    }
}

fn show(text: &mut String, name: &str, lines: &[String], most: usize) {
    if lines.is_empty() {
        return;
    }
    let hidden = lines.len().saturating_sub(most);
    let _ = match hidden {
        0 => writeln!(text, "{name} printed:"),
        _ => writeln!(text, "{name} printed ({hidden} earlier lines not shown):"),
    };
    for line in &lines[hidden..] {
        let _ = writeln!(text, "  {line}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_since_a_mark_are_those_about_the_words() {
        let log = Log::default();
        log.push("gateway", "before");
        let mark = log.mark();
        log.push("gateway", "about anna");
        log.push("gateway", "about nobody");
        log.push("redis", "ready");
        assert_eq!(
            log.since(&mark, &["anna".to_owned()]),
            "gateway printed:\n  about anna\n"
        );
        let nothing = "gateway, naming nothing of this scenario, printed:\n  about anna\n  about nobody\n\
                       redis, naming nothing of this scenario, printed:\n  ready\n";
        assert_eq!(log.since(&mark, &["bert".to_owned()]), nothing);
    }

    #[test]
    fn old_lines_are_forgotten_and_marks_stay_right() {
        let log = Log::default();
        for number in 0..KEPT {
            log.push("redis", &number.to_string());
        }
        let mark = log.mark();
        log.push("redis", "new");
        assert_eq!(
            log.since(&mark, &["new".to_owned()]),
            "redis printed:\n  new\n"
        );
    }
}

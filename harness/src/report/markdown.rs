//! A run for a job summary: the verdict, the counts, and each broken promise with its smallest evidence.

use std::fmt::Write as _;

use super::failure;
use crate::results::{Fate, Results};

/// GitHub refuses a job summary of more than a MiB; a reader has had enough long before.
const MOST: usize = 60_000;

pub fn text(results: &Results) -> String {
    let (passed, failed, skipped) = results.scenario_counts();
    let [kept, broken, not_applicable, not_reached] = results.promise_counts();
    let headline = if broken > 0 {
        "the contract is broken"
    } else if failed > 0 {
        "no verdict yet"
    } else {
        "the contract is kept"
    };
    let mut text = format!("## Notification contracts: {headline}\n\n");
    let _ = writeln!(
        text,
        "`{}`: {passed} scenarios passed, {failed} failed, {skipped} skipped.\n",
        results.subject.profile
    );
    text.push_str("| promises | |\n|---|---|\n");
    let counts = [kept, broken, not_applicable, not_reached];
    for (count, word) in counts.into_iter().zip(Fate::WORDS) {
        let _ = writeln!(text, "| {word} | {count} |");
    }
    for (promise, evidence) in results.broken() {
        let _ = writeln!(
            text,
            "\n### Broken: `{}`\n\n{}",
            promise.id, promise.sentence
        );
        for seen in evidence.iter().take(1) {
            for words in &seen.words {
                let _ = writeln!(text, "\n> {}", words.replace('\n', "\n> "));
            }
            if let Some(verdict) = results.verdict(&seen.scenario) {
                let id = &seen.scenario;
                let fenced = fenced(&failure(verdict));
                let _ = writeln!(
                    text,
                    "\n<details><summary><code>{id}</code></summary>\n\n{fenced}\n</details>"
                );
            }
        }
        if evidence.len() > 1 {
            let _ = writeln!(text, "\nAlso seen by {} more.", evidence.len() - 1);
        }
    }
    for (words, ids) in &results.causes {
        let _ = writeln!(
            text,
            "\n### Not reached: {} scenarios\n\n{}",
            ids.len(),
            fenced(words)
        );
    }
    if text.len() > MOST {
        let end = text.floor_char_boundary(MOST);
        text.truncate(end);
        text.push_str("\n\n… the rest is in the report's other files.\n");
    }
    text
}

/// A code block that ends where `text` does, whatever is in it.
fn fenced(text: &str) -> String {
    let longest = text
        .split(|c| c != '`')
        .map(str::len)
        .max()
        .unwrap_or_default();
    let fence = "`".repeat(longest.max(2) + 1);
    format!("{fence}text\n{}\n{fence}", text.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::tests::{ORDER, results, verdict};
    use crate::scenario::Failure;

    #[test]
    fn a_broken_promise_is_shown_with_its_evidence() {
        let broken = Some(Failure::broken("two before one, in ```fences```"));
        let text = text(&results(
            vec![verdict("a/it", &[ORDER], broken)],
            Vec::new(),
        ));
        for part in [
            "## Notification contracts: the contract is broken\n",
            "| broken | 1 |\n",
            "### Broken: `delivery.in-order`\n",
            "\n> two before one, in ```fences```\n",
            "<details><summary><code>a/it</code></summary>\n\n````text\na/it\n",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
    }

    #[test]
    fn a_long_report_is_cut() {
        let mut long = verdict("a/it", &[ORDER], Some(Failure::broken("é".repeat(MOST))));
        long.flow = String::new();
        let text = text(&results(vec![long], Vec::new()));
        assert!(text.len() < MOST + 100 && text.ends_with("other files.\n"));
    }
}

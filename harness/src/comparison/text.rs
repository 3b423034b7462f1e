//! A comparison for a terminal: each scenario that differs with both sides, then the counts.

use std::fmt::Write as _;

use super::noticed::THERE;
use super::{Comparison, Difference, Meaning, Outcome, Row, Sides};

/// How wide a side is, in characters.
const SIDE: usize = 44;
/// How many differences of a scenario are shown at most.
const SHOWN: usize = 20;
/// How many rows with the same differences are listed at most.
const LISTED: usize = 8;
/// What stands where a side has nothing.
const NOTHING: &str = "(nothing)";

/// What clients notice when they move from the system called `old` to the one called `new`.
pub fn text(comparison: &Comparison, old: &str, new: &str) -> String {
    let mut text = String::new();
    for (row, alike) in groups(comparison) {
        if let Outcome::Different {
            differences,
            contract,
        } = &row.outcome
        {
            different(&mut text, row, differences, contract, (old, new));
            also(&mut text, &alike);
        }
    }
    for row in &comparison.rows {
        if let (Outcome::Same { contract }, Meaning::Broken | Meaning::Unknown) =
            (&row.outcome, row.meaning())
        {
            let _ = writeln!(
                text,
                "\n─── {}  {}\n{}",
                word(row.meaning()),
                row.id,
                row.title
            );
            verdicts(&mut text, contract);
        }
    }
    one_only(&mut text, comparison);
    text.push('\n');
    for (meaning, sentence) in SENTENCES {
        let count = comparison.count(meaning);
        if count > 0 {
            let _ = writeln!(text, "{count:>4}  {sentence}");
        }
    }
    text
}

/// The rows that differ, those with the same differences together: the first in full stands for the others.
fn groups(comparison: &Comparison) -> Vec<(&Row, Vec<&Row>)> {
    let mut groups: Vec<(&Row, Vec<&Row>)> = Vec::new();
    for row in &comparison.rows {
        let group = groups.iter_mut().find(|(first, _)| first.is_like(row));
        match group {
            Some((_, alike)) => alike.push(row),
            None => groups.push((row, Vec::new())),
        }
    }
    groups
}

fn also(text: &mut String, rows: &[&Row]) {
    if rows.is_empty() {
        return;
    }
    let _ = writeln!(text, "  the same in {} more:", rows.len());
    for row in rows.iter().take(LISTED) {
        let _ = writeln!(text, "    {}", row.id);
    }
    if rows.len() > LISTED {
        let _ = writeln!(text, "    … and {} more", rows.len() - LISTED);
    }
}

const SENTENCES: [(Meaning, &str); 7] = [
    (
        Meaning::Same,
        "the same for clients, and as the contract says",
    ),
    (Meaning::More, "more than before, which the contract allows"),
    (Meaning::Mended, "broken before, kept now"),
    (Meaning::OneOnly, "played on one system only"),
    (
        Meaning::Changed,
        "CHANGED: the contract allows both, and clients notice",
    ),
    (
        Meaning::Broken,
        "BROKEN: the new system breaks the contract",
    ),
    (Meaning::Unknown, "UNKNOWN: the new system was not reached"),
];

fn word(meaning: Meaning) -> &'static str {
    match meaning {
        Meaning::Same => "SAME",
        Meaning::More => "more",
        Meaning::Mended => "mended",
        Meaning::OneOnly => "one only",
        Meaning::Changed => "CHANGED",
        Meaning::Broken => "BROKEN",
        Meaning::Unknown => "UNKNOWN",
    }
}

fn different(
    text: &mut String,
    row: &Row,
    differences: &[Difference],
    contract: &Sides,
    (old, new): (&str, &str),
) {
    let _ = writeln!(
        text,
        "\n─── {}  {}\n{}\n",
        word(row.meaning()),
        row.id,
        row.title
    );
    columns(text, &format!("old: {old}"), &format!("new: {new}"));
    let mut step = (String::new(), String::new());
    for difference in differences.iter().take(SHOWN) {
        let at = (difference.client.clone(), difference.step.clone());
        if difference.detail.is_some() && at != step {
            let _ = writeln!(text, "  {}  {}", at.0, at.1);
        }
        if difference.detail.is_none() {
            let _ = writeln!(text, "  {}", at.0);
        }
        step = at;
        let side = |value: &Option<String>| match (&difference.detail, value.as_deref()) {
            (_, None) => NOTHING.to_owned(),
            (Some(detail), Some(THERE)) => detail.clone(),
            (Some(detail), Some(value)) => format!("{detail}: {value}"),
            (None, Some(value)) => value.to_owned(),
        };
        columns(text, &side(&difference.old), &side(&difference.new));
    }
    if differences.len() > SHOWN {
        let _ = writeln!(text, "  … {} more differences", differences.len() - SHOWN);
    }
    verdicts(text, contract);
}

/// What the contract says of both sides.
fn verdicts(text: &mut String, contract: &Sides) {
    for (side, wrong) in [("old", &contract.old), ("new", &contract.new)] {
        let _ = match wrong {
            None => writeln!(text, "  the contract allows the {side} one"),
            Some(wrong) => {
                let promises: Vec<&str> = wrong.promises.iter().map(String::as_str).collect();
                let words = wrong.words.lines().next().unwrap_or_default();
                writeln!(text, "  the {side} one: {}  {words}", promises.join(", "))
            }
        };
    }
}

fn one_only(text: &mut String, comparison: &Comparison) {
    let mut reasons: Vec<String> = Vec::new();
    for row in &comparison.rows {
        match &row.outcome {
            Outcome::OnlyOld(why) => reasons.push(format!("only on the old one, for {why}")),
            Outcome::OnlyNew(why) => reasons.push(format!("only on the new one, for {why}")),
            Outcome::Same { .. } | Outcome::Different { .. } => {}
        }
    }
    reasons.sort();
    for group in reasons.chunk_by(|one, next| one == next) {
        let _ = writeln!(text, "\n{} {}", group.len(), group[0]);
    }
}

/// Two texts side by side, each in as many lines as it needs.
fn columns(text: &mut String, left: &str, right: &str) {
    let (left, right) = (wrapped(left), wrapped(right));
    for at in 0..left.len().max(right.len()) {
        let side = |lines: &[String]| lines.get(at).cloned().unwrap_or_default();
        let line = format!("    {:SIDE$} │ {}", side(&left), side(&right));
        let _ = writeln!(text, "{}", line.trim_end());
    }
}

fn wrapped(text: &str) -> Vec<String> {
    let mut lines = Vec::new();
    for line in text.lines() {
        let characters: Vec<char> = line.chars().collect();
        lines.extend(characters.chunks(SIDE).map(|chunk| chunk.iter().collect()));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::super::tests::{played, step};
    use super::*;
    use crate::scenario::Failure;

    #[test]
    fn the_same_difference_is_shown_once() {
        let side = |details: &[(&str, &str)]| {
            let mut one = played(&[step("<- 200", details)], None);
            let mut two = played(&[step("<- 404", details)], None);
            one.id = "a/one".to_owned();
            two.id = "a/two".to_owned();
            [one, two]
        };
        let (old, new) = (side(&[("etag", "1")]), side(&[]));
        let comparison = Comparison::of((&old, &[]), (&new, &[]));
        let text = text(&comparison, "a.toml", "b.toml");
        assert_eq!(text.matches("etag: 1").count(), 1, "{text}");
        assert!(
            text.contains("  the same in 1 more:\n    a/two\n"),
            "{text}"
        );
    }

    #[test]
    fn both_sides_stand_beside_each_other_with_the_contracts_verdict() {
        let old = [played(
            &[
                step("-> GET /", &[]),
                step("<- 200", &[("x-correlation-id", "<correlation>")]),
            ],
            None,
        )];
        let new = [played(
            &[step("-> GET /", &[]), step("<- 200", &[])],
            Some(Failure::broken("the answer has no x-correlation-id")),
        )];
        let comparison = Comparison::of((&old, &[]), (&new, &[]));
        assert_eq!(
            text(&comparison, "a.toml", "b.toml"),
            "\n─── BROKEN  a/it\na teacher gets it\n\n    \
             old: a.toml                                  │ new: b.toml\n  \
             teacher  <- 200\n    \
             x-correlation-id: <correlation>              │ (nothing)\n  \
             the contract allows the old one\n  \
             the new one: delivery.in-order  contract broken: the answer has no x-correlation-id\n\n   \
             1  BROKEN: the new system breaks the contract\n"
        );
    }
}

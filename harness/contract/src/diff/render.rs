//! Findings for a terminal, for a program, and for a pull request.
//!
//! A definition that many messages share is one change: findings that differ in nothing but their subject are shown once,
//! with all their subjects.

use std::fmt::Write;

use serde_json::{Value, json};

use super::{Finding, Side, Verdict};

/// What is said where nothing is found.
const NOTHING: &str = "no difference that anybody would notice";
/// Of more subjects than this the first is named, and the others are counted.
const NAMED: usize = 3;
/// The version of the JSON: a member that is removed or means something else makes a new one.
const VERSION: u32 = 1;

/// The findings of one change, and what it is about.
struct Change<'f> {
    finding: &'f Finding,
    subjects: Vec<&'f str>,
}

/// For a terminal: the worst first, each with its sentence and its place, and a line of counts at the end.
pub fn text(findings: &[Finding]) -> String {
    let changes = changes(findings);
    if changes.is_empty() {
        return format!("{NOTHING}\n");
    }
    let mut text = String::new();
    for verdict in Verdict::ALL {
        let mut of_verdict = of(&changes, verdict).peekable();
        if of_verdict.peek().is_some() {
            let _ = writeln!(text, "{}", verdict.name().to_uppercase());
        }
        for change in of_verdict {
            let Finding {
                pointer, sentence, ..
            } = change.finding;
            let _ = writeln!(text, "  {} {pointer}", subjects(change));
            let _ = writeln!(text, "    {sentence}\n    {}\n", place(change.finding));
        }
    }
    // No pointer, no blank at the end of the line.
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    format!("{}\n{}\n", lines.join("\n"), counts(&changes))
}

/// For a pull request: a table for each verdict.
pub fn markdown(findings: &[Finding]) -> String {
    let changes = changes(findings);
    let mut text = "### Contract\n\n".to_owned();
    if changes.is_empty() {
        return format!("{text}{}.\n", super::words::capital(NOTHING));
    }
    let _ = writeln!(text, "{}", counts(&changes));
    for verdict in Verdict::ALL {
        let mut of_verdict = of(&changes, verdict).peekable();
        if of_verdict.peek().is_none() {
            continue;
        }
        let _ = writeln!(text, "\n#### {}\n", super::words::capital(verdict.name()));
        let _ = writeln!(text, "| What | What it means | Where |\n|---|---|---|");
        for change in of_verdict {
            let _ = writeln!(
                text,
                "| {} | {} | `{}` |",
                cell(&subjects(change)),
                cell(&change.finding.sentence),
                place(change.finding)
            );
        }
    }
    text
}

/// For a program:
///
/// ```json
/// {
///   "version": 1,
///   "counts": {"breaking": 1, "risky": 0, "safe": 0},
///   "findings": [{
///     "verdict": "breaking",
///     "subjects": ["message class_created"],
///     "pointer": "/data/priority",
///     "sentence": "…",
///     "place": "schemas/notifications/common.json:24:7",
///     "side": "head"
///   }]
/// }
/// ```
///
/// `side` says which of the two contracts `place` is in, `base` or `head`. Members may be added without a new version.
pub fn json(findings: &[Finding]) -> String {
    let changes = changes(findings);
    let count = |verdict| of(&changes, verdict).count();
    let findings: Vec<Value> = Verdict::ALL
        .into_iter()
        .flat_map(|verdict| of(&changes, verdict))
        .map(|Change { finding, subjects }| {
            json!({
                "verdict": finding.verdict.name(),
                "subjects": subjects,
                "pointer": finding.pointer,
                "sentence": finding.sentence,
                "place": finding.place,
                "side": match finding.side {
                    Side::Base => "base",
                    Side::Head => "head",
                },
            })
        })
        .collect();
    let report = json!({
        "version": VERSION,
        "counts": {
            "breaking": count(Verdict::Breaking),
            "risky": count(Verdict::Risky),
            "safe": count(Verdict::Safe),
        },
        "findings": findings,
    });
    format!("{report:#}\n")
}

/// The findings with those put together that differ only in their subject.
fn changes(findings: &[Finding]) -> Vec<Change<'_>> {
    let mut changes: Vec<Change<'_>> = Vec::new();
    for finding in findings {
        let same = |change: &&mut Change<'_>| {
            let other = change.finding;
            (other.verdict, &other.place, other.side)
                == (finding.verdict, &finding.place, finding.side)
                && (&other.pointer, &other.sentence) == (&finding.pointer, &finding.sentence)
        };
        match changes.iter_mut().find(same) {
            Some(change) => change.subjects.push(&finding.subject),
            None => changes.push(Change {
                finding,
                subjects: vec![&finding.subject],
            }),
        }
    }
    changes
}

fn of<'c>(changes: &'c [Change<'c>], verdict: Verdict) -> impl Iterator<Item = &'c Change<'c>> {
    changes
        .iter()
        .filter(move |change| change.finding.verdict == verdict)
}

fn subjects(change: &Change<'_>) -> String {
    match change.subjects.as_slice() {
        [first, more @ ..] if change.subjects.len() > NAMED => {
            format!("{first} and {} more", more.len())
        }
        few => few.join(", "),
    }
}

fn place(finding: &Finding) -> String {
    match finding.side {
        Side::Head => finding.place.clone(),
        Side::Base => format!("{} (in the base)", finding.place),
    }
}

fn counts(changes: &[Change<'_>]) -> String {
    Verdict::ALL
        .map(|verdict| format!("{} {}", of(changes, verdict).count(), verdict.name()))
        .join(", ")
}

/// A cell of a table ends at a bar.
fn cell(words: &str) -> String {
    words.replace('|', "\\|").replace('\n', " ")
}

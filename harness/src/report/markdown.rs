//! A run for a pull request or a job summary: the verdict, five lines of counts, what is broken, what changed in the
//! contract, and each changed flow as a table of values and a diagram.

use std::fmt::Write as _;

use super::base::Expected;
use super::document::{Document, Scenario};
use super::{difference, mermaid};

/// The first line: by it whoever posts the text finds the comment that it replaces.
pub const MARK: &str = "<!-- notification-contracts -->";

/// GitHub takes 65,536 characters; so much is left for whoever posts it to add a line.
const MOST: usize = 64_000;
/// How many values of a changed flow are shown at most.
const VALUES: usize = 20;
/// How many characters of a value are shown at most.
const VALUE: usize = 200;
/// How many characters of evidence are shown at most.
const EVIDENCE: usize = 8_000;

/// The run as Markdown, which is never longer than GitHub takes; what did not fit is counted.
pub fn text(document: &Document) -> String {
    let mut text = head(document);
    let mut sections = Vec::new();
    sections.extend(document.broken().map(|promise| {
        let seen = promise.evidence.first();
        let mut section = format!("\n### Broken: `{}`\n\n{}\n", promise.id, promise.sentence);
        let mut told: Vec<&String> = Vec::new();
        for words in seen.iter().flat_map(|seen| &seen.words) {
            if !told.contains(&words) {
                told.push(words);
                let words = words.replace('\n', "\n> ");
                let _ = writeln!(section, "\n> {words}");
            }
        }
        let scenario = seen.and_then(|seen| document.scenario(&seen.scenario));
        // What changed in a flow has a section of its own.
        section.extend(scenario.filter(|s| s.diff.is_none()).map(evidence));
        if promise.evidence.len() > 1 {
            let _ = writeln!(
                section,
                "\nAlso seen by {} more.",
                promise.evidence.len() - 1
            );
        }
        section
    }));
    sections.extend(contract(document));
    sections.extend(
        document
            .scenarios
            .iter()
            .filter_map(|s| changed(document, s)),
    );
    sections.extend(document.causes.iter().map(|cause| {
        let (count, words) = (cause.scenarios.len(), fenced(&cause.words));
        format!("\n### Not reached: {count} scenarios\n\n{words}\n")
    }));
    let mut left_out = 0;
    for section in sections {
        if text.chars().count() + section.chars().count() <= MOST {
            text.push_str(&section);
        } else {
            left_out += 1;
        }
    }
    if left_out > 0 {
        let sections = if left_out == 1 {
            "section does"
        } else {
            "sections do"
        };
        let _ = writeln!(
            text,
            "\n**{left_out} more {sections} not fit here:** report.html has everything."
        );
    }
    text
}

fn head(document: &Document) -> String {
    let counts = &document.counts;
    let (sign, headline) = document.verdict();
    let system = &document.system;
    let mut text = format!(
        "{MARK}\n## {sign} {headline}\n\n`{}`{}, contract {}\n\n| | |\n|---|---|\n",
        system.profile,
        system
            .runtime
            .as_ref()
            .map_or(String::new(), |at| format!(", {at}")),
        document.reference.version
    );
    let mut row = |name: &str, words: String| {
        let _ = writeln!(text, "| {name} | {words} |");
    };
    row(
        "Promises",
        format!(
            "{} kept, **{} broken**, {} not applicable, {} not reached",
            counts.kept, counts.broken, counts.not_applicable, counts.not_reached
        ),
    );
    row(
        "Scenarios",
        format!(
            "{} passed, **{} failed**, {} skipped",
            counts.passed, counts.failed, counts.skipped
        ),
    );
    let expected = || document.scenarios.iter().map(|s| document.expected(s));
    let new = expected().filter(|e| matches!(e, Expected::New(_))).count();
    let other = expected()
        .filter(|e| matches!(e, Expected::Other(..)))
        .count();
    row(
        "Flows",
        match system.reviewed {
            true => format!("{other} changed, {new} new"),
            false => "not reviewed: they are the reference's to be".to_owned(),
        },
    );
    row(
        "Contract",
        match &document.base {
            None => "compared with no base".to_owned(),
            Some(base) => {
                let count = |verdict: &str| {
                    let findings = base.findings.iter();
                    findings.filter(|f| f.verdict == verdict).count()
                };
                format!(
                    "since `{}`: **{} breaking**, {} risky, {} safe",
                    base.name,
                    count("breaking"),
                    count("risky"),
                    count("safe")
                )
            }
        },
    );
    let messages = &document.messages;
    row(
        "Messages",
        format!(
            "{} delivered once, {} duplicated, {} reordered, {} lost silently, {} lost with notice, {} leaked",
            messages.delivered,
            messages.duplicated,
            messages.reordered,
            messages.lost_silently,
            messages.lost_with_notice,
            messages.leaked
        ),
    );
    text
}

/// A scenario's flow, what became of its messages, and the log.
fn evidence(scenario: &Scenario) -> String {
    let parts = [
        scenario.flow.as_ref(),
        scenario.account.as_ref(),
        scenario.log.as_ref(),
    ];
    let parts: Vec<&str> = parts
        .into_iter()
        .flatten()
        .map(|part| part.trim_end())
        .collect();
    let whole = parts.join("\n\n");
    let shown = shortened(&whole, EVIDENCE);
    format!(
        "\n<details><summary><code>{}</code></summary>\n\n{}\n\n</details>\n",
        scenario.id,
        fenced(&shown)
    )
}

/// What changed in the contract, a sentence each.
fn contract(document: &Document) -> Option<String> {
    let base = document.base.as_ref()?;
    let mut text = format!("\n### The contract since `{}`\n", base.name);
    if base.findings.is_empty() {
        text.push_str("\nNo difference that anybody would notice.\n");
    }
    for verdict in ["breaking", "risky", "safe"] {
        let findings = base.findings.iter().filter(|f| f.verdict == verdict);
        for (number, finding) in findings.enumerate() {
            if number == 0 {
                let _ = writeln!(text, "\n**{verdict}**\n");
            }
            let pointer = match finding.pointer.as_str() {
                "" => String::new(),
                pointer => format!(" `{pointer}`"),
            };
            let _ = writeln!(
                text,
                "- {}{pointer}: {} <sub>`{}`</sub>",
                finding.subjects.join(", "),
                finding.sentence.replace('\n', " "),
                finding.place
            );
        }
    }
    Some(text)
}

/// A flow that is another one than expected: what is different, and a diagram.
fn changed(document: &Document, scenario: &Scenario) -> Option<String> {
    let (word, lanes, against) = match document.expected(scenario) {
        Expected::Same => return None,
        Expected::New(_) => ("New", Vec::new(), ""),
        Expected::Other(against, flow) => {
            let recorded = scenario.flow.as_deref().unwrap_or_default();
            ("Changed", difference::compare(flow, recorded), against)
        }
    };
    let (id, title) = (&scenario.id, &scenario.title);
    let mut text = format!("\n### {word}: `{id}`\n\n{title}\n");
    if !lanes.is_empty() {
        let against = match against.split(' ').count() {
            1 => format!("`{against}`"),
            _ => against.to_owned(),
        };
        let _ = writeln!(text, "\n| where | {against} | now |\n|---|---|---|");
        let rows: Vec<[String; 3]> = lanes.iter().flat_map(cells).collect();
        for [place, old, new] in rows.iter().take(VALUES) {
            let _ = writeln!(text, "| {place} | {old} | {new} |");
        }
        if rows.len() > VALUES {
            let _ = writeln!(text, "\n… and {} more differences.", rows.len() - VALUES);
        }
    }
    let diagram = mermaid::diagram(&scenario.lanes, &lanes);
    let _ = writeln!(
        text,
        "\n<details open><summary>what happens</summary>\n\n```mermaid\n{diagram}```\n\n</details>"
    );
    Some(text)
}

/// The cells for each difference in a lane: where, what was, what is.
fn cells(lane: &difference::Lane) -> Vec<[String; 3]> {
    use difference::Kind;
    let actor = lane.name.split(" (").next().unwrap_or_default();
    let mut cells = Vec::new();
    for row in lane.rows.iter().filter(|row| row.kind != Kind::Same) {
        let line = |side: &Option<String>| {
            let line = side.as_ref().and_then(|text| text.lines().next());
            line.map_or(String::new(), code)
        };
        let (old, new) = (line(&row.old), line(&row.new));
        match row.kind {
            Kind::Changed if !row.values.is_empty() => {
                cells.extend(row.values.iter().map(|value| {
                    let place = format!("{actor}: {new} {}", code(&value.pointer));
                    let side = |side: &Option<String>| side.as_deref().map_or(String::new(), code);
                    let old = match &value.moved_from {
                        Some(from) => format!("at {}", code(from)),
                        None => side(&value.old),
                    };
                    [place, old, side(&value.new)]
                }));
                if old != new {
                    cells.push([actor.to_owned(), old, new]);
                }
            }
            Kind::Changed if old == new => {
                cells.push([
                    format!("{actor}: {new}"),
                    String::new(),
                    "members in another order".into(),
                ]);
            }
            Kind::MovedFrom => {
                cells.push([actor.to_owned(), format!("{old} (moved)"), String::new()])
            }
            Kind::MovedTo => {
                cells.push([actor.to_owned(), String::new(), format!("{new} (moved)")])
            }
            _ => cells.push([actor.to_owned(), old, new]),
        }
    }
    cells
}

/// Text as code in a cell of a table.
fn code(text: &str) -> String {
    let text = shortened(text, VALUE)
        .replace('|', "\\|")
        .replace('\n', " ");
    let fence = fence(&text, 1);
    match text.contains('`') {
        true => format!("{fence} {text} {fence}"),
        false => format!("{fence}{text}{fence}"),
    }
}

fn shortened(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => {
            let left = text[end..].chars().count();
            format!("{}… ({left} more characters)", &text[..end])
        }
        None => text.to_owned(),
    }
}

/// A code block that ends where `text` does, whatever is in it.
fn fenced(text: &str) -> String {
    let fence = fence(text, 3);
    format!("{fence}text\n{}\n{fence}", text.trim_end())
}

/// More backticks than stand together in `text`, and at least so many.
fn fence(text: &str, least: usize) -> String {
    let runs = text.split(|c| c != '`').map(str::len);
    "`".repeat(runs.max().map_or(least, |longest| least.max(longest + 1)))
}

#[cfg(test)]
mod tests {
    use super::super::base::Base;
    use super::super::document::tests::of_every_kind;
    use super::*;
    use crate::results::tests::{ORDER, results, verdict};
    use crate::scenario::Failure;

    /// What GitHub takes.
    const LIMIT: usize = 65_536;

    fn of(verdicts: Vec<crate::verdict::Verdict>) -> Document {
        Document::of(&results(verdicts, Vec::new()))
    }

    #[test]
    fn a_broken_promise_is_shown_with_its_evidence() {
        let broken = Some(Failure::broken("two before one, in ```fences```"));
        let text = text(&of(vec![verdict("a/it", &[ORDER], broken)]));
        for part in [
            "## ❌ The contract is broken\n",
            "| Promises | 0 kept, **1 broken**, 0 not applicable, 0 not reached |\n",
            "| Contract | compared with no base |\n",
            "### Broken: `delivery.in-order`\n",
            "\n> two before one, in ```fences```\n",
            "<details><summary><code>a/it</code></summary>\n\n```text\nflow of a/it\n```\n",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
    }

    #[test]
    fn a_changed_value_stands_in_a_table_and_its_flow_in_a_diagram() {
        let mut document = of_every_kind();
        let flow = |value: &str| {
            format!(
                "anna/1 (WebSocket client)\n  <- text #1 e\n     {{\n       \"a|b\": {value}\n     }}\n"
            )
        };
        let scenario = document
            .scenarios
            .iter_mut()
            .find(|s| s.id == "a/kept")
            .unwrap();
        scenario.flow = Some(flow("2"));
        document.base = Some(Base {
            name: "main".into(),
            flows: [("a/kept".to_owned(), Some(flow("1")))].into(),
            ..Base::default()
        });
        let text = text(&document);
        for part in [
            "| Flows | 1 changed, 0 new |\n",
            "### Changed: `a/kept`\n",
            "| where | `main` | now |\n",
            "| anna/1: `<- text #1 e` `/a\\|b` | `1` | `2` |\n",
            "```mermaid\nsequenceDiagram\n",
            "No difference that anybody would notice.",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
    }

    #[test]
    fn a_long_report_fits_and_says_what_it_leaves_out() {
        let long = |number: usize| {
            let words = "é".repeat(20_000);
            verdict(
                &format!("a/{number}"),
                &[ORDER],
                Some(Failure::System(words)),
            )
        };
        let mut document = of((0..9).map(long).collect());
        for number in 0..9 {
            let cause = document.causes[0].clone();
            document.causes.push(super::super::document::Cause {
                words: format!("{number} {}", cause.words),
                ..cause
            });
        }
        let text = text(&document);
        assert!(text.chars().count() < LIMIT);
        assert!(
            text.ends_with("7 more sections do not fit here:** report.html has everything.\n"),
            "{}",
            &text[text.len() - 100..]
        );
    }
}

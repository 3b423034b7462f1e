//! Two flows compared by what they mean: lanes by name, steps in their order, JSON by path. What moved is not removed.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;
use similar::{Algorithm, DiffOp, capture_diff_slices};

use super::values::{Difference, differences};

/// One lane of both flows.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Lane {
    /// The actor.
    pub name: String,
    /// What it did, side by side.
    pub rows: Vec<Row>,
}

/// One step of both flows, or of one.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// How the sides compare.
    pub kind: Kind,
    /// The step that was expected; none where nothing was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub old: Option<String>,
    /// The step that was recorded; none where it is missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub new: Option<String>,
    /// How the JSON of the step differs.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<Difference>,
}

/// How the sides of a row compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Both are the same.
    Same,
    /// One stands for the other, and something in it is different.
    Changed,
    /// It is no longer there.
    Removed,
    /// It is new.
    Added,
    /// It was here, and is at another place of the lane now.
    MovedFrom,
    /// It is here now, and was at another place of the lane.
    MovedTo,
}

/// A line of a flow's text, with the JSON below it.
#[derive(Clone, Debug, Default, PartialEq)]
struct Step {
    line: String,
    json: Option<Value>,
}

/// The lanes of `expected` and `actual`, which are flows' texts, side by side; those that are the same as well.
pub fn compare(expected: &str, actual: &str) -> Vec<Lane> {
    let (old, new) = (lanes(expected), lanes(actual));
    let names = |lanes: &[(String, Vec<Step>)]| -> Vec<String> {
        lanes
            .iter()
            .map(|(title, _)| name(title).to_owned())
            .collect()
    };
    let mut compared = Vec::new();
    for op in capture_diff_slices(Algorithm::Myers, &names(&old), &names(&new)) {
        if let DiffOp::Equal { .. } = op {
            for (old, new) in old[op.old_range()].iter().zip(&new[op.new_range()]) {
                compared.push(lane(Some(old), Some(new)));
            }
        } else {
            let gone = old[op.old_range()].iter().map(|old| lane(Some(old), None));
            compared.extend(gone);
            let come = new[op.new_range()].iter().map(|new| lane(None, Some(new)));
            compared.extend(come);
        }
    }
    compared
}

fn lane(old: Option<&(String, Vec<Step>)>, new: Option<&(String, Vec<Step>)>) -> Lane {
    let title = |side: Option<&(String, Vec<Step>)>| side.map(|(title, _)| title.clone());
    let steps = |side: Option<&(String, Vec<Step>)>| {
        side.map(|(_, steps)| steps.clone()).unwrap_or_default()
    };
    let mut compared = Vec::new();
    // How many are alike stands in the title.
    if let (Some(was), Some(is)) = (title(old), title(new))
        && was != is
    {
        compared.push(Row {
            kind: Kind::Changed,
            old: Some(was),
            new: Some(is),
            values: Vec::new(),
        });
    }
    compared.extend(rows(&steps(old), &steps(new)));
    Lane {
        name: title(new).or(title(old)).unwrap_or_default(),
        rows: compared,
    }
}

fn rows(old: &[Step], new: &[Step]) -> Vec<Row> {
    let lines = |steps: &[Step]| steps.iter().map(|s| s.line.clone()).collect::<Vec<_>>();
    let ops = capture_diff_slices(Algorithm::Myers, &lines(old), &lines(new));
    let moved = moved(old, new, &ops);
    let mut rows = Vec::new();
    for op in ops {
        let (old_range, new_range) = (op.old_range(), op.new_range());
        if let DiffOp::Equal { .. } = op {
            for (old, new) in old[old_range].iter().zip(&new[new_range]) {
                rows.push(pair(old, new));
            }
            continue;
        }
        let gone = old_range.filter_map(|at| match moved.contains_key(&at) {
            true => {
                rows.push(row(Kind::MovedFrom, Some(&old[at]), None));
                None
            }
            false => Some(&old[at]),
        });
        let mut gone = gone.collect::<Vec<_>>().into_iter();
        for at in new_range {
            if moved.values().any(|to| *to == at) {
                rows.push(row(Kind::MovedTo, None, Some(&new[at])));
                continue;
            }
            match gone.next() {
                Some(old) if is_like(old, &new[at]) => rows.push(pair(old, &new[at])),
                Some(old) => {
                    rows.push(row(Kind::Removed, Some(old), None));
                    rows.push(row(Kind::Added, None, Some(&new[at])));
                }
                None => rows.push(row(Kind::Added, None, Some(&new[at]))),
            }
        }
        rows.extend(gone.map(|old| row(Kind::Removed, Some(old), None)));
    }
    rows
}

/// Of the steps that are gone, those that stand somewhere else now: from where, and where.
fn moved(old: &[Step], new: &[Step], ops: &[DiffOp]) -> BTreeMap<usize, usize> {
    let changed = || ops.iter().filter(|op| !matches!(op, DiffOp::Equal { .. }));
    let mut come: Vec<usize> = changed().flat_map(DiffOp::new_range).collect();
    let mut moved = BTreeMap::new();
    for from in changed().flat_map(DiffOp::old_range) {
        // What a scenario says over and over has no place of its own.
        if let Some(at) = come.iter().position(|to| new[*to] == old[from]) {
            moved.insert(from, come.remove(at));
        }
    }
    moved
}

fn row(kind: Kind, old: Option<&Step>, new: Option<&Step>) -> Row {
    Row {
        kind,
        old: old.map(Step::text),
        new: new.map(Step::text),
        values: Vec::new(),
    }
}

/// Two steps of which one stands for the other.
fn pair(old: &Step, new: &Step) -> Row {
    let values = match (&old.json, &new.json) {
        (Some(old), Some(new)) => differences(old, new),
        _ => Vec::new(),
    };
    let same = old.text() == new.text();
    Row {
        kind: if same { Kind::Same } else { Kind::Changed },
        values,
        ..row(Kind::Changed, Some(old), Some(new))
    }
}

/// Whether one may stand for the other: both travel the same way, and are the same kind of thing.
fn is_like(old: &Step, new: &Step) -> bool {
    let kind = |step: &Step| {
        let (arrow, rest) = step.line.split_at_checked(3).unwrap_or_default();
        match rest.split(' ').next().unwrap_or_default() {
            // A status, whichever.
            word if word.parse::<u16>().is_ok() => format!("{arrow}status"),
            word => format!("{arrow}{word}"),
        }
    };
    match (travels(&old.line), travels(&new.line)) {
        (true, true) => kind(old) == kind(new),
        (false, false) => old.line.split(' ').next() == new.line.split(' ').next(),
        _ => false,
    }
}

fn travels(line: &str) -> bool {
    line.starts_with("-> ") || line.starts_with("<- ")
}

impl Step {
    fn text(&self) -> String {
        match &self.json {
            Some(json) => {
                let json = serde_json::to_string_pretty(json).unwrap_or_default();
                format!("{}\n{json}", self.line)
            }
            None => self.line.clone(),
        }
    }
}

/// What a lane's title calls the actor.
fn name(title: &str) -> &str {
    title.split(" (").next().unwrap_or(title)
}

/// The lanes of a flow's text: a title, and steps that are indented below it. JSON belongs to the step before it; every
/// other line is a step of its own.
fn lanes(text: &str) -> Vec<(String, Vec<Step>)> {
    let mut lanes: Vec<(String, Vec<Step>)> = Vec::new();
    let mut json = String::new();
    for line in text.lines() {
        if line.is_empty() {
            continue;
        }
        let Some(step) = line.strip_prefix("  ") else {
            lanes.push((line.to_owned(), Vec::new()));
            json.clear();
            continue;
        };
        let Some((_, steps)) = lanes.last_mut() else {
            continue;
        };
        let text = step.strip_prefix("   ").unwrap_or(step);
        if json.is_empty() && !matches!(text, "{" | "[" | "{}" | "[]") {
            steps.push(Step {
                line: text.to_owned(),
                json: None,
            });
            continue;
        }
        json.push_str(text);
        json.push('\n');
        if let Ok(value) = serde_json::from_str(&json) {
            match steps.iter_mut().rev().find(|step| travels(&step.line)) {
                Some(step) if step.json.is_none() => step.json = Some(value),
                _ => steps.push(Step {
                    line: String::new(),
                    json: Some(value),
                }),
            }
            json.clear();
        }
    }
    lanes
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn count(lanes: &[Lane]) -> usize {
        let rows = lanes.iter().flat_map(|lane| &lane.rows);
        rows.filter(|row| row.kind != Kind::Same).count()
    }

    fn kinds(expected: &str, actual: &str) -> Vec<(Kind, Option<String>, Option<String>)> {
        let flow = |steps: &str| format!("anna/1 (WebSocket client)\n{steps}");
        let lanes = compare(&flow(expected), &flow(actual));
        assert_eq!(lanes.len(), 1);
        let rows = lanes.into_iter().flat_map(|lane| lane.rows);
        rows.filter(|row| row.kind != Kind::Same)
            .map(|row| (row.kind, row.old, row.new))
            .collect()
    }

    #[rstest]
    #[case::the_same("  -> a 1\n", "  -> a 1\n", &[])]
    #[case::a_step_more("  -> a 1\n", "  -> a 1\n  <- b 2\n", &[(Kind::Added, "", "<- b 2")])]
    #[case::a_step_less("  -> a 1\n  <- b 2\n", "  -> a 1\n", &[(Kind::Removed, "<- b 2", "")])]
    #[case::another_status("  <- 200 OK\n", "  <- 404 Not Found\n", &[(Kind::Changed, "<- 200 OK", "<- 404 Not Found")])]
    #[case::something_else("  <- text x\n", "  <- close 1011\n", &[(Kind::Removed, "<- text x", ""), (Kind::Added, "", "<- close 1011")])]
    #[case::moved("  <- text #1 a\n  <- text #2 b\n  <- text #3 c\n", "  <- text #2 b\n  <- text #3 c\n  <- text #1 a\n", &[(Kind::MovedFrom, "<- text #1 a", ""), (Kind::MovedTo, "", "<- text #1 a")])]
    #[case::a_note("     over a slow network\n", "     over a fast network\n", &[(Kind::Changed, "over a slow network", "over a fast network")])]
    fn of_steps(
        #[case] expected: &str,
        #[case] actual: &str,
        #[case] found: &[(Kind, &str, &str)],
    ) {
        let some = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        let found: Vec<_> = found
            .iter()
            .map(|(kind, old, new)| (*kind, some(old), some(new)))
            .collect();
        assert_eq!(kinds(expected, actual), found);
    }

    #[test]
    fn json_is_compared_by_path_wherever_it_stands() {
        let flow = |priority: &str| {
            format!(
                "backend (publishes in Redis)\n  -> PUBLISH ws:x  #1 e\n     {{\n       \"data\": {{\n         \
                 \"priority\": \"{priority}\"\n       }}\n     }}\n     a note\n"
            )
        };
        let lanes = compare(&flow("low"), &flow("high"));
        let rows = &lanes[0].rows;
        assert_eq!(rows.len(), 2);
        assert_eq!((rows[0].kind, rows[1].kind), (Kind::Changed, Kind::Same));
        let value = &rows[0].values[0];
        assert_eq!(value.pointer, "/data/priority");
        assert_eq!(value.old.as_deref(), Some("\"low\""));
        assert_eq!(value.new.as_deref(), Some("\"high\""));
        assert_eq!(count(&lanes), 1);
    }

    #[test]
    fn a_lane_that_only_one_side_has_is_all_new_or_all_gone() {
        let anna = "anna/1 (WebSocket client)\n  <- text a\n";
        let lanes = compare(anna, "bert/1 (WebSocket client)\n  <- text a\n");
        let rows: Vec<(&str, Kind)> = (lanes.iter())
            .map(|lane| (lane.name.as_str(), lane.rows[0].kind))
            .collect();
        assert_eq!(
            rows,
            [
                ("anna/1 (WebSocket client)", Kind::Removed),
                ("bert/1 (WebSocket client)", Kind::Added)
            ]
        );
    }

    #[test]
    fn no_reviewed_flow_differs_from_itself_and_none_loses_a_line() {
        let files = crate::data::data().list("snapshots").unwrap();
        let files = files.iter().filter(|file| file.ends_with(".snap"));
        let mut seen = 0;
        for file in files {
            let text = crate::data::data().read(file).unwrap();
            let flow = crate::snapshot::flow_of(file, &text).unwrap();
            let lanes = compare(&flow, &flow);
            assert_eq!(count(&lanes), 0, "{file}");
            let lines = |lane: &Lane| -> usize {
                let texts = lane.rows.iter().filter_map(|row| row.new.as_ref());
                1 + texts.map(|text| text.lines().count()).sum::<usize>()
            };
            let all: usize = lanes.iter().map(lines).sum();
            let written = flow.lines().filter(|line| !line.is_empty()).count();
            assert_eq!(all, written, "{file}");
            seen += 1;
        }
        assert!(seen > 200, "{seen} flows");
    }
}

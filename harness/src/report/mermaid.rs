//! A flow as a sequence diagram that GitHub draws: what changed stands on a coloured ground.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::actors::{Ends, actors, ends};
use super::difference::{self, Kind};
use crate::flow::told::{Arrow, Lane, Step};

/// How many steps are drawn at most: more is no overview.
const STEPS: usize = 40;
/// How many characters of a step's words are shown.
const WORDS: usize = 80;

/// The diagram of a flow with these lanes, the steps that differ in `compared` marked.
pub fn diagram(lanes: &[Lane], compared: &[difference::Lane]) -> String {
    let mut text = String::from("sequenceDiagram\n");
    let actors = actors(lanes);
    for (number, actor) in actors.iter().enumerate() {
        let _ = writeln!(text, "  participant p{number} as {}", escaped(actor));
    }
    let mut steps: Vec<(&Lane, usize, &Step)> = (lanes.iter())
        .flat_map(|lane| {
            lane.steps
                .iter()
                .enumerate()
                .map(move |(n, step)| (lane, n, step))
        })
        .collect();
    steps.sort_by_key(|(_, _, step)| step.place);
    let changed = changed(compared);
    for (lane, number, step) in steps.iter().take(STEPS) {
        let Ends { from, to } = ends(lane, *number, &actors);
        let words = shortened(&escaped(&step.head));
        let line = match (from, to) {
            (from, to) if from == to => format!("Note over p{from}: {words}"),
            (from, to) if step.forbidden => format!("p{from}-xp{to}: {words}"),
            (from, to) => format!("p{from}->>p{to}: {words}"),
        };
        if changed.contains(&(title(lane), line_of(step))) {
            let _ = writeln!(text, "  rect rgba(255, 190, 0, 0.3)\n  {line}\n  end");
        } else {
            let _ = writeln!(text, "  {line}");
        }
    }
    if let (Some(more @ 1..), Some(last)) =
        (steps.len().checked_sub(STEPS), actors.len().checked_sub(1))
    {
        let _ = writeln!(text, "  Note over p0,p{last}: … and {more} more steps");
    }
    text
}

/// The lane and the line of each step that is new or different.
fn changed(compared: &[difference::Lane]) -> BTreeSet<(String, String)> {
    let rows = compared.iter().flat_map(|lane| {
        let rows = lane.rows.iter().filter(|row| row.kind != Kind::Same);
        rows.map(move |row| (lane, row))
    });
    rows.filter_map(|(lane, row)| {
        let line = row.new.as_ref()?.lines().next()?;
        Some((lane.name.clone(), line.to_owned()))
    })
    .collect()
}

fn title(lane: &Lane) -> String {
    format!("{} ({})", lane.name, lane.what)
}

fn line_of(step: &Step) -> String {
    let arrow = match step.arrow {
        Some(Arrow::Out) => "-> ",
        Some(Arrow::In) => "<- ",
        None => "",
    };
    format!("{arrow}{}", step.head)
}

/// Words in which nothing is a part of the diagram: what could be is written as a character's number.
fn escaped(words: &str) -> String {
    let mut text = String::new();
    for c in words.chars() {
        match c {
            '#' | ';' | '<' | '>' | ':' | '"' | '%' | '`' | '{' | '}' | '\\' => {
                let _ = write!(text, "#{};", u32::from(c));
            }
            c if c.is_control() => text.push(' '),
            c => text.push(c),
        }
    }
    text
}

/// So many characters, none of an escaped one cut.
fn shortened(escaped: &str) -> String {
    let Some((end, _)) = escaped.char_indices().nth(WORDS) else {
        return escaped.to_owned();
    };
    let shown = &escaped[..end];
    let whole = match (shown.rfind('#'), shown.rfind(';')) {
        (Some(begin), Some(end)) if begin < end => shown,
        (Some(begin), _) => &shown[..begin],
        _ => shown,
    };
    format!("{whole}…")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::told::{Kind as StepKind, Role};

    #[test]
    fn arrows_go_from_one_to_another_and_what_is_forbidden_ends_in_a_cross() {
        let step = |arrow, head: &str, place| Step {
            place,
            ..Step::new(StepKind::Message, arrow, head)
        };
        let publish = Step {
            place: 1,
            ..Step::new(
                StepKind::Publish,
                Some(Arrow::Out),
                "PUBLISH ws:<x>  #1 a; b",
            )
        };
        let again = Step {
            forbidden: true,
            ..step(Some(Arrow::In), "text #1, again", 3)
        };
        let lane = |name: &str, role, steps| Lane {
            name: name.into(),
            role,
            what: "w".into(),
            steps,
        };
        let lanes = [
            lane("backend", Role::Backend, vec![publish]),
            lane(
                "anna/1",
                Role::Client,
                vec![
                    step(Some(Arrow::In), "text #1", 2),
                    again,
                    step(None, "the end", 4),
                ],
            ),
        ];
        let expected = difference::compare(
            "anna/1 (w)\n  <- text #1\n",
            "anna/1 (w)\n  <- text #1\n  <- text #1, again\n",
        );
        assert_eq!(
            diagram(&lanes, &expected),
            "sequenceDiagram\n  participant p0 as backend\n  participant p1 as Redis\n  \
             participant p2 as websocket service\n  participant p3 as anna/1\n  \
             p0->>p1: PUBLISH ws#58;#60;x#62;  #35;1 a#59; b\n  \
             p2->>p3: text #35;1\n  \
             rect rgba(255, 190, 0, 0.3)\n  p2-xp3: text #35;1, again\n  end\n  \
             Note over p3: the end\n"
        );
    }

    #[test]
    fn no_escaped_character_is_cut() {
        for length in 70..90 {
            let words = shortened(&escaped(&format!("{}<<<<<<", "x".repeat(length))));
            assert!(
                !words
                    .trim_end_matches('…')
                    .ends_with(|c: char| c.is_ascii_digit() || c == '#'),
                "{words}"
            );
        }
    }
}

//! A run for a terminal: what went wrong first, then the promises by area, then the counts.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::failure;
use crate::ledger::Totals;
use crate::results::{Evidence, Fate, Kept, Results};
use crate::scenario::Failure;
use crate::snapshot::Change;
use crate::verdict::Verdict;

/// How many ids are listed at most.
const LISTED: usize = 12;

pub fn text(results: &Results) -> String {
    let mut text = String::new();
    let mut shown = BTreeSet::new();
    for (promise, evidence) in results.broken() {
        broken(&mut text, results, promise, evidence, &mut shown);
    }
    // A flow that is not the reviewed one, or waits for review, is news by itself; so is a bug.
    for verdict in &results.verdicts {
        if stands_alone(verdict) && shown.insert(verdict.id.as_str()) {
            let _ = writeln!(text, "\n─── {}", failure(verdict));
        }
    }
    for (words, ids) in &results.causes {
        let _ = writeln!(text, "\n─── NOT REACHED  {words}");
        listed(&mut text, "kept from being played", ids);
    }
    let _ = writeln!(text, "\n{}", by_area(results));
    for promise in &results.promises {
        let (word, reasons) = match &promise.fate {
            Fate::Broken(evidence) => ("BROKEN", flaky(results, evidence).into_iter().collect()),
            Fate::NotReached(reasons) => ("not reached", reasons.clone()),
            Fate::Kept | Fate::NotApplicable(_) => continue,
        };
        let _ = writeln!(text, "{word}  {}  {}", promise.id, promise.sentence);
        for reason in reasons {
            let _ = writeln!(text, "    {}", reason.lines().next().unwrap_or_default());
        }
    }
    let counts = results.promise_counts().into_iter().zip(Fate::WORDS);
    let counts = counts.filter(|(count, word)| *count > 0 || *word == "kept");
    let counts: Vec<String> = counts.map(|(n, word)| format!("{n} {word}")).collect();
    let _ = writeln!(
        text,
        "{} promises: {}",
        results.promises.len(),
        counts.join(", ")
    );
    let totals = results.totals();
    if totals != Totals::default() {
        let _ = writeln!(text, "messages: {totals}");
    }
    for (reason, count) in results.skip_reasons() {
        let _ = writeln!(text, "{count} skipped: {reason}");
    }
    let flaky: Vec<String> = (results.verdicts.iter().filter(|v| v.is_flaky()))
        .map(|v| format!("{} ({} of {} rounds failed)", v.id, v.failed, v.rounds))
        .collect();
    if !flaky.is_empty() {
        let _ = writeln!(text, "flaky: {}", flaky.join(", "));
    }
    let (passed, failed, skipped) = results.scenario_counts();
    let skipped = match skipped {
        0 => String::new(),
        skipped => format!(", {skipped} skipped"),
    };
    let _ = writeln!(text, "\n{passed} passed, {failed} failed{skipped}");
    text
}

/// A broken promise: its sentence, the smallest evidence in full, and what else saw it.
fn broken<'a>(
    text: &mut String,
    results: &'a Results,
    promise: &Kept,
    evidence: &'a [Evidence],
    shown: &mut BTreeSet<&'a str>,
) {
    let _ = writeln!(text, "\n─── BROKEN  {}\n{}", promise.id, promise.sentence);
    let Some((first, others)) = evidence.split_first() else {
        return;
    };
    match results.verdict(&first.scenario) {
        Some(verdict) if shown.insert(&first.scenario) => {
            let _ = write!(text, "\n{}", failure(verdict));
        }
        _ => {
            let words = first.words.join("\n    ");
            let _ = writeln!(text, "\n{} (above)\n    {words}", first.scenario);
        }
    }
    let others: Vec<String> = others.iter().map(|e| e.scenario.clone()).collect();
    if !others.is_empty() {
        listed(text, "also seen by", &others);
    }
}

fn listed(text: &mut String, what: &str, ids: &[String]) {
    let _ = writeln!(text, "{what} {}:", scenarios(ids.len()));
    for id in ids.iter().take(LISTED) {
        let _ = writeln!(text, "  {id}");
    }
    if ids.len() > LISTED {
        let _ = writeln!(text, "  … and {} more", ids.len() - LISTED);
    }
}

fn scenarios(count: usize) -> String {
    format!("{count} scenario{}", if count == 1 { "" } else { "s" })
}

fn stands_alone(verdict: &Verdict) -> bool {
    verdict.result.as_ref().is_err_and(|broken| {
        let unlike_others = matches!(broken.failure, Failure::Unreviewed(_) | Failure::Bug(_));
        unlike_others || matches!(broken.change, Some(Change::Flow(_)))
    })
}

/// In how many rounds the scenarios that saw it failed, if it was not in all.
fn flaky(results: &Results, evidence: &[Evidence]) -> Option<String> {
    let verdicts = evidence.iter().filter_map(|e| results.verdict(&e.scenario));
    let verdicts: Vec<&Verdict> = verdicts.collect();
    if !verdicts.iter().all(|verdict| verdict.is_flaky()) {
        return None;
    }
    let worst = verdicts.iter().max_by_key(|verdict| verdict.failed)?;
    let (failed, rounds) = (worst.failed, worst.rounds);
    Some(format!("flaky: seen in {failed} of {rounds} rounds"))
}

/// A line for each area of the contract with its promises' verdicts.
fn by_area(results: &Results) -> String {
    let mut areas: BTreeMap<&str, [usize; 4]> = BTreeMap::new();
    for promise in &results.promises {
        let counts = areas.entry(promise.area()).or_default();
        let at = Fate::WORDS
            .iter()
            .position(|word| *word == promise.fate.word());
        counts[at.unwrap_or_default()] += 1;
    }
    let width = areas.keys().map(|area| area.len()).max().unwrap_or(0);
    let mut text = String::new();
    for (area, counts) in areas {
        let words = counts.into_iter().zip(Fate::WORDS);
        let words = words.filter(|(count, _)| *count > 0);
        let words: Vec<String> = words
            .map(|(count, word)| match word {
                "broken" => format!("{count} BROKEN"),
                word => format!("{count} {word}"),
            })
            .collect();
        let _ = writeln!(text, "  {area:width$}  {}", words.join(", "));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::tests::{ONCE, ORDER, results, scenario, verdict};
    use crate::verdict::{Reason, Skipped};

    #[test]
    fn what_is_broken_is_told_once_with_the_smallest_evidence() {
        let broken = |words: &str| Some(Failure::broken(words));
        let mut long = verdict("a/long", &[ORDER], broken("three before two"));
        long.flow = "a long flow\n".repeat(9);
        let played = vec![
            long,
            verdict("a/short", &[ORDER], broken("two before one")),
            verdict("b/good", &[ONCE], None),
        ];
        let text = text(&results(played, Vec::new()));
        assert_eq!(
            text,
            "\n─── BROKEN  delivery.in-order\n\
             The messages of a user arrive on each connection in the order in which Redis accepted them.\n\n\
             a/short\n  a teacher gets it\n\n\
             contract broken: two before one\n\nthe flow:\n  flow of a/short\n\n\
             next: mend the service and run `cargo verify a/short`\n\
             also seen by 1 scenario:\n  a/long\n\n  \
             delivery  1 kept, 1 BROKEN\n\n\
             BROKEN  delivery.in-order  The messages of a user arrive on each connection in the order in which Redis accepted them.\n\
             2 promises: 1 kept, 1 broken\n\n1 passed, 2 failed\n"
        );
    }

    #[test]
    fn what_was_not_reached_and_what_was_skipped_have_their_reason_once() {
        let gone = || Some(Failure::System("the gateway is gone".to_owned()));
        let played = vec![
            verdict("a/one", &[ORDER], gone()),
            verdict("a/two", &[ORDER], gone()),
        ];
        let lacking = Reason::Lacking("it lacks faults".to_owned());
        let skipped = vec![Skipped::of(&scenario("b/three", &[ONCE]), lacking)];
        let text = text(&results(played, skipped));
        assert!(
            text.starts_with(
                "\n─── NOT REACHED  the gateway is gone\nkept from being played 2 scenarios:\n"
            ),
            "{text}"
        );
        assert!(
            text.ends_with(
                "2 promises: 0 kept, 1 not applicable, 1 not reached\n\
                 1 skipped: it lacks faults\n\n0 passed, 2 failed, 1 skipped\n"
            ),
            "{text}"
        );
    }

    #[test]
    fn what_became_of_the_messages_is_told_in_one_line() {
        let mut played = [
            verdict("a/x", &[ORDER], None),
            verdict("a/y", &[ORDER], None),
        ];
        played[0].totals.delivered = 5;
        played[1].totals.delivered = 2;
        played[1].totals.lost_with_notice = 1;
        let text = text(&results(played.to_vec(), Vec::new()));
        let line = "messages: 7 delivered once, 0 duplicated, 0 reordered, 0 lost silently, 1 lost with notice, \
                    0 leaked\n";
        assert!(text.contains(line), "{text}");
    }

    #[test]
    fn a_scenario_that_failed_in_some_rounds_is_flaky() {
        let mut flaky = verdict("a/one", &[ORDER], Some(Failure::broken("late")));
        flaky.rounds = 20;
        flaky.failed = 3;
        let text = text(&results(vec![flaky], Vec::new()));
        assert!(
            text.contains("    flaky: seen in 3 of 20 rounds\n"),
            "{text}"
        );
        assert!(
            text.contains("flaky: a/one (3 of 20 rounds failed)\n"),
            "{text}"
        );
    }
}

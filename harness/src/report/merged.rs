//! The parts of a run that was divided over machines, as one.

use std::collections::BTreeSet;

use super::document::{Cause, Counts, Document, Promise};
use crate::partition::Partition;

/// The verdicts on a promise, from the one that outweighs all others.
const WEIGHTS: [&str; 4] = ["broken", "not-reached", "kept", "not-applicable"];

/// All of `parts` as the document of one run. Fails where they are not all parts of the same run, each once.
pub fn merged(parts: Vec<Document>) -> Result<Document, String> {
    complete(&parts)?;
    let mut parts = parts.into_iter();
    let Some(mut whole) = parts.next() else {
        return Err("there is nothing to merge".to_owned());
    };
    whole.system.partition = None;
    // What a part was compared with is compared again by whoever wants it: a flow of another part is not gone.
    whole.base = None;
    for part in parts {
        whole.scenarios.extend(part.scenarios);
        whole.messages += part.messages;
        for cause in part.causes {
            add_cause(&mut whole.causes, cause);
        }
        for promise in part.promises {
            add_promise(&mut whole.promises, promise);
        }
        whole.system.seed = whole
            .system
            .seed
            .filter(|seed| Some(*seed) == part.system.seed);
    }
    whole.scenarios.sort_by(|a, b| a.id.cmp(&b.id));
    whole.causes.sort_by(|a, b| a.words.cmp(&b.words));
    for cause in &mut whole.causes {
        cause.scenarios.sort();
    }
    let order = &whole.reference.promises;
    whole
        .promises
        .sort_by_key(|promise| order.iter().position(|id| *id == promise.id));
    let length = |id: &str| {
        let scenario = whole.scenarios.iter().find(|scenario| scenario.id == id);
        scenario
            .and_then(|scenario| scenario.flow.as_ref())
            .map_or(0, String::len)
    };
    for promise in &mut whole.promises {
        promise.scenarios.sort();
        promise.reasons.sort();
        promise.reasons.dedup();
        promise
            .evidence
            .sort_by_key(|evidence| (length(&evidence.scenario), evidence.scenario.clone()));
    }
    whole.counts = Counts::of(&whole.scenarios, &whole.promises);
    Ok(whole)
}

/// Whether `parts` are all parts of one run, each once.
fn complete(parts: &[Document]) -> Result<(), String> {
    let mut numbers = BTreeSet::new();
    let mut of = None;
    for part in parts {
        let Some(partition) = &part.system.partition else {
            return Err(
                "one is of a whole run: parts are written by `verify --partition 1/4`".to_owned(),
            );
        };
        let partition: Partition = partition.parse()?;
        if *of.get_or_insert(partition.of()) != partition.of() {
            return Err(format!(
                "{partition} is a part of another run: the first is one of {}",
                of.unwrap_or(0)
            ));
        }
        if !numbers.insert(partition.number()) {
            return Err(format!("{partition} is there twice"));
        }
    }
    let same = |what: &str, of: fn(&Document) -> String| {
        let all: BTreeSet<String> = parts.iter().map(of).collect();
        match all.len() {
            0 | 1 => Ok(()),
            _ => Err(format!(
                "they are not parts of the same run; {what}: {}",
                all.into_iter().collect::<Vec<_>>().join(", ")
            )),
        }
    };
    same("profile", |part| part.system.profile.clone())?;
    same("contract", |part| part.reference.fingerprint.clone())?;
    same("rounds", |part| part.system.rounds.to_string())?;
    let missing: Vec<String> = (1..=of.unwrap_or(0))
        .filter(|number| !numbers.contains(number))
        .map(|number| format!("{number}/{}", of.unwrap_or(0)))
        .collect();
    match missing.is_empty() {
        true => Ok(()),
        false => Err(format!("there is no part {}", missing.join(", "))),
    }
}

fn add_cause(causes: &mut Vec<Cause>, more: Cause) {
    match causes.iter_mut().find(|cause| cause.words == more.words) {
        Some(cause) => cause.scenarios.extend(more.scenarios),
        None => causes.push(more),
    }
}

/// What another part found out about a promise: broken in one is broken, and kept is only what was in nobody's way.
fn add_promise(promises: &mut Vec<Promise>, more: Promise) {
    let Some(promise) = promises.iter_mut().find(|promise| promise.id == more.id) else {
        promises.push(more);
        return;
    };
    let weight = |verdict: &str| WEIGHTS.iter().position(|word| *word == verdict);
    if weight(&more.verdict) < weight(&promise.verdict) {
        promise.verdict = more.verdict;
        promise.reasons = more.reasons;
    } else if more.verdict == promise.verdict {
        promise.reasons.extend(more.reasons);
    }
    promise.scenarios.extend(more.scenarios);
    promise.evidence.extend(more.evidence);
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::results::Subject;
    use crate::results::tests::{ONCE, ORDER, results, scenario, verdict};
    use crate::scenario::Failure;
    use crate::verdict::{Reason, Skipped, Verdict};

    /// Everything that a run can find, in an order in which the shortest flow is not the first.
    fn verdicts() -> Vec<Verdict> {
        let broken = || Some(Failure::broken("two before one"));
        let system = || Some(Failure::System("gone".into()));
        vec![
            verdict("a/broken-at-length", &[ORDER], broken()),
            verdict("b/kept", &[ONCE], None),
            verdict("c/gone", &[ONCE], system()),
            verdict("d/broken", &[ORDER, ONCE], broken()),
            verdict("e/gone", &["delivery.own-user-only"], system()),
            verdict(
                "f/new",
                &["delivery.bytes-untouched"],
                Some(Failure::Unreviewed("new".into())),
            ),
        ]
    }

    fn skipped() -> Vec<Skipped> {
        let reason = || Reason::Lacking("no gateway".into());
        let one = |id, promise| Skipped::of(&scenario(id, &[promise]), reason());
        vec![one("g/skipped", "errors.one-shape"), one("h/skipped", ONCE)]
    }

    fn part(partition: &str) -> Document {
        let partition: Partition = partition.parse().unwrap();
        let mut results = results(partition.take(verdicts()), partition.take(skipped()));
        results.subject = Subject {
            partition: Some(partition),
            ..results.subject
        };
        Document::of(&results)
    }

    #[rstest]
    #[case::one(1)]
    #[case::two(2)]
    #[case::more_than_there_are_scenarios(9)]
    fn the_parts_are_what_the_whole_run_would_have_been(#[case] of: usize) {
        let parts: Vec<Document> = (1..=of).rev().map(|n| part(&format!("{n}/{of}"))).collect();
        let whole = Document::of(&results(verdicts(), skipped()));
        assert_eq!(merged(parts).unwrap().text(), whole.text());
    }

    #[rstest]
    #[case::none(&[], "there is nothing to merge")]
    #[case::a_part_is_missing(&["1/3", "3/3"], "there is no part 2/3")]
    #[case::a_part_is_there_twice(&["1/2", "1/2"], "1/2 is there twice")]
    #[case::of_another_run(&["1/2", "2/3"], "2/3 is a part of another run: the first is one of 2")]
    fn what_is_not_all_parts_of_one_run_is_refused(#[case] parts: &[&str], #[case] said: &str) {
        let parts = parts.iter().map(|name| part(name)).collect();
        assert_eq!(merged(parts).unwrap_err(), said);
    }

    #[test]
    fn parts_of_runs_on_different_systems_are_refused() {
        let mut other = part("2/2");
        other.system.profile = "yours.toml".to_owned();
        let said = "they are not parts of the same run; profile: my.toml, yours.toml";
        assert_eq!(merged(vec![part("1/2"), other]).unwrap_err(), said);
    }

    #[test]
    fn a_whole_run_is_no_part() {
        let whole = Document::of(&results(verdicts(), skipped()));
        assert!(
            merged(vec![whole])
                .unwrap_err()
                .starts_with("one is of a whole run")
        );
    }
}

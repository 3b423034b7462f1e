//! A run for programs: one JSON document, described by `harness/schemas/results.json`.
//!
//! A field that is added leaves the version as it is; one that goes, or means something else, raises it.

use serde::Serialize;

use crate::results::{Fate, Results};
use crate::scenario::Failure;
use crate::snapshot::Change;
use crate::verdict::{Reason, Verdict};

/// The version of the document.
const VERSION: u32 = 1;

#[derive(Serialize)]
struct Document<'a> {
    format: &'static str,
    version: u32,
    system: System<'a>,
    counts: Counts,
    promises: Vec<Promise<'a>>,
    scenarios: Vec<Scenario<'a>>,
    causes: Vec<Cause<'a>>,
}

#[derive(Serialize)]
struct System<'a> {
    profile: &'a str,
    runtime: Option<&'a str>,
    rounds: usize,
    seed: Option<u64>,
    partition: Option<String>,
}

#[derive(Serialize)]
struct Counts {
    passed: usize,
    failed: usize,
    skipped: usize,
    kept: usize,
    broken: usize,
    not_applicable: usize,
    not_reached: usize,
}

#[derive(Serialize)]
struct Promise<'a> {
    id: &'a str,
    sentence: &'a str,
    place: &'a str,
    verdict: &'static str,
    scenarios: &'a [String],
    reasons: &'a [String],
    evidence: Vec<Evidence<'a>>,
}

#[derive(Serialize)]
struct Evidence<'a> {
    scenario: &'a str,
    words: &'a [String],
}

#[derive(Serialize)]
struct Scenario<'a> {
    id: &'a str,
    title: &'a str,
    promises: &'a [String],
    fixture: Option<&'a str>,
    verdict: &'static str,
    rounds: usize,
    failed_rounds: usize,
    seconds: f64,
    breaches: Vec<Breach<'a>>,
    reason: Option<String>,
    flow: Option<&'a str>,
    diff: Option<&'a str>,
    log: Option<&'a str>,
}

#[derive(Serialize)]
struct Breach<'a> {
    promise: Option<&'a str>,
    words: &'a str,
}

#[derive(Serialize)]
struct Cause<'a> {
    words: &'a str,
    scenarios: &'a [String],
}

pub fn text(results: &Results) -> String {
    let document = document(results);
    let text = serde_json::to_string_pretty(&document);
    // Strings, numbers and lists: nothing that cannot be written.
    text.unwrap_or_default() + "\n"
}

fn document(results: &Results) -> Document<'_> {
    let subject = &results.subject;
    let (passed, failed, skipped) = results.scenario_counts();
    let [kept, broken, not_applicable, not_reached] = results.promise_counts();
    let mut scenarios: Vec<Scenario> = results.verdicts.iter().map(played).collect();
    scenarios.extend(results.skipped.iter().map(|skipped| {
        let verdict = match skipped.reason {
            Reason::Lacking(_) => "skipped",
            Reason::FailFast => "not-played",
        };
        Scenario {
            id: &skipped.id,
            title: &skipped.title,
            promises: &skipped.promises,
            fixture: None,
            verdict,
            rounds: 0,
            failed_rounds: 0,
            seconds: 0.0,
            breaches: Vec::new(),
            reason: Some(skipped.reason.to_string()),
            flow: None,
            diff: None,
            log: None,
        }
    }));
    scenarios.sort_by(|a, b| a.id.cmp(b.id));
    let causes = results.causes.iter();
    Document {
        format: "notification-contracts/results",
        version: VERSION,
        system: System {
            profile: &subject.profile,
            runtime: Some(&*subject.runtime).filter(|runtime| !runtime.is_empty()),
            rounds: subject.rounds,
            seed: subject.seed,
            partition: subject.partition.map(|part| part.to_string()),
        },
        counts: Counts {
            passed,
            failed,
            skipped,
            kept,
            broken,
            not_applicable,
            not_reached,
        },
        promises: results.promises.iter().map(promise).collect(),
        scenarios,
        causes: causes
            .map(|(words, scenarios)| Cause { words, scenarios })
            .collect(),
    }
}

fn promise(promise: &crate::results::Kept) -> Promise<'_> {
    let (verdict, reasons, evidence): (_, &[String], &[crate::results::Evidence]) =
        match &promise.fate {
            Fate::Kept => ("kept", &[], &[]),
            Fate::Broken(evidence) => ("broken", &[], evidence),
            Fate::NotApplicable(reasons) => ("not-applicable", reasons, &[]),
            Fate::NotReached(reasons) => ("not-reached", reasons, &[]),
        };
    let evidence = evidence.iter().map(|evidence| Evidence {
        scenario: &evidence.scenario,
        words: &evidence.words,
    });
    Promise {
        id: &promise.id,
        sentence: &promise.sentence,
        place: &promise.place,
        verdict,
        scenarios: &promise.scenarios,
        reasons,
        evidence: evidence.collect(),
    }
}

fn played(verdict: &Verdict) -> Scenario<'_> {
    let broken = verdict.result.as_ref().err();
    let (word, reason) = match broken.map(|broken| &broken.failure) {
        None => ("kept", None),
        Some(Failure::Broken(_)) => ("broken", None),
        Some(Failure::Unreviewed(words)) => ("to-be-reviewed", Some(words.clone())),
        Some(Failure::System(words)) => ("not-reached", Some(words.clone())),
        Some(Failure::Bug(words)) => ("harness-bug", Some(words.clone())),
    };
    let breaches = verdict.breaches().iter().map(|breach| Breach {
        promise: breach.promise(&verdict.promises),
        words: breach.words(),
    });
    let diff = broken.and_then(|broken| match &broken.change {
        Some(Change::Flow(diff)) => Some(diff.as_str()),
        _ => None,
    });
    Scenario {
        id: &verdict.id,
        title: &verdict.title,
        promises: &verdict.promises,
        fixture: verdict.fixture.as_deref(),
        verdict: word,
        rounds: verdict.rounds,
        failed_rounds: verdict.failed,
        seconds: (verdict.took.as_secs_f64() * 1000.0).round() / 1000.0,
        breaches: breaches.collect(),
        reason,
        flow: Some(verdict.flow.as_str()).filter(|flow| !flow.is_empty()),
        diff,
        log: broken
            .map(|broken| broken.log.as_str())
            .filter(|log| !log.is_empty()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::results::tests::{ONCE, ORDER, results, scenario, verdict};
    use crate::verdict::Skipped;

    fn schema() -> Value {
        serde_json::from_str(include_str!("../../schemas/results.json")).unwrap()
    }

    #[test]
    fn every_kind_of_verdict_is_as_the_schema_says() {
        let failures = [
            None,
            Some(Failure::broken("two before one")),
            Some(Failure::Unreviewed("new".into())),
            Some(Failure::System("gone".into())),
            Some(Failure::Bug("oh".into())),
        ];
        let ids = ["a/kept", "a/broken", "a/new", "a/gone", "a/bug"];
        let played = ids.into_iter().zip(failures);
        let played = played.map(|(id, failure)| verdict(id, &[ORDER], failure));
        let reasons = [Reason::Lacking("no gateway".into()), Reason::FailFast];
        let skipped = ["b/skipped", "b/stopped"].into_iter().zip(reasons);
        let skipped = skipped.map(|(id, why)| Skipped::of(&scenario(id, &[ONCE]), why));
        let results = results(played.collect(), skipped.collect());
        let document: Value = serde_json::from_str(&text(&results)).unwrap();
        let validator = jsonschema::draft202012::new(&schema()).unwrap();
        let errors: Vec<String> = (validator.iter_errors(&document))
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        assert_eq!(errors, [""; 0]);
        let words: Vec<&str> = (document["scenarios"].as_array().unwrap().iter())
            .map(|scenario| scenario["verdict"].as_str().unwrap())
            .collect();
        let known = &schema()["properties"]["scenarios"]["items"]["properties"]["verdict"]["enum"];
        assert_eq!(words.len(), known.as_array().unwrap().len());
        assert_eq!(document["promises"][0]["verdict"], "not-reached");
    }

    #[test]
    fn the_schema_is_of_this_version() {
        assert_eq!(schema()["properties"]["version"]["const"], VERSION);
    }
}

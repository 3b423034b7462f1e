//! A run as one JSON document, described by `harness/schemas/results.json`: for programs, and for the page and the summary,
//! which are made from nothing else.
//!
//! A field that is added leaves the version as it is; one that goes, or means something else, raises it.

use serde::{Deserialize, Serialize};

use super::base::Base;
use super::load::Load;
use super::reference::Reference;
use crate::audit::Exercised;
use crate::flow::told::Lane;
use crate::ledger::Totals;
use crate::results::{Fate, Kept, Results};
use crate::saboteur;
use crate::scenario::Failure;
use crate::snapshot::{self, Change};
use crate::verdict::{Reason, Skipped, Verdict};

/// What the document calls itself.
const FORMAT: &str = "notification-contracts/results";
/// The version of the document.
const VERSION: u32 = 1;

/// A run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Document {
    /// What it is, in a word.
    pub format: String,
    /// Its version.
    pub version: u32,
    /// What was verified, and how.
    pub system: System,
    /// How many scenarios and promises have which verdict.
    pub counts: Counts,
    /// The promises that the run was asked about, in the order of the contract.
    pub promises: Vec<Promise>,
    /// The scenarios that were asked for, by id.
    pub scenarios: Vec<Scenario>,
    /// What kept scenarios from being reached, told once.
    pub causes: Vec<Cause>,
    /// What became of the messages of all scenarios.
    #[serde(default)]
    pub messages: Totals,
    /// What readers look up in the contract.
    #[serde(default)]
    pub reference: Reference,
    /// What the contract and the flows are compared with, if somebody said.
    #[serde(default)]
    pub base: Option<Base>,
    /// The load that lies beside the run, or why it cannot be shown: it is in a file of its own.
    #[serde(skip)]
    pub load: Option<Result<Load, String>>,
}

/// What was verified, and how.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct System {
    /// The profile's file.
    pub profile: String,
    /// Where its parts ran; none where nothing was started.
    pub runtime: Option<String>,
    /// How often every scenario was played.
    pub rounds: usize,
    /// What the order of the scenarios came from; none for the listed order.
    pub seed: Option<u64>,
    /// Which part of the scenarios was played; none where all of them were to be.
    #[serde(default)]
    pub partition: Option<String>,
    /// Whether the flows are those that are reviewed, the reference's: others are compared with nothing.
    #[serde(default)]
    pub reviewed: bool,
}

/// How many scenarios passed, failed and were skipped, and how many promises have each verdict.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Scenarios that passed.
    pub passed: usize,
    /// Scenarios that failed.
    pub failed: usize,
    /// Scenarios that were not played.
    pub skipped: usize,
    /// Promises that are kept.
    pub kept: usize,
    /// Promises that are broken.
    pub broken: usize,
    /// Promises that this system cannot be asked for.
    pub not_applicable: usize,
    /// Promises of which nothing is known.
    pub not_reached: usize,
}

impl Counts {
    /// Those of a run with these `scenarios` and `promises`.
    pub fn of(scenarios: &[Scenario], promises: &[Promise]) -> Self {
        let are = |is: fn(&Scenario) -> bool| scenarios.iter().filter(|one| is(one)).count();
        let have = |word: &str| promises.iter().filter(|one| one.verdict == word).count();
        Self {
            passed: are(|scenario| scenario.verdict == "kept"),
            failed: are(Scenario::is_failed),
            skipped: are(Scenario::is_skipped),
            kept: have("kept"),
            broken: have("broken"),
            not_applicable: have("not-applicable"),
            not_reached: have("not-reached"),
        }
    }
}

/// A promise, and what became of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Promise {
    /// Its id.
    pub id: String,
    /// What is promised.
    pub sentence: String,
    /// Where it stands in `contracts/`: file, line and column.
    pub place: String,
    /// `kept`, `broken`, `not-applicable` or `not-reached`.
    pub verdict: String,
    /// The scenarios that prove it.
    pub scenarios: Vec<String>,
    /// Why it is not applicable or was not reached.
    pub reasons: Vec<String>,
    /// What scenarios saw of it broken, the smallest evidence first.
    pub evidence: Vec<Evidence>,
    /// What `cargo verify selftest` does to see it broken.
    #[serde(default)]
    pub sabotages: Vec<Sabotage>,
}

/// What one scenario saw of a broken promise.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Evidence {
    /// The scenario's id.
    pub scenario: String,
    /// What was expected and what came, a sentence for each breach.
    pub words: Vec<String>,
}

/// A way in which the selftest breaks a promise.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Sabotage {
    /// Its name.
    pub name: String,
    /// What it does.
    pub sentence: String,
}

/// A scenario, and what became of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Scenario {
    /// Its id.
    pub id: String,
    /// The sentence that it proves.
    pub title: String,
    /// The promises that it proves; the first is what it is about.
    pub promises: Vec<String>,
    /// The fixture that it plays.
    pub fixture: Option<String>,
    /// `kept`, `broken`, `to-be-reviewed`, `not-reached`, `harness-bug`, `skipped` or `not-played`.
    pub verdict: String,
    /// How often it was played.
    pub rounds: usize,
    /// In how many of those it failed.
    pub failed_rounds: usize,
    /// How long it took, all rounds together.
    pub seconds: f64,
    /// How the contract is broken.
    pub breaches: Vec<Breach>,
    /// Why it has no verdict on the contract.
    pub reason: Option<String>,
    /// What each actor saw, as text.
    pub flow: Option<String>,
    /// How the flow differs from the reviewed one, as a unified diff.
    pub diff: Option<String>,
    /// What the parts of the system printed meanwhile.
    pub log: Option<String>,
    /// What each actor saw, as data.
    #[serde(default)]
    pub lanes: Vec<Lane>,
    /// How it compares with what was reviewed: `new`, `flow` or `header`; none where it is the same, or not compared.
    #[serde(default)]
    pub change: Option<String>,
    /// The reviewed flow, where the recorded one is another.
    #[serde(default)]
    pub reviewed: Option<String>,
    /// What became of the messages of the connections whose account is not clean.
    #[serde(default)]
    pub account: Option<String>,
    /// What of the contract was seen to happen.
    #[serde(default)]
    pub exercised: Exercised,
}

/// One way in which a scenario saw the contract broken.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Breach {
    /// The promise that it breaks.
    pub promise: Option<String>,
    /// What was expected and what came.
    pub words: String,
    /// The client that noticed, where it is about one connection.
    #[serde(default)]
    pub client: Option<String>,
    /// The number of the message, where it is about one.
    #[serde(default)]
    pub message: Option<usize>,
}

/// What kept scenarios from being reached.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Cause {
    /// What it was.
    pub words: String,
    /// The scenarios.
    pub scenarios: Vec<String>,
}

impl Document {
    /// The document of a run with these `results`.
    pub fn of(results: &Results) -> Self {
        let subject = &results.subject;
        let mut scenarios: Vec<Scenario> = results.verdicts.iter().map(played).collect();
        scenarios.extend(results.skipped.iter().map(unplayed));
        scenarios.sort_by(|a, b| a.id.cmp(&b.id));
        let promises: Vec<Promise> = results.promises.iter().map(promise).collect();
        let causes = results.causes.iter();
        Self {
            format: FORMAT.to_owned(),
            version: VERSION,
            system: System {
                profile: subject.profile.clone(),
                runtime: Some(subject.runtime.clone()).filter(|runtime| !runtime.is_empty()),
                rounds: subject.rounds,
                seed: subject.seed,
                partition: subject.partition.map(|part| part.to_string()),
                reviewed: subject.reviewed,
            },
            counts: Counts::of(&scenarios, &promises),
            promises,
            scenarios,
            causes: causes
                .map(|(words, scenarios)| Cause {
                    words: words.clone(),
                    scenarios: scenarios.clone(),
                })
                .collect(),
            messages: results.totals(),
            reference: results.reference.clone(),
            base: None,
            load: None,
        }
    }

    /// The document that `text` is. Fails with what is wrong about it.
    pub fn read(text: &str) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Head {
            format: String,
            version: u32,
        }
        let head: Head = serde_json::from_str(text)
            .map_err(|error| format!("expected the results.json of a run: {error}"))?;
        if (head.format.as_str(), head.version) != (FORMAT, VERSION) {
            return Err(format!(
                "expected {FORMAT:?}, version {VERSION}; it is {:?}, version {}: verify again with this program",
                head.format, head.version
            ));
        }
        serde_json::from_str(text).map_err(|error| error.to_string())
    }

    /// The document as JSON.
    pub fn text(&self) -> String {
        // Strings, numbers and lists: nothing that cannot be written.
        serde_json::to_string_pretty(self).unwrap_or_default() + "\n"
    }

    /// The verdict, as a sign and in words.
    pub fn verdict(&self) -> (&'static str, &'static str) {
        match (self.counts.broken, self.counts.failed) {
            (0, 0) => ("✅", "The contract is kept"),
            (0, _) => ("⚠️", "No verdict yet"),
            _ => ("❌", "The contract is broken"),
        }
    }

    /// The scenario called `id`.
    pub fn scenario(&self, id: &str) -> Option<&Scenario> {
        self.scenarios.iter().find(|scenario| scenario.id == id)
    }

    /// The promises that are broken.
    pub fn broken(&self) -> impl Iterator<Item = &Promise> {
        self.promises.iter().filter(|p| p.verdict == "broken")
    }
}

impl Scenario {
    /// Whether it has a verdict that fails a run.
    pub fn is_failed(&self) -> bool {
        !matches!(self.verdict.as_str(), "kept" | "skipped" | "not-played")
    }

    /// Whether it was not played.
    pub fn is_skipped(&self) -> bool {
        matches!(self.verdict.as_str(), "skipped" | "not-played")
    }
}

fn promise(promise: &Kept) -> Promise {
    let (verdict, reasons, evidence) = match &promise.fate {
        Fate::Kept => ("kept", None, None),
        Fate::Broken(evidence) => ("broken", None, Some(evidence)),
        Fate::NotApplicable(reasons) => ("not-applicable", Some(reasons), None),
        Fate::NotReached(reasons) => ("not-reached", Some(reasons), None),
    };
    let evidence = evidence.into_iter().flatten().map(|evidence| Evidence {
        scenario: evidence.scenario.clone(),
        words: evidence.words.clone(),
    });
    let sabotages = saboteur::all().filter(|sabotage| sabotage.promise == promise.id);
    Promise {
        id: promise.id.clone(),
        sentence: promise.sentence.clone(),
        place: promise.place.clone(),
        verdict: verdict.to_owned(),
        scenarios: promise.scenarios.clone(),
        reasons: reasons.cloned().unwrap_or_default(),
        evidence: evidence.collect(),
        sabotages: sabotages
            .map(|sabotage| Sabotage {
                name: sabotage.name.to_owned(),
                sentence: sabotage.sentence.to_owned(),
            })
            .collect(),
    }
}

fn unplayed(skipped: &Skipped) -> Scenario {
    let verdict = match skipped.reason {
        Reason::Lacking(_) => "skipped",
        Reason::FailFast => "not-played",
    };
    Scenario {
        id: skipped.id.clone(),
        title: skipped.title.clone(),
        promises: skipped.promises.clone(),
        fixture: None,
        verdict: verdict.to_owned(),
        rounds: 0,
        failed_rounds: 0,
        seconds: 0.0,
        breaches: Vec::new(),
        reason: Some(skipped.reason.to_string()),
        flow: None,
        diff: None,
        log: None,
        lanes: Vec::new(),
        change: None,
        reviewed: None,
        account: None,
        exercised: Exercised::default(),
    }
}

fn played(verdict: &Verdict) -> Scenario {
    let broken = verdict.result.as_ref().err();
    let (word, reason) = match broken.map(|broken| &broken.failure) {
        None => ("kept", None),
        Some(Failure::Broken(_)) => ("broken", None),
        Some(Failure::Unreviewed(words)) => ("to-be-reviewed", Some(words.clone())),
        Some(Failure::System(words)) => ("not-reached", Some(words.clone())),
        Some(Failure::Bug(words)) => ("harness-bug", Some(words.clone())),
    };
    let breaches = verdict.breaches().iter().map(|breach| Breach {
        promise: breach.promise(&verdict.promises).map(str::to_owned),
        words: breach.words().to_owned(),
        client: breach.client().map(str::to_owned),
        message: breach.message(),
    });
    let change = broken.and_then(|broken| broken.change.as_ref());
    let diff = match change {
        Some(Change::Flow(diff)) => Some(diff.clone()),
        _ => None,
    };
    let text = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    Scenario {
        id: verdict.id.clone(),
        title: verdict.title.clone(),
        promises: verdict.promises.clone(),
        fixture: verdict.fixture.clone(),
        verdict: word.to_owned(),
        rounds: verdict.rounds,
        failed_rounds: verdict.failed,
        seconds: (verdict.took.as_secs_f64() * 1000.0).round() / 1000.0,
        breaches: breaches.collect(),
        reason,
        flow: text(&verdict.flow),
        // Whoever reads the document later has other files: what was reviewed goes along.
        reviewed: diff.as_ref().and_then(|_| snapshot::reviewed(&verdict.id)),
        diff,
        log: broken.and_then(|broken| text(&broken.log)),
        lanes: verdict.told.lanes.clone(),
        change: change.map(|change| {
            let word = match change {
                Change::New => "new",
                Change::Flow(_) => "flow",
                Change::Header(_) => "header",
            };
            word.to_owned()
        }),
        account: broken.and_then(|broken| text(&broken.account)),
        exercised: verdict.exercised.clone(),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use serde_json::Value;

    use super::*;
    use crate::results::tests::{ONCE, ORDER, results, scenario, verdict};

    fn schema() -> Value {
        serde_json::from_str(include_str!("../../schemas/results.json")).unwrap()
    }

    /// A scenario of each verdict.
    pub fn of_every_kind() -> Document {
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
        Document::of(&results(played.collect(), skipped.collect()))
    }

    #[test]
    fn every_kind_of_verdict_is_as_the_schema_says() {
        let document: Value = serde_json::from_str(&of_every_kind().text()).unwrap();
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

    #[test]
    fn what_was_written_can_be_read_again() {
        let written = of_every_kind().text();
        assert_eq!(Document::read(&written).unwrap().text(), written);
    }

    #[test]
    fn what_is_no_document_of_this_version_is_refused_with_what_it_is() {
        let other = r#"{"format": "notification-contracts/results", "version": 9}"#;
        let refused = Document::read(other).unwrap_err();
        assert!(refused.contains("it is \"notification-contracts/results\", version 9"));
        let refused = Document::read("[]").unwrap_err();
        assert!(refused.starts_with("expected the results.json of a run: "));
    }
}

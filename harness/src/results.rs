//! A run's results, by promise: what every format of the report is made from.

use std::collections::{BTreeMap, BTreeSet};

use contract::Contract;

use crate::breach::Breach;
use crate::ledger::Totals;
use crate::partition::Partition;
use crate::report::reference::Reference;
use crate::scenario::Failure;
use crate::verdict::{Reason, Skipped, Verdict};

/// What a run found.
#[derive(Clone, Debug)]
pub struct Results {
    /// What was verified.
    pub subject: Subject,
    /// The scenarios that were to be played, by id.
    pub verdicts: Vec<Verdict>,
    /// Those that were not played, by id.
    pub skipped: Vec<Skipped>,
    /// The promises that the run was asked about, in the order of the contract.
    pub promises: Vec<Kept>,
    /// What kept scenarios from being reached, each with their ids.
    pub causes: BTreeMap<String, Vec<String>>,
    /// What readers look up in the contract.
    pub reference: Reference,
}

/// What was verified, and how.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Subject {
    /// The profile's file, as messages call it.
    pub profile: String,
    /// Where its parts ran; empty where none did.
    pub runtime: String,
    /// How often every scenario was played.
    pub rounds: usize,
    /// What the order of the scenarios came from; none for the listed order.
    pub seed: Option<u64>,
    /// Which part of the scenarios was played; none where all of them were to be.
    pub partition: Option<Partition>,
    /// Whether the flows are those that are reviewed, the reference's.
    pub reviewed: bool,
}

/// What became of a promise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Its id.
    pub id: String,
    /// What is promised.
    pub sentence: String,
    /// Where it stands: the file and, where it is known, the line.
    pub place: String,
    /// The ids of the scenarios that prove it and were asked for.
    pub scenarios: Vec<String>,
    /// The verdict.
    pub fate: Fate,
}

/// The verdict on a promise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Scenarios that prove it were played, all that this system can be asked to play, and none failed.
    Kept,
    /// A scenario saw it broken: the smallest evidence first.
    Broken(Vec<Evidence>),
    /// The system cannot be asked to prove it, for these reasons.
    NotApplicable(Vec<String>),
    /// Something else was in the way: nothing is known.
    NotReached(Vec<String>),
}

/// What one scenario saw of a broken promise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// The scenario's id.
    pub scenario: String,
    /// What was expected and what came, a sentence for each breach.
    pub words: Vec<String>,
}

impl Results {
    /// The results of a run on `subject`, held against the promises of `contract`.
    pub fn of(
        subject: Subject,
        mut verdicts: Vec<Verdict>,
        skipped: Vec<Skipped>,
        contract: &Contract,
    ) -> Self {
        decide(&mut verdicts);
        let mut promises = Vec::new();
        for promise in &contract.promises {
            let (scenarios, fate) = fate(&promise.id, &verdicts, &skipped);
            // What no scenario of this run is about, and none stumbled over, was not asked.
            if scenarios.is_empty() && !matches!(fate, Fate::Broken(_)) {
                continue;
            }
            promises.push(Kept {
                id: promise.id.clone(),
                sentence: promise.sentence.clone(),
                place: contract.documents.place(&promise.location),
                scenarios,
                fate,
            });
        }
        let mut causes: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for verdict in &verdicts {
            if let Err(broken) = &verdict.result
                && let Failure::System(words) = &broken.failure
            {
                let ids = causes.entry(words.clone()).or_default();
                ids.push(verdict.id.clone());
            }
        }
        Self {
            subject,
            verdicts,
            skipped,
            promises,
            causes,
            reference: Reference::of(contract),
        }
    }

    /// Forgets the promises that are not `asked` for, unless they are broken.
    pub fn only(&mut self, asked: &[String]) {
        let broken = |promise: &Kept| matches!(promise.fate, Fate::Broken(_));
        self.promises
            .retain(|promise| asked.contains(&promise.id) || broken(promise));
    }

    /// How many scenarios passed, failed and were skipped.
    pub fn scenario_counts(&self) -> (usize, usize, usize) {
        let failed = self.verdicts.iter().filter(|v| v.result.is_err()).count();
        (self.verdicts.len() - failed, failed, self.skipped.len())
    }

    /// How many promises have each verdict: kept, broken, not applicable, not reached.
    pub fn promise_counts(&self) -> [usize; 4] {
        let count = |wanted: usize| {
            let fates = self.promises.iter().map(|promise| promise.fate.index());
            fates.filter(|index| *index == wanted).count()
        };
        [count(0), count(1), count(2), count(3)]
    }

    /// What became of the messages of all scenarios.
    pub fn totals(&self) -> Totals {
        let mut totals = Totals::default();
        for verdict in &self.verdicts {
            totals += verdict.totals;
        }
        totals
    }

    /// The promises that are broken, with the evidence.
    pub fn broken(&self) -> impl Iterator<Item = (&Kept, &[Evidence])> {
        self.promises
            .iter()
            .filter_map(|promise| match &promise.fate {
                Fate::Broken(evidence) => Some((promise, evidence.as_slice())),
                _ => None,
            })
    }

    /// The verdict on the scenario `id`, if it was to be played.
    pub fn verdict(&self, id: &str) -> Option<&Verdict> {
        self.verdicts.iter().find(|verdict| verdict.id == id)
    }

    /// Why scenarios were skipped, with how many for each reason.
    pub fn skip_reasons(&self) -> BTreeMap<&Reason, usize> {
        let mut reasons = BTreeMap::new();
        for skipped in &self.skipped {
            *reasons.entry(&skipped.reason).or_default() += 1;
        }
        reasons
    }
}

impl Kept {
    /// The first part of its id: what the promise is about.
    pub fn area(&self) -> &str {
        self.id.split('.').next().unwrap_or(&self.id)
    }
}

impl Fate {
    /// The words for the verdicts, in the order of [`Results::promise_counts`].
    pub const WORDS: [&str; 4] = ["kept", "broken", "not applicable", "not reached"];

    /// The word for it.
    pub fn word(&self) -> &'static str {
        Self::WORDS[self.index()]
    }

    fn index(&self) -> usize {
        match self {
            Self::Kept => 0,
            Self::Broken(_) => 1,
            Self::NotApplicable(_) => 2,
            Self::NotReached(_) => 3,
        }
    }
}

/// The scenarios that prove the promise `id`, and what they found.
fn fate(id: &str, verdicts: &[Verdict], skipped: &[Skipped]) -> (Vec<String>, Fate) {
    let played: Vec<&Verdict> = proving(verdicts, |v| &v.promises, id).collect();
    let unplayed: Vec<&Skipped> = proving(skipped, |s| &s.promises, id).collect();
    let ids = (played.iter().map(|v| &v.id)).chain(unplayed.iter().map(|s| &s.id));
    let mut ids: Vec<String> = ids.cloned().collect();
    ids.sort();
    let evidence = evidence(id, verdicts);
    if !evidence.is_empty() {
        return (ids, Fate::Broken(evidence));
    }
    let in_the_way = played.iter().filter_map(|verdict| {
        let broken = verdict.result.as_ref().err()?;
        Some(match &broken.failure {
            Failure::System(words) | Failure::Bug(words) => words.clone(),
            Failure::Broken(_) => format!("{} broke something else first", verdict.id),
            // The system did what it should: only nobody has looked at the flow.
            Failure::Unreviewed(_) => return None,
        })
    });
    let stopped = unplayed.iter().filter(|s| s.reason == Reason::FailFast);
    let in_the_way = in_the_way.chain(stopped.map(|s| s.reason.to_string()));
    let in_the_way = unique(in_the_way);
    let lacking = unplayed.iter().map(|skipped| skipped.reason.to_string());
    let fate = if !in_the_way.is_empty() {
        Fate::NotReached(in_the_way)
    } else if played.is_empty() && !unplayed.is_empty() {
        Fate::NotApplicable(unique(lacking))
    } else {
        Fate::Kept
    };
    (ids, fate)
}

fn proving<'a, T>(
    all: &'a [T],
    promises: fn(&T) -> &Vec<String>,
    id: &str,
) -> impl Iterator<Item = &'a T> {
    all.iter()
        .filter(move |one| promises(one).iter().any(|p| p == id))
}

/// What the scenarios saw of the broken promise `id`: the shortest flow first, for it has the least around the point.
fn evidence(id: &str, verdicts: &[Verdict]) -> Vec<Evidence> {
    let mut found: Vec<(usize, Evidence)> = Vec::new();
    for verdict in verdicts {
        let breaks = |breach: &&Breach| breach.promise(&verdict.promises) == Some(id);
        let breaches = verdict.breaches().iter().filter(breaks);
        let words: Vec<String> = breaches.map(|breach| breach.words().to_owned()).collect();
        if !words.is_empty() {
            let scenario = verdict.id.clone();
            found.push((verdict.flow.len(), Evidence { scenario, words }));
        }
    }
    // Stable: equal sizes stay in the order of ids.
    found.sort_by_key(|(size, _)| *size);
    found.into_iter().map(|(_, evidence)| evidence).collect()
}

/// Of what may break one promise or another the whole run says which.
fn decide(verdicts: &mut [Verdict]) {
    let certain: BTreeSet<String> = (verdicts.iter())
        .flat_map(|verdict| {
            let breaches = verdict.breaches().iter();
            let certain = breaches.filter(|breach| !breach.is_doubtful());
            certain.filter_map(|breach| breach.promise(&verdict.promises))
        })
        .map(str::to_owned)
        .collect();
    for verdict in verdicts {
        if let Err(broken) = &mut verdict.result
            && let Failure::Broken(breaches) = &mut broken.failure
        {
            for breach in breaches {
                breach.decide(|promise| certain.contains(promise));
            }
        }
    }
}

fn unique(words: impl Iterator<Item = String>) -> Vec<String> {
    let mut words: Vec<String> = words.collect();
    words.sort();
    words.dedup();
    words
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::LazyLock;

    use rstest::rstest;

    use super::*;
    use crate::scenario::Scenario;
    use crate::verdict::Broken;

    pub const ORDER: &str = "delivery.in-order";
    pub const ONCE: &str = "delivery.once-per-connection";

    pub fn contract() -> &'static Contract {
        static CONTRACT: LazyLock<&'static Contract> =
            LazyLock::new(|| crate::contract::contract().unwrap());
        &CONTRACT
    }

    pub fn scenario(id: &str, promises: &[&str]) -> Scenario {
        Scenario::new(id, "a teacher gets it", |_| async { Ok(()) }).proves(promises.to_vec())
    }

    pub fn verdict(id: &str, promises: &[&str], failure: Option<Failure>) -> Verdict {
        let result = failure.map_or(Ok(()), |failure| Err(Broken::unreached(failure)));
        Verdict::of(&scenario(id, promises), format!("flow of {id}\n"), result)
    }

    pub fn results(verdicts: Vec<Verdict>, skipped: Vec<Skipped>) -> Results {
        let subject = Subject {
            profile: "my.toml".to_owned(),
            runtime: "processes".to_owned(),
            rounds: 1,
            seed: None,
            partition: None,
            reviewed: true,
        };
        Results::of(subject, verdicts, skipped, contract())
    }

    fn order_of(results: &Results) -> &Fate {
        &results
            .promises
            .iter()
            .find(|p| p.id == ORDER)
            .unwrap()
            .fate
    }

    fn broken() -> Option<Failure> {
        Some(Failure::broken("two before one"))
    }

    #[rstest]
    #[case::leaks(true, "delivery.own-user-only")]
    #[case::leaks_nothing(false, ONCE)]
    fn the_whole_run_says_what_a_doubtful_breach_breaks(#[case] leaks: bool, #[case] broken: &str) {
        const OWN: &str = "delivery.own-user-only";
        let again = Breach::of("one again", [ONCE]).unless(OWN, true);
        let strange = Breach::of("somebody else's", [OWN]);
        let mut verdicts = vec![verdict("a", &[], Some(Failure::Broken(vec![again])))];
        if leaks {
            verdicts.push(verdict("b", &[], Some(Failure::Broken(vec![strange]))));
        }
        let results = results(verdicts, Vec::new());
        let found: Vec<&str> = (results.promises.iter())
            .filter(|promise| matches!(promise.fate, Fate::Broken(_)))
            .map(|promise| promise.id.as_str())
            .collect();
        assert_eq!(found, [broken]);
    }

    fn skipped(reason: Reason) -> Skipped {
        Skipped::of(&scenario("a/skipped", &[ORDER]), reason)
    }

    fn lacking() -> Reason {
        Reason::Lacking("it lacks faults".to_owned())
    }

    #[rstest]
    #[case::by_all_that_prove_it(&[None, None], None, "kept")]
    #[case::broken_by_one(&[None, Some(Failure::broken("w"))], None, "broken")]
    #[case::in_the_way(&[None, Some(Failure::System("gone".into()))], None, "not reached")]
    #[case::not_asked_of_this_system(&[], Some(lacking()), "not applicable")]
    #[case::asked_in_part(&[None], Some(lacking()), "kept")]
    #[case::by_one_that_waits_for_review(&[Some(Failure::Unreviewed("new".into()))], None, "kept")]
    #[case::stopped_before(&[None], Some(Reason::FailFast), "not reached")]
    fn a_promise_is(
        #[case] played: &[Option<Failure>],
        #[case] reason: Option<Reason>,
        #[case] word: &str,
    ) {
        let played = played.iter().zip(["a/one", "a/two"]);
        let played = played.map(|(failure, id)| verdict(id, &[ORDER], failure.clone()));
        let results = results(played.collect(), reason.map(skipped).into_iter().collect());
        assert_eq!(order_of(&results).word(), word);
    }

    #[test]
    fn what_broke_something_else_says_nothing_about_a_promise() {
        let played = vec![verdict("a/one", &[ONCE, ORDER], broken())];
        let results = results(played, Vec::new());
        let words = "a/one broke something else first".to_owned();
        assert_eq!(*order_of(&results), Fate::NotReached(vec![words]));
        assert_eq!(results.promise_counts(), [0, 1, 0, 1]);
    }

    #[test]
    fn the_smallest_evidence_comes_first() {
        let mut long = verdict("a/long", &[ORDER], broken());
        long.flow = "a long flow\n".repeat(9);
        let results = results(
            vec![long, verdict("a/short", &[ORDER], broken())],
            Vec::new(),
        );
        let Fate::Broken(evidence) = order_of(&results) else {
            panic!("two scenarios saw it broken");
        };
        let ids: Vec<&str> = evidence.iter().map(|e| e.scenario.as_str()).collect();
        assert_eq!(ids, ["a/short", "a/long"]);
    }

    #[test]
    fn a_promise_that_no_scenario_of_the_run_is_about_may_still_be_seen_broken() {
        let breach = Breach::of("again", [ONCE]);
        let failure = Failure::Broken(vec![breach]);
        let results = results(vec![verdict("a/one", &[ORDER], Some(failure))], Vec::new());
        let ids: Vec<&str> = results.broken().map(|(promise, _)| &*promise.id).collect();
        assert_eq!(ids, [ONCE]);
    }

    #[test]
    fn one_cause_is_told_once() {
        let gone = || Some(Failure::System("gone".to_owned()));
        let played = vec![
            verdict("a/one", &[ORDER], gone()),
            verdict("a/two", &[ONCE], gone()),
        ];
        let ids = vec!["a/one".to_owned(), "a/two".to_owned()];
        let causes = results(played, Vec::new()).causes;
        assert_eq!(causes, BTreeMap::from([("gone".to_owned(), ids)]));
    }
}

//! What became of a scenario.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::audit::Exercised;
use crate::breach::Breach;
use crate::comparison::noticed::Noticed;
use crate::flow::told::Told;
use crate::ledger::Totals;
use crate::scenario::{Failure, Scenario};
use crate::snapshot::Change;

/// What became of a scenario that was to be played.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// The scenario's id.
    pub id: String,
    /// The sentence that it proves.
    pub title: String,
    /// The fixture that it plays, relative to the workspace.
    pub fixture: Option<String>,
    /// The ids of the promises that it proves.
    pub promises: Vec<String>,
    /// What of the contract was seen to happen.
    pub exercised: Exercised,
    /// What became of the messages, of all its connections.
    pub totals: Totals,
    /// The flow as far as it went; empty where the scenario was not reached.
    pub flow: String,
    /// The same as data, for drawings; nothing where the scenario was not reached.
    pub told: Told,
    /// What clients noticed, for whoever compares two systems.
    pub noticed: Noticed,
    /// How long it took, the start of a system of its own included. For people: no verdict depends on it.
    pub took: Duration,
    /// How much of that was the start and the end of a system of its own.
    pub starting: Duration,
    /// How often it was played.
    pub rounds: usize,
    /// In how many of those rounds it failed.
    pub failed: usize,
    /// Kept, or what went wrong, with the evidence.
    pub result: Result<(), Broken>,
}

/// What went wrong, with the evidence.
#[derive(Clone, Debug)]
pub struct Broken {
    /// Which of the words, and the sentences.
    pub failure: Failure,
    /// What became of each message of the connections whose account is not clean, and what was done to the system.
    pub account: String,
    /// How the flow differs from the reviewed one, if it does.
    pub change: Option<Change>,
    /// What the parts of the system printed meanwhile.
    pub log: String,
}

/// A scenario that was not played.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// The scenario's id.
    pub id: String,
    /// The sentence that it proves.
    pub title: String,
    /// The ids of the promises that it proves.
    pub promises: Vec<String>,
    /// Why.
    pub reason: Reason,
}

/// Why a scenario was not played.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// The system lacks something, in these words: it cannot be asked to prove this.
    Lacking(String),
    /// The run ended at its first failure, as it was told to.
    FailFast,
}

impl Verdict {
    /// Of a scenario that was played once, or not reached.
    pub fn of(scenario: &Scenario, flow: String, result: Result<(), Broken>) -> Self {
        Self {
            id: scenario.id.clone(),
            title: scenario.title.clone(),
            fixture: scenario.fixture.clone(),
            promises: scenario.promises.clone(),
            exercised: Exercised::default(),
            totals: Totals::default(),
            flow,
            told: Told::default(),
            noticed: Noticed::new(),
            took: Duration::ZERO,
            starting: Duration::ZERO,
            rounds: 1,
            failed: usize::from(result.is_err()),
            result,
        }
    }

    /// How the contract is broken; empty where it is not.
    pub fn breaches(&self) -> &[Breach] {
        match &self.result {
            Err(Broken {
                failure: Failure::Broken(breaches),
                ..
            }) => breaches,
            _ => &[],
        }
    }

    /// Whether it was kept in some rounds and failed in others.
    pub fn is_flaky(&self) -> bool {
        0 < self.failed && self.failed < self.rounds
    }

    /// The verdict over several rounds: kept if every round was, else the first failure.
    fn and(mut self, next: Self) -> Self {
        self.rounds += next.rounds;
        self.failed += next.failed;
        self.took += next.took;
        self.starting += next.starting;
        self.exercised.add(next.exercised);
        self.totals += next.totals;
        if self.result.is_ok() && next.result.is_err() {
            (self.result, self.flow) = (next.result, next.flow);
            (self.told, self.noticed) = (next.told, next.noticed);
        }
        self
    }
}

impl Broken {
    /// Nothing but a failure: there was no flow yet.
    pub fn unreached(failure: Failure) -> Self {
        Self {
            failure,
            account: String::new(),
            change: None,
            log: String::new(),
        }
    }
}

impl Skipped {
    /// `scenario`, for `reason`.
    pub fn of(scenario: &Scenario, reason: Reason) -> Self {
        Self {
            id: scenario.id.clone(),
            title: scenario.title.clone(),
            promises: scenario.promises.clone(),
            reason,
        }
    }
}

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Lacking(words) => f.write_str(words),
            Self::FailFast => f.write_str("the run ended at its first failure"),
        }
    }
}

/// The verdicts of all rounds: one for each scenario, by id.
pub fn merged(rounds: impl IntoIterator<Item = Verdict>) -> Vec<Verdict> {
    let mut by_id: BTreeMap<String, Verdict> = BTreeMap::new();
    for verdict in rounds {
        let verdict = match by_id.remove(&verdict.id) {
            Some(earlier) => earlier.and(verdict),
            None => verdict,
        };
        by_id.insert(verdict.id.clone(), verdict);
    }
    by_id.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round(id: &str, result: Result<(), &str>) -> Verdict {
        let scenario = Scenario::new(id, "a sentence", |_| async { Ok(()) });
        let result = result.map_err(|words| Broken::unreached(Failure::broken(words)));
        Verdict::of(&scenario, String::new(), result)
    }

    #[test]
    fn rounds_make_one_verdict_that_keeps_the_first_failure() {
        let rounds = [
            round("b", Ok(())),
            round("a", Ok(())),
            round("a", Err("first")),
            round("a", Err("second")),
            round("b", Ok(())),
        ];
        let merged = merged(rounds);
        let counts: Vec<_> = merged
            .iter()
            .map(|v| (&*v.id, v.rounds, v.failed))
            .collect();
        assert_eq!(counts, [("a", 3, 2), ("b", 2, 0)]);
        assert_eq!(merged[0].breaches(), [Breach::new("first")]);
        assert!(merged[0].is_flaky() && !merged[1].is_flaky());
    }
}

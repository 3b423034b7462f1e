//! Two systems compared by what their clients noticed in the same scenarios.
//!
//! - `noticed`: what clients noticed of a flow
//! - `text`: a comparison for a terminal

pub mod noticed;
mod text;

use std::collections::{BTreeMap, BTreeSet};

use similar::{Algorithm, DiffOp, capture_diff_slices};

use crate::scenario::Failure;
use crate::verdict::{Skipped, Verdict};
use noticed::{Noticed, Step};

pub use text::text;

/// What clients notice when they move from the old system to the new one.
#[derive(Clone, Debug)]
pub struct Comparison {
    /// A row for each scenario that at least one of the systems was asked to play, by id.
    pub rows: Vec<Row>,
}

/// One scenario on both systems.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The scenario's id.
    pub id: String,
    /// The sentence that it proves.
    pub title: String,
    /// What came out.
    pub outcome: Outcome,
}

/// What came out of a scenario on both systems.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Clients noticed the same.
    Same {
        /// The contract's verdict on both.
        contract: Sides,
    },
    /// Clients noticed different things.
    Different {
        /// The differences, in the order of the lanes.
        differences: Vec<Difference>,
        /// The contract's verdict on each.
        contract: Sides,
    },
    /// Only the old system could be asked; why not the new one.
    OnlyOld(String),
    /// Only the new system could be asked; why not the old one.
    OnlyNew(String),
}

/// The contract's verdicts on the two systems: nothing where it is kept, else what is wrong.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sides {
    /// On the old system.
    pub old: Option<Wrong>,
    /// On the new system.
    pub new: Option<Wrong>,
}

/// Why a scenario failed on a system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    /// The promises that it broke; none where the contract is not what failed.
    pub promises: BTreeSet<String>,
    /// What was expected and what came.
    pub words: String,
}

/// One thing that a client notices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The client.
    pub client: String,
    /// The step: what it did or saw.
    pub step: String,
    /// The detail of the step; none where it is the step itself.
    pub detail: Option<String>,
    /// What the old system did; none where it did nothing.
    pub old: Option<String>,
    /// What the new system does.
    pub new: Option<String>,
}

/// What a row means for somebody who moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Meaning {
    /// Nothing changes.
    Same,
    /// There is more than before, and nothing less.
    More,
    /// What the old system broke the new one keeps.
    Mended,
    /// Only one of the systems could be asked.
    OneOnly,
    /// The contract allows both, and clients notice: something is gone or another.
    Changed,
    /// The new system breaks the contract.
    Broken,
    /// The new system could not be reached, or the harness failed.
    Unknown,
}

impl Comparison {
    /// Lays the verdicts on two systems side by side.
    pub fn of(old: (&[Verdict], &[Skipped]), new: (&[Verdict], &[Skipped])) -> Self {
        let verdicts = old.0.iter().chain(new.0);
        let ids: BTreeMap<&str, &str> = verdicts.map(|v| (&*v.id, &*v.title)).collect();
        let rows = ids.into_iter().filter_map(|(id, title)| {
            let find = |verdicts: &'_ [Verdict]| verdicts.iter().position(|v| v.id == id);
            let reason = |skipped: &[Skipped]| {
                let skipped = skipped.iter().find(|s| s.id == id)?;
                Some(skipped.reason.to_string())
            };
            let outcome = match (find(old.0), find(new.0)) {
                (Some(o), Some(n)) => both(&old.0[o], &new.0[n]),
                (Some(_), None) => Outcome::OnlyOld(reason(new.1)?),
                (None, Some(_)) => Outcome::OnlyNew(reason(old.1)?),
                (None, None) => return None,
            };
            Some(Row {
                id: id.to_owned(),
                title: title.to_owned(),
                outcome,
            })
        });
        Self {
            rows: rows.collect(),
        }
    }

    /// How many rows have this meaning.
    pub fn count(&self, meaning: Meaning) -> usize {
        let rows = self.rows.iter();
        rows.filter(|row| row.meaning() == meaning).count()
    }
}

impl Row {
    /// Whether `other` differs in the same details, with the same verdicts of the contract.
    fn is_like(&self, other: &Self) -> bool {
        let what = |row: &Self| match &row.outcome {
            Outcome::Different {
                differences,
                contract,
            } => {
                let details = differences.iter();
                let details = details.map(|d| (d.detail.clone(), d.old.clone(), d.new.clone()));
                Some((details.collect::<Vec<_>>(), contract.clone()))
            }
            _ => None,
        };
        what(self).is_some() && what(self) == what(other)
    }

    /// What it means for somebody who moves from the old system to the new one.
    pub fn meaning(&self) -> Meaning {
        let (contract, differences): (_, &[Difference]) = match &self.outcome {
            Outcome::OnlyOld(_) | Outcome::OnlyNew(_) => return Meaning::OneOnly,
            Outcome::Same { contract } => (contract, &[]),
            Outcome::Different {
                differences,
                contract,
            } => (contract, differences),
        };
        match (&contract.old, &contract.new) {
            (_, Some(wrong)) if wrong.promises.is_empty() => Meaning::Unknown,
            (_, Some(_)) => Meaning::Broken,
            (Some(_), None) => Meaning::Mended,
            (None, None) if differences.is_empty() => Meaning::Same,
            (None, None) if differences.iter().all(|d| d.old.is_none()) => Meaning::More,
            (None, None) => Meaning::Changed,
        }
    }
}

fn both(old: &Verdict, new: &Verdict) -> Outcome {
    let contract = Sides {
        old: wrong(old),
        new: wrong(new),
    };
    let differences = differences(&old.noticed, &new.noticed);
    if differences.is_empty() {
        Outcome::Same { contract }
    } else {
        Outcome::Different {
            differences,
            contract,
        }
    }
}

fn wrong(verdict: &Verdict) -> Option<Wrong> {
    let broken = verdict.result.as_ref().err()?;
    // Whether somebody has reviewed the flow says nothing about what clients notice.
    if matches!(broken.failure, Failure::Unreviewed(_)) {
        return None;
    }
    let breaches = verdict.breaches().iter();
    let promises = breaches.filter_map(|breach| breach.promise(&verdict.promises));
    Some(Wrong {
        promises: promises.map(str::to_owned).collect(),
        words: broken.failure.to_string(),
    })
}

fn differences(old: &Noticed, new: &Noticed) -> Vec<Difference> {
    let clients: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let mut found = Vec::new();
    for client in clients {
        let steps = |noticed: &Noticed| noticed.get(client).cloned().unwrap_or_default();
        of_client(client, &steps(old), &steps(new), &mut found);
    }
    found
}

/// Steps with the same head are the same step; its details are compared one by one.
fn of_client(client: &str, old: &[Step], new: &[Step], found: &mut Vec<Difference>) {
    let heads = |steps: &[Step]| steps.iter().map(|s| s.head.clone()).collect::<Vec<_>>();
    let whole = |old: Option<&Step>, new: Option<&Step>| Difference {
        client: client.to_owned(),
        step: (old.or(new)).map_or(String::new(), |step| step.head.clone()),
        detail: None,
        old: old.map(|step| step.head.clone()),
        new: new.map(|step| step.head.clone()),
    };
    for op in capture_diff_slices(Algorithm::Myers, &heads(old), &heads(new)) {
        match op {
            DiffOp::Equal {
                old_index,
                new_index,
                len,
            } => {
                for step in 0..len {
                    of_step(
                        client,
                        &old[old_index + step],
                        &new[new_index + step],
                        found,
                    );
                }
            }
            DiffOp::Delete { .. } | DiffOp::Insert { .. } | DiffOp::Replace { .. } => {
                let (old, new) = (&old[op.old_range()], &new[op.new_range()]);
                for at in 0..old.len().max(new.len()) {
                    found.push(whole(old.get(at), new.get(at)));
                }
            }
        }
    }
}

fn of_step(client: &str, old: &Step, new: &Step, found: &mut Vec<Difference>) {
    let details: BTreeSet<&String> = old.details.keys().chain(new.details.keys()).collect();
    for detail in details {
        let (before, now) = (old.details.get(detail), new.details.get(detail));
        if before != now {
            found.push(Difference {
                client: client.to_owned(),
                step: old.head.clone(),
                detail: Some(detail.clone()),
                old: before.cloned(),
                new: now.cloned(),
            });
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use rstest::rstest;

    use super::*;
    use crate::results::tests::{ORDER, scenario, verdict};
    use crate::verdict::Reason;

    pub fn step(head: &str, details: &[(&str, &str)]) -> Step {
        let details = details.iter();
        Step {
            head: head.to_owned(),
            details: details.map(|(n, v)| ((*n).into(), (*v).into())).collect(),
        }
    }

    pub fn played(steps: &[Step], failure: Option<Failure>) -> Verdict {
        Verdict {
            noticed: Noticed::from([("teacher".to_owned(), steps.to_vec())]),
            ..verdict("a/it", &[ORDER], failure)
        }
    }

    fn meaning(old: &Verdict, new: &Verdict) -> Meaning {
        let (old, new) = (std::slice::from_ref(old), std::slice::from_ref(new));
        Comparison::of((old, &[]), (new, &[])).rows[0].meaning()
    }

    fn ok(details: &[(&str, &str)]) -> Step {
        step("<- 200", details)
    }

    #[rstest]
    #[case::the_same(&[("a", "1")], None, &[("a", "1")], None, Meaning::Same)]
    #[case::another_header(&[], None, &[("a", "1")], None, Meaning::More)]
    #[case::a_lost_header(&[("a", "1")], None, &[], None, Meaning::Changed)]
    #[case::another_value(&[("a", "1")], None, &[("a", "2")], None, Meaning::Changed)]
    #[case::broken_now(&[], None, &[], Some("b"), Meaning::Broken)]
    #[case::broken_before(&[], Some("b"), &[("a", "1")], None, Meaning::Mended)]
    #[case::broken_as_ever(&[], Some("b"), &[], Some("b"), Meaning::Broken)]
    fn moving_means(
        #[case] before: &[(&str, &str)],
        #[case] old: Option<&str>,
        #[case] after: &[(&str, &str)],
        #[case] new: Option<&str>,
        #[case] expected: Meaning,
    ) {
        let old = played(&[ok(before)], old.map(Failure::broken));
        let new = played(&[ok(after)], new.map(Failure::broken));
        assert_eq!(meaning(&old, &new), expected);
    }

    #[test]
    fn a_system_that_was_not_reached_means_nothing() {
        let new = played(&[], Some(Failure::System("gone".into())));
        assert_eq!(meaning(&played(&[], None), &new), Meaning::Unknown);
    }

    #[test]
    fn steps_are_laid_side_by_side_by_their_heads() {
        let (ask, hello) = (step("-> GET /", &[]), step("<- text #1 hello", &[]));
        let old = [ask.clone(), ok(&[("x", "1")]), hello.clone()];
        let new = [ask, step("<- 404", &[]), hello];
        let mut found = Vec::new();
        of_client("teacher", &old, &new, &mut found);
        let sides: Vec<_> = found
            .iter()
            .map(|d| (d.old.as_deref(), d.new.as_deref()))
            .collect();
        assert_eq!(sides, [(Some("<- 200"), Some("<- 404"))]);
    }

    #[test]
    fn what_only_one_could_be_asked_says_why() {
        let old = [played(&[], None)];
        let reason = Reason::Lacking("the profile has no [gateway]".into());
        let skipped = [Skipped::of(&scenario("a/it", &[ORDER]), reason)];
        let rows = Comparison::of((&old, &[]), (&[], &skipped)).rows;
        let why = "the profile has no [gateway]".to_owned();
        assert_eq!(rows[0].outcome, Outcome::OnlyOld(why));
    }
}

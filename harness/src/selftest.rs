//! Which scenario noticed what a saboteur did, and whether the suite can be relied on.

use contract::Contract;

use crate::results::{Fate, Results, Subject};
use crate::saboteur::Sabotage;
use crate::scenario::{Failure, Scenario};
use crate::verdict::Verdict;

/// What became of one sabotage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Noticed {
    /// These scenarios noticed, under the promise that was broken.
    By(Vec<String>),
    /// Scenarios noticed something, but not that: the promise each found broken, the scenario, and its words.
    UnderAnother(Vec<(String, String, String)>),
    /// Scenarios were played, so many, and none noticed.
    Survived(usize),
    /// The system cannot be asked, for this reason.
    Skipped(String),
    /// Something else was in the way.
    Unreached(String),
}

/// One sabotage, and what became of it.
pub struct Trial {
    /// What was done.
    pub sabotage: &'static Sabotage,
    /// What became of it.
    pub noticed: Noticed,
}

impl Trial {
    /// What `verdicts` of the scenarios that prove the promise say of `sabotage`.
    pub fn of(sabotage: &'static Sabotage, verdicts: Vec<Verdict>, contract: &Contract) -> Self {
        let results = Results::of(Subject::default(), verdicts, Vec::new(), contract);
        let kept = results
            .promises
            .iter()
            .find(|kept| kept.id == sabotage.promise);
        let noticed = match kept.map(|kept| &kept.fate) {
            Some(Fate::Broken(evidence)) => {
                Noticed::By(evidence.iter().map(|one| one.scenario.clone()).collect())
            }
            _ => unnoticed(&results),
        };
        Self { sabotage, noticed }
    }

    /// One that could not be tried, for `reason`.
    pub fn skipped(sabotage: &'static Sabotage, reason: String) -> Self {
        Self {
            sabotage,
            noticed: Noticed::Skipped(reason),
        }
    }
}

/// What the results say where the promise is not broken.
fn unnoticed(results: &Results) -> Noticed {
    let others: Vec<_> = results
        .broken()
        .flat_map(|(kept, evidence)| {
            evidence.iter().map(|one| {
                let words = one.words.first().cloned().unwrap_or_default();
                (kept.id.clone(), one.scenario.clone(), words)
            })
        })
        .collect();
    if !others.is_empty() {
        return Noticed::UnderAnother(others);
    }
    let trouble = results.verdicts.iter().find_map(|verdict| {
        let broken = verdict.result.as_ref().err()?;
        Some(format!("{}: {}", verdict.id, broken.failure))
    });
    match trouble {
        None if results.verdicts.is_empty() => {
            Noticed::Unreached("what could notice fails on the healthy system".to_owned())
        }
        Some(words) => Noticed::Unreached(words),
        None => Noticed::Survived(results.verdicts.len()),
    }
}

/// Whether a failure of the harness itself is among `verdicts`.
pub fn has_bug(verdicts: &[Verdict]) -> bool {
    let failures = verdicts.iter().filter_map(|v| v.result.as_ref().err());
    failures
        .map(|broken| &broken.failure)
        .any(|failure| matches!(failure, Failure::Bug(_)))
}

/// Those of `scenarios` that prove the promise that `sabotage` breaks.
pub fn concerned<'a>(scenarios: &'a [Scenario], sabotage: &Sabotage) -> Vec<&'a Scenario> {
    let proves = |scenario: &&Scenario| scenario.promises.iter().any(|id| id == sabotage.promise);
    scenarios.iter().filter(proves).collect()
}

/// How many were noticed, how many were not, and how many were skipped.
pub fn counts(trials: &[Trial]) -> [usize; 3] {
    let mut counts = [0; 3];
    for trial in trials {
        counts[match trial.noticed {
            Noticed::By(_) => 0,
            Noticed::UnderAnother(_) | Noticed::Survived(_) | Noticed::Unreached(_) => 1,
            Noticed::Skipped(_) => 2,
        }] += 1;
    }
    counts
}

/// A table of what became of each sabotage: its name, its promise, and who noticed.
pub fn table(trials: &[Trial]) -> String {
    let rows = trials.iter().map(|trial| {
        let Sabotage { name, promise, .. } = trial.sabotage;
        [*name, *promise]
            .map(str::to_owned)
            .into_iter()
            .chain([words(&trial.noticed)])
            .collect()
    });
    columns(["sabotage", "promise", "noticed by"], rows.collect())
}

/// A table of `sabotages`: their names, their promises, and what they do.
pub fn list(sabotages: &[&'static Sabotage]) -> String {
    let row = |sabotage: &&Sabotage| {
        [sabotage.name, sabotage.promise, sabotage.sentence]
            .map(str::to_owned)
            .into()
    };
    columns(
        ["sabotage", "promise", "what it does"],
        sabotages.iter().map(row).collect(),
    )
}

fn words(noticed: &Noticed) -> String {
    match noticed {
        Noticed::By(scenarios) => match scenarios.as_slice() {
            [] => String::new(),
            [only] => only.clone(),
            [first, others @ ..] => format!("{first} and {} more", others.len()),
        },
        Noticed::UnderAnother(others) => {
            let (promise, scenario, words) = &others[0];
            format!("UNDER ANOTHER PROMISE: {promise}, by {scenario}: {words}")
        }
        Noticed::Survived(1) => "SURVIVED: one scenario saw nothing".to_owned(),
        Noticed::Survived(count) => format!("SURVIVED: {count} scenarios saw nothing"),
        Noticed::Skipped(reason) => format!("skipped: {reason}"),
        Noticed::Unreached(words) => format!("NOT REACHED: {words}"),
    }
}

/// Rows under their titles; all columns but the last are as wide as their widest.
fn columns(titles: [&str; 3], rows: Vec<Vec<String>>) -> String {
    let rows: Vec<Vec<String>> = std::iter::once(titles.map(str::to_owned).into())
        .chain(rows)
        .collect();
    let width = |column: usize| {
        let widths = rows
            .iter()
            .map(|row: &Vec<String>| row[column].chars().count());
        widths.max().unwrap_or(0)
    };
    let (first, second) = (width(0), width(1));
    let line = |row: &Vec<String>| format!("{:first$}  {:second$}  {}\n", row[0], row[1], row[2]);
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::breach::Breach;
    use crate::saboteur;
    use crate::verdict::Broken;

    fn duplicate() -> &'static Sabotage {
        saboteur::all().find(|one| one.name == "duplicate").unwrap()
    }

    fn verdict(id: &str, result: Result<(), Failure>) -> Verdict {
        let scenario = Scenario::new(id, "a sentence", |_| async { Ok(()) })
            .proves([duplicate().promise, "delivery.in-order"]);
        Verdict::of(&scenario, String::new(), result.map_err(Broken::unreached))
    }

    fn broken(promise: &'static str) -> Result<(), Failure> {
        Err(Failure::Broken(vec![Breach::of("words", [promise])]))
    }

    #[rstest]
    #[case::under_its_promise(
        [broken(duplicate().promise), broken("delivery.in-order")],
        "a"
    )]
    #[case::by_two([broken(duplicate().promise), broken(duplicate().promise)], "a and 1 more")]
    #[case::under_another(
        [Ok(()), broken("delivery.in-order")],
        "UNDER ANOTHER PROMISE: delivery.in-order, by b: words"
    )]
    #[case::survived([Ok(()), Ok(())], "SURVIVED: 2 scenarios saw nothing")]
    #[case::in_the_way(
        [Ok(()), Err(Failure::System("no Redis".to_owned()))],
        "NOT REACHED: b: system trouble: no Redis"
    )]
    fn a_sabotage_is_noticed_under_the_promise_that_it_breaks(
        #[case] results: [Result<(), Failure>; 2],
        #[case] said: &str,
    ) {
        let [a, b] = results;
        let verdicts = vec![verdict("a", a), verdict("b", b)];
        let contract = crate::contract::contract().unwrap();
        let trial = Trial::of(duplicate(), verdicts, contract);
        assert_eq!(words(&trial.noticed), said);
    }

    #[test]
    fn what_fails_on_the_healthy_system_notices_nothing() {
        let contract = crate::contract::contract().unwrap();
        let trial = Trial::of(duplicate(), Vec::new(), contract);
        let said = "NOT REACHED: what could notice fails on the healthy system";
        assert_eq!(words(&trial.noticed), said);
    }

    #[test]
    fn a_table_has_a_line_for_each_sabotage() {
        let trial = |noticed| Trial {
            sabotage: duplicate(),
            noticed,
        };
        let trials = [
            trial(Noticed::By(vec!["a/b".to_owned()])),
            trial(Noticed::Survived(1)),
            trial(Noticed::Skipped("no logs".to_owned())),
        ];
        let lines = "\
sabotage   promise                       noticed by
duplicate  delivery.once-per-connection  a/b
duplicate  delivery.once-per-connection  SURVIVED: one scenario saw nothing
duplicate  delivery.once-per-connection  skipped: no logs
";
        assert_eq!(table(&trials), lines);
        assert_eq!(counts(&trials), [1, 1, 1]);
    }
}

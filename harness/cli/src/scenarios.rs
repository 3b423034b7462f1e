//! Every scenario of every scenario crate.

use harness::data::PROGRAM;
use harness::fixture::{FixtureError, nearest};
use harness::scenario::Scenario;

/// All scenarios, in the order in which they are listed and reported.
pub fn all() -> Result<Vec<Scenario>, FixtureError> {
    let mut scenarios = scenarios_notifications::scenarios()?;
    scenarios.extend(scenarios_gateway::scenarios()?);
    scenarios.extend(scenarios_resilience::scenarios());
    scenarios.extend(scenarios_browser::scenarios());
    scenarios.sort_by(|a, b| a.id.cmp(&b.id));
    Ok(scenarios)
}

/// Those whose id contains one of `filters`; all of them without any. A filter that matches nothing is an error that
/// names the nearest ids.
pub fn select(scenarios: Vec<Scenario>, filters: &[String]) -> Result<Vec<Scenario>, String> {
    for filter in filters {
        if !scenarios
            .iter()
            .any(|scenario| scenario.id.contains(filter.as_str()))
        {
            return Err(unmatched(filter, &scenarios));
        }
    }
    let wanted = |scenario: &Scenario| {
        filters.is_empty()
            || filters
                .iter()
                .any(|filter| scenario.id.contains(filter.as_str()))
    };
    Ok(scenarios.into_iter().filter(wanted).collect())
}

/// Those that prove one of `promises`; all of them without any. A promise that the contract does not have is an error that
/// names the nearest.
pub fn proving(scenarios: Vec<Scenario>, promises: &[String]) -> Result<Vec<Scenario>, String> {
    let known = &harness::contract::contract()
        .map_err(|error| error.to_string())?
        .promises;
    let ids = || known.iter().map(|promise| promise.id.as_str());
    for promise in promises {
        if !ids().any(|id| id == promise) {
            let suggestion = nearest(promise, ids())
                .map(|id| format!("; did you mean {id}?"))
                .unwrap_or_default();
            return Err(format!(
                "the contract has no promise {promise:?}{suggestion}\n`x-promises` in contracts/*.yaml has all"
            ));
        }
    }
    let wanted = |scenario: &Scenario| {
        promises.is_empty() || scenario.promises.iter().any(|id| promises.contains(id))
    };
    Ok(scenarios.into_iter().filter(wanted).collect())
}

fn unmatched(filter: &str, scenarios: &[Scenario]) -> String {
    let mut names: Vec<&str> = Vec::new();
    for scenario in scenarios {
        names.push(&scenario.id);
        names.extend(
            scenario
                .id
                .match_indices('/')
                .map(|(at, _)| &scenario.id[..at]),
        );
        names.extend(scenario.id.split('/'));
    }
    names.sort_unstable();
    names.dedup();
    let mut likely = Vec::new();
    while likely.len() < 3
        && let Some(name) = nearest(filter, names.iter().copied())
    {
        likely.push(format!("  {name}"));
        names.retain(|other| *other != name);
    }
    let mut message = format!("no scenario's id contains {filter:?}");
    if !likely.is_empty() {
        message.push_str("; the nearest:\n");
        message.push_str(&likely.join("\n"));
    }
    message + &format!("\n`{PROGRAM} verify --list` shows all")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn some() -> Vec<Scenario> {
        ["delivery/once", "delivery/order", "refusal/expired"]
            .map(|id| Scenario::new(id, "a sentence", |_| async { Ok(()) }))
            .into()
    }

    #[test]
    fn a_filter_is_a_part_of_an_id() {
        let ids = |filters: &[&str]| -> Vec<String> {
            let filters: Vec<String> = filters.iter().map(|f| (*f).to_owned()).collect();
            select(some(), &filters)
                .unwrap()
                .into_iter()
                .map(|s| s.id)
                .collect()
        };
        assert_eq!(ids(&[]).len(), 3);
        assert_eq!(ids(&["delivery"]), ["delivery/once", "delivery/order"]);
        assert_eq!(
            ids(&["once", "expired"]),
            ["delivery/once", "refusal/expired"]
        );
    }

    #[test]
    fn a_filter_that_matches_nothing_is_answered_with_the_nearest_names() {
        let Err(message) = select(some(), &["delivry".to_owned()]) else {
            panic!("nothing matches");
        };
        assert!(
            message
                .starts_with("no scenario's id contains \"delivry\"; the nearest:\n  delivery\n")
        );
    }

    #[test]
    fn ids_are_unique() {
        let all = all().unwrap();
        let ids: BTreeSet<&str> = all.iter().map(|scenario| scenario.id.as_str()).collect();
        assert_eq!(ids.len(), all.len());
    }

    #[test]
    fn every_promise_that_a_scenario_names_is_in_the_documents() {
        let contract = harness::contract::contract().unwrap();
        let mut unknown: Vec<(String, String)> = Vec::new();
        for scenario in all().unwrap() {
            let promises = scenario.promises.iter();
            let missing = promises.filter(|id| contract.promise(id).is_none());
            unknown.extend(missing.map(|promise| (scenario.id.clone(), promise.clone())));
        }
        assert_eq!(unknown, []);
    }

    #[test]
    fn every_promise_is_proved_by_a_scenario() {
        let all = all().unwrap();
        let proved = |id: &String| all.iter().any(|scenario| scenario.promises.contains(id));
        let promises = harness::contract::contract().unwrap().promises.iter();
        let ids = promises.map(|promise| &promise.id);
        let unproved: Vec<&String> = ids.filter(|id| !proved(id)).collect();
        assert_eq!(unproved, Vec::<&String>::new());
    }

    #[test]
    fn every_scenario_proves_a_promise() {
        let all = all().unwrap();
        let none = all.iter().filter(|scenario| scenario.promises.is_empty());
        let none: Vec<&str> = none.map(|scenario| scenario.id.as_str()).collect();
        assert_eq!(none, Vec::<&str>::new());
    }

    #[test]
    fn every_reviewed_flow_belongs_to_a_scenario() {
        let orphans = harness::snapshot::orphans(&all().unwrap());
        assert_eq!(orphans, Vec::<String>::new());
    }
}

//! What the saboteur can do, and the promise that each thing breaks.
//!
//! One file for each part of the contract; a name is unique, and a promise has as many sabotages as it has clauses.

mod backplane;
mod connections;
mod delivery;
mod errors;
mod files;
mod operation;
mod pipelines;
mod routes;
mod status;
mod tokens;

use contract::Contract;

use serde_json::{Value, json};

use super::exchange::Answer;
use super::scene::Scene;
use super::{Deed, Sabotage};
use crate::fixture::nearest;

/// All of them, in the order in which they are listed.
pub fn all() -> impl Iterator<Item = &'static Sabotage> {
    [
        delivery::ALL,
        tokens::ALL,
        connections::ALL,
        backplane::ALL,
        operation::ALL,
        status::ALL,
        pipelines::ALL,
        files::ALL,
        routes::ALL,
        errors::ALL,
    ]
    .into_iter()
    .flatten()
}

/// With nothing to break: one way to stand between after the other, from a mere pipe to one that looks into everything
/// and changes nothing.
pub(crate) fn idle(turn: usize) -> Option<&'static Sabotage> {
    const ALL: &[Sabotage] = &[
        idler(Deed::Upgrade(|_, _| ())),
        idler(Deed::FromService(|_, frames| frames)),
        idler(Deed::FromClient(|_, frame| vec![frame])),
        idler(Deed::Request(|_, _| ())),
        idler(Deed::Answer(|_, _, _| ())),
        idler(Deed::Arrival(|_| ())),
        idler(Deed::Published(|_, _, _| ())),
    ];
    const fn idler(deed: Deed) -> Sabotage {
        sabotage("nothing", "", "changes nothing", deed)
    }
    ALL.iter()
        .map(Some)
        .chain([None])
        .cycle()
        .nth(turn % (ALL.len() + 1))?
}

/// Those whose name contains one of `names`; all of them without any. A name that matches nothing is an error that names
/// the nearest.
pub fn select(names: &[String]) -> Result<Vec<&'static Sabotage>, String> {
    for name in names {
        if !all().any(|sabotage| sabotage.name.contains(name.as_str())) {
            let mut known: Vec<&str> = all().map(|sabotage| sabotage.name).collect();
            let mut message = format!("no sabotage's name contains {name:?}");
            let mut likely = Vec::new();
            while likely.len() < 3
                && let Some(near) = nearest(name, known.iter().copied())
            {
                likely.push(format!("  {near}"));
                known.retain(|other| *other != near);
            }
            if !likely.is_empty() {
                message.push_str("; the nearest:\n");
                message.push_str(&likely.join("\n"));
            }
            return Err(message + "\n`cargo verify selftest --list` shows all");
        }
    }
    let wanted = |sabotage: &&Sabotage| {
        names.is_empty()
            || names
                .iter()
                .any(|name| sabotage.name.contains(name.as_str()))
    };
    Ok(all().filter(wanted).collect())
}

/// The promises of `contract` that no sabotage breaks.
pub fn missing(contract: &Contract) -> Vec<&str> {
    let ids = contract.promises.iter().map(|promise| promise.id.as_str());
    ids.filter(|id| !all().any(|sabotage| sabotage.promise == *id))
        .collect()
}

const fn sabotage(
    name: &'static str,
    promise: &'static str,
    sentence: &'static str,
    deed: Deed,
) -> Sabotage {
    Sabotage {
        name,
        promise,
        sentence,
        deed,
    }
}

/// An answer with `status` gets `other` instead.
fn recoded(answer: &mut Answer, status: u16, other: u16) {
    if answer.status == status {
        answer.status = other;
    }
}

/// An answer with `status` says what the service behind the gateway said.
fn worded(answer: &mut Answer, status: u16, scene: &Scene) {
    if answer.status == status {
        let words = scene.words_behind().concat();
        answer.change(|json| json["error"]["message"] = json!(words));
    }
}

/// A call that arrived with JSON, changed.
fn arrived_json(request: &mut wiremock::Request, change: impl FnOnce(&mut Value)) {
    if let Ok(mut json) = serde_json::from_slice(&request.body) {
        change(&mut json);
        request.body = json.to_string().into_bytes();
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_promise_has_a_sabotage() {
        let contract = crate::contract::contract().unwrap();
        assert_eq!(missing(contract), Vec::<&str>::new());
    }

    #[test]
    fn every_sabotage_breaks_a_promise_of_the_contract() {
        let contract = crate::contract::contract().unwrap();
        let unknown = all().filter(|sabotage| contract.promise(sabotage.promise).is_none());
        let unknown: Vec<&str> = unknown.map(|sabotage| sabotage.name).collect();
        assert_eq!(unknown, Vec::<&str>::new());
    }

    #[test]
    fn names_are_unique() {
        let names: BTreeSet<&str> = all().map(|sabotage| sabotage.name).collect();
        assert_eq!(names.len(), all().count());
    }

    #[test]
    fn a_part_of_a_name_selects() {
        let some = select(&["swap".to_owned(), "duplicate".to_owned()]).unwrap();
        assert!(some.iter().any(|sabotage| sabotage.name == "swap-two"));
        assert!(some.iter().any(|sabotage| sabotage.name == "duplicate"));
        assert!(some.len() < all().count());
    }

    #[test]
    fn an_unknown_name_is_answered_with_the_nearest() {
        let Err(message) = select(&["duplicat3".to_owned()]) else {
            panic!("nothing matches");
        };
        let expected = "no sabotage's name contains \"duplicat3\"; the nearest:\n  duplicate\n";
        assert!(message.starts_with(expected), "{message}");
    }
}

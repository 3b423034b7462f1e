//! How much of the contract a run exercised: promises, messages by who was there, closes, and routes by status.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use contract::Contract;

use crate::audit::{Audience, Exercised, Life};
use crate::report::document::Document;
use crate::report::reference::Reference;
use crate::verdict::Verdict;

/// What of the contract is exercised, and what never is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Coverage {
    /// Each promise with the ids of the scenarios that prove it.
    pub promises: Vec<(String, Vec<String>)>,
    /// Each notification with who was there when it was published, and how their connections went on.
    pub messages: Vec<(String, BTreeSet<(Audience, Life)>)>,
    /// Each close with its code, and whether it was seen where a scenario proves its promise.
    pub closes: Vec<(String, u16, bool)>,
    /// Each route with its statuses, and whether each was answered.
    pub routes: Vec<(String, Vec<(String, bool)>)>,
}

/// What a scenario that was played exercised.
struct Played<'a> {
    id: &'a str,
    promises: &'a [String],
    exercised: &'a Exercised,
}

impl Coverage {
    /// What `verdicts` exercised of `contract`.
    pub fn of(contract: &Contract, verdicts: &[Verdict]) -> Self {
        let played = verdicts.iter().map(|verdict| Played {
            id: &verdict.id,
            promises: &verdict.promises,
            exercised: &verdict.exercised,
        });
        Self::over(&Reference::of(contract), &played.collect::<Vec<_>>())
    }

    /// What the scenarios of `document` exercised of the contract that it knows.
    pub fn of_document(document: &Document) -> Self {
        let played = document.scenarios.iter().filter(|s| !s.is_skipped());
        let played = played.map(|scenario| Played {
            id: &scenario.id,
            promises: &scenario.promises,
            exercised: &scenario.exercised,
        });
        Self::over(&document.reference, &played.collect::<Vec<_>>())
    }

    fn over(reference: &Reference, played: &[Played]) -> Self {
        let promises = reference.promises.iter().map(|id| {
            let provers = played.iter().filter(|one| one.promises.contains(id));
            let ids = provers.map(|one| one.id.to_owned()).collect();
            (id.clone(), ids)
        });
        let messages = reference.messages.iter().map(|message| {
            let seen = played.iter().flat_map(|one| &one.exercised.messages);
            let seen = seen.filter(|(event, ..)| *event == message.event);
            let seen = seen.map(|(_, who, life)| (*who, *life));
            (message.event.clone(), seen.collect())
        });
        let closes = reference.closes.iter().map(|close| {
            let seen = played.iter().any(|one| {
                one.exercised.closes.contains(&close.code)
                    && close.promises.iter().any(|id| one.promises.contains(id))
            });
            (close.name.clone(), close.code, seen)
        });
        let routes = reference.routes.iter().map(|route| {
            let name = format!("{} {}", route.method, route.path);
            let statuses = route.statuses.iter().map(|status| {
                let entry = (name.clone(), status.clone());
                let seen = played
                    .iter()
                    .any(|one| one.exercised.routes.contains(&entry));
                (status.clone(), seen)
            });
            let statuses = statuses.collect();
            (name, statuses)
        });
        Self {
            promises: promises.collect(),
            messages: messages.collect(),
            closes: closes.collect(),
            routes: routes.collect(),
        }
    }

    /// A sentence for each gap that must not be: a promise that nobody proves, a notification that reaches nobody, a
    /// close that never comes.
    pub fn gaps(&self) -> Vec<String> {
        let mut gaps = Vec::new();
        for (id, provers) in &self.promises {
            if provers.is_empty() {
                gaps.push(format!("no scenario proves the promise {id}"));
            }
        }
        for (event, audience) in &self.messages {
            let reached = |who: &Audience| matches!(who, Audience::One | Audience::Several);
            if !audience.iter().any(|(who, _)| reached(who)) {
                gaps.push(format!("no scenario delivers {event}"));
            }
        }
        for (name, code, seen) in &self.closes {
            if !seen {
                gaps.push(format!("no scenario sees the close {name} ({code})"));
            }
        }
        gaps
    }

    /// One line with the counts.
    pub fn summary(&self) -> String {
        let count = |all: usize, seen: usize, what: &str| format!("{seen} of {all} {what}");
        let statuses = || self.routes.iter().flat_map(|(_, statuses)| statuses);
        let proved = self.promises.iter().filter(|(_, ids)| !ids.is_empty());
        let delivered = self.messages.iter().filter(|(_, who)| !who.is_empty());
        [
            count(self.promises.len(), proved.count(), "promises"),
            count(self.messages.len(), delivered.count(), "messages"),
            count(
                self.closes.len(),
                self.closes.iter().filter(|(_, _, seen)| *seen).count(),
                "closes",
            ),
            count(
                statuses().count(),
                statuses().filter(|(_, seen)| *seen).count(),
                "statuses of routes",
            ),
        ]
        .join(", ")
    }

    /// The whole of it as tables.
    pub fn text(&self) -> String {
        let mut text = String::from(
            "messages, by who was there when they were published and how their connection went on:\n\
             it stayed open, the client left, or the service closed it with a code\n\n",
        );
        let width = self.messages.iter().map(|(event, _)| event.len()).max();
        let width = width.unwrap_or(0);
        let _ = write!(text, "  {:width$}", "");
        for audience in Audience::ALL {
            let _ = write!(text, "  {}", audience.words());
        }
        text.push('\n');
        for (event, seen) in &self.messages {
            let _ = write!(text, "  {event:width$}");
            for audience in Audience::ALL {
                let lives = seen.iter().filter(|(who, _)| *who == audience);
                let lives: Vec<String> = lives.map(|(_, life)| life.to_string()).collect();
                let cell = match lives.as_slice() {
                    [] => "never".to_owned(),
                    lives => lives.join(" "),
                };
                let _ = write!(text, "  {cell:column$}", column = audience.words().len());
            }
            let end = text.trim_end().len();
            text.truncate(end);
            text.push('\n');
        }
        text.push_str("\nthe life of a connection: closes that the service begins\n\n");
        for (name, code, seen) in &self.closes {
            let mark = if *seen { "yes" } else { "never" };
            let _ = writeln!(text, "  {code}  {name:18}  {mark}");
        }
        text.push_str("\nroutes, by status\n\n");
        let width = self.routes.iter().map(|(name, _)| name.len()).max();
        let width = width.unwrap_or(0);
        for (name, statuses) in &self.routes {
            let words = |wanted: bool| {
                let of = statuses.iter().filter(|(_, seen)| *seen == wanted);
                let of: Vec<&str> = of.map(|(status, _)| status.as_str()).collect();
                of.join(" ")
            };
            let _ = write!(text, "  {name:width$}  {}", words(true));
            if statuses.iter().any(|(_, seen)| !seen) {
                let _ = write!(text, "  (never: {})", words(false));
            }
            text.push('\n');
        }
        text.push_str("\npromises, by the scenarios that prove them\n\n");
        for (id, provers) in &self.promises {
            let _ = match provers.as_slice() {
                [] => writeln!(text, "  {id}\n      none"),
                [one] => writeln!(text, "  {id}\n      {one}"),
                [one, rest @ ..] => {
                    writeln!(text, "  {id}\n      {one} and {} more", rest.len())
                }
            };
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Scenario;

    fn verdict(promises: &[&str], exercised: Exercised) -> Verdict {
        let scenario = Scenario::new("area/name", "a sentence", |_| async { Ok(()) });
        let scenario = scenario.proves(promises.to_vec());
        Verdict {
            exercised,
            ..Verdict::of(&scenario, String::new(), Ok(()))
        }
    }

    #[test]
    fn nothing_played_leaves_every_promise_message_and_close_as_a_gap() {
        let contract = crate::contract::contract().unwrap();
        let gaps = Coverage::of(contract, &[]).gaps();
        let all = contract.promises.len() + 18 + contract.closes.len();
        assert_eq!(gaps.len(), all, "{gaps:?}");
    }

    #[test]
    fn what_was_played_is_no_gap() {
        let contract = crate::contract::contract().unwrap();
        let exercised = Exercised {
            routes: [("GET /healthz".to_owned(), "200".to_owned())].into(),
            closes: [1008].into(),
            messages: [("class_created".to_owned(), Audience::Several, Life::Left)].into(),
        };
        let played = [verdict(&["token.expiry-closes"], exercised)];
        let coverage = Coverage::of(contract, &played);
        let gaps = coverage.gaps();
        for gone in [
            "no scenario proves the promise token.expiry-closes",
            "no scenario delivers class_created",
            "no scenario sees the close token-expired (1008)",
        ] {
            assert!(!gaps.contains(&gone.to_owned()), "{gone}");
        }
        // The same code, and nobody proves the other close that has it.
        assert!(gaps.contains(&"no scenario sees the close token-refused (1008)".to_owned()));
        assert!(
            coverage
                .text()
                .contains("GET /healthz                           200  (never: 405)")
        );
        let row = "class_created                         never           left";
        assert!(coverage.text().contains(row), "{}", coverage.text());
        assert!(coverage.summary().starts_with("1 of "));
    }
}

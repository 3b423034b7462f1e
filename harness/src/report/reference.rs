//! What readers of a report look up in the contract: what messages look like, what closes mean, which routes there are.

use contract::Contract;
use contract::model::{Direction, Message};
use contract::outline::outline;
use contract::types::declarations;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::data::data;

/// What readers look up.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reference {
    /// The contract's version.
    pub version: String,
    /// Which contract and which reviewed flows they are: data that is the same has the same.
    pub fingerprint: String,
    /// The ids of its promises.
    pub promises: Vec<String>,
    /// The notifications.
    pub messages: Vec<Notification>,
    /// The closes that the service begins.
    pub closes: Vec<Close>,
    /// The routes.
    pub routes: Vec<Route>,
}

/// A message that clients get.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notification {
    /// Its `event`.
    pub event: String,
    /// What it says.
    pub words: String,
    /// The values in it.
    pub fields: Vec<Field>,
    /// Its TypeScript type, with those that it is made of; empty where TypeScript has no words for it.
    pub typescript: String,
    /// The files of its examples, below `contracts/`.
    pub fixtures: Vec<String>,
}

/// A value in a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Field {
    /// Where it is, as a JSON pointer in which `*` is any element or member.
    pub pointer: String,
    /// What it may be.
    pub kind: String,
    /// Whether it can be left out.
    pub optional: bool,
    /// What the contract says about it.
    pub words: String,
}

/// A close that the service begins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Close {
    /// Its name.
    pub name: String,
    /// The close code.
    pub code: u16,
    /// When it comes.
    pub when: String,
    /// What the client should do.
    pub client: String,
    /// The promises that it keeps.
    pub promises: Vec<String>,
}

/// A route.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// Its method, in capitals.
    pub method: String,
    /// Its path, with parameters in braces.
    pub path: String,
    /// The statuses that the document has for it.
    pub statuses: Vec<String>,
}

impl Reference {
    /// What `contract` says.
    pub fn of(contract: &Contract) -> Self {
        // `cargo contracts check` says what TypeScript has no words for.
        let types = declarations(contract).unwrap_or_default();
        let read = |message: &&Message| message.direction == Direction::ToClient;
        let messages = contract
            .messages
            .iter()
            .filter(read)
            .map(|message| Notification {
                event: message.name.clone(),
                words: word(&message.schema, "description"),
                fields: fields(&message.schema),
                typescript: types.get(&message.name).cloned().unwrap_or_default(),
                fixtures: message.examples.iter().map(|at| at.path.clone()).collect(),
            });
        let closes = contract.closes.iter().map(|close| Close {
            name: close.name.clone(),
            code: close.code,
            when: close.when.clone(),
            client: close.client.clone(),
            promises: close.promises.clone(),
        });
        let routes = contract.routes.iter().map(|route| Route {
            method: route.method.clone(),
            path: route.path.clone(),
            statuses: route.responses.iter().map(|r| r.status.clone()).collect(),
        });
        let info = contract.documents.get(contract::model::ASYNCAPI);
        Self {
            version: info.map_or(String::new(), |info| word(&info.value["info"], "version")),
            fingerprint: data().fingerprint().unwrap_or_default(),
            promises: contract.promises.iter().map(|p| p.id.clone()).collect(),
            messages: messages.collect(),
            closes: closes.collect(),
            routes: routes.collect(),
        }
    }
}

fn fields(schema: &Value) -> Vec<Field> {
    let fields = outline(schema).into_iter();
    fields
        .map(|field| Field {
            pointer: field.pointer,
            kind: field.kind,
            optional: field.optional,
            words: field.words,
        })
        .collect()
}

fn word(value: &Value, name: &str) -> String {
    value[name].as_str().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_notification_can_be_looked_up() {
        let contract = crate::contract::contract().unwrap();
        let reference = Reference::of(contract);
        assert_eq!(reference.messages.len(), 18);
        for message in &reference.messages {
            let event = &message.event;
            assert!(!message.words.is_empty(), "{event} has no words");
            assert!(message.fields.len() > 4, "{event} has no fields");
            let tag = format!("event: {event:?};");
            assert!(message.typescript.contains(&tag), "{}", message.typescript);
        }
        let created = reference
            .messages
            .iter()
            .find(|m| m.event == "class_created");
        let created = created.unwrap();
        assert_eq!(
            created.fixtures[0],
            "fixtures/notifications/class_created.json"
        );
        assert!(!created.typescript.contains("export type Priority"));
        assert_eq!(reference.closes.len(), 10);
    }
}

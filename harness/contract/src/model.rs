//! The contract as the suite sees it: messages, closes, routes and promises, every schema whole.

mod asyncapi;
mod openapi;

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use crate::document::{Document, Problem};
use crate::files::Files;
use crate::reference::{Documents, Location};

pub use asyncapi::{Channel, Close, Direction, Message};
pub use openapi::{Body, Downstream, Header, Parameter, ParameterPlace, Response, Route};

/// A whole contract. References are resolved: schemas in it have none.
#[derive(Clone, Debug, Default)]
pub struct Contract {
    /// The documents that it was read from.
    pub documents: Documents,
    /// What it promises, in the order of the documents.
    pub promises: Vec<Promise>,
    /// Where messages travel.
    pub channels: Vec<Channel>,
    /// The messages, in the order of the document.
    pub messages: Vec<Message>,
    /// Every close that the service begins.
    pub closes: Vec<Close>,
    /// The HTTP routes; none where there is no `openapi.yaml`.
    pub routes: Vec<Route>,
    /// By service, what it answers where it has no route.
    pub unknown_routes: BTreeMap<String, Response>,
}

/// One sentence that somebody relies on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Promise {
    /// Its name: `delivery.in-order`.
    pub id: String,
    /// What is promised.
    pub sentence: String,
    /// Where it stands.
    pub location: Location,
}

/// The file that describes messages.
pub const ASYNCAPI: &str = "asyncapi.yaml";
/// The file that describes messages as they were when the gateway served the WebSocket.
pub const LEGACY: &str = "legacy/asyncapi.yaml";
/// The file that describes routes.
pub const OPENAPI: &str = "openapi.yaml";

impl Contract {
    /// The contract in `folder`.
    pub fn of_folder(folder: &Path) -> Result<Self, Problem> {
        Self::read(&Files::of_folder(folder)?)
    }

    /// The contract in `files`.
    pub fn read(files: &Files) -> Result<Self, Problem> {
        let mut contract = Self::of_messages(files, ASYNCAPI)?;
        let documents = std::mem::take(&mut contract.documents);
        if let Some(document) = documents.get(OPENAPI) {
            contract.promises.extend(promises(document)?);
            openapi::read(&documents, &mut contract)?;
        }
        let mut ids: Vec<&Promise> = contract.promises.iter().collect();
        ids.sort_by(|one, other| one.id.cmp(&other.id));
        if let Some(twice) = ids.windows(2).find(|pair| pair[0].id == pair[1].id) {
            return Err(documents.problem(
                &twice[1].location,
                format!("the promise {} is made twice", twice[1].id),
            ));
        }
        contract.documents = documents;
        Ok(contract)
    }

    /// The contract of the gateway's former WebSocket, which had no routes of its own.
    pub fn legacy(files: &Files) -> Result<Self, Problem> {
        Self::of_messages(files, LEGACY)
    }

    fn of_messages(files: &Files, path: &str) -> Result<Self, Problem> {
        let documents = Documents::parse(files)?;
        let document = documents
            .get(path)
            .ok_or_else(|| Problem::new(path, "is missing: it describes the messages"))?;
        let mut contract = Self {
            promises: promises(document)?,
            ..Self::default()
        };
        asyncapi::read(&documents, path, &mut contract)?;
        contract.documents = documents;
        Ok(contract)
    }

    /// The promise called `id`.
    pub fn promise(&self, id: &str) -> Option<&Promise> {
        self.promises.iter().find(|promise| promise.id == id)
    }

    /// The message whose `event` is `name`.
    pub fn message(&self, name: &str) -> Option<&Message> {
        self.messages.iter().find(|message| message.name == name)
    }
}

fn promises(document: &Document) -> Result<Vec<Promise>, Problem> {
    let whole = Location::new(&document.path, "/x-promises");
    let Some(promises) = document.value.get("x-promises") else {
        return Ok(Vec::new());
    };
    let words = "expected promises, each an id like area.name with one sentence";
    promises
        .as_object()
        .ok_or_else(|| document.problem(&whole.pointer, words))?
        .iter()
        .map(|(id, sentence)| {
            let location = whole.member(id);
            match sentence {
                Value::String(sentence) if id.contains('.') && !sentence.is_empty() => {
                    Ok(Promise {
                        id: id.clone(),
                        sentence: sentence.clone(),
                        location,
                    })
                }
                _ => Err(document.problem(&location.pointer, words)),
            }
        })
        .collect()
}

/// The text at `name` of `value`, or nothing.
fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// The names and locations of the members of the object at `location`; none where there is none.
fn members(documents: &Documents, location: &Location) -> Vec<(String, Location)> {
    documents
        .at(location)
        .and_then(Value::as_object)
        .map(|object| {
            object
                .keys()
                .map(|name| (name.clone(), location.member(name)))
                .collect()
        })
        .unwrap_or_default()
}

/// The locations of the elements of the array at `location`; none where there is none.
fn elements(documents: &Documents, location: &Location) -> Vec<Location> {
    let length = documents
        .at(location)
        .and_then(Value::as_array)
        .map_or(0, Vec::len);
    (0..length)
        .map(|index| location.member(&index.to_string()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_contract_of_this_repository_can_be_read() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../contracts");
        let contract = Contract::of_folder(&folder).unwrap();
        assert_eq!(contract.documents.broken(), []);
        let count = |direction| {
            let messages = contract.messages.iter();
            messages
                .filter(|message| message.direction == direction)
                .count()
        };
        assert_eq!(
            (count(Direction::ToClient), count(Direction::FromClient)),
            (18, 1)
        );
        assert!(
            contract
                .messages
                .iter()
                .all(|m| !m.schema.to_string().contains("$ref"))
        );
        assert_eq!(contract.closes.len(), 10);
        let status = &contract.routes[0];
        assert_eq!(
            (&*status.method, &*status.path),
            ("GET", "/v1/batches/{batch_id}/status")
        );
        assert_eq!(
            (&*status.security, &*status.parameters[0].name),
            (&["bearer".to_owned()][..], "batch_id")
        );
        assert!(contract.promise("delivery.in-order").is_some());
    }
}

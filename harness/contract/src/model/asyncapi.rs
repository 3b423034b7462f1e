//! Messages, channels and closes, from `asyncapi.yaml` (AsyncAPI 3.1).

use serde_json::Value;

use super::{Contract, elements, members, text};
use crate::document::Problem;
use crate::reference::{Documents, Location};

/// Where messages travel.
#[derive(Clone, Debug, PartialEq)]
pub struct Channel {
    /// Its name in the document.
    pub name: String,
    /// Its address: a Redis channel or a path, with parameters in braces.
    pub address: String,
    /// The protocols of its servers: `redis`, `ws`.
    pub protocols: Vec<String>,
    /// The names of the query parameters of its upgrade, required ones marked.
    pub query: Vec<(String, bool)>,
    /// How its servers know who comes: `httpApiKey token in query`.
    pub security: Vec<String>,
    /// Where it stands.
    pub location: Location,
}

/// Who sends a message, seen from the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Direction {
    /// The service: clients read it.
    ToClient,
    /// A client: the service reads it.
    FromClient,
}

/// A message that travels between the service and its clients.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// Its name, which is also its `event`.
    pub name: String,
    /// Who sends it.
    pub direction: Direction,
    /// Who it is for.
    pub audience: String,
    /// The schema of its payload, without references.
    pub schema: Value,
    /// Where the schema stands.
    pub schema_location: Location,
    /// Where its examples stand, the fixtures.
    pub examples: Vec<Location>,
    /// Where it stands.
    pub location: Location,
}

/// A close that the service begins.
#[derive(Clone, Debug, PartialEq)]
pub struct Close {
    /// Its name: `slow-consumer`.
    pub name: String,
    /// The close code (RFC 6455, section 7.4).
    pub code: u16,
    /// The schema of its reason as JSON, without references; none where the reason says nothing.
    pub reason: Option<Value>,
    /// Whether it always has one.
    pub reason_required: bool,
    /// When it comes.
    pub when: String,
    /// What the client should do.
    pub client: String,
    /// The ids of the promises that it keeps.
    pub promises: Vec<String>,
    /// Where it stands.
    pub location: Location,
}

/// Reads the document at `path` into `contract`.
pub(super) fn read(
    documents: &Documents,
    path: &str,
    contract: &mut Contract,
) -> Result<(), Problem> {
    for (name, at) in members(documents, &Location::new(path, "/channels")) {
        let (at, value) = documents.resolve(&at)?;
        contract
            .channels
            .push(channel(documents, name, &at, value)?);
        for (name, at) in members(documents, &at.member("x-closes")) {
            contract.closes.push(close(documents, name, &at)?);
        }
    }
    // What clients see: the operations on channels that a WebSocket server serves.
    for (_, at) in members(documents, &Location::new(path, "/operations")) {
        let (at, operation) = documents.resolve(&at)?;
        let direction = match text(operation, "action") {
            "send" => Direction::ToClient,
            "receive" => Direction::FromClient,
            other => {
                return Err(documents.problem(
                    &at,
                    format!("expected the action send or receive, got {other:?}"),
                ));
            }
        };
        let (channel_at, _) = documents.resolve(&at.member("channel"))?;
        let of_clients = contract.channels.iter().any(|channel| {
            channel.location == channel_at && channel.protocols.iter().any(|p| p.starts_with("ws"))
        });
        if !of_clients {
            continue;
        }
        let mut messages = elements(documents, &at.member("messages"));
        if messages.is_empty() {
            messages = members(documents, &channel_at.member("messages"))
                .into_iter()
                .map(|(_, at)| at)
                .collect();
        }
        for at in messages {
            contract.messages.push(message(documents, direction, &at)?);
        }
    }
    Ok(())
}

fn channel(
    documents: &Documents,
    name: String,
    at: &Location,
    value: &Value,
) -> Result<Channel, Problem> {
    let (mut protocols, mut security) = (Vec::new(), Vec::new());
    for server in elements(documents, &at.member("servers")) {
        let (server_at, server) = documents.resolve(&server)?;
        protocols.push(text(server, "protocol").to_owned());
        for scheme in elements(documents, &server_at.member("security")) {
            let (_, scheme) = documents.resolve(&scheme)?;
            let parts = ["type", "name", "in", "scheme"].map(|part| text(scheme, part));
            let words: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
            security.push(words.join(" "));
        }
    }
    let query = value.pointer("/bindings/ws/query");
    let required: Vec<&str> = query
        .and_then(|query| query.get("required")?.as_array())
        .map(|names| names.iter().filter_map(Value::as_str).collect())
        .unwrap_or_default();
    let query = query
        .and_then(|query| query.get("properties")?.as_object())
        .map(|names| {
            names
                .keys()
                .map(|name| (name.clone(), required.contains(&name.as_str())))
                .collect()
        })
        .unwrap_or_default();
    Ok(Channel {
        name,
        address: text(value, "address").to_owned(),
        protocols,
        query,
        security,
        location: at.clone(),
    })
}

fn message(documents: &Documents, direction: Direction, at: &Location) -> Result<Message, Problem> {
    let (at, value) = documents.resolve(at)?;
    let name = match text(value, "name") {
        "" => at.pointer.rsplit('/').next().unwrap_or_default(),
        name => name,
    };
    let payload = at.member("payload");
    let (schema, schema_location) = if value.get("payload").is_some() {
        let (schema_at, _) = documents.resolve(&payload)?;
        (documents.inlined(&payload)?, schema_at)
    } else {
        (Value::Bool(true), at.clone())
    };
    let mut examples = Vec::new();
    for example in elements(documents, &at.member("examples")) {
        examples.push(documents.resolve(&example.member("payload"))?.0);
    }
    Ok(Message {
        name: name.to_owned(),
        direction,
        audience: text(value, "x-audience").to_owned(),
        schema,
        schema_location,
        examples,
        location: at,
    })
}

fn close(documents: &Documents, name: String, at: &Location) -> Result<Close, Problem> {
    let (at, value) = documents.resolve(at)?;
    let code = value
        .get("code")
        .and_then(Value::as_u64)
        .and_then(|code| u16::try_from(code).ok())
        .filter(|code| (1000..5000).contains(code))
        .ok_or_else(|| documents.problem(&at, "expected a close code from 1000 to 4999"))?;
    let reason = at.member("reason");
    let reason = match documents.at(&reason) {
        Some(_) => Some(documents.inlined(&reason)?),
        None => None,
    };
    Ok(Close {
        name,
        code,
        reason,
        reason_required: value.get("reason-required") != Some(&Value::Bool(false)),
        when: text(value, "when").to_owned(),
        client: text(value, "client").to_owned(),
        promises: value
            .get("promises")
            .and_then(Value::as_array)
            .map(|ids| {
                ids.iter()
                    .filter_map(Value::as_str)
                    .map(str::to_owned)
                    .collect()
            })
            .unwrap_or_default(),
        location: at,
    })
}

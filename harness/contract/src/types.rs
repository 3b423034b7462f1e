//! TypeScript for clients: a type for every notification and every close, and guards that check what arrives.
//!
//! - `shape`: what a schema allows, as far as TypeScript can say it
//! - `text`: shapes as types and as checks, and comments
//! - `interface`: the types that a union consists of
//! - `closes`: the closes as a table, and the types of codes and reasons
//! - `guards.ts`: the functions that every generated file has; `checks.ts`: those that it has where it needs them

mod closes;
mod interface;
mod shape;
mod text;

use std::collections::BTreeMap;

use serde_json::Value;

use crate::document::Problem;
use crate::model::{ASYNCAPI, Contract, Direction, Message};
use crate::reference::{Documents, Location};
use interface::{Interface, bare, declaration, literals, union};
use shape::{Definition, Shape, pascal_case};
use text::{comment, identifier, key, literal, type_of};

/// Where the generated file stands, below the contract's folder.
pub const PATH: &str = "typescript/notifications.ts";

const GUARDS: &str = include_str!("types/guards.ts");
const CHECKS: &str = include_str!("types/checks.ts");

/// The names of types that the generated file has, or needs of TypeScript, in any case.
const OWN_NAMES: [&str; 14] = [
    "Array",
    "Check",
    "Checked",
    "Checks",
    "CloseCode",
    "CloseEvent",
    "CloseName",
    "CloseReason",
    "Extract",
    "Notification",
    "NotificationEvent",
    "NotificationOf",
    "Partial",
    "Record",
];

/// The file that clients import, from the messages that they get and the closes that they see.
///
/// A schema that TypeScript has no words for is a problem with its place, rather than a type that says less.
pub fn typescript(contract: &Contract) -> Result<String, Problem> {
    let documents = &contract.documents;
    let mut shared = Vec::new();
    let notifications = notifications(contract, &mut shared)?;
    let reasons = closes::reasons(contract, &mut shared)?;
    let interfaces = || reasons.iter().map(|reason| &reason.interface);
    check_names(documents, &shared, notifications.iter().chain(interfaces()))?;

    let mut sections = vec![header(documents)?];
    sections.extend(shared.iter().map(definition));
    sections.extend(notifications.iter().map(Interface::declaration));
    sections.push(notification_types(&notifications));
    sections.push(closes::table(contract, &reasons));
    sections.extend(interfaces().map(Interface::declaration));
    sections.push(format!(
        "/** Any reason of a close: `error_code` says which. */\n{}",
        union("CloseReason", bare(interfaces()))
    ));
    let checks = [
        notification_checks(&notifications),
        closes::checks(&reasons),
    ];
    sections.push(GUARDS.to_owned());
    sections.extend(called(&checks));
    sections.extend(checks);
    Ok(sections.join("\n"))
}

/// The type of each notification by its event, with the shared types that it is made of.
pub fn declarations(contract: &Contract) -> Result<BTreeMap<String, String>, Problem> {
    let mut shared = Vec::new();
    let notifications = notifications(contract, &mut shared)?;
    let with_shared = |notification: &Interface| {
        let own = notification.declaration();
        let is_used = |one: &&Definition| {
            let code = own
                .lines()
                .filter(|line| !line.trim_start().starts_with(['*', '/']));
            let mut words = code.flat_map(|line| line.split(|c: char| !c.is_alphanumeric()));
            words.any(|word| word == one.name)
        };
        let mut parts: Vec<String> = shared.iter().filter(is_used).map(definition).collect();
        parts.push(own.clone());
        (notification.tags.concat(), parts.join("\n"))
    };
    Ok(notifications.iter().map(with_shared).collect())
}

fn notifications(
    contract: &Contract,
    shared: &mut Vec<Definition>,
) -> Result<Vec<Interface>, Problem> {
    let sent = |message: &&Message| message.direction == Direction::ToClient;
    let notifications: Vec<Interface> = contract
        .messages
        .iter()
        .filter(sent)
        .map(|message| notification(&contract.documents, message, shared))
        .collect::<Result<_, _>>()?;
    if notifications.is_empty() {
        return Err(Problem::new(ASYNCAPI, "has no message that clients get"));
    }
    Ok(notifications)
}

fn notification(
    documents: &Documents,
    message: &Message,
    shared: &mut Vec<Definition>,
) -> Result<Interface, Problem> {
    let name = pascal_case(&message.name);
    let location = message.schema_location.clone();
    let notification = Interface::read(documents, name, location, "event", shared)?;
    if notification.tags == [message.name.as_str()] {
        Ok(notification)
    } else {
        Err(documents.problem(
            &notification.location,
            format!("expected the event {:?}, the message's name", message.name),
        ))
    }
}

/// Whether every type has a name of its own.
fn check_names<'a>(
    documents: &Documents,
    shared: &'a [Definition],
    interfaces: impl Iterator<Item = &'a Interface>,
) -> Result<(), Problem> {
    let definitions = shared.iter().map(|one| (&one.name, &one.location));
    let interfaces = interfaces.map(|one| (&one.name, &one.location));
    let mut taken: BTreeMap<&str, String> = OWN_NAMES
        .into_iter()
        .map(|name| (name, "every generated file".to_owned()))
        .collect();
    for (name, location) in definitions.chain(interfaces) {
        if !identifier(name) {
            let words = format!("{name:?} cannot be the name of a type");
            return Err(documents.problem(location, words));
        }
        if let Some(other) = taken.insert(name, documents.place(location)) {
            let words = format!("the type {name} would be declared twice: it is in {other} too");
            return Err(documents.problem(location, words));
        }
    }
    Ok(())
}

fn header(documents: &Documents) -> Result<String, Problem> {
    let version = Location::new(ASYNCAPI, "/info/version");
    let version = documents
        .at(&version)
        .and_then(Value::as_str)
        .ok_or_else(|| documents.problem(&version, "expected the contract's info.version"))?;
    let words = format!(
        "What the websocket service sends, and why it closes a connection: version {version} of the contract.\n\n\
         Generated by `cargo contracts types` from contracts/{ASYNCAPI} and its schemas. Do not edit."
    );
    Ok(comment(&words, 0))
}

fn definition(definition: &Definition) -> String {
    let Definition { name, schema, .. } = definition;
    let words = &schema.comment;
    match &schema.shape {
        Shape::Object(members) => declaration(words, name, members),
        Shape::OneOf(values) => comment(words, 0) + &union(name, literals(values)),
        shape => {
            let shape = type_of(shape, 0);
            format!("{}export type {name} = {shape};\n", comment(words, 0))
        }
    }
}

fn notification_types(notifications: &[Interface]) -> String {
    let tags: Vec<String> = notifications
        .iter()
        .flat_map(|one| &one.tags)
        .map(|event| literal(event))
        .collect();
    let union = union("Notification", bare(notifications.iter()));
    format!(
        "/** Any notification: `event` says which. */\n{union}\n\
         /** Every event that this client knows. A newer backend may send others. */\n\
         export const NOTIFICATION_EVENTS = [\n  {},\n] as const;\n\n\
         export type NotificationEvent = (typeof NOTIFICATION_EVENTS)[number];\n\n\
         /** The notification of one event, such as `NotificationOf<{}>`. */\n\
         export type NotificationOf<Event extends NotificationEvent> = Extract<Notification, {{ event: Event }}>;\n",
        tags.join(",\n  "),
        tags[0]
    )
}

fn notification_checks(notifications: &[Interface]) -> String {
    let checks: String = notifications
        .iter()
        .map(|one| format!("  {}: {},\n", key(&one.tags[0]), one.check(2)))
        .collect();
    format!(
        "const CHECKS: {{ [Event in NotificationEvent]: Check<NotificationOf<Event>> }} = {{\n{checks}}};\n"
    )
}

/// The functions that `checks` call: compilers and linters complain about one that nobody calls.
fn called(checks: &[String]) -> impl Iterator<Item = String> {
    CHECKS
        .split("\n\n")
        .filter(|function| {
            let name = function.trim_start_matches("function ");
            let name = name.split(['<', '(']).next().unwrap_or_default();
            checks.iter().any(|check| check.contains(name))
        })
        .map(|function| format!("{}\n", function.trim_end()))
}

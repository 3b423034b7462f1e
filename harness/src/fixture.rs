//! Messages and interactions from `contracts/fixtures`, read strictly.
//!
//! Every message names the file, the place, what was expected and what came.

use std::collections::BTreeMap;
use std::path::Path;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use ::contract::nearest;

use crate::contract;
use crate::data::data;
use crate::matching::{Body, Keys, Matching};

/// The folder of the notification fixtures, relative to the workspace.
pub const NOTIFICATIONS: &str = "contracts/fixtures/notifications";
/// The folder of the interaction fixtures, relative to the workspace.
pub const INTERACTIONS: &str = "contracts/fixtures/gateway";
/// What stands in braces for a value that is unique to the run.
pub const PLACEHOLDERS: [&str; 5] = [
    "user_id",
    "other_user_id",
    "batch_id",
    "class_id",
    "correlation_id",
];
/// What stands in angle brackets for any value of a type.
const TYPES: [&str; 4] = ["uuid", "timestamp", "text", "number"];

/// What is wrong with a fixture: the file, with line and column where there is one, and what to do.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {problem}")]
pub struct FixtureError {
    /// The file as a path relative to the workspace, with `:line:column` where known.
    pub place: String,
    /// What was expected and what came.
    pub problem: String,
}

/// A fixture and where it stands.
#[derive(Clone, Debug)]
pub struct Fixture<T> {
    /// The file, relative to the workspace.
    pub path: String,
    /// The file's path below its fixture folder, without `.json`.
    pub name: String,
    /// What the file says.
    pub content: T,
}

/// A message that a backend service publishes.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Notification {
    /// The sentence that it stands for.
    pub title: String,
    /// What is published.
    pub message: Message,
    /// What a consumer's contract says of the message; it is always delivered byte for byte.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub matching: Option<Matching>,
}

/// `{"event": …, "data": {…}}` (contract, Backplane).
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Message {
    /// The notification type.
    pub event: String,
    /// The type's own and the common fields, in the order in which they are published.
    pub data: serde_json::Map<String, Value>,
}

/// A call of the gateway, what its downstream answers, and what the client must get.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Interaction {
    /// The sentence that it proves.
    pub title: String,
    /// The ids of the promises that it proves (contract, `x-promises`).
    pub proves: Vec<String>,
    /// Who calls.
    pub caller: Caller,
    /// What the client sends.
    pub request: Request,
    /// The one downstream call that the gateway makes for it; without one it must make none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub downstream: Option<Downstream>,
    /// What the client must get.
    pub response: ExpectedResponse,
}

/// Who calls the gateway.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Caller {
    /// A user with a good token.
    Teacher,
    /// Somebody without a token.
    Nobody,
    /// A user whose token has expired.
    Expired,
}

/// What a client sends.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// The HTTP method.
    pub method: String,
    /// The path with its query, sent as it stands.
    pub path: String,
    /// Header fields besides `Authorization`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// A JSON body.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub json: Option<Value>,
    /// A text body.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// A multipart/form-data body.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub multipart: Option<Vec<Part>>,
}

/// One part of a multipart body.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Part {
    /// The form field.
    pub name: String,
    /// The file name of a file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub filename: Option<String>,
    /// The content type of a file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    /// The content.
    pub value: String,
}

/// What happens between the gateway and a service behind it.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Downstream {
    /// Which service.
    pub service: Service,
    /// What must arrive there.
    pub request: ExpectedRequest,
    /// What it answers.
    pub response: Answer,
}

/// A service behind the gateway.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Service {
    /// The result aggregator.
    Aggregator,
    /// The file service.
    Files,
    /// The class management service.
    Classes,
    /// The batch orchestrator.
    Orchestrator,
}

/// What must arrive at a stand-in.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ExpectedRequest {
    /// The HTTP method.
    pub method: String,
    /// The path with its query.
    pub path: String,
    /// Header fields that must be there with these values.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// Header fields that must not be there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub absent_headers: Vec<String>,
    /// The JSON body.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub json: Option<Value>,
    /// The text body.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// The parts of the multipart body.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub multipart: Option<Vec<Part>>,
    /// The rules for the JSON body, which is an example then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub matching: Option<Matching>,
}

/// What a stand-in answers.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// Header fields.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// A JSON body.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub json: Option<Value>,
    /// A text body.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

/// What the client must get.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ExpectedResponse {
    /// The status code.
    pub status: u16,
    /// Header fields that must be there with these values.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// Header fields that must not be there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub absent_headers: Vec<String>,
    /// The JSON body.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub json: Option<Value>,
    /// The text body.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// The rules of a consumer's contract: with them status, headers and body are examples.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub matching: Option<Matching>,
    /// Texts that the body contains.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub contains: Vec<String>,
    /// Texts that the body does not contain, whatever their case.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub absent: Vec<String>,
}

impl Message {
    /// The text that is published: compact JSON, fields in the order of the fixture.
    pub fn text(&self) -> String {
        serde_json::to_string(self).unwrap_or_else(|error| panic!("JSON can be written: {error}"))
    }
}

/// All notification fixtures, by name.
pub fn notifications() -> Result<Vec<Fixture<Notification>>, FixtureError> {
    read_folder(NOTIFICATIONS, notification_from)
}

/// The notification fixture called `name`.
pub fn notification(name: &str) -> Result<Fixture<Notification>, FixtureError> {
    let path = format!("{NOTIFICATIONS}/{name}.json");
    notification_from(&path, &read(&path)?)
}

/// The notification fixture at `path`, relative to the workspace, if the file says `text`.
pub fn notification_from(path: &str, text: &str) -> Result<Fixture<Notification>, FixtureError> {
    let fixture: Fixture<Notification> = Fixture {
        name: name_of(path, NOTIFICATIONS),
        content: parse(path, text)?,
        path: path.to_owned(),
    };
    let message = serde_json::json!(fixture.content.message);
    if let Some(violation) = contract::rules()?.message(&message).first() {
        let key = violation.pointer.rsplit('/').next().unwrap_or_default();
        return Err(FixtureError {
            place: place(path, text, &format!("\"{key}\":")),
            problem: format!("/message{}: {}", violation.pointer, violation.problem),
        });
    }
    let event = fixture.name.split('.').next().unwrap_or_default();
    if fixture.content.message.event != event {
        return Err(FixtureError {
            place: path.to_owned(),
            problem: format!(
                "the event is {:?}, but the file's name says {event:?}: make them agree",
                fixture.content.message.event
            ),
        });
    }
    if let Some(matching) = &fixture.content.matching {
        let body = Body::Json(message);
        if let Some(problem) = matching.body(&body, &body, Keys::MayBeMore).first() {
            return Err(FixtureError {
                place: place(path, text, "\"matching\""),
                problem: format!("/message is not what /matching says: {problem}"),
            });
        }
    }
    Ok(fixture)
}

/// All gateway interactions, by name.
pub fn interactions() -> Result<Vec<Fixture<Interaction>>, FixtureError> {
    read_folder(INTERACTIONS, interaction_from)
}

/// The interaction fixture at `path`, relative to the workspace, if the file says `text`.
pub fn interaction_from(path: &str, text: &str) -> Result<Fixture<Interaction>, FixtureError> {
    let fixture: Fixture<Interaction> = Fixture {
        name: name_of(path, INTERACTIONS),
        content: parse(path, text)?,
        path: path.to_owned(),
    };
    if let Some((id, problem)) = wrong_with_promises(&fixture.content.proves, contract::contract()?)
    {
        return Err(FixtureError {
            place: place(path, text, &format!("\"{id}\"")),
            problem,
        });
    }
    if let Some(problem) = wrong_with(&fixture.content) {
        return Err(FixtureError {
            place: path.to_owned(),
            problem,
        });
    }
    check_placeholders(path, text)?;
    Ok(fixture)
}

/// What is wrong with the promises that a fixture names, and the word in the file that shows where.
fn wrong_with_promises<'a>(
    proves: &'a [String],
    contract: &::contract::Contract,
) -> Option<(&'a str, String)> {
    if proves.is_empty() {
        return Some(("proves", "/proves: names no promise".to_owned()));
    }
    let unknown = proves.iter().find(|id| contract.promise(id).is_none())?;
    let known = contract.promises.iter().map(|promise| promise.id.as_str());
    let suggestion = nearest(unknown, known)
        .map(|id| format!("; did you mean `{id}`?"))
        .unwrap_or_default();
    Some((
        unknown,
        format!("/proves: no promise is called `{unknown}`{suggestion}"),
    ))
}

/// What no HTTP message can be like.
fn wrong_with(interaction: &Interaction) -> Option<String> {
    let request = &interaction.request;
    let bodies = [
        request.json.is_some(),
        request.text.is_some(),
        request.multipart.is_some(),
    ];
    if bodies.iter().filter(|there| **there).count() > 1 {
        return Some("the request has more than one of json, text and multipart: keep one".into());
    }
    if reqwest::Method::from_bytes(request.method.as_bytes()).is_err() {
        return Some(format!(
            "/request/method: {:?} is no HTTP method",
            request.method
        ));
    }
    if !request.path.starts_with('/') {
        return Some(format!(
            "/request/path: {:?} does not begin with /",
            request.path
        ));
    }
    let answered = interaction.downstream.as_ref().map(|d| d.response.status);
    let statuses = [
        ("/response/status", Some(interaction.response.status)),
        ("/downstream/response/status", answered),
    ];
    for (place, status) in statuses {
        if let Some(status) = status.filter(|status| !(200..=599).contains(status)) {
            return Some(format!(
                "{place}: {status} is no final HTTP status: 200 to 599"
            ));
        }
    }
    None
}

/// Fails at a `{word}` that stands for nothing, and at a string `<word>` likewise.
fn check_placeholders(path: &str, text: &str) -> Result<(), FixtureError> {
    for (number, line) in text.lines().enumerate() {
        for (open, close, known) in [("{", "}", PLACEHOLDERS.as_slice()), ("\"<", ">\"", &TYPES)] {
            for after in line.split(open).skip(1) {
                let Some((word, _)) = after.split_once(close) else {
                    continue;
                };
                let is_word =
                    !word.is_empty() && word.chars().all(|c| c.is_ascii_lowercase() || c == '_');
                if is_word && !known.contains(&word) {
                    let (open, close) = (open.trim_matches('"'), close.trim_matches('"'));
                    let suggestion = nearest(word, known.iter().copied())
                        .map(|name| format!("; did you mean {open}{name}{close}?"))
                        .unwrap_or_default();
                    return Err(FixtureError {
                        place: format!("{path}:{}", number + 1),
                        problem: format!("{open}{word}{close} stands for nothing{suggestion}"),
                    });
                }
            }
        }
    }
    Ok(())
}

fn read_folder<T>(
    folder: &str,
    from: fn(&str, &str) -> Result<Fixture<T>, FixtureError>,
) -> Result<Vec<Fixture<T>>, FixtureError> {
    let mut files = data().list(folder).map_err(|error| FixtureError {
        place: folder.to_owned(),
        problem: format!("cannot be read: {error}"),
    })?;
    files.retain(|file| file.ends_with(".json"));
    if files.is_empty() {
        return Err(FixtureError {
            place: folder.to_owned(),
            problem: "holds no .json file".into(),
        });
    }
    files.iter().map(|file| from(file, &read(file)?)).collect()
}

fn read(path: &str) -> Result<String, FixtureError> {
    match data().read(path) {
        Ok(text) => Ok(text.into_owned()),
        Err(error) => Err(FixtureError {
            place: path.to_owned(),
            problem: format!("cannot be read: {error}"),
        }),
    }
}

/// The file's path below `folder`, without `.json`.
fn name_of(path: &str, folder: &str) -> String {
    let below = Path::new(path).strip_prefix(folder);
    let below = below.unwrap_or(Path::new(path)).with_extension("");
    below.display().to_string()
}

/// The file at `path`, with the first line of its `text` that contains `word`.
fn place(path: &str, text: &str, word: &str) -> String {
    match text.lines().position(|line| line.contains(word)) {
        Some(line) => format!("{path}:{}", line + 1),
        None => path.to_owned(),
    }
}

/// What `text` says, or the first thing wrong with it; `path` is how messages call it.
pub fn parse<T: DeserializeOwned>(path: &str, text: &str) -> Result<T, FixtureError> {
    serde_json::from_str(text).map_err(|error| {
        let message = error.to_string();
        // serde_json ends its messages with the place, which stands in front here.
        let problem = message
            .rsplit_once(" at line ")
            .map_or(message.as_str(), |(problem, _)| problem);
        FixtureError {
            place: format!("{path}:{}:{}", error.line(), error.column()),
            problem: with_suggestion(problem),
        }
    })
}

/// Adds the nearest known name to serde's "unknown field `x`, expected one of `y`, `z`".
pub fn with_suggestion(problem: &str) -> String {
    if !problem.starts_with("unknown ") {
        return problem.to_owned();
    }
    let names: Vec<&str> = problem.split('`').skip(1).step_by(2).collect();
    match names.split_first() {
        Some((unknown, known)) => match nearest(unknown, known.iter().copied()) {
            Some(name) => format!("{problem}; did you mean `{name}`?"),
            None => problem.to_owned(),
        },
        None => problem.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::broken_json("{\"title\": \"x\",\n}", "f.json:2:1: trailing comma")]
    #[case::unknown_field(
        "{\"titel\": \"x\"}",
        "f.json:1:8: unknown field `titel`, expected one of `title`, `message`, `matching`; did you mean `title`?"
    )]
    #[case::unlike_anything(
        "{\"zzz\": \"x\"}",
        "f.json:1:6: unknown field `zzz`, expected one of `title`, `message`, `matching`"
    )]
    #[case::missing_field("{\"title\": \"x\"}", "f.json:1:14: missing field `message`")]
    fn a_bad_fixture_is_told_with_place_and_remedy(#[case] text: &str, #[case] message: &str) {
        let error = parse::<Notification>("f.json", text).unwrap_err();
        assert_eq!(error.to_string(), message);
    }

    #[rstest]
    #[case::known(&["status.own-batch"], None)]
    #[case::none(&[], Some(("proves", "/proves: names no promise")))]
    #[case::misspelt(
        &["status.own-batch", "status.own-bach"],
        Some((
            "status.own-bach",
            "/proves: no promise is called `status.own-bach`; did you mean `status.own-batch`?"
        ))
    )]
    fn a_fixture_proves_promises_that_exist(
        #[case] proves: &[&str],
        #[case] wrong: Option<(&str, &str)>,
    ) {
        let proves: Vec<String> = proves.iter().map(|id| (*id).to_owned()).collect();
        let found = wrong_with_promises(&proves, contract::contract().unwrap());
        assert_eq!(
            found
                .as_ref()
                .map(|(word, problem)| (*word, problem.as_str())),
            wrong
        );
    }

    #[test]
    fn a_message_is_published_compact_and_in_order() {
        let text = r#"{"title": "t", "message": {"event": "e", "data": {"b": 1, "a": "Åsa"}}}"#;
        let fixture: Notification = parse("f.json", text).unwrap();
        assert_eq!(
            fixture.message.text(),
            r#"{"event":"e","data":{"b":1,"a":"Åsa"}}"#
        );
    }
}

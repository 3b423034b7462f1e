//! Recordings of a browser: HAR 1.2 with `_webSocketMessages`, as Chromium's and others' developer tools write them.
//!
//! Tokens and cookies are dropped, the ids of the user, the batch and the class become placeholders. What else is
//! personal in a recording, such as a student's name, nobody can tell by machine: look before you commit.

use std::collections::BTreeMap;

use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use contract::Problem;
use harness::fixture::{Caller, ExpectedResponse, NOTIFICATIONS, Request};
use harness::redaction::Redactor;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::exchange::{Exchange, Known, is_own_error, is_routed, replace};
use crate::files::{Files, slug};

/// The text frame's opcode (RFC 6455, section 5.2).
const TEXT: u8 = 1;

#[derive(Deserialize)]
struct Har {
    log: Log,
}

#[derive(Deserialize)]
struct Log {
    entries: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    request: Sent,
    response: Came,
    #[serde(rename = "_webSocketMessages", default)]
    messages: Vec<Frame>,
}

#[derive(Deserialize)]
struct Sent {
    method: String,
    url: String,
    #[serde(default)]
    headers: Vec<Field>,
    #[serde(rename = "postData")]
    body: Option<Content>,
}

#[derive(Deserialize)]
struct Came {
    status: i64,
    #[serde(default)]
    headers: Vec<Field>,
    #[serde(default)]
    content: Content,
}

#[derive(Deserialize)]
struct Field {
    name: String,
    value: String,
}

#[derive(Default, Deserialize)]
struct Content {
    #[serde(rename = "mimeType", default)]
    kind: String,
    text: Option<String>,
    encoding: Option<String>,
}

#[derive(Deserialize)]
struct Frame {
    #[serde(rename = "type")]
    direction: String,
    opcode: u8,
    data: String,
}

/// The notifications and the calls of the gateway in the recording `text`, which stands in the file `name`, as
/// fixtures. Other requests are left out. Fails at the first that cannot be a fixture, with the reason.
pub fn import(name: &str, text: &str, known: &Known<'_>) -> Result<Files, Problem> {
    let har: Har = serde_json::from_str(text).map_err(|error| {
        let words = error.to_string();
        let words = words.split(" at line ").next().unwrap_or_default();
        let place = format!("{name}:{}:{}", error.line(), error.column());
        Problem::new(place, format!("is no HAR: {words}"))
    })?;
    let mut files = Files::default();
    let mut left_out = 0;
    for (index, entry) in har.log.entries.iter().enumerate() {
        let path = path_of(&entry.request.url);
        let plain = path.split('?').next().unwrap_or_default();
        let source = format!(
            "{name}: entry {} ({} {plain})",
            index + 1,
            entry.request.method
        );
        let is_call = entry.request.method != "OPTIONS" && is_routed(known.contract, plain);
        if !entry.messages.is_empty() {
            notifications(&mut files, &source, entry)?;
        } else if is_call && (200..=599).contains(&entry.response.status) {
            let exchange = exchange(entry, path).map_err(|words| Problem::new(&source, words))?;
            let (folder, mut fixture) = exchange
                .into_fixture(known)
                .map_err(|words| Problem::new(&source, words))?;
            let Request { method, path, .. } = &fixture.request;
            let plain = path.split('?').next().unwrap_or_default();
            let status = fixture.response.status;
            fixture.title = format!("{method} {plain} is answered with {status}");
            let path = free(&files, &format!("{folder}/{}", slug(&fixture.title)));
            files.add(&source, path, &json!(fixture))?;
        } else {
            left_out += 1;
        }
    }
    if files.texts.is_empty() {
        let words = "has no notification and no call of the gateway";
        return Err(Problem::new(name, words));
    }
    if left_out > 0 {
        let words = format!("{name}: {left_out} entries that are neither are left out");
        files.notes.push(words);
    }
    Ok(files)
}

fn notifications(files: &mut Files, source: &str, entry: &Entry) -> Result<(), Problem> {
    let mut redactor = Redactor::default();
    if let Some(user) = query_value(&entry.request.url, "token").and_then(subject) {
        redactor.identify(user, "user");
    }
    let received = |frame: &&Frame| frame.direction == "receive" && frame.opcode == TEXT;
    for (index, frame) in entry.messages.iter().filter(received).enumerate() {
        let source = format!("{source}, message {}", index + 1);
        let mut message: Value = serde_json::from_str(&frame.data)
            .map_err(|error| Problem::new(&source, format!("is no JSON: {error}")))?;
        without_tokens(&mut message, &mut redactor);
        let Some(event) = message["event"].as_str().map(slug_of_event) else {
            let words = "has no event: a notification is {\"event\": …, \"data\": {…}}";
            return Err(Problem::new(&source, words));
        };
        let fixture =
            json!({"title": format!("{event}, as a browser received it"), "message": message});
        let path = free(files, &format!("{NOTIFICATIONS}/{event}.recorded"));
        files.add(&source, path, &fixture)?;
    }
    Ok(())
}

/// An event as a part of a file's name.
fn slug_of_event(event: &str) -> String {
    event.replace(['/', '\\', '.'], "_")
}

/// `path`, with a number if there is such a file already, and with `.json`.
fn free(files: &Files, path: &str) -> String {
    let names = std::iter::once(format!("{path}.json"))
        .chain((2..).map(|number| format!("{path}_{number}.json")));
    names
        .into_iter()
        .find(|name| !files.texts.contains_key(name))
        .unwrap_or_default()
}

fn exchange(entry: &Entry, path: String) -> Result<Exchange, String> {
    let sent = fields(&entry.request.headers);
    let came = fields(&entry.response.headers);
    let token = sent
        .get("authorization")
        .and_then(|value| value.strip_prefix("Bearer "));
    let mut redactor = Redactor::default();
    if let Some(user) = token.and_then(subject) {
        redactor.identify(user, "user");
    }
    // Browsers add much that says nothing about the gateway.
    let kept = |fields: &BTreeMap<String, String>, names: &[&str]| -> BTreeMap<String, String> {
        let kept = fields
            .iter()
            .filter(|(name, _)| names.contains(&name.as_str()));
        kept.map(|(name, value)| (name.clone(), value.clone()))
            .collect()
    };
    let mut request = Request {
        method: entry.request.method.clone(),
        path: without_user(&redactor.text(&path)),
        headers: kept(&sent, &["x-correlation-id"]),
        json: None,
        text: None,
        multipart: None,
    };
    if let Some(body) = &entry.request.body {
        (request.json, request.text) = body.read(&mut redactor)?;
        if request.text.is_some() {
            request
                .headers
                .insert("content-type".into(), body.kind.clone());
        }
    }
    let (json, text) = entry.response.content.read(&mut redactor)?;
    let status = u16::try_from(entry.response.status).unwrap_or_default();
    let mut response = ExpectedResponse {
        status,
        headers: kept(&came, &["location", "www-authenticate", "retry-after"]),
        absent_headers: Vec::new(),
        json,
        text,
        matching: None,
        contains: Vec::new(),
        absent: Vec::new(),
    };
    let is_pipeline = status == 202 && request.path.ends_with("/pipelines");
    free_values(&mut response, is_pipeline, &came, &sent);
    Ok(Exchange {
        // The path in it is not yet free of ids.
        title: String::new(),
        caller: if token.is_some() {
            Caller::Teacher
        } else {
            Caller::Nobody
        },
        request,
        response,
    })
}

/// Puts `<uuid>` and its like for what the gateway makes anew for every answer.
fn free_values(
    response: &mut ExpectedResponse,
    is_pipeline: bool,
    came: &BTreeMap<String, String>,
    sent: &BTreeMap<String, String>,
) {
    let is_error = is_own_error(response);
    // What a service behind the gateway said comes back as it was.
    if !is_error && !is_pipeline {
        return;
    }
    let Some(json) = &mut response.json else {
        return;
    };
    if let (Some(id), None) = (came.get("x-correlation-id"), sent.get("x-correlation-id")) {
        replace(json, id, "<uuid>");
    }
    if is_pipeline {
        json["message"] = json!("<text>");
    }
    if is_error {
        json["error"]["timestamp"] = json!("<timestamp>");
        json["error"]["message"] = json!("<text>");
    }
}

impl Content {
    /// The body as JSON or as text, without tokens.
    fn read(&self, redactor: &mut Redactor) -> Result<(Option<Value>, Option<String>), String> {
        let Some(text) = self.text.as_ref().filter(|text| !text.is_empty()) else {
            return Ok((None, None));
        };
        if self.kind.starts_with("multipart/") {
            return Err("has a form, which is not supported".into());
        }
        let text = match self.encoding.as_deref() {
            Some("base64") => BASE64_STANDARD
                .decode(text)
                .ok()
                .and_then(|bytes| String::from_utf8(bytes).ok())
                .ok_or("has a binary body, which is not supported")?,
            _ => text.clone(),
        };
        match serde_json::from_str(&text) {
            Ok(mut json) => {
                without_tokens(&mut json, redactor);
                Ok((Some(json), None))
            }
            Err(_) => Ok((None, Some(without_user(&redactor.text(&text))))),
        }
    }
}

fn without_tokens(json: &mut Value, redactor: &mut Redactor) {
    match json {
        Value::String(text) => *text = without_user(&redactor.text(text)),
        Value::Array(values) => values
            .iter_mut()
            .for_each(|each| without_tokens(each, redactor)),
        Value::Object(members) => members
            .values_mut()
            .for_each(|each| without_tokens(each, redactor)),
        _ => {}
    }
}

/// The redactor's name for the user as a fixture's.
fn without_user(text: &str) -> String {
    text.replace("<user>", "{user_id}")
}

fn fields(fields: &[Field]) -> BTreeMap<String, String> {
    fields
        .iter()
        .map(|field| (field.name.to_lowercase(), field.value.clone()))
        .collect()
}

/// The path and query of `url`, without a token in it.
fn path_of(url: &str) -> String {
    let after = url.split_once("://").map_or(url, |(_, after)| after);
    let path = after.find('/').map_or("/", |at| &after[at..]);
    let Some((path, query)) = path.split_once('?') else {
        return path.to_owned();
    };
    let kept: Vec<&str> = query
        .split('&')
        .filter(|pair| !pair.starts_with("token="))
        .collect();
    if kept.is_empty() {
        path.to_owned()
    } else {
        format!("{path}?{}", kept.join("&"))
    }
}

fn query_value<'a>(url: &'a str, name: &str) -> Option<&'a str> {
    let (_, query) = url.split_once('?')?;
    query.split('&').find_map(|pair| {
        let (key, value) = pair.split_once('=')?;
        (key == name).then_some(value)
    })
}

/// Whose token it is. Nothing is verified: it only finds what is to be replaced.
fn subject(token: &str) -> Option<String> {
    let claims = BASE64_URL_SAFE_NO_PAD
        .decode(token.split('.').nth(1)?)
        .ok()?;
    let claims: Value = serde_json::from_slice(&claims).ok()?;
    claims["sub"].as_str().map(str::to_owned)
}

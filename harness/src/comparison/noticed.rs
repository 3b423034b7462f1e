//! What the clients of a system noticed: a flow without what only the harness and the services behind see.
//!
//! A step has a head, by which two runs are laid side by side, and details: header fields by name and JSON by pointer, so
//! that neither the order of members nor indentation is a difference.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::flow::{Actor, Body, Entry, Flow, Frame, Lane, Response};
use crate::ledger::{Published, Telling};
use crate::redaction::Redactor;

/// What each client noticed, by its name.
pub type Noticed = BTreeMap<String, Vec<Step>>;

/// One thing that a client did or saw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// What it was: a request, a status, a message, a close code.
    pub head: String,
    /// More about it: header fields by name, JSON by pointer, values of the run masked.
    pub details: BTreeMap<String, String>,
}

/// What stands for a value that does not matter.
pub const THERE: &str = "(is there)";

/// Header fields that say something about the hop or the moment, not about the answer.
const INCIDENTAL: [&str; 8] = [
    "connection",
    "content-length",
    "date",
    "keep-alive",
    "server",
    "trailer",
    "transfer-encoding",
    "via",
];

/// Those whose value matters as it is. Of one that is not known here it matters that it is there: its value may be chance.
const VALUED: [&str; 7] = [
    "cache-control",
    "content-disposition",
    "etag",
    "location",
    "retry-after",
    "upgrade",
    "www-authenticate",
];

/// What clients noticed of `flow`, those of a crowd aside, whom only the crowd's size tells from each other; members of JSON answers and reasons called one of `wording` are words for people, which
/// may be others.
pub fn noticed(flow: &Flow, redactor: &Redactor, wording: &[String]) -> Noticed {
    let mut reader = Reader {
        redactor: redactor.clone(),
        wording,
    };
    let lanes = flow.lanes.iter();
    let single = |lane: &&Lane| {
        let of_crowd = matches!(&lane.actor, Actor::Client { crowd: Some(_), .. });
        matches!(lane.actor, Actor::Caller | Actor::Client { .. }) && !of_crowd
    };
    let clients = lanes.filter(single);
    clients
        .map(|lane| (lane.name.clone(), reader.steps(flow, lane)))
        .filter(|(_, steps)| !steps.is_empty())
        .collect()
}

/// The request that a response answers.
#[derive(Clone, Copy, Debug, Default)]
struct Asked {
    by_browser: bool,
    preflight: bool,
}

struct Reader<'a> {
    redactor: Redactor,
    wording: &'a [String],
}

impl Reader<'_> {
    fn steps(&mut self, flow: &Flow, lane: &Lane) -> Vec<Step> {
        let mut messages = flow.identified(lane).into_iter();
        let mut steps: Vec<Step> = Vec::new();
        let mut asked = Asked::default();
        for entry in &lane.entries {
            let message = messages.next().flatten();
            if let Entry::Request(request) = entry {
                let origin = |(name, _): &(String, String)| name == "origin";
                asked = Asked {
                    by_browser: request.headers.iter().any(origin),
                    preflight: request.method == "OPTIONS",
                };
            }
            let Some(step) = self.step(entry, message.as_ref(), asked) else {
                continue;
            };
            // How many of those without a number arrive is chance.
            let counted = message.is_none_or(|message| message.telling == Telling::Numbered);
            if counted || steps.last() != Some(&step) {
                steps.push(step);
            }
        }
        steps
    }

    fn step(&mut self, entry: &Entry, message: Option<&Published>, asked: Asked) -> Option<Step> {
        let mut details = BTreeMap::new();
        let head = match entry {
            Entry::Request(request) => {
                let path = self.redactor.text(&request.path);
                format!("-> {} {path}", request.method)
            }
            Entry::Response(response) => {
                details = self.of_response(response, asked);
                match response.status {
                    // Any of them will do (Fetch, section 4.8).
                    200..300 if asked.preflight => "<- a success".to_owned(),
                    status => format!("<- {status}"),
                }
            }
            Entry::Sent(frame) => format!("-> {}", kind(frame)),
            Entry::Received(Frame::Text(bytes)) => match message {
                Some(message) if message.telling == Telling::Untold => return None,
                Some(message) if message.telling == Telling::Uncounted => {
                    format!("<- text {}", message.kind)
                }
                Some(message) => format!("<- text #{} {}", message.number, message.kind),
                None => {
                    let text = String::from_utf8_lossy(bytes);
                    let text = self.redactor.text(&text);
                    format!("<- text that was not published to this user: {text}")
                }
            },
            Entry::Received(Frame::Close(Some((code, reason)))) => {
                match serde_json::from_str(reason) {
                    Ok(json) => self.json(&json, &mut details),
                    Err(_) => _ = details.insert("reason".to_owned(), self.redactor.text(reason)),
                }
                format!("<- close {code}")
            }
            Entry::Received(frame) => format!("<- {}", kind(frame)),
            Entry::Ended(words) => words.clone(),
            Entry::Published(_) | Entry::Fence | Entry::Note(_) => return None,
        };
        Some(Step { head, details })
    }

    fn of_response(&mut self, response: &Response, asked: Asked) -> BTreeMap<String, String> {
        let mut details = BTreeMap::new();
        for (name, value) in &response.all_headers {
            // Only browsers read what CORS says, and they say their origin; of a preflight they read nothing else (Fetch,
            // sections 3.2 and 4.8).
            let cors = name == "vary" || name.starts_with("access-control-");
            let unread = if cors {
                !asked.by_browser
            } else {
                asked.preflight
            };
            if !unread && !INCIDENTAL.contains(&name.as_str()) {
                self.header(name, value, cors, &mut details);
            }
        }
        if asked.preflight {
            return details;
        }
        match &response.body {
            Body::Empty => {}
            Body::Json(json) => self.json(json, &mut details),
            Body::Text(text) => _ = details.insert("body".to_owned(), self.redactor.text(text)),
            Body::Checked(sentences) => {
                for sentence in sentences {
                    details.insert(format!("body {sentence}"), "yes".to_owned());
                }
            }
        }
        details
    }

    fn header(
        &mut self,
        name: &str,
        value: &str,
        cors: bool,
        details: &mut BTreeMap<String, String>,
    ) {
        if cors || name == "allow" {
            // Lists without an order, their words in any case (RFC 9110, sections 5.6.1 and 10.2.1).
            for word in value.split(',') {
                let word = self.redactor.text(word.trim()).to_lowercase();
                details.insert(format!("{name}: {word}"), THERE.to_owned());
            }
            return;
        }
        let value = match name {
            "x-correlation-id" => correlation(self.redactor.string(value)),
            // The character set of JSON is no choice (RFC 8259, section 8.1).
            "content-type" => value.to_lowercase().replace("; charset=utf-8", ""),
            name if VALUED.contains(&name) => self.redactor.string(value),
            _ => THERE.to_owned(),
        };
        details.insert(name.to_owned(), value);
    }

    fn json(&mut self, json: &Value, details: &mut BTreeMap<String, String>) {
        let masked = self.redactor.json(json);
        flatten(&masked, "", self.wording, details);
    }
}

/// A correlation id is the client's own, or any word of the service's making.
fn correlation(masked: String) -> String {
    let own = masked.starts_with('<') && !masked.starts_with("<uuid");
    if own {
        masked
    } else {
        "(made by the service)".to_owned()
    }
}

fn kind(frame: &Frame) -> String {
    match frame {
        Frame::Text(bytes) => format!("text of {} bytes", bytes.len()),
        Frame::Binary(bytes) => format!("binary of {} bytes", bytes.len()),
        Frame::Ping(_) => "ping".to_owned(),
        Frame::Pong(_) => "pong".to_owned(),
        Frame::Close(None) => "close, without a code".to_owned(),
        Frame::Close(Some((code, _))) => format!("close {code}"),
    }
}

/// Enters each scalar of `json` under its pointer (RFC 6901).
fn flatten(
    json: &Value,
    pointer: &str,
    wording: &[String],
    details: &mut BTreeMap<String, String>,
) {
    match json {
        Value::Object(members) if !members.is_empty() => {
            for (name, value) in members {
                let below = format!("{pointer}/{}", name.replace('~', "~0").replace('/', "~1"));
                if wording.contains(name) {
                    details.insert(below, "(words)".to_owned());
                } else if let ("correlation_id", Value::String(id)) = (name.as_str(), value) {
                    details.insert(below, correlation(id.clone()));
                } else {
                    flatten(value, &below, wording, details);
                }
            }
        }
        Value::Array(elements) if !elements.is_empty() => {
            for (index, value) in elements.iter().enumerate() {
                flatten(value, &format!("{pointer}/{index}"), wording, details);
            }
        }
        scalar => {
            let pointer = if pointer.is_empty() { "/" } else { pointer };
            details.insert(pointer.to_owned(), scalar.to_string());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::Ledger;

    #[test]
    fn what_a_client_noticed_has_heads_and_details() {
        let mut ledger = Ledger::default();
        ledger.publish("anna", "hello", b"1", Telling::Numbered);
        let reason = r#"{"message":"bye","error_code":"X"}"#;
        let entries = vec![
            Entry::Received(Frame::Text(b"1".to_vec())),
            Entry::Fence,
            Entry::Received(Frame::Close(Some((1001, reason.into())))),
        ];
        let client = Lane {
            name: "anna/1".into(),
            actor: Actor::Client {
                user: "anna".into(),
                offered: 0,
                crowd: None,
            },
            entries,
            recorded: Vec::new(),
        };
        let standin = Lane {
            name: "files".into(),
            actor: Actor::StandIn,
            entries: vec![Entry::Ended("unseen".into())],
            recorded: Vec::new(),
        };
        let flow = Flow {
            ledger,
            lanes: vec![client, standin],
        };
        let step = |head: &str, details: &[(&str, &str)]| Step {
            head: head.into(),
            details: details
                .iter()
                .map(|(name, value)| ((*name).into(), (*value).into()))
                .collect(),
        };
        let steps = vec![
            step("<- text #1 hello", &[]),
            step(
                "<- close 1001",
                &[("/error_code", "\"X\""), ("/message", "(words)")],
            ),
        ];
        let found = noticed(&flow, &Redactor::default(), &["message".to_owned()]);
        assert_eq!(found, Noticed::from([("anna/1".to_owned(), steps)]));
    }

    #[test]
    fn of_an_answer_the_hop_and_the_moment_are_left_out() {
        let headers = [
            ("access-control-allow-credentials", "true"),
            ("date", "today"),
            ("content-type", "application/json; charset=utf-8"),
            ("x-process-time", "0.5"),
        ];
        let response = Response {
            status: 200,
            headers: Vec::new(),
            all_headers: headers.map(|(n, v)| (n.to_owned(), v.to_owned())).to_vec(),
            body: Body::Json(serde_json::json!({"b": [1, {}], "a/b": null})),
        };
        let mut reader = Reader {
            redactor: Redactor::default(),
            wording: &[],
        };
        let expected = [
            ("/a~1b", "null"),
            ("/b/0", "1"),
            ("/b/1", "{}"),
            ("content-type", "application/json"),
            ("x-process-time", "(is there)"),
        ];
        let expected_count = expected.len();
        let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let found = reader.of_response(&response, Asked::default());
        assert_eq!(found, BTreeMap::from(expected));
        let asked = |preflight| Asked {
            by_browser: true,
            preflight,
        };
        let read: Vec<String> = reader
            .of_response(&response, asked(true))
            .into_keys()
            .collect();
        assert_eq!(read, ["access-control-allow-credentials: true"]);
        let read = reader.of_response(&response, asked(false));
        assert_eq!(read.len(), expected_count + 1);
    }
}

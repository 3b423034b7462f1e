//! What the clients of a system noticed: a flow without what only the harness and the services behind see.
//!
//! A step has a head, by which two runs are laid side by side, and details: header fields by name and JSON by pointer, so
//! that neither the order of members nor indentation is a difference.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::flow::{Actor, Body, Entry, Flow, Frame, Lane, Response};
use crate::ledger::Published;
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

/// Those whose value matters, besides CORS'. Of any other one it matters that it is there: its value may be chance.
const VALUED: [&str; 11] = [
    "allow",
    "cache-control",
    "content-disposition",
    "content-type",
    "etag",
    "location",
    "retry-after",
    "upgrade",
    "vary",
    "www-authenticate",
    "x-correlation-id",
];

/// What clients noticed of `flow`; members of JSON answers and reasons called one of `wording` are words for people, which
/// may be others.
pub fn noticed(flow: &Flow, redactor: &Redactor, wording: &[String]) -> Noticed {
    let mut reader = Reader {
        redactor: redactor.clone(),
        wording,
    };
    let lanes = flow.lanes.iter();
    let clients = lanes.filter(|lane| matches!(lane.actor, Actor::Caller | Actor::Client { .. }));
    clients
        .map(|lane| (lane.name.clone(), reader.steps(flow, lane)))
        .filter(|(_, steps)| !steps.is_empty())
        .collect()
}

struct Reader<'a> {
    redactor: Redactor,
    wording: &'a [String],
}

impl Reader<'_> {
    fn steps(&mut self, flow: &Flow, lane: &Lane) -> Vec<Step> {
        let mut messages = flow.identified(lane).into_iter();
        let mut steps: Vec<Step> = Vec::new();
        for entry in &lane.entries {
            let message = messages.next().flatten();
            let Some(step) = self.step(entry, message.as_ref()) else {
                continue;
            };
            // How many of a flood arrive is chance.
            let flood = message.is_some_and(|message| message.flood);
            if !(flood && steps.last() == Some(&step)) {
                steps.push(step);
            }
        }
        steps
    }

    fn step(&mut self, entry: &Entry, message: Option<&Published>) -> Option<Step> {
        let mut details = BTreeMap::new();
        let head = match entry {
            Entry::Request(request) => {
                let path = self.redactor.text(&request.path);
                format!("-> {} {path}", request.method)
            }
            Entry::Response(response) => {
                details = self.of_response(response);
                format!("<- {}", response.status)
            }
            Entry::Sent(frame) => format!("-> {}", kind(frame)),
            Entry::Received(Frame::Text(bytes)) => match message {
                Some(message) if message.flood => format!("<- text {}", message.kind),
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

    fn of_response(&mut self, response: &Response) -> BTreeMap<String, String> {
        let mut details = BTreeMap::new();
        for (name, value) in &response.all_headers {
            if INCIDENTAL.contains(&name.as_str()) {
                continue;
            }
            let matters = VALUED.contains(&name.as_str()) || name.starts_with("access-control-");
            let value = match matters {
                // The character set of JSON is no choice (RFC 8259, section 8.1).
                true => self
                    .redactor
                    .string(value)
                    .to_lowercase()
                    .replace("; charset=utf-8", ""),
                false => "(is there)".to_owned(),
            };
            details.insert(name.clone(), value);
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

    fn json(&mut self, json: &Value, details: &mut BTreeMap<String, String>) {
        let masked = self.redactor.json(json);
        flatten(&masked, "", self.wording, details);
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
        ledger.publish("anna", "hello", b"1");
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
            },
            entries,
        };
        let standin = Lane {
            name: "files".into(),
            actor: Actor::StandIn,
            entries: vec![Entry::Ended("unseen".into())],
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
        let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(reader.of_response(&response), BTreeMap::from(expected));
    }
}

//! Whatever happened: its flow can be printed, is the same text every time, and no token is in it.
#![no_main]

use arbitrary::Arbitrary;
use fuzz::token_in;
use harness::flow::{Actor, Body, Entry, Flow, Frame, Lane, Request, Response};
use harness::ledger::{Ledger, Telling};
use harness::redaction::Redactor;
use libfuzzer_sys::fuzz_target;
use serde_json::json;

const TOKEN: &str = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbm5hIiwiZXhwIjoxNzUxMzYwMDAwfQ.c2lnbmF0dXJlX29mX3RoZV90b2tlbg";

/// Words of a run, some of which hold a token.
#[derive(Arbitrary, Clone, Debug)]
enum Words<'a> {
    Bytes(&'a [u8]),
    Text(&'a str),
    Long(&'a str, u16),
    Token(&'a str, &'a str),
    TokenAfter(u8),
    Member(&'a str),
}

#[derive(Arbitrary, Clone, Debug)]
enum Event<'a> {
    Publish(bool, u8, Words<'a>),
    Published(u8),
    Request(Words<'a>, Words<'a>, Words<'a>),
    Response(u16, Words<'a>, Words<'a>),
    Answered(Words<'a>),
    Checked(Words<'a>),
    Text(Words<'a>),
    Delivered(u8),
    Binary(Words<'a>, bool),
    Ping(Words<'a>),
    Pong(Words<'a>),
    Close(u16, Words<'a>),
    CloseWithoutCode,
    Fence,
    Ended(Words<'a>),
    Note(Words<'a>),
}

#[derive(Arbitrary, Clone, Debug)]
struct Seen<'a> {
    who: u8,
    offered: u8,
    crowd: bool,
    events: Vec<Event<'a>>,
}

fuzz_target!(|lanes: Vec<Seen<'_>>| {
    let mut flow = Flow::default();
    for seen in &lanes {
        for event in &seen.events {
            if let Event::Publish(colleague, telling, words) = event {
                let telling = match telling % 4 {
                    0 => Telling::Uncounted,
                    1 => Telling::Untold,
                    _ => Telling::Numbered,
                };
                let user = if *colleague { "bert" } else { "anna" };
                flow.ledger.publish(user, "news", &words.bytes(), telling);
            }
        }
    }
    flow.lanes = lanes.iter().map(|seen| lane(seen, &flow.ledger)).collect();
    let mut redactor = Redactor::default();
    redactor.identify("anna-id", "user:anna");
    let text = flow.text(&redactor);
    assert_eq!(token_in(&text), None, "in {text}");
    // Not even a part of it that is long enough to be of use.
    assert!(has_no_part(&text), "a part of the token is in {text}");
    flow.lanes.reverse();
    let same = lanes.iter().all(|seen| !seen.crowd);
    if same && has_one_name_each(&flow) {
        assert_eq!(flow.text(&redactor), text, "the order of recording is seen");
    }
});

impl Words<'_> {
    fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Bytes(bytes) if has_no_part(&String::from_utf8_lossy(bytes)) => bytes.to_vec(),
            _ => self.text().into_bytes(),
        }
    }

    fn text(&self) -> String {
        match self {
            Self::Bytes(bytes) => without_parts(&String::from_utf8_lossy(bytes)),
            Self::Text(text) => without_parts(text),
            Self::Long(text, times) => {
                without_parts(text).repeat(usize::from(times % 5000) / text.len().max(1))
            }
            // What a token's characters are is part of it: beside one it would be another, longer word.
            Self::Token(before, after) => {
                let (before, after) = (without_parts(before), without_parts(after));
                format!("{before} {TOKEN} {after}")
            }
            Self::TokenAfter(bytes) => format!("{} {TOKEN}", "x".repeat(usize::from(*bytes))),
            Self::Member(text) => {
                let text = without_parts(text);
                json!({ "token": TOKEN, text.as_str(): [text, TOKEN] }).to_string()
            }
        }
    }

    fn body(&self) -> Body {
        match serde_json::from_slice(&self.bytes()) {
            Ok(value) => Body::Json(value),
            Err(_) if self.text().is_empty() => Body::Empty,
            Err(_) => Body::Text(self.text()),
        }
    }
}

/// Whether it holds no part of the token.
fn has_no_part(text: &str) -> bool {
    !TOKEN.split('.').any(|part| text.contains(part))
}

/// The same without any part of the token, which a fuzzer finds by itself in the end: alone it is nobody's token, and stays.
fn without_parts(text: &str) -> String {
    let parts = TOKEN.split('.');
    parts.fold(text.to_owned(), |text, part| text.replace(part, "·"))
}

fn lane(seen: &Seen<'_>, ledger: &Ledger) -> Lane {
    let (name, actor) = match seen.who % 6 {
        0 => ("operator", Actor::Operator),
        1 => ("somebody", Actor::Caller),
        2 => ("aggregator", Actor::StandIn),
        3 => ("backend", Actor::Backend),
        4 => ("anna/1", client("anna", seen)),
        _ => ("bert/1", client("bert", seen)),
    };
    Lane {
        name: name.to_owned(),
        actor,
        entries: seen
            .events
            .iter()
            .filter_map(|event| entry(event, ledger))
            .collect(),
        recorded: Vec::new(),
    }
}

fn client(user: &str, seen: &Seen<'_>) -> Actor {
    Actor::Client {
        user: user.to_owned(),
        offered: seen.offered.into(),
        crowd: seen.crowd.then(|| "everybody".to_owned()),
    }
}

fn entry(event: &Event<'_>, ledger: &Ledger) -> Option<Entry> {
    Some(match event {
        Event::Publish(..) => return None,
        Event::Published(number) => Entry::Published((*number).into()),
        Event::Request(path, header, body) => Entry::Request(Request {
            method: "GET".to_owned(),
            path: path.text(),
            headers: vec![("authorization".to_owned(), header.text())],
            body: body.body(),
            service: None,
        }),
        Event::Response(status, header, body) => Entry::Response(Response {
            status: *status,
            headers: vec![("location".to_owned(), header.text())],
            all_headers: Vec::new(),
            body: body.body(),
        }),
        Event::Answered(words) => Entry::Response(Response {
            status: 200,
            headers: Vec::new(),
            all_headers: Vec::new(),
            body: words.body(),
        }),
        Event::Checked(words) => Entry::Response(Response {
            status: 200,
            headers: Vec::new(),
            all_headers: Vec::new(),
            body: Body::Checked(vec![words.text()]),
        }),
        Event::Text(words) => Entry::Received(Frame::Text(words.bytes())),
        Event::Delivered(number) => {
            let message = ledger.published().get(usize::from(*number))?;
            Entry::Received(Frame::Text(message.bytes.clone()))
        }
        Event::Binary(words, true) => Entry::Sent(Frame::Binary(words.bytes())),
        Event::Binary(words, false) => Entry::Sent(Frame::Text(words.bytes())),
        Event::Ping(words) => Entry::Received(Frame::Ping(words.bytes())),
        Event::Pong(words) => Entry::Sent(Frame::Pong(words.bytes())),
        Event::Close(code, reason) => Entry::Received(Frame::Close(Some((*code, reason.text())))),
        Event::CloseWithoutCode => Entry::Received(Frame::Close(None)),
        Event::Fence => Entry::Fence,
        Event::Ended(words) => Entry::Ended(words.text()),
        Event::Note(words) => Entry::Note(words.text()),
    })
}

fn has_one_name_each(flow: &Flow) -> bool {
    let mut names: Vec<_> = flow.lanes.iter().map(|lane| &lane.name).collect();
    names.sort();
    names.windows(2).all(|pair| pair[0] != pair[1])
}

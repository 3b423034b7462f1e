//! How a recorded flow becomes what is told of it.

use std::collections::BTreeMap;

use serde_json::Value;

use super::places::place;
use super::told::{self, Arrow, Block, Kind, Role, Step, Told};
use super::{Actor, Body, Entry, Flow, Frame, Lane};
use crate::ledger::{Ledger, Published, Telling};
use crate::redaction::Redactor;

/// Runs of at least this many messages are printed as one line.
const RUN: usize = 4;
/// A message of more bytes than this is not printed whole.
const LONG: usize = 4096;
/// How many characters of such a message are.
const SHOWN: usize = 100;

impl Flow {
    /// The flow as text, its values masked by `redactor`.
    pub fn text(&self, redactor: &Redactor) -> String {
        self.told(redactor).text()
    }

    /// What is told of the flow, its values masked by `redactor`.
    pub fn told(&self, redactor: &Redactor) -> Told {
        let mut lanes: Vec<&Lane> = self
            .lanes
            .iter()
            .filter(|lane| !lane.entries.is_empty())
            .collect();
        lanes.sort_by(|a, b| {
            rank(&a.actor)
                .cmp(&rank(&b.actor))
                .then(a.name.cmp(&b.name))
        });
        let mut teller = Teller::of(self, redactor.clone());
        let mut crowds: BTreeMap<(&str, &str), Vec<&Lane>> = BTreeMap::new();
        for lane in lanes {
            match crowd_and_number(lane) {
                Some(key) => crowds.entry(key).or_default().push(lane),
                None => teller.lane(lane),
            }
        }
        for ((crowd, number), lanes) in crowds {
            teller.crowd(&format!("{crowd}/{number}"), &lanes);
        }
        let mut lanes = teller.lanes;
        place(&mut lanes, &teller.recorded);
        Told { lanes }
    }
}

/// The crowd that a lane's client is one of, and which of its user's connections it is.
fn crowd_and_number(lane: &Lane) -> Option<(&str, &str)> {
    let Actor::Client {
        crowd: Some(crowd), ..
    } = &lane.actor
    else {
        return None;
    };
    let (_, number) = lane.name.rsplit_once('/')?;
    Some((crowd, number))
}

fn rank(actor: &Actor) -> u8 {
    match actor {
        Actor::Operator => 0,
        Actor::Caller => 1,
        Actor::StandIn => 2,
        Actor::Backend => 3,
        Actor::Client { .. } => 4,
    }
}

struct Teller<'a> {
    flow: &'a Flow,
    ledger: &'a Ledger,
    redactor: Redactor,
    lanes: Vec<told::Lane>,
    /// For each step of each lane, when it was recorded.
    recorded: Vec<Vec<usize>>,
    /// When the present entry was.
    now: usize,
    /// Whether the actor of the present lane has received nothing yet.
    quiet: bool,
    /// The user of the present lane; empty where it is no client's.
    user: String,
}

impl<'a> Teller<'a> {
    fn of(flow: &'a Flow, redactor: Redactor) -> Self {
        Self {
            flow,
            ledger: &flow.ledger,
            redactor,
            lanes: Vec::new(),
            recorded: Vec::new(),
            now: 0,
            quiet: true,
            user: String::new(),
        }
    }

    fn lane(&mut self, lane: &Lane) {
        let (role, what) = match &lane.actor {
            Actor::Operator => (Role::Operator, "runs the system"),
            Actor::Caller => (Role::Caller, "calls over HTTP"),
            Actor::StandIn => (Role::StandIn, "stand-in behind the gateway"),
            Actor::Backend => (Role::Backend, "publishes in Redis"),
            Actor::Client { .. } => (Role::Client, "WebSocket client"),
        };
        self.begin(&lane.name, role, what.to_owned());
        self.entries(lane);
    }

    /// Tells the lanes of a crowd: those that are alike once, the most frequent first.
    fn crowd(&mut self, name: &str, lanes: &[&Lane]) {
        let mut alike: BTreeMap<String, Vec<&Lane>> = BTreeMap::new();
        for lane in lanes {
            // Each as if it were the only one, so that equal lanes have equal texts.
            let mut alone = Teller::of(self.flow, self.redactor.clone());
            alone.lane(lane);
            let text = alone.lanes.first().map(told::Lane::text);
            alike
                .entry(text.unwrap_or_default())
                .or_default()
                .push(lane);
        }
        let mut groups: Vec<_> = alike.into_values().collect();
        groups.sort_by_key(|group| std::cmp::Reverse(group.len()));
        for group in groups {
            let (count, all) = (group.len(), lanes.len());
            let what = match (count == all, all) {
                (true, 1) => "WebSocket client".to_owned(),
                (true, _) => format!("{all} WebSocket clients, all alike"),
                (false, _) => format!("{count} of {all} WebSocket clients"),
            };
            self.begin(name, Role::Client, what);
            group
                .first()
                .into_iter()
                .for_each(|lane| self.entries(lane));
        }
    }

    fn begin(&mut self, name: &str, role: Role, what: String) {
        self.lanes.push(told::Lane {
            name: name.to_owned(),
            role,
            what,
            steps: Vec::new(),
        });
        self.recorded.push(Vec::new());
    }

    fn entries(&mut self, lane: &Lane) {
        let identified = self.flow.identified(lane);
        let mut at = 0;
        self.quiet = true;
        self.user = match &lane.actor {
            Actor::Client { user, .. } => user.clone(),
            _ => String::new(),
        };
        while at < lane.entries.len() {
            self.now = lane.recorded.get(at).copied().unwrap_or_default();
            self.quiet &= !matches!(lane.entries[at], Entry::Received(_));
            at += match &lane.entries[at] {
                Entry::Published(number) => self.published(*number, &lane.entries[at..]),
                Entry::Received(Frame::Text(bytes)) => self.received(bytes, &identified[at..]),
                entry => {
                    self.entry(entry, &lane.actor);
                    1
                }
            };
        }
    }

    /// Tells of a publication, or a run of them to the same user and of the same kind, and says how many entries it was.
    fn published(&mut self, number: usize, entries: &[Entry]) -> usize {
        let Some(first) = self.ledger.published().get(number.wrapping_sub(1)) else {
            return 1;
        };
        let run = entries
            .iter()
            .zip(number..)
            .take_while(|(entry, number)| {
                **entry == Entry::Published(*number)
                    && self
                        .ledger
                        .published()
                        .get(number - 1)
                        .is_some_and(|m| m.user == first.user && m.kind == first.kind)
            })
            .count();
        let channel = format!("ws:<user:{}>", first.user);
        let uncounted = first.telling == Telling::Uncounted;
        let run = if run >= RUN || uncounted { run } else { 1 };
        let last = number + run - 1;
        let kind = &first.kind;
        let head = if uncounted {
            format!("PUBLISH {channel}  {kind}, as many as it takes; the first:")
        } else if run == 1 {
            format!("PUBLISH {channel}  #{number} {kind}")
        } else {
            format!("PUBLISH {channel}  #{number} … #{last} {kind}, {run} messages; the first:")
        };
        self.add(Step {
            messages: (!uncounted).then_some((number, last)),
            ..Step::new(Kind::Publish, Some(Arrow::Out), head)
        });
        self.published_bytes(first);
        run
    }

    /// Tells what was published: as pretty JSON where that says it all, else as it stands.
    fn published_bytes(&mut self, message: &Published) {
        let earlier = self
            .ledger
            .published()
            .iter()
            .find(|other| other.bytes == message.bytes);
        if let Some(earlier) = earlier.filter(|earlier| earlier.number < message.number) {
            self.block(&format!("(the same bytes as #{})", earlier.number));
            return;
        }
        let value = serde_json::from_slice::<Value>(&message.bytes).ok();
        let compact = |value: &Value| value.to_string().as_bytes() == message.bytes;
        match value {
            Some(value) if compact(&value) && message.bytes.len() <= LONG => self.json(&value),
            _ => {
                // Masked first: half a token is none, and would be shown.
                let shown = self.redactor.text(&String::from_utf8_lossy(&message.bytes));
                self.block(&verbatim(&shown, message.bytes.len()));
            }
        }
    }

    /// Tells of a text frame, or a run of messages in order, and says how many entries it was.
    fn received(&mut self, bytes: &[u8], identified: &[Option<Published>]) -> usize {
        let Some(first) = &identified[0] else {
            let copy = self
                .ledger
                .published()
                .iter()
                .find(|m| m.user == self.user && m.bytes == bytes);
            let forbidden = |head: String| Step {
                forbidden: true,
                ..Step::new(Kind::Message, Some(Arrow::In), head)
            };
            if let Some(copy) = copy {
                let head = format!("text #{} {}, again", copy.number, copy.kind);
                self.add(Step {
                    messages: Some((copy.number, copy.number)),
                    ..forbidden(head)
                });
                return 1;
            }
            self.add(forbidden(
                "text that was not published to this user:".to_owned(),
            ));
            let shown = self.redactor.text(&String::from_utf8_lossy(bytes));
            self.block(&shown);
            return 1;
        };
        let run = identified
            .iter()
            .zip(first.number..)
            .take_while(|(message, number)| {
                message
                    .as_ref()
                    .is_some_and(|m| m.number == *number && m.kind == first.kind)
            })
            .count();
        let (number, kind) = (first.number, &first.kind);
        let last = number + run - 1;
        let (run, head) = match first.telling {
            // The scenario says what became of them.
            Telling::Untold => return 1,
            Telling::Uncounted => {
                let head = format!("text {kind}, many in order, byte for byte as published");
                (run, head)
            }
            Telling::Numbered if run >= RUN => {
                let head = format!(
                    "text #{number} … #{last} {kind}, {run} messages in order, byte for byte as published"
                );
                (run, head)
            }
            Telling::Numbered => {
                let head = format!("text #{number} {kind}, byte for byte as published");
                (1, head)
            }
        };
        let numbered = first.telling == Telling::Numbered;
        self.add(Step {
            messages: numbered.then_some((number, number + run - 1)),
            ..Step::new(Kind::Message, Some(Arrow::In), head)
        });
        run
    }

    fn entry(&mut self, entry: &Entry, actor: &Actor) {
        let (out, into) = match actor {
            Actor::StandIn => (Arrow::In, Arrow::Out),
            _ => (Arrow::Out, Arrow::In),
        };
        match entry {
            Entry::Request(request) => {
                let path = self.redactor.text(&request.path);
                let head = format!("{} {path}", request.method);
                let service = request.service.map(|service| match service {
                    contract::rules::Service::Gateway => told::Service::Gateway,
                    contract::rules::Service::Websocket => told::Service::Websocket,
                });
                self.add(Step {
                    service,
                    ..Step::new(Kind::Request, Some(out), head)
                });
                self.headers_and_body(&request.headers, &request.body);
            }
            Entry::Response(response) => {
                let reason = reqwest::StatusCode::from_u16(response.status)
                    .ok()
                    .and_then(|status| status.canonical_reason())
                    .unwrap_or_default();
                let head = format!("{} {reason}", response.status);
                self.add(Step::new(Kind::Response, Some(into), head.trim_end()));
                self.headers_and_body(&response.headers, &response.body);
            }
            Entry::Sent(frame) => self.frame(Arrow::Out, frame),
            Entry::Received(frame) => self.frame(Arrow::In, frame),
            Entry::Fence => {
                let head = if self.quiet {
                    "nothing arrived (fence)"
                } else {
                    "nothing else arrived (fence)"
                };
                self.add(Step::new(Kind::Fence, None, head));
            }
            Entry::Ended(words) | Entry::Note(words) => {
                let words = self.redactor.text(words);
                self.add(Step::new(Kind::Note, None, words));
            }
            Entry::Published(_) => {}
        }
    }

    fn frame(&mut self, arrow: Arrow, frame: &Frame) {
        let close = |head: &str| Step::new(Kind::Close, Some(arrow), head);
        match frame {
            Frame::Text(bytes) => self.payload(arrow, "text", bytes),
            Frame::Binary(bytes) => self.payload(arrow, "binary", bytes),
            Frame::Ping(bytes) => self.payload(arrow, "ping", bytes),
            Frame::Pong(bytes) => self.payload(arrow, "pong", bytes),
            Frame::Close(None) => self.add(close("close, without a code")),
            Frame::Close(Some((code, reason))) => match serde_json::from_str::<Value>(reason) {
                Ok(value @ Value::Object(_)) => {
                    self.add(close(&format!("close {code}, reason")));
                    self.json(&value);
                }
                _ if reason.is_empty() => self.add(close(&format!("close {code}"))),
                _ => {
                    let reason = self.redactor.text(reason);
                    self.add(close(&format!("close {code}, reason {reason:?}")));
                }
            },
        }
    }

    fn payload(&mut self, arrow: Arrow, kind: &str, bytes: &[u8]) {
        let shown = self.redactor.text(&printable(bytes));
        let head = format!("{kind} {shown}");
        self.add(Step::new(Kind::Message, Some(arrow), head));
    }

    fn headers_and_body(&mut self, headers: &[(String, String)], body: &Body) {
        for (name, value) in headers {
            let value = self.redactor.string(value);
            self.block(&format!("{name}: {value}"));
        }
        match body {
            Body::Empty => {}
            Body::Json(value) => self.json(value),
            Body::Text(text) => {
                let text = self.redactor.text(text);
                self.block(&text);
            }
            Body::Checked(sentences) => {
                for sentence in sentences {
                    let sentence = self.redactor.text(sentence);
                    self.block(&format!("({sentence})"));
                }
            }
        }
    }

    fn json(&mut self, value: &Value) {
        let masked = self.redactor.json(value);
        self.add_block(Block::Json(masked));
    }

    fn add(&mut self, step: Step) {
        if let (Some(lane), Some(recorded)) = (self.lanes.last_mut(), self.recorded.last_mut()) {
            lane.steps.push(step);
            recorded.push(self.now);
        }
    }

    fn block(&mut self, text: &str) {
        self.add_block(Block::Text(text.to_owned()));
    }

    fn add_block(&mut self, block: Block) {
        let step = self.lanes.last_mut().and_then(|lane| lane.steps.last_mut());
        if let Some(step) = step {
            step.body.push(block);
        }
    }
}

/// The text of a message of `bytes` bytes as it stands, on one line, its control characters escaped and its end left out
/// when it is long.
fn verbatim(text: &str, bytes: usize) -> String {
    let mut shown = String::new();
    for c in text.chars().take(SHOWN) {
        if c.is_control() {
            shown.extend(c.escape_default());
        } else {
            shown.push(c);
        }
    }
    if text.chars().count() > SHOWN {
        shown.push_str(&format!("… ({bytes} bytes)"));
    }
    shown
}

/// Bytes as text where they are text, else in hexadecimal.
fn printable(bytes: &[u8]) -> String {
    const BYTES: usize = 40;
    match std::str::from_utf8(bytes) {
        Ok(text) if !text.chars().any(char::is_control) => format!("{text:?}"),
        _ => {
            let hex: Vec<String> = bytes
                .iter()
                .take(BYTES)
                .map(|byte| format!("{byte:02x}"))
                .collect();
            let more = if bytes.len() > BYTES { " …" } else { "" };
            format!("{}{more} ({} bytes)", hex.join(" "), bytes.len())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::{Request, Response};

    fn client(user: &str, entries: Vec<Entry>) -> Lane {
        Lane {
            name: format!("{user}/1"),
            actor: Actor::Client {
                user: user.into(),
                offered: 0,
                crowd: None,
            },
            entries,
            recorded: Vec::new(),
        }
    }

    fn text(text: &str) -> Entry {
        Entry::Received(Frame::Text(text.into()))
    }

    #[test]
    fn lanes_stand_in_one_order_and_name_what_arrived() {
        let mut ledger = Ledger::default();
        let hello = br#"{"event":"hello","data":{}}"#;
        ledger.publish("anna", "hello", hello, Telling::Numbered);
        let backend = Lane {
            name: "backend".into(),
            actor: Actor::Backend,
            entries: vec![Entry::Published(1)],
            recorded: Vec::new(),
        };
        let anna = client(
            "anna",
            vec![text(r#"{"event":"hello","data":{}}"#), Entry::Fence],
        );
        let bert = client("bert", vec![text(r#"{"event":"hello","data":{}}"#)]);
        let flow = Flow {
            ledger,
            lanes: vec![bert, anna, backend],
        };
        assert_eq!(
            flow.text(&Redactor::default()),
            r#"backend (publishes in Redis)
  -> PUBLISH ws:<user:anna>  #1 hello
     {
       "event": "hello",
       "data": {}
     }

anna/1 (WebSocket client)
  <- text #1 hello, byte for byte as published
     nothing else arrived (fence)

bert/1 (WebSocket client)
  <- text that was not published to this user:
     {"event":"hello","data":{}}
"#
        );
    }

    #[test]
    fn what_was_published_is_shown_as_it_stands_where_its_form_matters() {
        let mut ledger = Ledger::default();
        let long = format!("\"{}\"", "ö".repeat(LONG));
        for text in [r#"{"a":1}"#, "{\"a\" :\t1.0}", r#"{"a":1}"#, &long] {
            ledger.publish("anna", "e", text.as_bytes(), Telling::Numbered);
        }
        let backend = Lane {
            name: "backend".into(),
            actor: Actor::Backend,
            entries: [1, 3, 2, 4].map(Entry::Published).into(),
            recorded: Vec::new(),
        };
        let flow = Flow {
            ledger,
            lanes: vec![backend],
        };
        let shown = format!("\"{}… (8194 bytes)", "ö".repeat(SHOWN - 1));
        assert_eq!(
            flow.text(&Redactor::default()),
            format!(
                "backend (publishes in Redis)\n  \
                 -> PUBLISH ws:<user:anna>  #1 e\n     {{\n       \"a\": 1\n     }}\n  \
                 -> PUBLISH ws:<user:anna>  #3 e\n     (the same bytes as #1)\n  \
                 -> PUBLISH ws:<user:anna>  #2 e\n     {{\"a\" :\\t1.0}}\n  \
                 -> PUBLISH ws:<user:anna>  #4 e\n     {shown}\n"
            )
        );
    }

    #[test]
    fn a_run_of_messages_is_one_line_until_it_is_broken() {
        let mut ledger = Ledger::default();
        for number in 1..=6 {
            let text = number.to_string();
            ledger.publish("anna", "count", text.as_bytes(), Telling::Numbered);
        }
        let received = ["1", "2", "3", "4", "6", "5"].map(text).into();
        let flow = Flow {
            ledger,
            lanes: vec![client("anna", received)],
        };
        assert_eq!(
            flow.text(&Redactor::default()),
            "anna/1 (WebSocket client)\n  \
             <- text #1 … #4 count, 4 messages in order, byte for byte as published\n  \
             <- text #6 count, byte for byte as published\n  \
             <- text #5 count, byte for byte as published\n"
        );
    }

    #[test]
    fn a_flood_is_not_counted() {
        let flow = |count: usize| {
            let mut ledger = Ledger::default();
            let texts: Vec<String> = (1..=count).map(|number| number.to_string()).collect();
            for text in &texts {
                ledger.publish("anna", "long", text.as_bytes(), Telling::Uncounted);
            }
            let backend = Lane {
                name: "backend".into(),
                actor: Actor::Backend,
                entries: (1..=count).map(Entry::Published).collect(),
                recorded: Vec::new(),
            };
            let anna = client("anna", texts.iter().map(|number| text(number)).collect());
            let lanes = vec![backend, anna];
            Flow { ledger, lanes }.text(&Redactor::default())
        };
        assert_eq!(flow(2), flow(9));
        assert_eq!(
            flow(2),
            "backend (publishes in Redis)\n  \
             -> PUBLISH ws:<user:anna>  long, as many as it takes; the first:\n     1\n\n\
             anna/1 (WebSocket client)\n  \
             <- text long, many in order, byte for byte as published\n"
        );
    }

    #[test]
    fn a_crowd_is_told_once_for_all_who_are_alike() {
        let ledger = Ledger::default();
        let pupil = |number: usize, code: u16| {
            let reason = format!(r#"{{"id":"0e4f7a3c-9d1b-4c2e-8f5a-6b7c8d9e0f1{number}"}}"#);
            let close = Entry::Received(Frame::Close(Some((code, reason))));
            let user = format!("pupil-{number}");
            Lane {
                name: format!("{user}/1"),
                actor: Actor::Client {
                    user,
                    offered: 0,
                    crowd: Some("pupil".into()),
                },
                entries: vec![close],
                recorded: Vec::new(),
            }
        };
        let lanes = [(2, 1011), (1, 1011), (3, 1011), (4, 1001)].map(|(n, code)| pupil(n, code));
        let lanes = lanes.into();
        let flow = Flow { ledger, lanes };
        let id = r#"     {
       "id": "<uuid:1>"
     }"#;
        assert_eq!(
            flow.text(&Redactor::default()),
            format!(
                "pupil/1 (3 of 4 WebSocket clients)\n  <- close 1011, reason\n{id}\n\n\
                 pupil/1 (1 of 4 WebSocket clients)\n  <- close 1001, reason\n{}\n",
                id.replace("uuid:1", "uuid:2")
            )
        );
    }

    #[test]
    fn a_stand_in_receives_requests_and_sends_responses() {
        let lane = Lane {
            name: "files".into(),
            actor: Actor::StandIn,
            entries: vec![
                Entry::Request(Request {
                    method: "GET".into(),
                    path: "/x".into(),
                    headers: vec![("x-user-id".into(), "u".into())],
                    body: Body::Empty,
                    service: None,
                }),
                Entry::Response(Response {
                    status: 404,
                    headers: Vec::new(),
                    all_headers: Vec::new(),
                    body: Body::Text("no".into()),
                }),
            ],
            recorded: Vec::new(),
        };
        let flow = Flow {
            ledger: Ledger::default(),
            lanes: vec![lane],
        };
        assert_eq!(
            flow.text(&Redactor::default()),
            "files (stand-in behind the gateway)\n  <- GET /x\n     x-user-id: u\n  -> 404 Not Found\n     no\n"
        );
    }

    #[test]
    fn no_entry_shows_a_token_nor_half_of_one() {
        let token = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbm5hIn0.c2lnbmF0dXJl";
        let payload = || token.as_bytes().to_vec();
        let mut ledger = Ledger::default();
        // Past the point where a long message is cut off.
        let long = format!("{} {token}{}", "x".repeat(SHOWN - 30), " ".repeat(LONG));
        ledger.publish("anna", "long", long.as_bytes(), Telling::Numbered);
        let checked = Response {
            status: 200,
            headers: Vec::new(),
            all_headers: Vec::new(),
            body: Body::Checked(vec![format!("contains {token}")]),
        };
        let entries = vec![
            Entry::Published(1),
            Entry::Response(checked),
            Entry::Sent(Frame::Text(payload())),
            Entry::Sent(Frame::Binary(payload())),
            Entry::Sent(Frame::Ping(payload())),
            Entry::Received(Frame::Pong(payload())),
            Entry::Received(Frame::Close(Some((1008, token.into())))),
            Entry::Ended(format!("the connection was lost: {token}")),
        ];
        let kinds = entries.len();
        let lanes = vec![client("anna", entries)];
        let text = Flow { ledger, lanes }.text(&Redactor::default());
        assert_eq!(text.matches("<jwt:1>").count(), kinds, "{text}");
        assert!(!text.contains("eyJ"), "{text}");
    }
}

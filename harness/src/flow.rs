//! The recorded exchange, and how it is told.
//!
//! A flow is ordered within an actor and unordered between actors: each actor has a lane, and the lanes are told in
//! one canonical order, so that the same behaviour is always the same text. Of a crowd, lanes that are alike are one.
//!
//! - `told`: what is told, as data, and its text
//! - `teller`: how a recorded flow becomes that
//! - `places`: in which order the steps of all lanes are drawn

mod places;
mod teller;
pub mod told;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use contract::rules::Service;
use serde_json::Value;

use crate::ledger::{Ledger, Published};

/// What happened on one stage.
#[derive(Clone, Debug, Default)]
pub struct Flow {
    /// What was published.
    pub ledger: Ledger,
    /// What each actor saw.
    pub lanes: Vec<Lane>,
}

impl Flow {
    /// For each entry of a lane, the message that it received, if it did.
    pub fn identified(&self, lane: &Lane) -> Vec<Option<Published>> {
        let Actor::Client { user, offered, .. } = &lane.actor else {
            return vec![None; lane.entries.len()];
        };
        let texts: Vec<Vec<u8>> = lane
            .entries
            .iter()
            .filter_map(|entry| match entry {
                Entry::Received(Frame::Text(bytes)) => Some(bytes.clone()),
                _ => None,
            })
            .collect();
        let mut messages = self.ledger.identify(user, *offered, &texts).into_iter();
        lane.entries
            .iter()
            .map(|entry| match entry {
                Entry::Received(Frame::Text(_)) => messages.next().flatten().cloned(),
                _ => None,
            })
            .collect()
    }
}

/// What one actor saw, in its own order.
#[derive(Clone, Debug)]
pub struct Lane {
    /// The actor's name: `backend`, `teacher/1`, `aggregator` …
    pub name: String,
    /// Who it is.
    pub actor: Actor,
    /// What it saw.
    pub entries: Vec<Entry>,
    /// For each entry, its place in the order in which the harness recorded the entries of all lanes; empty where nobody
    /// recorded. Only drawings show it: what happens in two lanes at once has no order.
    pub recorded: Vec<usize>,
}

/// Who has a lane. The order is the order of print: causes stand before effects.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Actor {
    /// Whoever runs the system: starts, kills, ends its parts.
    Operator,
    /// Somebody who calls over HTTP.
    Caller,
    /// A service behind the gateway.
    StandIn,
    /// A backend service that publishes.
    Backend,
    /// A WebSocket client.
    Client {
        /// Its user.
        user: String,
        /// How many messages had been published when its handshake began.
        offered: usize,
        /// The crowd that its user is one of, if they are.
        crowd: Option<String>,
    },
}

/// One thing that an actor saw or did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// The backend published the ledger's message with this number.
    Published(usize),
    /// An HTTP request: sent by a caller or a client, received by a stand-in.
    Request(Request),
    /// An HTTP response: the other way round.
    Response(Response),
    /// The client sent a frame.
    Sent(Frame),
    /// The client received a frame.
    Received(Frame),
    /// Everything published before has had its time: whatever was to arrive is above.
    Fence,
    /// The stream ended, in these words.
    Ended(String),
    /// The scenario says something.
    Note(String),
}

/// An HTTP request as a flow shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The method.
    pub method: String,
    /// The path with its query.
    pub path: String,
    /// The header fields worth reading, in order.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Body,
    /// The service that is asked; none where it is a stand-in's to say.
    pub service: Option<Service>,
}

/// An HTTP response as a flow shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// The header fields worth reading, in order.
    pub headers: Vec<(String, String)>,
    /// All header fields, names in small letters, for whoever compares two systems; no flow shows them.
    pub all_headers: Vec<(String, String)>,
    /// The body.
    pub body: Body,
}

/// A body as a flow shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// No body.
    Empty,
    /// JSON.
    Json(Value),
    /// Text.
    Text(String),
    /// What was checked about a text that differs in every run.
    Checked(Vec<String>),
}

/// A WebSocket frame or message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// A text message.
    Text(Vec<u8>),
    /// A binary message.
    Binary(Vec<u8>),
    /// A ping with its payload.
    Ping(Vec<u8>),
    /// A pong with its payload.
    Pong(Vec<u8>),
    /// A close frame: code and reason, if it has them.
    Close(Option<(u16, String)>),
}

/// Where an actor's entries are written while a scenario runs. Clones write to the same lane.
#[derive(Clone, Debug, Default)]
pub struct Recorder(Arc<Mutex<Vec<(usize, Entry)>>>);

impl Recorder {
    /// Adds an entry at the end.
    pub fn push(&self, entry: Entry) {
        add(&mut self.lock(), entry);
    }

    /// Adds a fence unless the last entry is one.
    pub fn fence(&self) {
        let mut entries = self.lock();
        if !matches!(entries.last(), Some((_, Entry::Fence))) {
            add(&mut entries, Entry::Fence);
        }
    }

    /// The entries so far.
    pub fn entries(&self) -> Vec<Entry> {
        self.lock().iter().map(|(_, entry)| entry.clone()).collect()
    }

    /// The lane of `actor`, called `name`, as far as it went.
    pub fn lane(&self, name: &str, actor: &Actor) -> Lane {
        let (recorded, entries) = self.lock().iter().cloned().unzip();
        Lane {
            name: name.to_owned(),
            actor: actor.clone(),
            entries,
            recorded,
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<(usize, Entry)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn add(entries: &mut Vec<(usize, Entry)>, entry: Entry) {
    static RECORDED: AtomicUsize = AtomicUsize::new(1);
    entries.push((RECORDED.fetch_add(1, Ordering::SeqCst), entry));
}

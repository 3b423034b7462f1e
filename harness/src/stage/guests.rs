//! Connections that somebody else makes and keeps, as a page in a browser does. Who keeps one says what it sees, and the
//! stage holds that against the contract like what its own clients see.

use std::task::Poll;

use contract::rules::{Call, Reply, Service};
use futures_util::stream::{self, BoxStream};
use futures_util::{Stream, StreamExt};
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{Error, Message};

use super::{Stage, User};
use crate::client::Client;
use crate::fault::Link;
use crate::flow::{Body, Entry, Recorder, Request, Response};
use crate::scenario::Outcome;
use crate::system::Part;

/// The code that a browser shows where a close frame had none (RFC 6455, section 7.1.5).
const NO_CODE: u16 = 1005;
/// The code that it shows of a connection that ended without a close frame (the same section).
const NO_CLOSE: u16 = 1006;

/// What somebody else's connection saw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sight {
    /// A text message.
    Text(String),
    /// A binary message.
    Binary(Vec<u8>),
    /// The end, as a browser's `CloseEvent` shows it (WHATWG WebSockets, section 6).
    Closed {
        /// The code: 1005 where the close frame had none, 1006 where there was no close frame.
        code: u16,
        /// The reason.
        reason: String,
        /// `wasClean`: whether both sides closed.
        clean: bool,
    },
}

/// A connection that somebody else is about to make: what is published from here on may reach it.
pub struct Guest {
    stage: Stage,
    user: User,
    offered: usize,
}

impl Stage {
    /// Where somebody else finds the websocket service: `ws://host:port`, or `wss`.
    pub fn websocket_url(&self) -> Outcome<String> {
        let endpoint = self.endpoint_of(Part::WebsocketService)?;
        Ok(endpoint.http_base().replacen("http", "ws", 1))
    }

    /// The same over `link`.
    pub fn websocket_url_over(&self, link: &Link) -> String {
        link.endpoint().http_base().replacen("http", "ws", 1)
    }

    /// Expects that somebody else connects as `user`. Comes before they do.
    pub fn expect_guest(&self, user: &User) -> Guest {
        Guest {
            stage: self.clone(),
            user: user.clone(),
            offered: self.dealt_with(user),
        }
    }
}

impl Guest {
    /// The connection, which is open: `place` says who keeps it, `path` what was asked for, and `sights` comes to an end with
    /// [`Sight::Closed`].
    pub fn connected(
        self,
        place: &str,
        path: &str,
        sights: impl Stream<Item = Sight> + Send + 'static,
    ) -> Client {
        let Self {
            stage,
            user,
            offered,
        } = self;
        let mut lane = stage.next_lane(&user);
        lane.offered = offered;
        record_upgrade(&lane.recorder, place, path);
        let call = Call {
            method: "GET",
            path,
            headers: &[],
            body: &[],
        };
        let switched = Reply {
            status: 101,
            headers: &[],
            body: &[],
        };
        let mut state = stage.lock();
        state.audit.called(Service::Websocket, &call, &switched);
        let promise = (offered, state.ledger.len());
        drop(state);
        let messages = messages(sights, lane.recorder.clone());
        let recorder = lane.recorder.clone();
        let client = stage.client_of(&lane.name, &user, promise, (None, messages), recorder);
        stage.see(&client, &user, lane);
        client
    }
}

fn record_upgrade(recorder: &Recorder, place: &str, path: &str) {
    recorder.push(Entry::Note(place.to_owned()));
    recorder.push(Entry::Request(Request {
        method: "GET (upgrade)".into(),
        path: path.to_owned(),
        headers: Vec::new(),
        body: Body::Empty,
        service: Some(Service::Websocket),
    }));
    recorder.push(Entry::Response(Response {
        status: 101,
        headers: Vec::new(),
        all_headers: Vec::new(),
        body: Body::Empty,
    }));
}

/// What the harness's own client would have read; the end is recorded as a browser shows it, too.
fn messages(
    sights: impl Stream<Item = Sight> + Send + 'static,
    recorder: Recorder,
) -> BoxStream<'static, Result<Message, Error>> {
    let messages = sights.flat_map(move |sight| match sight {
        Sight::Text(text) => one(Ok(Message::text(text))),
        Sight::Binary(bytes) => one(Ok(Message::binary(bytes))),
        Sight::Closed { code, clean, .. } if code == NO_CLOSE => {
            recorder.push(shown(code, "no reason", clean));
            one(Err(Error::Protocol(
                ProtocolError::ResetWithoutClosingHandshake,
            )))
        }
        Sight::Closed {
            code,
            reason,
            clean,
        } => {
            let words = if reason.is_empty() {
                "no reason"
            } else {
                "this reason"
            };
            let (recorder, after) = (recorder.clone(), shown(code, words, clean));
            let frame = (code != NO_CODE).then(|| CloseFrame {
                code: code.into(),
                reason: reason.into(),
            });
            let shows = stream::poll_fn(move |_| {
                recorder.push(after.clone());
                Poll::Ready(None)
            });
            one(Ok(Message::Close(frame))).chain(shows).boxed()
        }
    });
    messages.boxed()
}

fn shown(code: u16, reason: &str, clean: bool) -> Entry {
    Entry::Note(format!(
        "its CloseEvent: code {code}, {reason}, wasClean {clean}"
    ))
}

fn one(message: Result<Message, Error>) -> BoxStream<'static, Result<Message, Error>> {
    stream::iter([message]).boxed()
}

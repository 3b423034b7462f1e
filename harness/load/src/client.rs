//! One connection of a client, as light as ten thousand of them must be: its handshake, what comes, and its account.

use std::io::{self, Read, Write};
use std::time::Duration;

use hdrhistogram::Histogram;
use mio::net::TcpStream;
use serde_json::Value;

use super::account::{Account, End};
use super::book::Book;
use super::frame::{self, Kind};
use super::message::Form;
use super::relay::not_yet;
use super::resp::{self, Reply};
use super::socket::Socket;

/// How messages are wrapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wire {
    /// In WebSocket frames, after an upgrade.
    WebSocket,
    /// Not at all, after one byte.
    Raw,
    /// In Redis' pushes, after the confirmations of all subscriptions: one connection for all users.
    Redis,
}

/// What a client says first, and what it has to be answered.
#[derive(Clone, Debug, Default)]
pub struct Greeting {
    /// What it says.
    pub bytes: Vec<u8>,
    /// `Sec-WebSocket-Accept` of the answer.
    pub accept: String,
    /// What it says after that, as a frame, if it is the client that subscribes: a text that is no message answers it.
    pub subscribes: Vec<u8>,
}

/// A connection and its accounts.
pub struct Client {
    socket: Option<Socket<TcpStream>>,
    wire: Wire,
    /// Whose it is.
    user: u32,
    /// What it has to send, and how much of that is sent.
    out: (Vec<u8>, usize),
    /// How far its handshake is.
    handshake: Handshake,
    /// Bytes of something that is not whole yet.
    rest: Vec<u8>,
    /// A message of which only some frames have come.
    pieces: Option<Vec<u8>>,
    /// One for each user whose messages it brings.
    accounts: Vec<Account>,
    /// How the server closed it, if it has.
    close: Option<Option<u16>>,
    /// Messages that have come, each once.
    arrived: u64,
}

/// How far a handshake is.
enum Handshake {
    /// It is to be answered with this `Sec-WebSocket-Accept`; then this frame is sent.
    Begun(String, Vec<u8>),
    /// The frame is to be answered.
    Subscribing,
    /// It is complete.
    Over,
}

/// What all clients of one target share.
pub struct Surroundings<'a> {
    /// Where what comes is entered.
    pub book: &'a Book,
    /// What messages look like.
    pub form: Form,
    /// How long deliveries took, until it is entered in the book.
    pub latencies: Histogram<u64>,
    /// How many messages have come, until it is entered in the book.
    pub arrived: u64,
    /// Where a message is in what comes, as a JSON pointer; none where it is all that comes.
    pub message: Option<String>,
    /// The close codes that tell a client what to do.
    pub knows_close: &'a (dyn Fn(u16) -> bool + Send),
    /// Where bytes are read to.
    pub buffer: Vec<u8>,
}

/// What has become of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    /// Nothing that anybody has to know.
    None,
    /// Its handshake is complete.
    Opened,
    /// Its connection has ended; the code of the server's close, if it closed and gave one.
    Ended(Option<u16>),
}

/// The longest head of an answer to an upgrade.
const LONGEST_HEAD: usize = 16 * 1024;

impl Client {
    /// One of `user` that brings the messages of `users` users.
    pub fn new(
        socket: Socket<TcpStream>,
        wire: Wire,
        greeting: Greeting,
        user: u32,
        users: u32,
    ) -> Self {
        Self {
            socket: Some(socket),
            wire,
            user,
            out: (greeting.bytes, 0),
            handshake: Handshake::Begun(greeting.accept, greeting.subscribes),
            rest: Vec::new(),
            pieces: None,
            accounts: (0..users).map(|_| Account::from(0)).collect(),
            close: None,
            arrived: 0,
        }
    }

    /// The connection, unless it has ended.
    pub fn socket(&mut self) -> Option<&mut Socket<TcpStream>> {
        self.socket.as_mut()
    }

    /// Whose messages it brings, and what became of them.
    pub fn accounts(&self) -> impl Iterator<Item = (u32, &Account)> {
        (self.user..).zip(&self.accounts)
    }

    /// Moves whatever can be moved. An error is of a handshake that failed.
    pub fn drive(&mut self, around: &mut Surroundings<'_>) -> io::Result<News> {
        let was_open = self.is_open();
        let ended = match self.moved(around) {
            Ok(ended) => ended,
            Err(error) if !self.is_open() => return Err(error),
            // However it is lost: the client sees that it is.
            Err(_) => true,
        };
        if ended {
            if !self.is_open() {
                return Err(io::Error::other(format!(
                    "the connection ended before its handshake{}",
                    self.said()
                )));
            }
            self.end(around);
            return Ok(News::Ended(self.close.flatten()));
        }
        Ok(match was_open {
            false if self.is_open() => News::Opened,
            _ => News::None,
        })
    }

    fn is_open(&self) -> bool {
        matches!(self.handshake, Handshake::Over)
    }

    /// Whether the connection has ended.
    fn moved(&mut self, around: &mut Surroundings<'_>) -> io::Result<bool> {
        if !self.sent()? {
            return Ok(false);
        }
        let mut buffer = std::mem::take(&mut around.buffer);
        let read = self.read(&mut buffer, around);
        around.buffer = buffer;
        // A pong, or the answer to a close.
        let sent = self.sent();
        let ended = read?;
        sent?;
        Ok(ended)
    }

    /// Sends what there is to send; false while not all of it could be.
    fn sent(&mut self) -> io::Result<bool> {
        let Some(socket) = &mut self.socket else {
            return Ok(true);
        };
        while let rest @ [_, ..] = &self.out.0[self.out.1..] {
            match socket.write(rest) {
                Ok(written) => self.out.1 += written,
                Err(error) if not_yet(&error) => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        self.out = (Vec::new(), 0);
        Ok(true)
    }

    fn read(&mut self, buffer: &mut [u8], around: &mut Surroundings<'_>) -> io::Result<bool> {
        loop {
            let Some(socket) = &mut self.socket else {
                return Ok(true);
            };
            match socket.read(buffer) {
                Ok(0) => return Ok(true),
                Ok(length) => {
                    if self.take_in(&buffer[..length], around)? {
                        return Ok(true);
                    }
                }
                Err(error) if not_yet(&error) => return Ok(false),
                Err(error) => return Err(error),
            }
        }
    }

    /// Takes account of what came; true if the server has said that it ends the connection.
    fn take_in(&mut self, bytes: &[u8], around: &mut Surroundings<'_>) -> io::Result<bool> {
        let whole;
        let mut bytes = if self.rest.is_empty() {
            bytes
        } else {
            self.rest.extend_from_slice(bytes);
            whole = std::mem::take(&mut self.rest);
            &whole
        };
        if matches!(self.handshake, Handshake::Begun(..)) {
            match self.greeted(bytes)? {
                Some(used) => bytes = &bytes[used..],
                None => {
                    self.rest.extend_from_slice(bytes);
                    return Ok(false);
                }
            }
        }
        let now = around.book.began.elapsed();
        let (mut used, before) = (0, self.arrived);
        let mut closed = false;
        while let (false, Some(length)) = (closed, self.unwrap(&bytes[used..], now, around)?) {
            used += length;
            closed = self.close.is_some();
        }
        self.rest.extend_from_slice(&bytes[used..]);
        around.arrived += self.arrived - before;
        Ok(closed)
    }

    /// How much of `bytes` is the answer to the handshake, once it is whole.
    fn greeted(&mut self, bytes: &[u8]) -> io::Result<Option<usize>> {
        let Handshake::Begun(accept, subscribes) = &mut self.handshake else {
            return Ok(Some(0));
        };
        let used = match self.wire {
            Wire::Raw => match bytes {
                [] => return Ok(None),
                [b'k', ..] => 1,
                _ => {
                    return Err(io::Error::other(
                        "the relay gave another answer than it does",
                    ));
                }
            },
            Wire::WebSocket => match bytes.windows(4).position(|end| end == b"\r\n\r\n") {
                Some(end) => {
                    let head = String::from_utf8_lossy(&bytes[..end]);
                    upgraded(&head, accept).map_err(io::Error::other)?;
                    end + 4
                }
                None if bytes.len() > LONGEST_HEAD => {
                    return Err(io::Error::other("the answer to the upgrade is no HTTP"));
                }
                None => return Ok(None),
            },
            Wire::Redis => {
                let (mut used, mut confirmed) = (0, 0);
                while let Some((reply, length)) = resp::parse(&bytes[used..])? {
                    used += length;
                    match reply {
                        Reply::Subscribed(_) => confirmed += 1,
                        Reply::Refused(words) => {
                            return Err(io::Error::other(
                                String::from_utf8_lossy(words).into_owned(),
                            ));
                        }
                        Reply::Done | Reply::Message { .. } => {}
                    }
                }
                if confirmed < self.accounts.len() {
                    return Ok(None);
                }
                used
            }
        };
        self.handshake = match std::mem::take(subscribes) {
            nothing if nothing.is_empty() => Handshake::Over,
            frame => {
                self.out.0.extend(frame);
                Handshake::Subscribing
            }
        };
        Ok(Some(used))
    }

    /// Takes account of the first whole thing in `bytes`; its length, if there is one.
    fn unwrap(
        &mut self,
        bytes: &[u8],
        now: Duration,
        around: &mut Surroundings<'_>,
    ) -> io::Result<Option<usize>> {
        match self.wire {
            Wire::Raw => {
                let message = bytes.get(..around.form.length());
                if let Some(message) = message {
                    self.note(message, now, around);
                }
                Ok(message.map(<[u8]>::len))
            }
            Wire::Redis => match resp::parse(bytes)? {
                Some((Reply::Message { payload, .. }, length)) => {
                    self.note(payload, now, around);
                    Ok(Some(length))
                }
                other => Ok(other.map(|(_, length)| length)),
            },
            Wire::WebSocket => self.frame(bytes, now, around),
        }
    }

    fn frame(
        &mut self,
        bytes: &[u8],
        now: Duration,
        around: &mut Surroundings<'_>,
    ) -> io::Result<Option<usize>> {
        let (frame, length) = match frame::parse(bytes) {
            Ok(Some(parsed)) => parsed,
            Ok(None) => return Ok(None),
            Err(_) => {
                self.damage();
                return Err(io::Error::other("what came is no frame of a server"));
            }
        };
        match (frame.kind, frame.last, &mut self.pieces) {
            (Kind::Text, true, None) => self.text(frame.payload, now, around),
            (Kind::Text, false, None) => self.pieces = Some(frame.payload.to_vec()),
            (Kind::Continuation, last, Some(pieces)) => {
                pieces.extend_from_slice(frame.payload);
                if let (true, Some(message)) = (last, self.pieces.take_if(|_| last)) {
                    self.text(&message, now, around);
                }
            }
            (Kind::Ping | Kind::Close, ..) => {
                if frame.kind == Kind::Close {
                    self.close = Some(frame::close_code(frame.payload));
                }
                self.out.0.extend(frame::answer(&frame).unwrap_or_default());
            }
            (Kind::Pong, ..) => {}
            // Bytes, which nobody published, or pieces of two messages in one another.
            _ => self.damage(),
        }
        Ok(Some(length))
    }

    fn text(&mut self, bytes: &[u8], now: Duration, around: &mut Surroundings<'_>) {
        let Some(pointer) = &around.message else {
            return self.note(bytes, now, around);
        };
        let Ok(text) = serde_json::from_slice::<Value>(bytes) else {
            return self.damage();
        };
        match (
            text.pointer(pointer).and_then(Value::as_str),
            &self.handshake,
        ) {
            (Some(message), _) => self.note(message.as_bytes(), now, around),
            (None, Handshake::Subscribing) => self.handshake = Handshake::Over,
            (None, _) => {}
        }
    }

    fn note(&mut self, bytes: &[u8], now: Duration, around: &mut Surroundings<'_>) {
        let Some(message) = around.form.read(bytes) else {
            return self.damage();
        };
        let account = (message.user.checked_sub(self.user))
            .and_then(|index| self.accounts.get_mut(index as usize));
        match account {
            Some(account) => {
                if account.came(message.number) {
                    self.arrived += 1;
                }
                if message.due > 0 {
                    let now = u64::try_from(now.as_nanos()).unwrap_or(u64::MAX);
                    around
                        .latencies
                        .saturating_record(now.saturating_sub(message.due));
                }
            }
            None => {
                if let Some(account) = self.accounts.first_mut() {
                    account.leaked();
                }
            }
        }
    }

    fn damage(&mut self) {
        if let Some(account) = self.accounts.first_mut() {
            account.damaged();
        }
    }

    fn end(&mut self, around: &Surroundings<'_>) {
        let noticed = match self.close {
            Some(Some(code)) => (around.knows_close)(code),
            Some(None) => false,
            // A connection that breaks is told by every client.
            None => true,
        };
        if let Some(mut socket) = self.socket.take() {
            socket.reset_on_drop();
        }
        if let [account] = &mut self.accounts[..] {
            let published = around.book.ended(self.user, self.arrived);
            account.ended(End { published, noticed });
        }
    }

    /// What came instead of the answer to a handshake, as far as it is text.
    fn said(&self) -> String {
        let text: String = String::from_utf8_lossy(&self.rest)
            .chars()
            .take(200)
            .collect();
        match text.trim() {
            "" => String::new(),
            text => format!(": it was answered {text:?}"),
        }
    }
}

/// Whether the head of an answer upgrades to what was asked for (RFC 6455, section 4.1); what it is otherwise.
fn upgraded(head: &str, accept: &str) -> Result<(), String> {
    let mut lines = head.split("\r\n");
    let status = lines.next().unwrap_or_default();
    if !status.starts_with("HTTP/1.1 101") {
        return Err(format!("the upgrade was answered with {status:?}"));
    }
    let fields = lines.filter_map(|line| line.split_once(':'));
    let accepted = fields
        .filter(|(name, _)| name.eq_ignore_ascii_case("sec-websocket-accept"))
        .any(|(_, value)| value.trim() == accept);
    match accepted {
        true => Ok(()),
        false => Err("the 101 has not the Sec-WebSocket-Accept of this request".to_owned()),
    }
}

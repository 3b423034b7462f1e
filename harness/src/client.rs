//! A WebSocket client that records what it sees.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::stream::SplitSink;
use futures_util::{SinkExt, Stream, StreamExt};
use serde_json::Value;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::breach::Breaks;
use crate::flow::{Entry, Frame, Recorder};
use crate::handshake::Socket;
use crate::ledger::End;
use crate::scenario::{Failure, Outcome, ensure};

/// The longest that a wait lasts: what has not come by then counts as not delivered. A wait for several things that come
/// one after the other begins anew with each. Nothing waits that long in a system that keeps the contract.
pub const PATIENCE: Duration = Duration::from_secs(20);
/// The same for what a service does at a time of its own: the contract names neither the interval of its health checks,
/// nor the pause before it connects to Redis again, nor the gateway's deadlines.
pub const LONG_PATIENCE: Duration = Duration::from_secs(90);

const REASON: &str = "close.reason-is-json";
const ANSWERED: &str = "connections.close-answered";
const VISIBLE: &str = "token.refusal-visible";
const NOTHING_AFTER: &str = "token.nothing-after-refusal";

/// An open or closed WebSocket connection. Clones are the same connection.
#[derive(Clone)]
pub struct Client(Arc<Inner>);

struct Inner {
    name: String,
    user: String,
    offered: usize,
    promised: usize,
    recorder: Recorder,
    seen: Arc<Seen>,
    sink: Arc<Sink>,
    reader: JoinHandle<()>,
}

/// Where messages are sent; nowhere on somebody else's connection, and once one has ended, so that its socket is closed.
type Sink = tokio::sync::Mutex<Option<SplitSink<Socket, Message>>>;

/// What arrives on a connection, to its end.
pub(crate) trait Messages:
    Stream<Item = Result<Message, Error>> + Send + Unpin + 'static
{
}
impl<T: Stream<Item = Result<Message, Error>> + Send + Unpin + 'static> Messages for T {}

/// What the reader has seen so far.
struct Seen {
    state: Mutex<State>,
    changed: Notify,
    counts: Arc<Counts>,
}

/// What all connections of a stage count together.
#[derive(Default)]
pub(crate) struct Counts {
    /// How many messages the stage has published.
    pub published: AtomicUsize,
    /// How many texts have arrived, fences too.
    pub arrived: AtomicUsize,
}

#[derive(Default)]
struct State {
    texts: Vec<Vec<u8>>,
    fences: Vec<Vec<u8>>,
    pings: usize,
    binaries: Vec<Vec<u8>>,
    close: Option<Option<(u16, String)>>,
    pongs: Vec<Vec<u8>>,
    ended: Option<String>,
    /// Whether the scenario closes the connection, or expects the server to.
    closing: bool,
    /// Whether the scenario closes it.
    left: bool,
    /// How many messages had been published when the end was seen, or begun by the scenario.
    over: Option<usize>,
}

impl Client {
    /// Takes over a connection and reads it to its end. One without a sink is somebody else's.
    pub(crate) fn start(
        name: &str,
        user: &str,
        (offered, promised): (usize, usize),
        (sink, mut stream): (Option<SplitSink<Socket, Message>>, impl Messages),
        recorder: Recorder,
        counts: Arc<Counts>,
        is_fence: impl Fn(&[u8]) -> bool + Send + 'static,
    ) -> Self {
        let seen = Arc::new(Seen {
            state: Mutex::default(),
            changed: Notify::new(),
            counts,
        });
        let sink = Arc::new(Sink::new(sink));
        let (sees, closes) = (Arc::clone(&seen), Arc::clone(&sink));
        let records = recorder.clone();
        let reader = tokio::spawn(async move {
            let error = loop {
                match stream.next().await {
                    Some(Ok(message)) => sees.note(message, &records, &is_fence),
                    Some(Err(error)) => break Some(error),
                    None => break None,
                }
            };
            sees.end(error, &records);
            closes.lock().await.take();
        });
        Self(Arc::new(Inner {
            name: name.to_owned(),
            user: user.to_owned(),
            offered,
            promised,
            recorder,
            seen,
            sink,
            reader,
        }))
    }

    /// The connection's name: its user's and a number.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Its user's name.
    pub fn user(&self) -> &str {
        &self.0.user
    }

    /// How many messages had been published when the handshake began, and when `101` was seen.
    pub fn promise(&self) -> (usize, usize) {
        (self.0.offered, self.0.promised)
    }

    /// The texts received so far, without the fences.
    pub fn texts(&self) -> Vec<Vec<u8>> {
        self.0.seen.lock().texts.clone()
    }

    /// Whether a text of these bytes has come, most likely one of the last.
    pub(crate) fn has_text(&self, bytes: &[u8]) -> bool {
        let state = self.0.seen.lock();
        state.texts.iter().rev().any(|text| text == bytes)
    }

    /// The fences received so far.
    pub(crate) fn fences(&self) -> Vec<Vec<u8>> {
        self.0.seen.lock().fences.clone()
    }

    /// The binary messages received so far. No service sends any: a notification is a text.
    pub fn binaries(&self) -> Vec<Vec<u8>> {
        self.0.seen.lock().binaries.clone()
    }

    /// Whether nothing has come so far.
    pub(crate) fn has_nothing(&self) -> bool {
        let state = self.0.seen.lock();
        state.fences.is_empty() && state.texts.is_empty() && state.binaries.is_empty()
    }

    /// Whether a fence that holds `needle` has come, in whatever shape.
    pub(crate) fn has_fence(&self, needle: &str) -> bool {
        self.0.seen.lock().fences(needle).next().is_some()
    }

    /// Whether of the fences that hold `needle` only those came that were published `again`.
    pub(crate) fn lacks_the_first(&self, needle: &str, again: &str) -> bool {
        let state = self.0.seen.lock();
        let mut fences = state.fences(needle).peekable();
        fences.peek().is_some() && fences.all(|text| find(text, again.as_bytes()))
    }

    /// The texts and binary messages sent so far.
    pub fn sent(&self) -> Vec<Vec<u8>> {
        let entries = self.0.recorder.entries().into_iter();
        let bytes = entries.filter_map(|entry| match entry {
            Entry::Sent(Frame::Text(bytes) | Frame::Binary(bytes)) => Some(bytes),
            _ => None,
        });
        bytes.collect()
    }

    /// How the connection ended, if it has.
    pub fn ended(&self) -> Option<String> {
        let state = self.0.seen.lock();
        state.ended.clone().map(|words| match &state.close {
            Some(Some((code, reason))) => format!("{words} after close {code} {reason}"),
            _ => words,
        })
    }

    /// How the connection ended for the ledger, if it has; `is_known` says whether a code of the server's close is one of
    /// the contract's.
    pub(crate) fn end(&self, is_known: impl Fn(u16) -> bool) -> Option<End> {
        if self.is_open() {
            return None;
        }
        let state = self.0.seen.lock();
        let noticed = match &state.close {
            _ if state.left => true,
            Some(Some((code, _))) => is_known(*code),
            Some(None) => false,
            None => true,
        };
        let published = self.0.seen.published();
        Some(End {
            published: state.over.unwrap_or(published),
            noticed,
        })
    }

    /// The code that the server closed with, if it has and gave one.
    pub fn close_code(&self) -> Option<u16> {
        let state = self.0.seen.lock();
        state.close.as_ref()?.as_ref().map(|(code, _)| *code)
    }

    /// Whether nobody has begun to close the connection.
    pub fn is_open(&self) -> bool {
        let state = self.0.seen.lock();
        state.ended.is_none() && state.close.is_none() && !state.closing
    }

    /// How the server closed or ended the connection although the scenario did not expect it, if it did.
    pub(crate) fn lost(&self) -> Option<String> {
        let state = self.0.seen.lock();
        if state.closing || (state.ended.is_none() && state.close.is_none()) {
            return None;
        }
        Some(match &state.close {
            Some(Some((code, reason))) => format!("was closed by the server with {code} {reason}"),
            Some(None) => "was closed by the server without a code".to_owned(),
            None => format!(
                "lost its connection: {}",
                state.ended.as_deref().unwrap_or_default()
            ),
        })
    }

    /// Marks that everything to be received up to now has been.
    pub(crate) fn fence(&self) {
        self.0.recorder.fence();
    }

    /// Waits for a fence that holds `needle`, as long as anything arrives anywhere: a service may serve one connection after
    /// the other. An error says how the connection ended or that nothing came.
    pub(crate) async fn until_fence(&self, needle: &str) -> Result<(), String> {
        let arrived = || self.0.seen.counts.arrived.load(Ordering::SeqCst);
        self.until_arrived(arrived, |state| {
            if state.fences(needle).next().is_some() {
                return Some(Ok(()));
            }
            let words = state.ended.as_ref()?;
            Some(Err(match &state.close {
                Some(Some((code, reason))) => format!("{words} after close {code} {reason}"),
                _ => words.clone(),
            }))
        })
        .await
        .unwrap_or_else(|| Err(format!("nothing arrived for {} s", PATIENCE.as_secs())))
    }

    /// Sends a frame.
    pub async fn send(&self, frame: Frame) -> Outcome {
        let message = match &frame {
            Frame::Text(bytes) => Message::text(String::from_utf8_lossy(bytes).into_owned()),
            Frame::Binary(bytes) => Message::binary(bytes.clone()),
            Frame::Ping(bytes) => Message::Ping(bytes.clone().into()),
            Frame::Pong(bytes) => Message::Pong(bytes.clone().into()),
            Frame::Close(None) => Message::Close(None),
            Frame::Close(Some((code, reason))) => Message::Close(Some(CloseFrame {
                code: (*code).into(),
                reason: reason.as_str().into(),
            })),
        };
        self.0.recorder.push(Entry::Sent(frame));
        let mut sink = self.0.sink.lock().await;
        let sent = match sink.as_mut() {
            Some(sink) => sink.send(message).await,
            None => Err(Error::AlreadyClosed),
        };
        sent.map_err(|error| {
            let ended = self.ended().unwrap_or_else(|| error.to_string());
            Failure::broken(format!("{} could not send: {ended}", self.name()))
        })
    }

    /// Waits for a pong with this payload.
    pub async fn expect_pong(&self, payload: &[u8]) -> Outcome {
        let came = self
            .until(|state| {
                let there = state.pongs.iter().any(|pong| pong == payload);
                (there || state.ended.is_some()).then_some(there)
            })
            .await;
        let ended = self.ended();
        let missing = || {
            let ended = ended.as_deref().unwrap_or("the connection is open");
            format!("{} got no pong for its ping: {ended}", self.name())
        };
        match ensure(came == Some(true), missing) {
            missing @ Err(_) if ended.is_none() => missing.breaks("connections.ping-answered"),
            came => came,
        }
    }

    /// Closes the connection as a browser does and waits until the server has closed it too.
    pub async fn close(&self) -> Outcome {
        self.close_by(self.send(Frame::Close(Some((1000, String::new())))))
            .await
    }

    /// The same for a connection that is somebody else's: `closing` lets them close it with 1000.
    pub async fn close_elsewhere(&self, closing: impl Future<Output = Outcome>) -> Outcome {
        self.close_by(async {
            let close = Frame::Close(Some((1000, String::new())));
            self.0.recorder.push(Entry::Sent(close));
            closing.await
        })
        .await
    }

    async fn close_by(&self, closing: impl Future<Output = Outcome>) -> Outcome {
        {
            let mut state = self.0.seen.lock();
            (state.closing, state.left) = (true, true);
            state.over = Some(self.0.seen.published());
        }
        closing.await?;
        let ended = self.until(|state| state.ended.clone()).await;
        let code = self.0.seen.lock().close.clone();
        ensure(ended.is_some(), || {
            format!(
                "{} sent a close frame and the server did not end the connection in {} s",
                self.name(),
                PATIENCE.as_secs()
            )
        })
        .breaks(ANSWERED)?;
        // RFC 6455, section 5.5.1: the answer to a close frame typically echoes its code.
        ensure(matches!(code, Some(None | Some((1000, _)))), || {
            format!("{} closed with 1000 and was answered {code:?}", self.name())
        })
        .breaks(ANSWERED)
    }

    /// Waits until this many texts have been received, fences not counted.
    pub async fn expect_texts(&self, count: usize) -> Outcome {
        let arrived = |state: &State| state.texts.len() >= count;
        let progress = || {
            let state = self.0.seen.lock();
            state.texts.len() + state.fences.len()
        };
        let came = self
            .until_arrived(progress, |state| {
                (arrived(state) || state.ended.is_some()).then(|| arrived(state))
            })
            .await;
        ensure(came == Some(true), || {
            let ended = self
                .ended()
                .unwrap_or_else(|| format!("no more came in {} s", PATIENCE.as_secs()));
            format!(
                "{} should have received {count} messages and has {}: {ended}",
                self.name(),
                self.texts().len()
            )
        })
    }

    /// Waits until the server has pinged this many times.
    pub async fn expect_pings(&self, count: usize) -> Outcome {
        let progress = || self.0.seen.lock().pings;
        let came = self
            .until_arrived(progress, |state| {
                (state.pings >= count || state.ended.is_some()).then_some(state.pings)
            })
            .await;
        let pings = came.unwrap_or_else(|| self.0.seen.lock().pings);
        ensure(pings >= count, || {
            let ended = self
                .ended()
                .unwrap_or_else(|| format!("no more came in {} s", PATIENCE.as_secs()));
            format!(
                "{} should be pinged {count} times and was {pings} times: {ended}",
                self.name()
            )
        })?;
        let words = format!("is pinged {count} times, and answers");
        self.0.recorder.push(Entry::Note(words));
        Ok(())
    }

    /// Waits for the refusal of a bad token: 1008 at once, before which nothing else is sent. Returns the reason.
    pub async fn expect_refusal(&self) -> Outcome<Value> {
        let reason = match self.expect_close(1008, "AUTHENTICATION_ERROR").await {
            // It was refused, but not so that a browser can tell.
            refused @ Err(_) if self.ended().is_some() => refused.breaks(VISIBLE)?,
            refused => refused?,
        };
        let before = {
            let state = self.0.seen.lock();
            state.texts.len() + state.fences.len() + state.binaries.len()
        };
        ensure(before == 0, || {
            let name = self.name();
            format!("{name} was refused and should be sent nothing; it received {before} messages")
        })
        .breaks(NOTHING_AFTER)?;
        Ok(reason)
    }

    /// Waits for the server to close with `code` and a reason that names `error_code` or nothing, and for the end of the
    /// connection. Returns the reason.
    pub async fn expect_close(&self, code: u16, error_code: &str) -> Outcome<Value> {
        self.expect_close_within(PATIENCE, code, error_code).await
    }

    /// The same for a close at a time of the server's own.
    pub async fn expect_close_in_time(&self, code: u16, error_code: &str) -> Outcome<Value> {
        self.expect_close_within(LONG_PATIENCE, code, error_code)
            .await
    }

    /// Waits for the server to close with `code`, a code with which no reason is owed, and for the end of the connection.
    pub async fn expect_close_by_code(&self, code: u16) -> Outcome {
        self.expect_close_within(PATIENCE, code, "").await?;
        Ok(())
    }

    async fn expect_close_within(
        &self,
        patience: Duration,
        code: u16,
        error_code: &str,
    ) -> Outcome<Value> {
        let name = self.name();
        self.0.seen.lock().closing = true;
        let ended = self.until_in(patience, |state| state.ended.clone()).await;
        let close = self.0.seen.lock().close.clone();
        let expected = format!("{name} should be closed with {code} {error_code}");
        let expected = expected.trim_end();
        ensure(ended.is_some(), || {
            let seen = close
                .as_ref()
                .map_or("it is still open".to_owned(), |close| {
                    format!("after the close frame {close:?} the connection stayed open")
                });
            format!("{expected}; {seen} after {} s", patience.as_secs())
        })?;
        let Some(Some((came, reason))) = close else {
            return Err(Failure::broken(format!(
                "{expected}; {}",
                ended.unwrap_or_default()
            )));
        };
        ensure(came == code, || {
            format!("{expected}; it was closed with {came} {reason}")
        })?;
        ensure(may_mean(&reason, error_code), || {
            format!("{expected}; the reason is {reason:?}")
        })
        .breaks(REASON)?;
        Ok(serde_json::from_str(&reason).unwrap_or_default())
    }

    /// Waits until the connection is lost without a close: its server is gone, or the network between.
    pub async fn expect_loss(&self) -> Outcome {
        let name = self.name();
        self.0.seen.lock().closing = true;
        let ended = self.until(|state| state.ended.clone()).await;
        ensure(ended.is_some(), || {
            let seconds = PATIENCE.as_secs();
            format!("{name} should lose its connection; it is still open after {seconds} s")
        })?;
        let close = self.0.seen.lock().close.clone();
        ensure(close.is_none(), || {
            format!("{name} should lose its connection without a close; it was closed: {close:?}")
        })
    }

    /// Writes a sentence into the client's lane.
    pub fn note(&self, words: &str) {
        self.0.recorder.push(Entry::Note(words.to_owned()));
    }

    /// Waits until `check` finds what it wants; `None` when that takes too long.
    async fn until<T>(&self, check: impl Fn(&State) -> Option<T>) -> Option<T> {
        self.until_in(PATIENCE, check).await
    }

    /// The same for what comes bit by bit: patience begins anew as long as `progress` counts more.
    async fn until_arrived<T>(
        &self,
        progress: impl Fn() -> usize,
        check: impl Fn(&State) -> Option<T>,
    ) -> Option<T> {
        loop {
            let before = progress();
            let found = self.until_in(PATIENCE, &check).await;
            if found.is_some() || progress() == before {
                return found;
            }
        }
    }

    async fn until_in<T>(
        &self,
        patience: Duration,
        check: impl Fn(&State) -> Option<T>,
    ) -> Option<T> {
        let wait = async {
            loop {
                let changed = self.0.seen.changed.notified();
                tokio::pin!(changed);
                // Enabled before the look, so that a change between look and wait is not missed.
                changed.as_mut().enable();
                if let Some(found) = check(&self.0.seen.lock()) {
                    return found;
                }
                changed.await;
            }
        };
        timeout(patience, wait).await.ok()
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

impl State {
    /// The fences that hold `needle`. One in a binary message is against the contract, which the ledger says, and has come
    /// all the same.
    fn fences(&self, needle: &str) -> impl Iterator<Item = &Vec<u8>> {
        let all = self.fences.iter().chain(&self.binaries);
        all.filter(move |text| find(text, needle.as_bytes()))
    }
}

impl Seen {
    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn published(&self) -> usize {
        self.counts.published.load(Ordering::SeqCst)
    }

    fn note(&self, message: Message, recorder: &Recorder, is_fence: &impl Fn(&[u8]) -> bool) {
        let mut state = self.lock();
        match message {
            Message::Text(text) => {
                let bytes = text.as_bytes().to_owned();
                self.counts.arrived.fetch_add(1, Ordering::SeqCst);
                if is_fence(&bytes) {
                    state.fences.push(bytes);
                } else {
                    recorder.push(Entry::Received(Frame::Text(bytes.clone())));
                    state.texts.push(bytes);
                }
            }
            Message::Binary(bytes) => {
                self.counts.arrived.fetch_add(1, Ordering::SeqCst);
                recorder.push(Entry::Received(Frame::Binary(bytes.to_vec())));
                state.binaries.push(bytes.to_vec());
            }
            Message::Pong(bytes) => {
                recorder.push(Entry::Received(Frame::Pong(bytes.to_vec())));
                state.pongs.push(bytes.to_vec());
            }
            Message::Close(frame) => {
                let close = frame.map(|frame| (frame.code.into(), frame.reason.to_string()));
                recorder.push(Entry::Received(Frame::Close(close.clone())));
                state.over.get_or_insert(self.published());
                state.close = Some(close);
            }
            // Pings come when the server's clock says so, so no flow shows them; the answer is automatic.
            Message::Ping(_) => state.pings += 1,
            Message::Frame(_) => {}
        }
        drop(state);
        self.changed.notify_waiters();
    }

    fn end(&self, error: Option<Error>, recorder: &Recorder) {
        let mut state = self.lock();
        let (words, shown) = match error {
            None => {
                let words = "the server closed the connection".to_owned();
                (words.clone(), words)
            }
            // Whether the kernel tells the end of the stream or a reset is chance.
            Some(error) if state.close.is_none() && is_loss(&error) => {
                let shown = "the connection is lost, without a close".to_owned();
                (format!("{shown}: {error}"), shown)
            }
            Some(error) => {
                let words = format!("the connection failed: {error}");
                (words.clone(), words)
            }
        };
        recorder.push(Entry::Ended(shown));
        state.over.get_or_insert(self.published());
        state.ended = Some(words);
        drop(state);
        self.changed.notify_waiters();
    }
}

/// Whether a close with `reason` can be the one that is called `error_code`; any can where that is empty. A reason that is
/// empty or no JSON names none: whether it may be so is in the contract's documents, and audited with every close.
pub(crate) fn may_mean(reason: &str, error_code: &str) -> bool {
    error_code.is_empty()
        || serde_json::from_str::<Value>(reason)
            .map_or(true, |json| json["error_code"] == error_code)
}

/// Whether the connection itself is gone, and not what came on it wrong.
fn is_loss(error: &Error) -> bool {
    matches!(
        error,
        Error::Io(_) | Error::Protocol(ProtocolError::ResetWithoutClosingHandshake)
    )
}

fn find(text: &[u8], needle: &[u8]) -> bool {
    text.windows(needle.len()).any(|window| window == needle)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::named(
        "QUOTA_EXCEEDED",
        r#"{"error_code":"QUOTA_EXCEEDED","message":"m"}"#,
        true
    )]
    #[case::of_another_close(
        "QUOTA_EXCEEDED",
        r#"{"error_code":"SLOW_CONSUMER","message":"m"}"#,
        false
    )]
    #[case::of_none("QUOTA_EXCEEDED", r#"{"message":"m"}"#, false)]
    #[case::empty("QUOTA_EXCEEDED", "", true)]
    #[case::for_the_audit_to_judge("QUOTA_EXCEEDED", "too many", true)]
    #[case::any_where_none_is_owed("", r#"{"error_code":"GOING_AWAY"}"#, true)]
    fn a_reason_is_held_against_the_close_that_is_expected(
        #[case] error_code: &str,
        #[case] reason: &str,
        #[case] means: bool,
    ) {
        assert_eq!(may_mean(reason, error_code), means);
    }
}

//! One open WebSocket: a socket, a decoder and a session, as a single small future.
//!
//! An idle connection owns no buffer of bytes: they are read into the stack when there are some, and frames to be sent
//! are those of the session's queue. While there are none, the session may use the socket.

use std::io;
use std::net::Shutdown;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use socket2::SockRef;
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep_until};

use super::close::{self, Close};
use super::decoder::{Decoder, Event, Violation};
use super::frame::{self, Opcode};
use super::queue::{Queue, Sent};
use super::session::Session;

/// How patient a connection is.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// From one ping to the next.
    pub ping_interval: Duration,
    /// Without any frame of the client for so long it is closed.
    pub idle_timeout: Duration,
    /// The longest message that is accepted from the client, in bytes.
    pub message_limit: usize,
}

/// An open connection; as a future, ready when its socket is to be dropped.
pub struct Connection<S> {
    stream: Arc<TcpStream>,
    session: S,
    decoder: Decoder,
    rules: Rules,
    id: Arc<str>,
    phase: Phase,
    writing: Queue,
    /// Bytes of answers in `writing`, at most: past a bound the client must read before it is read.
    answers: usize,
    opened: Instant,
    last_heard: Instant,
    next_ping: Instant,
    closing_by: Instant,
    timer: Pin<Box<Sleep>>,
    code: u16,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Open,
    /// Our close is on its way, the client's is awaited.
    Closing,
    /// Both are, or nothing that comes can be understood: end the stream, and read to the client's end of it so
    /// that no reset overtakes our close.
    Draining,
    /// The stream is ended.
    Drained,
}

/// How long a client may take to read our close and to answer it.
pub const CLOSE_DEADLINE: Duration = Duration::from_secs(5);

/// How long the client may take to end its side of the stream after ours has ended.
const LINGER: Duration = Duration::from_secs(1);

/// How much may be read at once, in bytes.
const READ_SIZE: usize = 4096;

/// How many bytes of answers may wait before the client is no longer read.
const ANSWERS_LIMIT: usize = 16 * 1024;

/// The close code that stands for none (RFC 6455, section 7.1.5): the client went without a close.
const ABNORMAL: u16 = 1006;

impl<S: Session> Connection<S> {
    /// The connection over `stream`, just upgraded, of which `leftover` was read already; logs name it `id`.
    pub fn new(stream: TcpStream, leftover: Bytes, session: S, rules: Rules, id: Arc<str>) -> Self {
        let now = Instant::now();
        let mut connection = Self {
            stream: Arc::new(stream),
            session,
            decoder: Decoder::new(rules.message_limit),
            rules,
            id,
            phase: Phase::Open,
            writing: Queue::default(),
            answers: 0,
            opened: now,
            last_heard: now,
            next_ping: after(now, rules.ping_interval),
            closing_by: now,
            timer: Box::pin(sleep_until(now)),
            code: ABNORMAL,
        };
        let due = connection.due();
        connection.timer.as_mut().reset(due);
        if !leftover.is_empty() {
            connection.take_in(&mut Vec::from(leftover));
        }
        connection
    }

    fn poll_session(&mut self, context: &mut Context<'_>) {
        if self.phase == Phase::Open
            && let Poll::Ready(close) = self.session.poll(context, &mut self.writing)
        {
            self.close(&close);
        }
    }

    /// Does what is due; ready when the close has taken too long.
    fn poll_time(&mut self, context: &mut Context<'_>) -> Poll<()> {
        while self.timer.as_mut().poll(context).is_ready() {
            let now = Instant::now();
            if self.phase != Phase::Open {
                if now >= self.closing_by {
                    return Poll::Ready(());
                }
            } else if self.session.expires_at().is_some_and(has_passed) {
                self.close(&close::TOKEN_EXPIRED);
            } else if now >= after(self.last_heard, self.rules.idle_timeout) {
                self.close(&close::IDLE);
            } else if now >= self.next_ping {
                self.next_ping = after(now, self.rules.ping_interval);
                self.answer(frame::encode(Opcode::Ping, b""));
            }
            let due = self.due();
            self.timer.as_mut().reset(due);
        }
        Poll::Pending
    }

    /// When there is something to do at the latest. What the client sends only puts it off: the timer stays.
    fn due(&self) -> Instant {
        if self.phase != Phase::Open {
            return self.closing_by;
        }
        let idle = after(self.last_heard, self.rules.idle_timeout);
        let due = idle.min(self.next_ping);
        match self.session.expires_at() {
            // The wall clock decides, so it is looked at again whenever the timer fires.
            Some(expiry) => {
                let left = expiry.duration_since(SystemTime::now()).unwrap_or_default();
                due.min(after(Instant::now(), left))
            }
            None => due,
        }
    }

    /// Writes what waits; ready when nothing does.
    fn poll_write(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.writing.is_empty() {
            match self.writing.write(&self.stream) {
                Ok(Sent { messages: 0, .. }) => {}
                Ok(sent) => self.session.sent(sent),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    ready!(self.stream.poll_write_ready(context))?;
                }
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        self.answers = 0;
        if self.phase == Phase::Draining {
            match SockRef::from(&*self.stream).shutdown(Shutdown::Write) {
                // The client has ended it already.
                Err(error) if error.kind() != io::ErrorKind::NotConnected => {
                    return Poll::Ready(Err(error));
                }
                _ => {}
            }
            self.phase = Phase::Drained;
            self.closing_by = self.closing_by.min(Instant::now() + LINGER);
            self.timer.as_mut().reset(self.closing_by);
        }
        Poll::Ready(Ok(()))
    }

    /// Reads once; ready with whether the client's end of the stream is reached.
    fn poll_read(&mut self, context: &mut Context<'_>) -> Poll<io::Result<bool>> {
        if self.answers > ANSWERS_LIMIT {
            return Poll::Pending; // the socket wakes us when it can be written
        }
        loop {
            ready!(self.stream.poll_read_ready(context))?;
            let mut space = [0; READ_SIZE];
            match self.stream.try_read(&mut space) {
                Ok(length) => {
                    self.take_in(&mut space[..length]);
                    return Poll::Ready(Ok(length == 0));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }

    fn take_in(&mut self, mut input: &mut [u8]) {
        while matches!(self.phase, Phase::Open | Phase::Closing) {
            match self.decoder.next(&mut input) {
                Ok(None) => return,
                Ok(Some(event)) => {
                    self.last_heard = Instant::now();
                    self.event(event);
                }
                Err(violation) => self.violated(violation),
            }
        }
    }

    fn event(&mut self, event: Event<'_>) {
        match (self.phase, event) {
            (Phase::Open, Event::Piece { kind, bytes, last }) => {
                if let Some(frame) = self.session.receive(kind, bytes, last) {
                    self.answer(frame);
                }
            }
            (Phase::Open, Event::Ping(payload)) => {
                self.answer(frame::encode(Opcode::Pong, &payload));
            }
            (Phase::Open, Event::Close(code)) => {
                let payload = code.map(u16::to_be_bytes);
                let payload = payload.as_ref().map_or(&[][..], |code| code);
                // 1005 stands for a close without a code (RFC 6455, section 7.1.5).
                self.begin_close(
                    code.unwrap_or(1005),
                    frame::encode(Opcode::Close, payload),
                    Phase::Draining,
                );
            }
            (Phase::Closing, Event::Close(_)) => self.phase = Phase::Draining,
            // After our close nothing else is sent (RFC 6455, section 5.5.1), and a pong says only that it came.
            _ => {}
        }
    }

    fn answer(&mut self, frame: Bytes) {
        self.answers += frame.len();
        self.writing.push(frame);
    }

    fn close(&mut self, close: &Close) {
        if close.code == close::SLOW_CONSUMER.code {
            // Of what it does not read only the rest of a frame that is begun must come before the close.
            self.writing.forget();
        }
        self.begin_close(close.code, close.frame(&self.id), Phase::Closing);
    }

    fn violated(&mut self, violation: Violation) {
        if self.phase == Phase::Open {
            let close = Close::from(violation);
            self.begin_close(close.code, close.frame(&self.id), Phase::Draining);
        } else {
            self.phase = Phase::Draining;
        }
    }

    fn begin_close(&mut self, code: u16, frame: Bytes, phase: Phase) {
        self.session.end();
        self.writing.push(frame);
        self.code = code;
        self.phase = phase;
        self.closing_by = after(Instant::now(), CLOSE_DEADLINE);
        self.timer.as_mut().reset(self.closing_by);
    }

    /// Ready when the socket is to be dropped: with an error unless the streams ended in order.
    fn poll_end(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            self.poll_session(context);
            if self.poll_time(context).is_ready() {
                return Poll::Ready(self.give_up());
            }
            if let Poll::Ready(Err(error)) = self.poll_write(context) {
                return Poll::Ready(Err(error));
            }
            match self.poll_read(context) {
                Poll::Ready(Ok(false)) => {}
                Poll::Ready(ended) => return Poll::Ready(ended.map(drop)),
                Poll::Pending => {
                    if self.phase == Phase::Open && self.writing.is_empty() {
                        self.session.idle(&self.stream);
                    }
                    return Poll::Pending;
                }
            }
        }
    }

    fn give_up(&self) -> io::Result<()> {
        if self.phase == Phase::Drained {
            return Ok(());
        }
        if !self.writing.is_empty() {
            // Nobody reads: what is unsent must not keep the socket in the kernel either.
            self.stream.set_zero_linger()?;
        }
        Err(io::ErrorKind::TimedOut.into())
    }
}

impl<S: Session> Future for Connection<S> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let ended = ready!(self.poll_end(context));
        self.session.end();
        tracing::info!(
            correlation_id = %self.id,
            code = self.code,
            messages = self.session.messages(),
            seconds = self.opened.elapsed().as_secs_f64(),
            error = ended.err().map(tracing::field::display),
            "connection closed"
        );
        Poll::Ready(())
    }
}

/// `duration` after `instant`; what is too far to be told, ten years after.
fn after(instant: Instant, duration: Duration) -> Instant {
    const LONGEST: Duration = Duration::from_secs(10 * 365 * 24 * 3600);
    instant + duration.min(LONGEST)
}

fn has_passed(time: SystemTime) -> bool {
    time <= SystemTime::now()
}

#[cfg(test)]
mod tests {
    use super::super::decoder::Kind;
    use super::*;
    use rstest::rstest;
    use std::collections::VecDeque;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;
    use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
    use tokio::task::JoinHandle;

    const PATIENT: Rules = Rules {
        ping_interval: Duration::from_secs(3600),
        idle_timeout: Duration::from_secs(3600),
        message_limit: 100,
    };

    /// A session that sends `frames`, closes as `close`, and tells what happens to it.
    struct Script {
        frames: VecDeque<Bytes>,
        close: Option<Close>,
        expires_at: Option<SystemTime>,
        story: UnboundedSender<String>,
    }

    impl Session for Script {
        fn receive(&mut self, kind: Kind, bytes: &[u8], last: bool) -> Option<Bytes> {
            let text = String::from_utf8_lossy(bytes);
            let _ = self.story.send(format!("{kind:?} {text} {last}"));
            (bytes == b"echo").then(|| frame::encode(Opcode::Text, bytes))
        }

        fn poll(&mut self, _: &mut Context<'_>, queue: &mut Queue) -> Poll<Close> {
            self.frames.drain(..).for_each(|frame| queue.push(frame));
            self.close.clone().map_or(Poll::Pending, Poll::Ready)
        }

        fn sent(&mut self, sent: Sent) {
            let Sent { messages, bytes } = sent;
            let _ = self.story.send(format!("sent {messages} of {bytes}"));
        }

        fn messages(&self) -> usize {
            0
        }

        fn end(&mut self) {
            let _ = self.story.send("end".to_owned());
        }

        fn expires_at(&self) -> Option<SystemTime> {
            self.expires_at
        }
    }

    struct Open {
        client: TcpStream,
        story: UnboundedReceiver<String>,
        connection: JoinHandle<()>,
    }

    impl Open {
        async fn new(rules: Rules, leftover: &[u8], prepare: impl FnOnce(&mut Script)) -> Self {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let client = TcpStream::connect(listener.local_addr().unwrap())
                .await
                .unwrap();
            let (stream, _) = listener.accept().await.unwrap();
            let (sender, story) = unbounded_channel();
            let mut script = Script {
                frames: VecDeque::new(),
                close: None,
                expires_at: None,
                story: sender,
            };
            prepare(&mut script);
            let leftover = Bytes::copy_from_slice(leftover);
            let connection = Connection::new(stream, leftover, script, rules, "id".into());
            Self {
                client,
                story,
                connection: tokio::spawn(connection),
            }
        }

        async fn send(&mut self, first: u8, payload: &[u8]) {
            self.client
                .write_all(&masked(first, payload))
                .await
                .unwrap();
        }

        /// The next frame: its first byte and its payload, which must be short.
        async fn frame(&mut self) -> (u8, Vec<u8>) {
            let [first, length] = self.read().await;
            let mut payload = vec![0; usize::from(length)];
            self.client.read_exact(&mut payload).await.unwrap();
            (first, payload)
        }

        async fn read<const N: usize>(&mut self) -> [u8; N] {
            let mut bytes = [0; N];
            self.client.read_exact(&mut bytes).await.unwrap();
            bytes
        }

        /// Expects a close of `code`, with the JSON reason.
        async fn closed(&mut self, code: u16) {
            let (first, payload) = self.frame().await;
            let reason = String::from_utf8_lossy(&payload[2..]);
            assert_eq!(
                (first, &payload[..2]),
                (0x88, &code.to_be_bytes()[..]),
                "{reason}"
            );
            assert!(reason.ends_with(r#""correlation_id":"id"}"#), "{reason}");
        }

        /// Expects the end of the stream, and of the connection once the client ends its side.
        async fn ended(mut self) -> Vec<String> {
            assert_eq!(
                self.client.read(&mut [0]).await.unwrap(),
                0,
                "the stream goes on"
            );
            drop(self.client);
            self.connection.await.unwrap();
            let mut story = Vec::new();
            while let Some(part) = self.story.recv().await {
                story.push(part);
            }
            story
        }
    }

    fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
        let mask = [1, 2, 3, 4];
        let masked = payload.iter().zip(mask.iter().cycle());
        let header = [first, 0x80 | payload.len() as u8, 1, 2, 3, 4];
        let masked = masked.map(|(byte, mask)| byte ^ mask);
        header.into_iter().chain(masked).collect()
    }

    #[tokio::test]
    async fn a_sessions_frames_are_sent_in_order_and_then_its_close() {
        let mut open = Open::new(PATIENT, b"", |script| {
            script.frames = (0..200)
                .map(|n| frame::encode(Opcode::Text, &[n]))
                .collect();
            script.close = Some(close::UNAVAILABLE.clone());
        })
        .await;
        for n in 0..200 {
            assert_eq!(open.frame().await, (0x81, vec![n]));
        }
        open.closed(1011).await;
        open.send(0x88, &1011_u16.to_be_bytes()).await;
        let story = open.ended().await;
        assert_eq!(
            story[0], "end",
            "the session ends before its last frames are written"
        );
        let sent = story
            .iter()
            .filter_map(|part| part.strip_prefix("sent "))
            .map(|part| {
                let (frames, bytes) = part.split_once(" of ").unwrap();
                (
                    frames.parse::<usize>().unwrap(),
                    bytes.parse::<usize>().unwrap(),
                )
            });
        assert_eq!(sent.fold((0, 0), |a, b| (a.0 + b.0, a.1 + b.1)), (200, 600));
    }

    #[tokio::test]
    async fn what_the_client_says_reaches_the_session_even_right_behind_the_handshake() {
        let leftover = [masked(0x01, b"he"), masked(0x89, b"?"), masked(0x80, b"y")].concat();
        let mut open = Open::new(PATIENT, &leftover, |_| {}).await;
        assert_eq!(open.frame().await, (0x8A, b"?".to_vec()));
        open.send(0x81, b"echo").await;
        assert_eq!(open.frame().await, (0x81, b"echo".to_vec()));
        open.send(0x88, b"").await;
        assert_eq!(open.frame().await, (0x88, vec![]));
        let story = open.ended().await;
        assert_eq!(
            story[..3],
            ["Text he false", "Text y true", "Text echo true"]
        );
    }

    #[tokio::test]
    async fn a_clients_close_is_answered_with_its_code_and_the_end_of_the_stream() {
        let mut open = Open::new(PATIENT, b"", |_| {}).await;
        open.send(0x88, &[0x0F, 0xA0, b'b', b'y', b'e']).await;
        assert_eq!(open.frame().await, (0x88, vec![0x0F, 0xA0]));
        assert_eq!(open.ended().await[0], "end");
    }

    #[rstest]
    #[case::end_of_stream(false)]
    #[case::reset(true)]
    #[tokio::test]
    async fn a_client_that_goes_without_a_word_ends_its_session(#[case] reset: bool) {
        let mut open = Open::new(PATIENT, b"", |_| {}).await;
        if reset {
            open.client.set_zero_linger().unwrap();
        }
        drop(open.client);
        assert_eq!(open.story.recv().await.as_deref(), Some("end"));
        open.connection.await.unwrap();
    }

    #[rstest]
    #[case::protocol(masked(0x83, b""), 1002)]
    #[case::not_utf8(masked(0x81, &[0xFF]), 1007)]
    #[case::too_big(masked(0x82, &[b'x'; 101]), 1009)]
    #[tokio::test]
    async fn a_violation_closes_though_the_client_goes_on_sending(
        #[case] violation: Vec<u8>,
        #[case] code: u16,
    ) {
        let mut open = Open::new(PATIENT, b"", |_| {}).await;
        open.client.write_all(&violation).await.unwrap();
        open.client.write_all(&[0xFF; 20_000]).await.unwrap();
        open.closed(code).await;
        open.ended().await;
    }

    #[tokio::test]
    async fn a_token_that_has_expired_closes() {
        let mut open = Open::new(PATIENT, b"", |script| {
            script.expires_at = Some(SystemTime::now());
        })
        .await;
        open.closed(1008).await;
        open.send(0x88, b"").await;
        open.ended().await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_client_is_pinged_and_then_closed() {
        let rules = Rules {
            ping_interval: Duration::from_secs(30),
            idle_timeout: Duration::from_secs(100),
            ..PATIENT
        };
        let mut open = Open::new(rules, b"", |_| {}).await;
        for _ in 0..3 {
            assert_eq!(open.frame().await, (0x89, vec![]));
        }
        open.closed(1001).await;
        open.send(0x88, b"").await;
        open.ended().await;
    }

    #[tokio::test(start_paused = true)]
    async fn any_frame_of_the_client_puts_the_idle_close_off() {
        let rules = Rules {
            ping_interval: Duration::from_secs(30),
            idle_timeout: Duration::from_secs(100),
            ..PATIENT
        };
        let mut open = Open::new(rules, b"", |_| {}).await;
        for _ in 0..10 {
            assert_eq!(open.frame().await, (0x89, vec![]));
            open.send(0x8A, b"").await;
            // The session hears of it before time goes on.
            open.send(0x82, b"").await;
            assert_eq!(open.story.recv().await.unwrap(), "Binary  true");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_does_not_read_is_cut_off() {
        let mut open = Open::new(PATIENT, b"", |script| {
            let frame = frame::encode(Opcode::Binary, &vec![0; 1 << 20]);
            script.frames = std::iter::repeat_n(frame, 64).collect();
            script.close = Some(close::SHUTDOWN.clone());
        })
        .await;
        assert_eq!(open.story.recv().await.as_deref(), Some("end"));
        open.connection.await.unwrap();
        let rest = tokio::io::copy(&mut open.client, &mut tokio::io::sink()).await;
        assert_eq!(rest.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    }

    #[tokio::test]
    async fn what_a_slow_consumer_has_not_begun_to_read_it_does_not_get() {
        let mut open = Open::new(PATIENT, b"", |script| {
            script.frames = VecDeque::from([frame::encode(Opcode::Text, b"late")]);
            script.close = Some(close::SLOW_CONSUMER.clone());
        })
        .await;
        open.closed(1013).await;
        open.send(0x88, b"").await;
        assert_eq!(open.ended().await[0], "end");
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_asks_and_does_not_read_the_answers_is_no_longer_read() {
        let mut open = Open::new(PATIENT, b"", |_| {}).await;
        let pings = masked(0x89, &[b'x'; 100]).repeat(1000);
        // Time goes on only when neither side can: then everything that may wait does.
        let blocked = async {
            // A hundred megabytes: far more than the system holds for the two of them.
            for _ in 0..1000 {
                open.client.write_all(&pings).await.unwrap();
            }
        };
        tokio::time::timeout(Duration::from_secs(1), blocked)
            .await
            .expect_err("the answers pile up");
    }
}

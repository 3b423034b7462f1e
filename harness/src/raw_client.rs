//! A WebSocket client that does only what it is told: it reads when it is asked to, answers nothing, and writes any
//! bytes. For what no well-behaved client does.

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::time::{Instant, timeout, timeout_at};

use crate::breach::Breaks;
use crate::client::{LONG_PATIENCE, PATIENCE, may_mean};
use crate::endpoint::Stream;
use crate::flow::{Body, Entry, Frame, Recorder, Request, Response};
use crate::handshake::Handshake;
use crate::scenario::{Failure, Outcome, ensure};

/// The bit of a frame that is a whole message, or the last piece of one.
const FINAL: u8 = 0x80;
const TEXT: u8 = 0x1;
const CLOSE: u8 = 0x8;
const PING: u8 = 0x9;
/// The promise that a message which never comes, or comes again, breaks.
const ONCE: &str = "delivery.once-per-connection";

/// A connection just upgraded, and nobody who reads it.
pub struct RawClient {
    name: String,
    /// Of what the service sent right behind the `101` nothing is lost.
    stream: BufReader<Stream>,
    recorder: Recorder,
    /// The text that was expected before, and came.
    latest: Vec<u8>,
}

/// What came before the service's close, and the close.
#[derive(Debug, Default)]
pub struct Farewell {
    /// The texts, in order.
    pub texts: Vec<Vec<u8>>,
    /// How many pings.
    pub pings: usize,
    /// The close code.
    pub code: u16,
    /// The close reason.
    pub reason: String,
}

impl RawClient {
    /// Sends `handshake`, without its header fields; anything but `101` breaks the contract.
    pub(crate) async fn connect(
        name: String,
        handshake: &Handshake,
        recorder: Recorder,
    ) -> Outcome<Self> {
        let endpoint = &handshake.endpoint;
        let no_upgrade = |error: std::io::Error| {
            Failure::System(format!("{endpoint} gave {name} no answer: {error}"))
        };
        let request = upgrade_request(handshake);
        recorder.push(Entry::Request(Request {
            method: "GET (upgrade)".into(),
            path: handshake.path.clone(),
            headers: Vec::new(),
            body: Body::Empty,
            service: Some(handshake.service),
        }));
        let stream = endpoint
            .connect()
            .await
            .map_err(|error| Failure::System(error.to_string()))?;
        let shake = async {
            let mut stream = BufReader::new(stream);
            stream.write_all(request.as_bytes()).await?;
            stream.flush().await?;
            let (mut head, mut line) = (String::new(), String::new());
            while stream.read_line(&mut line).await? > 2 {
                head.push_str(&line);
                line.clear();
            }
            Ok((stream, head))
        };
        let (stream, head) = timeout(LONG_PATIENCE, shake)
            .await
            .unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into()))
            .map_err(no_upgrade)?;
        let status = head.lines().next().unwrap_or_default();
        ensure(status.starts_with("HTTP/1.1 101"), || {
            format!("{name} should have got 101 and got {status:?}")
        })?;
        recorder.push(Entry::Response(Response {
            status: 101,
            headers: Vec::new(),
            all_headers: Vec::new(),
            body: Body::Empty,
        }));
        let client = Self {
            name,
            stream,
            recorder,
            latest: Vec::new(),
        };
        client.note("from here on it neither reads nor answers");
        Ok(client)
    }

    /// Sends `handshake` and resets the connection before the answer is read.
    pub(crate) async fn ask_and_reset(handshake: &Handshake) -> Outcome {
        let endpoint = &handshake.endpoint;
        let mut stream =
            (endpoint.connect().await).map_err(|error| Failure::System(error.to_string()))?;
        let ask = async {
            let request = upgrade_request(handshake);
            stream.write_all(request.as_bytes()).await?;
            stream.flush().await?;
            stream.reset_on_drop()
        };
        let asked = timeout(LONG_PATIENCE, ask).await;
        asked
            .unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into()))
            .map_err(|error| Failure::System(format!("{endpoint} takes no request: {error}")))
    }

    /// Writes `bytes`, which the flow calls `what`.
    pub async fn write(&mut self, what: &str, bytes: &[u8]) -> Outcome {
        self.note(&format!("-> {what}"));
        let write = async {
            self.stream.write_all(bytes).await?;
            self.stream.flush().await
        };
        write.await.map_err(|error: std::io::Error| {
            Failure::broken(format!("{} could not write: {error}", self.name))
        })
    }

    /// Goes without a word: the kernel resets the connection.
    pub fn reset(self) -> Outcome {
        self.note("resets the connection");
        self.stream
            .get_ref()
            .reset_on_drop()
            .map_err(|error| Failure::Bug(format!("a socket that cannot be reset: {error}")))
    }

    /// Ends its side of the stream without a close frame, and waits until the service has ended its own.
    pub async fn end(mut self) -> Outcome {
        self.note("ends the stream");
        let end = async {
            self.stream.shutdown().await?;
            let mut rest = [0; 4096];
            while self.stream.read(&mut rest).await? > 0 {}
            Ok::<_, std::io::Error>(())
        };
        // A reset is an end as well.
        let ended = timeout(PATIENCE, end).await.is_ok();
        ensure(ended, || {
            format!(
                "{} ended its stream, and the service did not end its own in {} s",
                self.name,
                PATIENCE.as_secs()
            )
        })
    }

    /// Reads, without answering, until the service closes the connection with `code` and a reason that names `error_code`
    /// or nothing.
    pub async fn expect_close(&mut self, code: u16, error_code: &str) -> Outcome<Farewell> {
        let expected = format!("{} should be closed with {code} {error_code}", self.name);
        let expected = expected.trim_end();
        let mut farewell = Farewell::default();
        self.note("it reads, and answers nothing");
        // Pings alone are no reason to wait for longer.
        let mut deadline = Instant::now() + PATIENCE;
        loop {
            let (opcode, payload) = match timeout_at(deadline, self.frame()).await {
                Ok(Ok(frame)) => frame,
                Ok(Err(error)) => {
                    return Err(Failure::broken(format!(
                        "{expected}; the connection failed after {} texts: {error}",
                        farewell.texts.len()
                    )));
                }
                Err(_) => {
                    return Err(Failure::broken(format!(
                        "{expected}; after {} texts and {} pings nothing else came for {} s",
                        farewell.texts.len(),
                        farewell.pings,
                        PATIENCE.as_secs()
                    )));
                }
            };
            match opcode {
                TEXT => {
                    farewell.texts.push(payload);
                    deadline = Instant::now() + PATIENCE;
                }
                PING => farewell.pings += 1,
                CLOSE if payload.len() >= 2 => {
                    farewell.code = u16::from_be_bytes([payload[0], payload[1]]);
                    farewell.reason = String::from_utf8_lossy(&payload[2..]).into_owned();
                    break;
                }
                other => {
                    return Err(Failure::broken(format!(
                        "{expected}; it received a frame with opcode {other} and {} bytes",
                        payload.len()
                    )));
                }
            }
        }
        let close = (farewell.code, farewell.reason.clone());
        self.recorder
            .push(Entry::Received(Frame::Close(Some(close))));
        let (came, reason) = (farewell.code, &farewell.reason);
        ensure(came == code, || {
            format!("{expected}; it was closed with {came} {reason}")
        })?;
        ensure(may_mean(reason, error_code), || {
            format!("{expected}; the reason is {reason:?}")
        })
        .breaks("close.reason-is-json")?;
        Ok(farewell)
    }

    /// The same for a code with which no reason is owed.
    pub async fn expect_close_by_code(&mut self, code: u16) -> Outcome<Farewell> {
        self.expect_close(code, "").await
    }

    /// Reads the next message, without answering: it should be `text`, in one frame.
    pub async fn expect_text(&mut self, text: &[u8]) -> Outcome {
        let name = &self.name;
        let what = format!("{name} should receive a text of {} bytes", text.len());
        let deadline = Instant::now() + PATIENCE;
        let (opcode, payload) = loop {
            match timeout_at(deadline, self.frame()).await {
                Ok(Ok((PING, _))) => {}
                Ok(Ok(frame)) => break frame,
                Ok(Err(error)) => return Err(Failure::broken(format!("{what}: {error}"))),
                Err(_) => {
                    let seconds = PATIENCE.as_secs();
                    let words = format!("{what}: it did not come in {seconds} s");
                    return Err(Failure::broken(words)).breaks(ONCE);
                }
            }
        };
        let again = opcode == TEXT && !payload.is_empty() && payload == self.latest;
        ensure(!again, || format!("{what}; the one before came again")).breaks(ONCE)?;
        ensure(opcode == TEXT && payload == text, || {
            let count = payload.len();
            format!("{what}; it received a frame with opcode {opcode} and {count} bytes")
        })?;
        self.latest.clone_from(&payload);
        self.recorder.push(Entry::Received(Frame::Text(payload)));
        Ok(())
    }

    /// The next frame's opcode and payload; a server's frames are not masked (RFC 6455, section 5.2). A piece of a message
    /// is an error: every message comes in one frame (contract, Backplane).
    async fn frame(&mut self) -> std::io::Result<(u8, Vec<u8>)> {
        let head = self.stream.read_u8().await?;
        let opcode = head & 0x0f;
        if head & FINAL == 0 {
            return Err(std::io::Error::other("a message came in several frames"));
        }
        let length = match self.stream.read_u8().await? & 0x7f {
            126 => usize::from(self.stream.read_u16().await?),
            127 => usize::try_from(self.stream.read_u64().await?).unwrap_or(usize::MAX),
            length => usize::from(length),
        };
        let mut payload = Vec::new();
        let read = (&mut self.stream)
            .take(length as u64)
            .read_to_end(&mut payload)
            .await?;
        if read < length {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        Ok((opcode, payload))
    }

    /// Writes a sentence into the client's lane.
    pub fn note(&self, words: &str) {
        self.recorder.push(Entry::Note(words.to_owned()));
    }
}

fn upgrade_request(handshake: &Handshake) -> String {
    let (target, host) = (&handshake.target, handshake.endpoint.authority());
    let token = handshake.bearer.as_ref();
    let token = token.map_or_else(String::new, |token| {
        format!("authorization: Bearer {token}\r\n")
    });
    format!(
        "GET {target} HTTP/1.1\r\nhost: {host}\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n{token}\r\n"
    )
}

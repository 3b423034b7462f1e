//! A WebSocket client that does only what it is told: it reads when it is asked to, answers nothing, and writes any
//! bytes. For what no well-behaved client does.

use std::net::SocketAddr;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};

use crate::breach::Breaks;
use crate::client::{PATIENCE, may_mean};
use crate::flow::{Body, Entry, Frame, Recorder, Request, Response};
use crate::scenario::{Failure, Outcome, ensure};

/// The bit of a frame that is a whole message, or the last piece of one.
const FINAL: u8 = 0x80;
const TEXT: u8 = 0x1;
const CLOSE: u8 = 0x8;
const PING: u8 = 0x9;

/// A connection just upgraded, and nobody who reads it.
pub struct RawClient {
    name: String,
    /// Of what the service sent right behind the `101` nothing is lost.
    stream: BufReader<TcpStream>,
    recorder: Recorder,
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
    /// Upgrades a connection to `path`, which is sent as `target`, at `address`; anything but `101` breaks the contract.
    pub(crate) async fn connect(
        name: String,
        address: SocketAddr,
        path: String,
        target: &str,
        recorder: Recorder,
    ) -> Outcome<Self> {
        let no_upgrade = |error: std::io::Error| {
            Failure::System(format!("{address} gave {name} no answer: {error}"))
        };
        let request = upgrade_request(address, target);
        recorder.push(Entry::Request(Request {
            method: "GET (upgrade)".into(),
            path,
            headers: Vec::new(),
            body: Body::Empty,
        }));
        let shake = async {
            let stream = TcpStream::connect(address).await?;
            let mut stream = BufReader::new(stream);
            stream.write_all(request.as_bytes()).await?;
            let (mut head, mut line) = (String::new(), String::new());
            while stream.read_line(&mut line).await? > 2 {
                head.push_str(&line);
                line.clear();
            }
            Ok((stream, head))
        };
        let (stream, head) = timeout(PATIENCE, shake)
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
        };
        client.note("from here on it neither reads nor answers");
        Ok(client)
    }

    /// Asks for an upgrade to `target` at `address` and resets the connection before the answer is read.
    pub(crate) async fn ask_and_reset(address: SocketAddr, target: &str) -> Outcome {
        let ask = async {
            let mut stream = TcpStream::connect(address).await?;
            let request = upgrade_request(address, target);
            stream.write_all(request.as_bytes()).await?;
            stream.set_zero_linger()
        };
        let asked = timeout(PATIENCE, ask).await;
        asked
            .unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into()))
            .map_err(|error| Failure::System(format!("{address} takes no connection: {error}")))
    }

    /// Writes `bytes`, which the flow calls `what`.
    pub async fn write(&mut self, what: &str, bytes: &[u8]) -> Outcome {
        self.note(&format!("-> {what}"));
        self.stream
            .write_all(bytes)
            .await
            .map_err(|error| Failure::broken(format!("{} could not write: {error}", self.name)))
    }

    /// Goes without a word: the kernel resets the connection.
    pub fn reset(self) -> Outcome {
        self.note("resets the connection");
        self.stream
            .get_ref()
            .set_zero_linger()
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
                    return Err(Failure::broken(words));
                }
            }
        };
        ensure(opcode == TEXT && payload == text, || {
            let count = payload.len();
            format!("{what}; it received a frame with opcode {opcode} and {count} bytes")
        })?;
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

fn upgrade_request(address: SocketAddr, target: &str) -> String {
    format!(
        "GET {target} HTTP/1.1\r\nhost: {address}\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
}

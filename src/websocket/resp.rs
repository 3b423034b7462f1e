//! As much of the Redis protocol (RESP2) as a subscriber needs, read without copying.

use std::fmt;

/// What Redis sends to a subscriber.
#[derive(Debug, PartialEq, Eq)]
pub enum Reply<'a> {
    /// A published message.
    Message {
        /// The channel it was published to.
        channel: &'a [u8],
        /// Its bytes.
        payload: &'a [u8],
    },
    /// The confirmation of a subscription to this channel.
    Subscribed(&'a [u8]),
    /// The end of a subscription to this channel.
    Unsubscribed(&'a [u8]),
    /// The answer to a ping.
    Pong,
    /// Another command succeeded.
    Ok,
    /// A command was refused, in these words.
    Error(&'a str),
}

/// The bytes are not what Redis sends to a subscriber; the words say how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed(pub &'static str);

/// The longest payload that is read, in bytes. Redis itself drops a subscriber for whom so much waits
/// (`client-output-buffer-limit pubsub 32mb 8mb 60`).
pub const PAYLOAD_LIMIT: usize = 32 << 20;

/// Appends a command in the form that Redis reads.
pub fn command(into: &mut Vec<u8>, parts: &[&[u8]]) {
    into.extend_from_slice(format!("*{}\r\n", parts.len()).as_bytes());
    for part in parts {
        into.extend_from_slice(format!("${}\r\n", part.len()).as_bytes());
        into.extend_from_slice(part);
        into.extend_from_slice(b"\r\n");
    }
}

/// The reply at the front of `bytes` and its length; none while it is incomplete.
pub fn parse(bytes: &[u8]) -> Result<Option<(Reply<'_>, usize)>, Malformed> {
    let mut reader = Reader { bytes, position: 0 };
    match reader.reply() {
        Ok(reply) => Ok(Some((reply, reader.position))),
        Err(Stop::Incomplete) => Ok(None),
        Err(Stop::Malformed(words)) => Err(Malformed(words)),
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    position: usize,
}

enum Stop {
    Incomplete,
    Malformed(&'static str),
}

impl<'a> Reader<'a> {
    fn reply(&mut self) -> Result<Reply<'a>, Stop> {
        let (kind, line) = self.line()?;
        match kind {
            b'*' => self.push(number(line)?),
            b'+' if line == b"PONG" => Ok(Reply::Pong),
            b'+' | b':' => Ok(Reply::Ok),
            b'-' => Ok(Reply::Error(
                std::str::from_utf8(line).unwrap_or("(not UTF-8)"),
            )),
            _ => Err(Stop::Malformed("reply of an unknown type")),
        }
    }

    /// A subscriber is sent arrays that begin with a word.
    fn push(&mut self, elements: i64) -> Result<Reply<'a>, Stop> {
        let word = self.bulk()?;
        match (word, elements) {
            (b"message", 3) => Ok(Reply::Message {
                channel: self.bulk()?,
                payload: self.bulk()?,
            }),
            (b"subscribe", 3) => {
                let channel = self.bulk()?;
                self.line()?; // how many channels are subscribed now
                Ok(Reply::Subscribed(channel))
            }
            (b"unsubscribe", 3) => {
                let channel = self.bulk()?;
                self.line()?;
                Ok(Reply::Unsubscribed(channel))
            }
            (b"pong", 2) => {
                self.bulk()?;
                Ok(Reply::Pong)
            }
            _ => Err(Stop::Malformed("push of an unknown kind")),
        }
    }

    fn bulk(&mut self) -> Result<&'a [u8], Stop> {
        let (kind, line) = self.line()?;
        if kind != b'$' {
            return Err(Stop::Malformed("element is not a bulk string"));
        }
        let length = usize::try_from(number(line)?)
            .map_err(|_| Stop::Malformed("bulk string of a negative length"))?;
        if length > PAYLOAD_LIMIT {
            return Err(Stop::Malformed("bulk string is too long"));
        }
        let rest = &self.bytes[self.position..];
        let (Some(bulk), Some(end)) = (rest.get(..length), rest.get(length..length + 2)) else {
            return Err(Stop::Incomplete);
        };
        if end != b"\r\n" {
            return Err(Stop::Malformed("bulk string does not end where it should"));
        }
        self.position += length + 2;
        Ok(bulk)
    }

    /// The type byte of an element and the rest of its line.
    fn line(&mut self) -> Result<(u8, &'a [u8]), Stop> {
        const LONGEST: usize = 4096; // an error message; the other lines are numbers
        let rest = &self.bytes[self.position..];
        let Some(end) = rest.iter().take(LONGEST).position(|byte| *byte == b'\n') else {
            return Err(if rest.len() < LONGEST {
                Stop::Incomplete
            } else {
                Stop::Malformed("line is too long")
            });
        };
        self.position += end + 1;
        match &rest[..end] {
            [kind, line @ .., b'\r'] => Ok((*kind, line)),
            _ => Err(Stop::Malformed("line does not end as it should")),
        }
    }
}

fn number(digits: &[u8]) -> Result<i64, Stop> {
    std::str::from_utf8(digits)
        .ok()
        .and_then(|digits| digits.parse().ok())
        .ok_or(Stop::Malformed("expected a number"))
}

impl fmt::Display for Malformed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.0)
    }
}

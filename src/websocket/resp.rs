//! As much of the Redis protocol as a subscriber needs, read without copying: RESP3, and RESP2 where a server knows no
//! more.

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
    /// The answer to `HELLO`: what the server is, if it tells.
    Hello(Option<Role>),
    /// Another command succeeded.
    Ok,
    /// A command was refused, in these words.
    Error(&'a str),
}

/// What a server is among those that hold the same data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The one to which everything is published.
    Master,
    /// Any other: what is published may reach it late, or never.
    Replica,
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
            // RESP3 marks pushes; in RESP2 they are arrays.
            b'>' | b'*' => self.push(number(line)?),
            b'%' => self.hello(elements(line)?),
            b'+' if line == b"PONG" => Ok(Reply::Pong),
            b'+' | b':' => Ok(Reply::Ok),
            b'-' => Ok(Reply::Error(
                std::str::from_utf8(line).unwrap_or("(not UTF-8)"),
            )),
            _ => Err(Stop::Malformed("reply of an unknown type")),
        }
    }

    /// A subscriber is sent lists that begin with a word.
    fn push(&mut self, elements: i64) -> Result<Reply<'a>, Stop> {
        let word = self.bulk()?;
        match (word, elements) {
            (b"message" | b"smessage", 3) => Ok(Reply::Message {
                channel: self.bulk()?,
                payload: self.bulk()?,
            }),
            (b"subscribe" | b"ssubscribe", 3) => {
                let channel = self.bulk()?;
                self.line()?; // how many channels are subscribed now
                Ok(Reply::Subscribed(channel))
            }
            (b"unsubscribe" | b"sunsubscribe", 3) => {
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

    /// Of the properties that answer `HELLO`, the role.
    fn hello(&mut self, properties: usize) -> Result<Reply<'a>, Stop> {
        let mut role = None;
        for _ in 0..properties {
            match self.bulk()? {
                b"role" => {
                    role = Some(match self.bulk()? {
                        b"master" => Role::Master,
                        _ => Role::Replica,
                    });
                }
                _ => self.skip()?,
            }
        }
        Ok(Reply::Hello(role))
    }

    /// Passes over one value with everything in it.
    fn skip(&mut self) -> Result<(), Stop> {
        let mut values = 1;
        while values > 0 {
            values -= 1;
            let (kind, line) = self.line()?;
            match kind {
                b'$' | b'=' => {
                    self.body(line)?;
                }
                b'*' | b'~' => values += elements(line)?,
                b'%' => values += 2 * elements(line)?,
                b'+' | b':' | b',' | b'#' | b'_' => {}
                _ => return Err(Stop::Malformed("value of an unknown type")),
            }
        }
        Ok(())
    }

    fn bulk(&mut self) -> Result<&'a [u8], Stop> {
        let (kind, line) = self.line()?;
        if kind != b'$' {
            return Err(Stop::Malformed("element is not a bulk string"));
        }
        self.body(line)
    }

    /// The bytes that follow the line with their length.
    fn body(&mut self, line: &[u8]) -> Result<&'a [u8], Stop> {
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

/// How many elements a list or a map has.
fn elements(digits: &[u8]) -> Result<usize, Stop> {
    const MOST: usize = 1024; // a server tells about a dozen properties, and its modules
    usize::try_from(number(digits)?)
        .ok()
        .filter(|elements| *elements <= MOST)
        .ok_or(Stop::Malformed("too many elements, or fewer than none"))
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

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::message(
        b">3\r\n$7\r\nmessage\r\n$4\r\nws:u\r\n$4\r\na\r\nb\r\n",
        Reply::Message { channel: b"ws:u", payload: b"a\r\nb" }
    )]
    #[case::message_in_resp2(
        b"*3\r\n$7\r\nmessage\r\n$4\r\nws:u\r\n$4\r\na\r\nb\r\n",
        Reply::Message { channel: b"ws:u", payload: b"a\r\nb" }
    )]
    #[case::sharded_message(
        b">3\r\n$8\r\nsmessage\r\n$4\r\nws:u\r\n$1\r\na\r\n",
        Reply::Message { channel: b"ws:u", payload: b"a" }
    )]
    #[case::empty_message(
        b"*3\r\n$7\r\nmessage\r\n$4\r\nws:u\r\n$0\r\n\r\n",
        Reply::Message { channel: b"ws:u", payload: b"" }
    )]
    #[case::subscribed(
        b">3\r\n$9\r\nsubscribe\r\n$4\r\nws:u\r\n:1\r\n",
        Reply::Subscribed(b"ws:u")
    )]
    #[case::unsubscribed(
        b">3\r\n$11\r\nunsubscribe\r\n$4\r\nws:u\r\n:0\r\n",
        Reply::Unsubscribed(b"ws:u")
    )]
    #[case::subscribed_to_a_shard(
        b">3\r\n$10\r\nssubscribe\r\n$4\r\nws:u\r\n:1\r\n",
        Reply::Subscribed(b"ws:u")
    )]
    #[case::unsubscribed_from_a_shard(
        b">3\r\n$12\r\nsunsubscribe\r\n$4\r\nws:u\r\n:0\r\n",
        Reply::Unsubscribed(b"ws:u")
    )]
    #[case::pong_while_subscribed_in_resp2(b"*2\r\n$4\r\npong\r\n$0\r\n\r\n", Reply::Pong)]
    #[case::pong(b"+PONG\r\n", Reply::Pong)]
    #[case::hello_of_a_master(
        b"%3\r\n$5\r\nproto\r\n:3\r\n$4\r\nrole\r\n$6\r\nmaster\r\n$7\r\nmodules\r\n*0\r\n",
        Reply::Hello(Some(Role::Master))
    )]
    #[case::hello_of_a_replica_with_modules(
        b"%2\r\n$7\r\nmodules\r\n*2\r\n%2\r\n$4\r\nname\r\n$2\r\nvs\r\n$3\r\nver\r\n:1\r\n\
          %1\r\n$4\r\nargs\r\n~1\r\n=5\r\ntxt:x\r\n$4\r\nrole\r\n$7\r\nreplica\r\n",
        Reply::Hello(Some(Role::Replica))
    )]
    #[case::hello_that_tells_no_role(b"%1\r\n$4\r\nmode\r\n$8\r\nsentinel\r\n", Reply::Hello(None))]
    #[case::ok(b"+OK\r\n", Reply::Ok)]
    #[case::error(
        b"-NOAUTH Authentication required.\r\n",
        Reply::Error("NOAUTH Authentication required.")
    )]
    fn a_reply_is_read_as_soon_as_it_is_whole(#[case] bytes: &[u8], #[case] reply: Reply<'_>) {
        for length in 0..bytes.len() {
            assert_eq!(
                parse(&bytes[..length]),
                Ok(None),
                "the first {length} bytes"
            );
        }
        let more = [bytes, b"+OK\r\n"].concat();
        assert_eq!(parse(&more), Ok(Some((reply, bytes.len()))));
    }

    #[rstest]
    #[case::not_redis(b"HTTP/1.1 400 Bad Request\r\n")]
    #[case::no_number(b"*x\r\n")]
    #[case::no_word(b"*1\r\n:1\r\n")]
    #[case::unknown_push(b"*3\r\n$5\r\nother\r\n")]
    #[case::negative_length(b"*3\r\n$-1\r\n")]
    #[case::too_long(b"*3\r\n$7\r\nmessage\r\n$1\r\nx\r\n$33554433\r\n")]
    #[case::too_many_properties(b"%1025\r\n")]
    #[case::fewer_than_none(b"%1\r\n$7\r\nmodules\r\n*-1\r\n")]
    #[case::unknown_type(b"%1\r\n$7\r\nmodules\r\n?\r\n")]
    #[case::wrong_end(b"*3\r\n$7\r\nmessage!\r\n")]
    #[case::endless_line(&[b'+'; 5000])]
    fn what_redis_does_not_send_is_refused(#[case] bytes: &[u8]) {
        assert!(parse(bytes).is_err());
    }

    #[test]
    fn a_command_is_an_array_of_bulk_strings() {
        let mut bytes = Vec::new();
        command(&mut bytes, &[b"SUBSCRIBE", "ws:é".as_bytes()]);
        assert_eq!(bytes, "*2\r\n$9\r\nSUBSCRIBE\r\n$5\r\nws:é\r\n".as_bytes());
    }
}

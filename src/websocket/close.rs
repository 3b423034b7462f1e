//! Why the service closes a connection, in the words that its client reads.

use std::borrow::Cow;

use bytes::Bytes;

use super::decoder::Violation;
use super::frame::{self, Opcode};

/// A close that the service begins. The client gets `code`, and the rest as a JSON reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Close {
    /// The close code (RFC 6455, section 7.4).
    pub code: u16,
    /// The word that a program decides by.
    pub error_code: &'static str,
    /// The sentence for people; shortened where the reason would be too long.
    pub message: Cow<'static, str>,
}

/// The longest reason, in bytes: a control frame's payload without the code (RFC 6455, section 5.5).
pub const REASON_LIMIT: usize = 123;

/// The token expired while the connection was open.
pub static TOKEN_EXPIRED: Close = Close::new(1008, "AUTHENTICATION_ERROR", "token has expired");
/// The user has as many connections as are allowed.
pub static QUOTA_EXCEEDED: Close = Close::new(4000, "QUOTA_EXCEEDED", "too many connections");
/// Redis is away: messages may be missed, or already were.
pub static UNAVAILABLE: Close = Close::new(1011, "SERVICE_UNAVAILABLE", "please reconnect");
/// The client reads slower than messages come, past the bound of its queue.
pub static SLOW_CONSUMER: Close = Close::new(1013, "SLOW_CONSUMER", "reconnect and refetch");
/// The service ends.
pub static SHUTDOWN: Close = Close::new(1001, "SERVICE_SHUTDOWN", "reconnect and refetch");
/// The client sent nothing, not even a pong, for the idle timeout.
pub static IDLE: Close = Close::new(1001, "IDLE_TIMEOUT", "nothing was received");

impl Close {
    const fn new(code: u16, error_code: &'static str, message: &'static str) -> Self {
        Self {
            code,
            error_code,
            message: Cow::Borrowed(message),
        }
    }

    /// The close for a refused token; `message` says why.
    pub fn unauthenticated(message: String) -> Self {
        Self {
            message: Cow::Owned(message),
            ..TOKEN_EXPIRED.clone()
        }
    }

    /// The whole close frame for the connection that `correlation_id` names.
    pub fn frame(&self, correlation_id: &str) -> Bytes {
        let mut payload = Vec::with_capacity(2 + REASON_LIMIT);
        payload.extend_from_slice(&self.code.to_be_bytes());
        payload
            .extend_from_slice(reason(self.error_code, &self.message, correlation_id).as_bytes());
        frame::encode(Opcode::Close, &payload)
    }
}

impl From<Violation> for Close {
    fn from(violation: Violation) -> Self {
        match violation {
            Violation::Protocol(words) => Self::new(1002, "PROTOCOL_ERROR", words),
            Violation::NotUtf8 => Self::new(1007, "INVALID_PAYLOAD", "text is not UTF-8"),
            Violation::TooBig => Self::new(1009, "MESSAGE_TOO_BIG", "message is too long"),
        }
    }
}

/// `{"error_code":…,"message":…,"correlation_id":…}`: valid JSON of at most [`REASON_LIMIT`] bytes for any input.
///
/// Where not everything fits the message is shortened first, then the correlation id, then the error code.
pub fn reason(error_code: &str, message: &str, correlation_id: &str) -> String {
    const PARTS: [&str; 4] = [
        r#"{"error_code":""#,
        r#"","message":""#,
        r#"","correlation_id":""#,
        r#""}"#,
    ];
    let [before_code, before_message, before_id, end] = PARTS;
    let mut room = REASON_LIMIT - PARTS.iter().map(|part| part.len()).sum::<usize>();
    let error_code = escaped(error_code, &mut room);
    let correlation_id = escaped(correlation_id, &mut room);
    let message = escaped(message, &mut room);
    [
        before_code,
        &error_code,
        before_message,
        &message,
        before_id,
        &correlation_id,
        end,
    ]
    .concat()
}

/// As much of `text` as fits into `room` bytes as the inside of a JSON string; `room` shrinks by what it took.
fn escaped(text: &str, room: &mut usize) -> String {
    let mut inside = String::new();
    for character in text.chars() {
        let mut utf8 = [0; 4];
        let piece = match character {
            '"' => Cow::Borrowed("\\\""),
            '\\' => Cow::Borrowed("\\\\"),
            '\n' => Cow::Borrowed("\\n"),
            '\r' => Cow::Borrowed("\\r"),
            '\t' => Cow::Borrowed("\\t"),
            '\0'..='\x1F' => Cow::Owned(format!("\\u{:04x}", u32::from(character))),
            _ => Cow::Borrowed(&*character.encode_utf8(&mut utf8)),
        };
        let Some(rest) = room.checked_sub(piece.len()) else {
            break;
        };
        *room = rest;
        inside.push_str(&piece);
    }
    inside
}

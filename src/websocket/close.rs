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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;
    use serde_json::{Value, json};

    const ID: &str = "7f1b540c-bcc6-481a-b3d9-3547c1646611";

    proptest! {
        #[test]
        fn a_reason_is_json_that_fits_for_any_input(code in ".*", message in ".*", id in ".*") {
            let reason = reason(&code, &message, &id);
            prop_assert!(reason.len() <= REASON_LIMIT, "{} bytes: {reason}", reason.len());
            let value: Value = serde_json::from_str(&reason).unwrap();
            let inputs = [("error_code", code), ("message", message), ("correlation_id", id)];
            prop_assert_eq!(value.as_object().unwrap().len(), inputs.len());
            for (name, input) in inputs {
                prop_assert!(input.starts_with(value[name].as_str().unwrap()), "{name} in {reason}");
            }
        }

        #[test]
        fn characters_that_need_escapes_are_kept_whole(message in "[\"\\\\\n\u{0}é𝄞]{0,60}") {
            let value: Value = serde_json::from_str(&reason("CODE", &message, ID)).unwrap();
            prop_assert!(message.starts_with(value["message"].as_str().unwrap()));
        }
    }

    #[test]
    fn a_reason_that_fits_is_whole() {
        let value: Value = serde_json::from_str(&reason("CODE", "say \"why\"", ID)).unwrap();
        assert_eq!(
            value,
            json!({"error_code": "CODE", "message": "say \"why\"", "correlation_id": ID})
        );
    }

    #[test]
    fn a_long_message_is_shortened_and_nothing_else() {
        let value = reason("AUTHENTICATION_ERROR", &"é".repeat(200), ID);
        let value: Value = serde_json::from_str(&value).unwrap();
        assert_eq!(value["error_code"], "AUTHENTICATION_ERROR");
        assert_eq!(value["message"], "é".repeat(8));
        assert_eq!(value["correlation_id"], ID);
    }

    #[rstest]
    #[case::expired(&TOKEN_EXPIRED, 1008)]
    #[case::quota(&QUOTA_EXCEEDED, 4000)]
    #[case::unavailable(&UNAVAILABLE, 1011)]
    #[case::slow(&SLOW_CONSUMER, 1013)]
    #[case::shutdown(&SHUTDOWN, 1001)]
    #[case::idle(&IDLE, 1001)]
    #[case::not_utf8(&Close::from(Violation::NotUtf8), 1007)]
    #[case::too_big(&Close::from(Violation::TooBig), 1009)]
    #[case::protocol(&Close::from(Violation::Protocol("a reserved bit is set")), 1002)]
    fn the_services_own_closes_need_no_shortening(#[case] close: &Close, #[case] code: u16) {
        let frame = close.frame(ID);
        assert_eq!(frame[2..4], code.to_be_bytes());
        let reason: Value = serde_json::from_slice(&frame[4..]).unwrap();
        assert_eq!(reason["error_code"], close.error_code);
        assert_eq!(reason["message"], *close.message);
        assert_eq!(reason["correlation_id"], ID);
    }
}

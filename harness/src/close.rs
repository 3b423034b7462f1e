//! What the service says when it closes a connection (contract, `close.reason-is-json`).

use serde_json::Value;

/// The most that a close reason can hold (RFC 6455, section 5.5: a control frame's payload less the code).
const REASON_LIMIT: usize = 123;

/// The error codes that belong to a close code.
fn error_codes(code: u16) -> &'static [&'static str] {
    match code {
        1001 => &["SERVICE_SHUTDOWN", "IDLE_TIMEOUT"],
        1002 => &["PROTOCOL_ERROR"],
        1007 => &["INVALID_PAYLOAD"],
        1008 => &["AUTHENTICATION_ERROR"],
        1009 => &["MESSAGE_TOO_BIG"],
        1011 => &["SERVICE_UNAVAILABLE"],
        1013 => &["SLOW_CONSUMER"],
        4000 => &["QUOTA_EXCEEDED"],
        _ => &[],
    }
}

/// What is wrong with the reason of a close that the service began: it must be empty, or JSON of at most 123 bytes with
/// the error code that belongs to `code` and a message.
pub fn violation(code: u16, reason: &str) -> Option<String> {
    if reason.is_empty() {
        return None;
    }
    if reason.len() > REASON_LIMIT {
        let length = reason.len();
        return Some(format!(
            "the reason of close {code} has {length} bytes, more than {REASON_LIMIT}: {reason}"
        ));
    }
    let json: Value = match serde_json::from_str(reason) {
        Ok(json) => json,
        Err(error) => {
            return Some(format!(
                "the reason of close {code} is no JSON ({error}): {reason}"
            ));
        }
    };
    let known = error_codes(code);
    if !known.iter().any(|known| json["error_code"] == *known) {
        let expected = match known {
            [] => "no reason: the code has no error code".to_owned(),
            known => known.join(" or "),
        };
        return Some(format!(
            "close {code} should have {expected} and has the reason {reason}"
        ));
    }
    (!json["message"].is_string())
        .then(|| format!("the reason of close {code} has no message: {reason}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::empty(1013, "", None)]
    #[case::its_own(4000, r#"{"error_code":"QUOTA_EXCEEDED","message":"m"}"#, None)]
    #[case::second(1001, r#"{"error_code":"IDLE_TIMEOUT","message":"m"}"#, None)]
    #[case::no_json(1011, "gone", Some("is no JSON"))]
    #[case::cut(1011, r#"{"error_code":"SERVICE_UNAV"#, Some("is no JSON"))]
    #[case::another_codes(
        1011,
        r#"{"error_code":"QUOTA_EXCEEDED","message":"m"}"#,
        Some("should have SERVICE_UNAVAILABLE and has")
    )]
    #[case::unknown_code(
        1000,
        r#"{"error_code":"BYE","message":"m"}"#,
        Some("has no error code")
    )]
    #[case::no_message(1013, r#"{"error_code":"SLOW_CONSUMER"}"#, Some("has no message"))]
    fn a_reason_is_empty_or_json_with_the_error_code_of_its_code(
        #[case] code: u16,
        #[case] reason: &str,
        #[case] wrong: Option<&str>,
    ) {
        let found = violation(code, reason);
        match wrong {
            Some(words) => assert!(found.as_ref().unwrap().contains(words), "{found:?}"),
            None => assert_eq!(found, None),
        }
    }

    #[test]
    fn a_reason_fits_into_a_control_frame() {
        let reason = |length: usize| {
            let empty = r#"{"error_code":"SLOW_CONSUMER","message":""}"#.len();
            let message = "x".repeat(length - empty);
            format!(r#"{{"error_code":"SLOW_CONSUMER","message":"{message}"}}"#)
        };
        assert_eq!(violation(1013, &reason(123)), None);
        assert!(violation(1013, &reason(124)).unwrap().contains("124 bytes"));
    }
}

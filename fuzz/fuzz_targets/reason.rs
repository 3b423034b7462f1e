//! Whatever the words: a close's reason is JSON that fits into a control frame, and says the beginning of each.
#![no_main]

use libfuzzer_sys::fuzz_target;
use notification_services::websocket::close::{Close, REASON_LIMIT, reason};
use serde_json::Value;

fuzz_target!(|words: (&str, &str, &str)| {
    let (code, message, id) = words;
    let reason = reason(code, message, id);
    assert!(
        reason.len() <= REASON_LIMIT,
        "{} bytes: {reason}",
        reason.len()
    );
    let value: Value = serde_json::from_str(&reason).expect("a reason is JSON");
    let members = value.as_object().expect("a reason is an object");
    assert_eq!(members.len(), 3, "{reason}");
    for (name, word) in [
        ("error_code", code),
        ("message", message),
        ("correlation_id", id),
    ] {
        let said = members[name].as_str().expect("a member is a string");
        assert!(word.starts_with(said), "{name} of {reason}");
    }
    let frame = Close::unauthenticated(message.to_owned()).frame(id);
    // RFC 6455, section 5.5: final, a close, and a payload whose length has seven bits and no more than 125.
    assert_eq!(frame[0], 0x88);
    assert!(frame[1] <= 125, "{}", frame[1]);
    assert_eq!(frame.len(), 2 + usize::from(frame[1]));
});

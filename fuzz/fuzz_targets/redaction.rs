//! Whatever the text: no token is left in it, in running text, in JSON, or as a value; and what is masked stays as it is.
#![no_main]

use fuzz::token_in;
use harness::redaction::Redactor;
use libfuzzer_sys::fuzz_target;
use serde_json::{Value, json};

const USER: &str = "7f1b540c-bcc6-481a-b3d9-3547c1646611";

fuzz_target!(|text: &str| {
    let mut redactor = Redactor::default();
    redactor.identify(USER, "user:teacher");
    let value: Value = serde_json::from_str(text).unwrap_or_else(|_| json!({ text: [text] }));
    let masked = [
        redactor.text(text),
        redactor.string(text),
        redactor.json(&value).to_string(),
    ];
    for masked in &masked {
        assert_eq!(token_in(masked), None, "in {masked:?}");
        assert!(!masked.contains(USER), "{masked:?}");
    }
    assert_eq!(
        redactor.text(text),
        masked[0],
        "equal texts are masked alike"
    );
    assert_eq!(
        redactor.text(&masked[0]),
        masked[0],
        "masked twice, it is another"
    );
});

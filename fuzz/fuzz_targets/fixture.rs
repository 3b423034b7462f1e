//! Whatever a fixture says: it is read, or what is wrong with it is told with its place. What is read is published as JSON.
#![no_main]

use fuzz::assert_helps;
use harness::fixture::{INTERACTIONS, Message, NOTIFICATIONS, interaction_from, notification_from};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

fuzz_target!(|text: &str| {
    // A message's file is called after its event: anything else is refused first, and nothing behind that is reached.
    let value: Option<Value> = serde_json::from_str(text).ok();
    let event = value
        .as_ref()
        .and_then(|value| value["message"]["event"].as_str());
    let path = format!("{NOTIFICATIONS}/{}.json", event.unwrap_or("class_created"));
    match notification_from(&path, text) {
        Ok(fixture) => {
            let published = fixture.content.message.text();
            let read: Message =
                serde_json::from_str(&published).expect("what is published is a message");
            assert_eq!(read.text(), published, "published twice, it is the same");
        }
        Err(error) => assert_helps(&error, &path, text),
    }
    let path = format!("{INTERACTIONS}/classes/a_call.json");
    if let Err(error) = interaction_from(&path, text) {
        assert_helps(&error, &path, text);
    }
});

//! Pact V4 files (pact-specification, version 4): from consumers' tools, and for them.
//!
//! | in a fixture | in a Pact |
//! |---|---|
//! | `{batch_id}` and other values of the run | an example, with the generator `ProviderState` for `${batch_id}` |
//! | `<uuid>`, `<timestamp>`, `<text>`, `<number>` | an example, with a matching rule |
//! | `matching` | `matchingRules`, as they stand |
//! | a teacher calls | `Authorization: Bearer ${token}` |
//! | what Pact has no word for, such as the call behind the gateway | its value by JSON pointer, in `comments.fixture` |

mod export;
mod import;
mod rest;

use harness::fixture::PLACEHOLDERS;
use serde_json::{Value, json};

pub use export::{Pact, export};
pub use import::import;

/// The consumer in the Pacts that are exported.
pub const CONSUMER: &str = "huleedu-frontend";

/// The state in which a provider knows the values of the run.
const STATE: &str = "a teacher, another user, a batch and a class";

/// The member of an interaction's comments that only an exported fixture has.
const REST: &str = "fixture";

/// An example for each placeholder, in the order of [`PLACEHOLDERS`].
const EXAMPLES: [&str; PLACEHOLDERS.len()] = [
    "6f1c0a52-3d0e-4a57-9a3b-2b8f7a1d4c01",
    "6f1c0a52-3d0e-4a57-9a3b-2b8f7a1d4c02",
    "6f1c0a52-3d0e-4a57-9a3b-2b8f7a1d4c03",
    "6f1c0a52-3d0e-4a57-9a3b-2b8f7a1d4c04",
    "6f1c0a52-3d0e-4a57-9a3b-2b8f7a1d4c05",
];

/// `text` with an example for every placeholder.
fn example(text: &str) -> String {
    PLACEHOLDERS
        .iter()
        .zip(EXAMPLES)
        .fold(text.to_owned(), |text, (name, example)| {
            text.replace(&format!("{{{name}}}"), example)
        })
}

/// `text` as an expression over the values of a provider state; `None` when there is no placeholder in it.
fn expression(text: &str) -> Option<String> {
    let expression = PLACEHOLDERS.iter().fold(text.to_owned(), |text, name| {
        text.replace(&format!("{{{name}}}"), &format!("${{{name}}}"))
    });
    (expression != text).then_some(expression)
}

/// What stands for any value of a type in a fixture, with an example of it and its rules.
fn words() -> [(&'static str, Value, Value); 4] {
    let rules = |matchers: Value| json!({"combine": "AND", "matchers": matchers});
    let regex = |regex: &str| rules(json!([{"match": "regex", "regex": regex}]));
    [
        (
            "<uuid>",
            json!("6f1c0a52-3d0e-4a57-9a3b-2b8f7a1d4c06"),
            regex("^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"),
        ),
        (
            "<timestamp>",
            json!("2025-07-01T08:00:00Z"),
            regex("^\\d{4}-\\d{2}-\\d{2}T\\d{2}:\\d{2}:\\d{2}(\\.\\d+)?(Z|[+-]\\d{2}:\\d{2})$"),
        ),
        (
            "<text>",
            json!("a text"),
            rules(json!([{"match": "type"}, {"match": "notEmpty"}])),
        ),
        ("<number>", json!(1), rules(json!([{"match": "number"}]))),
    ]
}

/// The rules of a message that is exported: of its data only the types are promised.
fn types_of_data() -> Value {
    json!({"body": {"$.data": {"combine": "AND", "matchers": [{"match": "type"}]}}})
}

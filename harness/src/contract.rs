//! The promises of the contract's documents, and the message schemas of `contracts/schemas` with what in a message is
//! not as they say.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use jsonschema::error::ValidationErrorKind;
use jsonschema::{Draft, Retrieve, Uri, Validator};
use serde_json::Value;

use crate::fixture::{FixtureError, nearest, parse};

/// The prefix of every schema's `$id`; what follows is its path below `contracts/`.
const BASE: &str = "https://contracts.huledu.example/";
const FOLDER: &str = "contracts/schemas/notifications";

/// The documents that list promises, under `x-promises`.
pub const DOCUMENTS: [&str; 2] = ["contracts/asyncapi.yaml", "contracts/openapi.yaml"];

/// The ids of all promises, in the order of the documents.
///
/// Only a promise's own line is read, `  id: sentence` below `x-promises:`, for which nobody needs a YAML parser.
pub fn promises() -> Result<Vec<String>, FixtureError> {
    let mut ids = Vec::new();
    for document in DOCUMENTS {
        let text = fs::read_to_string(crate::workspace().join(document)).map_err(|error| {
            FixtureError {
                place: document.to_owned(),
                problem: format!("cannot be read: {error}"),
            }
        })?;
        let block = text.lines().skip_while(|line| *line != "x-promises:");
        let lines = block.skip(1).map_while(|line| line.strip_prefix("  "));
        ids.extend(
            lines
                .filter_map(|line| line.split_once(": "))
                .map(|(id, _)| id.to_owned()),
        );
    }
    Ok(ids)
}

/// The schemas of all notification types, by `event`.
pub struct Notifications(BTreeMap<String, (Validator, Value)>);

/// One place where a message is not as its schema says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Where in the message: a JSON pointer (RFC 6901).
    pub pointer: String,
    /// What was expected and what came.
    pub problem: String,
}

impl Notifications {
    /// Reads the schemas. Fails with the file that cannot be used.
    pub fn read() -> Result<Self, FixtureError> {
        let folder = crate::workspace().join(FOLDER);
        let unreadable = |error: std::io::Error| FixtureError {
            place: FOLDER.to_owned(),
            problem: format!("cannot be read: {error}"),
        };
        let mut schemas = BTreeMap::new();
        for entry in fs::read_dir(&folder).map_err(unreadable)? {
            let path = entry.map_err(unreadable)?.path();
            let Some(event) = path
                .file_stem()
                .map(|stem| stem.to_string_lossy().into_owned())
            else {
                continue;
            };
            let place = format!("{FOLDER}/{event}.json");
            let schema: Value = parse(&place, &fs::read_to_string(&path).map_err(unreadable)?)?;
            // A file of definitions describes no message.
            if schema.get("properties").is_none() {
                continue;
            }
            let validator = jsonschema::options()
                .with_draft(Draft::Draft202012)
                .with_retriever(Local)
                .should_validate_formats(true)
                .build(&schema)
                .map_err(|error| FixtureError {
                    place,
                    problem: format!("is no usable schema: {error}"),
                })?;
            schemas.insert(event, (validator, schema));
        }
        Ok(Self(schemas))
    }

    /// Every way in which `message` is not as the schema of its `event` says.
    pub fn violations(&self, message: &Value) -> Vec<Violation> {
        let event = message["event"].as_str().unwrap_or_default();
        let Some((validator, schema)) = self.0.get(event) else {
            let suggestion = nearest(event, self.0.keys().map(String::as_str))
                .map(|name| format!("; did you mean `{name}`?"))
                .unwrap_or_default();
            return vec![Violation {
                pointer: "/event".to_owned(),
                problem: format!("unknown event `{event}`{suggestion}"),
            }];
        };
        let mut found = Vec::new();
        for error in validator.iter_errors(message) {
            let pointer = error.instance_path().to_string();
            match error.kind() {
                ValidationErrorKind::AdditionalProperties { unexpected } => {
                    let keyword = error.schema_path().to_string();
                    let known = keyword
                        .strip_suffix("/additionalProperties")
                        .and_then(|object| schema.pointer(&format!("{object}/properties")))
                        .and_then(Value::as_object);
                    for name in unexpected {
                        let suggestion = known
                            .and_then(|known| nearest(name, known.keys().map(String::as_str)))
                            .map(|name| format!("; did you mean `{name}`?"))
                            .unwrap_or_default();
                        found.push(Violation {
                            pointer: format!("{pointer}/{name}"),
                            problem: format!("unknown field `{name}`{suggestion}"),
                        });
                    }
                }
                ValidationErrorKind::Constant { expected_value } => found.push(Violation {
                    problem: format!("expected {expected_value}, got {}", error.instance()),
                    pointer,
                }),
                _ => found.push(Violation {
                    problem: error.to_string(),
                    pointer,
                }),
            }
        }
        // An unknown field explains most of what else is wrong, such as the required one that it should have been.
        found.sort_by_key(|violation| !violation.problem.starts_with("unknown"));
        found
    }
}

/// Finds schemas below `contracts/`, and nothing anywhere else.
struct Local;

impl Retrieve for Local {
    fn retrieve(
        &self,
        uri: &Uri<String>,
    ) -> Result<Value, Box<dyn std::error::Error + Send + Sync>> {
        let path = uri
            .as_str()
            .strip_prefix(BASE)
            .ok_or_else(|| format!("{uri} is not one of the contract's schemas"))?;
        let file: PathBuf = crate::workspace().join("contracts").join(path);
        Ok(serde_json::from_str(&fs::read_to_string(file)?)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use serde_json::json;

    fn message() -> Value {
        json!({"event": "essay_status_updated", "data": {
            "essay_id": "e", "status": "s", "timestamp": "2025-09-15T07:05:18+00:00",
            "correlation_id": "ed73a06c-419f-4582-b3da-5c8f1e60972b",
        }})
    }

    #[test]
    fn a_message_as_the_schema_says_has_no_violation() {
        assert_eq!(Notifications::read().unwrap().violations(&message()), []);
    }

    #[rstest]
    #[case::unknown_event("/event", json!("essay_status_update"),
        "/event: unknown event `essay_status_update`; did you mean `essay_status_updated`?")]
    #[case::unknown_field("/data/esay_id", json!("e"),
        "/data/esay_id: unknown field `esay_id`; did you mean `essay_id`?")]
    #[case::wrong_type("/data/status", json!(1), "/data/status: 1 is not of type \"string\"")]
    #[case::no_time("/data/timestamp", json!("soon"), "/data/timestamp: \"soon\" is not a \"date-time\"")]
    fn a_violation_has_a_place_and_a_remedy(
        #[case] pointer: &str,
        #[case] value: Value,
        #[case] sentence: &str,
    ) {
        let mut message = message();
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        message.pointer_mut(parent).unwrap()[name] = value;
        let found: Vec<String> = Notifications::read()
            .unwrap()
            .violations(&message)
            .iter()
            .map(|violation| format!("{}: {}", violation.pointer, violation.problem))
            .collect();
        assert!(found.contains(&sentence.to_owned()), "{found:?}");
    }
}

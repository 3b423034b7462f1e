//! Comparing JSON with what a fixture expects.
//!
//! An expected value is matched exactly, but for the strings `<uuid>`, `<timestamp>`, `<text>` and `<number>`, each of
//! which stands for any value of its type. Whether an object may have more members is for the caller to say.

use std::fmt;

use serde_json::Value;

/// One place where what came is not what was expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Where: a JSON pointer (RFC 6901); empty for the whole.
    pub pointer: String,
    /// What was expected there.
    pub expected: String,
    /// What came.
    pub actual: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pointer = if self.pointer.is_empty() {
            "/"
        } else {
            &self.pointer
        };
        write!(
            f,
            "{pointer}: expected {}, got {}",
            self.expected, self.actual
        )
    }
}

/// How a value that is not there is called. No JSON is written so.
const NOTHING: &str = "nothing";

/// Every difference between `actual` and `expected`, in the order of `expected`.
pub fn differences(expected: &Value, actual: &Value) -> Vec<Difference> {
    let mut found = Vec::new();
    compare(expected, actual, "", &mut found);
    found
}

/// The same where objects may have more members than are expected, as a schema allows that does not close them.
pub fn shortfalls(expected: &Value, actual: &Value) -> Vec<Difference> {
    let mut found = differences(expected, actual);
    found.retain(|difference| difference.expected != NOTHING);
    found
}

/// `actual`, with `<text>` and `<number>` in the places where `expected` has them and the type is right.
///
/// These are the values that a flow cannot show because they differ in every run.
pub fn masked(expected: &Value, actual: &Value) -> Value {
    match (expected, actual) {
        (Value::String(word), _) if is_free(word) && stands_for(word, actual) == Some(true) => {
            expected.clone()
        }
        (Value::Object(expected), Value::Object(actual)) => actual
            .iter()
            .map(|(name, value)| {
                let value = expected
                    .get(name)
                    .map_or(value.clone(), |e| masked(e, value));
                (name.clone(), value)
            })
            .collect(),
        (Value::Array(expected), Value::Array(actual)) => actual
            .iter()
            .enumerate()
            .map(|(index, value)| {
                expected
                    .get(index)
                    .map_or(value.clone(), |e| masked(e, value))
            })
            .collect(),
        _ => actual.clone(),
    }
}

fn is_free(word: &str) -> bool {
    matches!(word, "<text>" | "<number>")
}

/// Whether `value` is of the type that `word` stands for; `None` when `word` is an ordinary string.
fn stands_for(word: &str, value: &Value) -> Option<bool> {
    let text = value.as_str();
    match word {
        "<uuid>" => Some(text.is_some_and(|text| uuid::Uuid::try_parse(text).is_ok())),
        "<timestamp>" => Some(text.is_some_and(|text| text.parse::<jiff::Timestamp>().is_ok())),
        "<text>" => Some(text.is_some_and(|text| !text.is_empty())),
        "<number>" => Some(value.is_number()),
        _ => None,
    }
}

fn compare(expected: &Value, actual: &Value, pointer: &str, found: &mut Vec<Difference>) {
    let mut differ = |pointer: &str, expected: String, actual: String| {
        found.push(Difference {
            pointer: pointer.to_owned(),
            expected,
            actual,
        });
    };
    match (expected, actual) {
        (Value::Object(expected), Value::Object(actual)) => {
            for (name, value) in expected {
                if !actual.contains_key(name) {
                    differ(&join(pointer, name), value.to_string(), NOTHING.into());
                }
            }
            for (name, value) in actual {
                if !expected.contains_key(name) {
                    differ(&join(pointer, name), NOTHING.into(), value.to_string());
                }
            }
            for (name, value) in expected {
                if let Some(actual) = actual.get(name) {
                    compare(value, actual, &join(pointer, name), found);
                }
            }
        }
        (Value::Array(expected), Value::Array(actual)) => {
            if expected.len() != actual.len() {
                differ(
                    pointer,
                    format!("{} elements", expected.len()),
                    format!("{} elements", actual.len()),
                );
            }
            for (index, (expected, actual)) in expected.iter().zip(actual).enumerate() {
                compare(expected, actual, &join(pointer, &index.to_string()), found);
            }
        }
        (Value::String(word), value) => match stands_for(word, value) {
            Some(true) => {}
            None if expected == value => {}
            _ => differ(pointer, expected.to_string(), value.to_string()),
        },
        _ if expected == actual => {}
        _ => differ(pointer, expected.to_string(), actual.to_string()),
    }
}

/// `pointer` with one more reference token, escaped as RFC 6901, section 3, says.
fn join(pointer: &str, token: &str) -> String {
    format!("{pointer}/{}", token.replace('~', "~0").replace('/', "~1"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use serde_json::json;

    #[rstest]
    #[case::equal(json!({"a": [1, null]}), json!({"a": [1, null]}), &[])]
    #[case::types(
        json!(["<uuid>", "<timestamp>", "<text>", "<number>"]),
        json!(["0e4f7a3c-9d1b-4c2e-8f5a-6b7c8d9e0f1a", "2025-03-01T08:00:00+01:00", "x", 1.5]),
        &[]
    )]
    #[case::not_of_the_type(
        json!({"at": "<timestamp>"}), json!({"at": "yesterday"}),
        &["/at: expected \"<timestamp>\", got \"yesterday\""]
    )]
    #[case::missing_and_extra(
        json!({"a/b": 1}), json!({"c": 2}),
        &["/a~1b: expected 1, got nothing", "/c: expected nothing, got 2"]
    )]
    #[case::shorter(
        json!([1, 2]), json!([1]),
        &["/: expected 2 elements, got 1 elements"]
    )]
    #[case::null_is_a_value(
        json!({"a": null}), json!({}),
        &["/a: expected null, got nothing"]
    )]
    fn differences_have_a_place_and_both_sides(
        #[case] expected: Value,
        #[case] actual: Value,
        #[case] sentences: &[&str],
    ) {
        let found: Vec<String> = differences(&expected, &actual)
            .iter()
            .map(Difference::to_string)
            .collect();
        assert_eq!(found, sentences);
    }

    #[test]
    fn members_that_are_not_expected_are_no_shortfall() {
        let expected = json!({"error": {"code": "<text>", "details": {}}});
        let actual = json!({"error": {"code": 7, "details": {"reason": "nothing"}}, "more": null});
        let found: Vec<String> = shortfalls(&expected, &actual)
            .iter()
            .map(Difference::to_string)
            .collect();
        assert_eq!(found, ["/error/code: expected \"<text>\", got 7"]);
    }

    #[test]
    fn free_values_are_masked_and_others_are_not() {
        let expected = json!({"uptime": "<number>", "status": "healthy"});
        let actual = json!({"uptime": 12.5, "status": "sick"});
        assert_eq!(
            masked(&expected, &actual),
            json!({"uptime": "<number>", "status": "sick"})
        );
    }
}

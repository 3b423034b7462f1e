//! Values of one run checked, then masked, so that a flow reads the same every time.
//!
//! | in the flow | stands for |
//! |---|---|
//! | `<user:NAME>`, `<batch>`, `<token:NAME>` … | an identity that the stage made: known exactly, masked wherever it stands |
//! | `<uuid:N>` | a JSON string that is a UUID; equal ones share a number |
//! | `<timestamp:N>` | an RFC 3339 timestamp that the harness sent; equal ones share a number |
//! | `<timestamp>` | an RFC 3339 timestamp that the system made; whether two are equal is chance |
//! | `<jwt:N>` | any other JSON Web Token, in any text: a token never reaches a flow |

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::Value;
use uuid::Uuid;

/// Masks values and remembers which it has seen, so that equal ones get equal names.
#[derive(Clone, Debug, Default)]
pub struct Redactor {
    identities: Vec<(String, String)>,
    sent: BTreeSet<String>,
    uuids: BTreeMap<Uuid, usize>,
    timestamps: BTreeMap<String, usize>,
    tokens: BTreeMap<String, usize>,
}

impl Redactor {
    /// Masks `value` as `<name>` wherever it stands. For values that are unique by construction.
    pub fn identify(&mut self, value: impl Into<String>, name: &str) {
        let value = value.into();
        self.identities.retain(|(known, _)| *known != value);
        self.identities.push((value, format!("<{name}>")));
        // The longest first: one value may be the beginning of another.
        self.identities
            .sort_by(|(a, _), (b, _)| b.len().cmp(&a.len()).then(a.cmp(b)));
    }

    /// Remembers the strings of a JSON value that the harness sends: their equality is no chance.
    pub fn note_sent(&mut self, value: &Value) {
        match value {
            Value::String(text) => {
                self.sent.insert(text.clone());
            }
            Value::Array(values) => values.iter().for_each(|value| self.note_sent(value)),
            Value::Object(members) => members.values().for_each(|value| self.note_sent(value)),
            _ => {}
        }
    }

    /// `value` with its strings masked by type.
    pub fn json(&mut self, value: &Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.string(text)),
            Value::Array(values) => values.iter().map(|value| self.json(value)).collect(),
            Value::Object(members) => members
                .iter()
                .map(|(name, value)| (self.text(name), self.json(value)))
                .collect(),
            other => other.clone(),
        }
    }

    /// `text` with the identities in it masked, and every JSON Web Token; nothing else in running text is touched.
    pub fn text(&mut self, text: &str) -> String {
        let mut masked = text.to_owned();
        for (value, name) in &self.identities {
            if masked.contains(value.as_str()) {
                masked = masked.replace(value.as_str(), name);
            }
        }
        self.without_tokens(&masked)
    }

    /// A whole JSON string or header value: masked if it is of a known type, else as running text.
    pub fn string(&mut self, text: &str) -> String {
        if let Some((_, name)) = self.identities.iter().find(|(value, _)| value == text) {
            return name.clone();
        }
        if let Ok(uuid) = Uuid::try_parse(text) {
            return format!("<uuid:{}>", number(&mut self.uuids, uuid));
        }
        if text.parse::<Timestamp>().is_ok() {
            return if self.sent.contains(text) {
                format!(
                    "<timestamp:{}>",
                    number(&mut self.timestamps, text.to_owned())
                )
            } else {
                "<timestamp>".to_owned()
            };
        }
        self.text(text)
    }

    fn without_tokens(&mut self, text: &str) -> String {
        let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        let mut masked = String::new();
        let mut rest = text;
        while let Some(at) = rest.find("eyJ") {
            let (before, from) = rest.split_at(at);
            masked.push_str(before);
            let end = from.find(|c| !is_part(c)).unwrap_or(from.len());
            // The end of a sentence is no part of the token.
            let word = from[..end].trim_end_matches('.');
            let after = &from[word.len()..];
            // Three parts, or the five of an encrypted one; an unsecured one ends with a point (RFC 7519, section 6).
            if word.matches('.').count() >= 2 || word.contains(".eyJ") {
                let number = number(&mut self.tokens, word.to_owned());
                masked.push_str(&format!("<jwt:{number}>"));
            } else {
                masked.push_str(word);
            }
            rest = after;
        }
        masked.push_str(rest);
        masked
    }
}

/// The number of `key`: the next one when it is new.
fn number<K: Ord>(seen: &mut BTreeMap<K, usize>, key: K) -> usize {
    let next = seen.len() + 1;
    *seen.entry(key).or_insert(next)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use serde_json::json;

    #[test]
    fn equal_values_share_a_name_and_others_do_not() {
        let first = "0e4f7a3c-9d1b-4c2e-8f5a-6b7c8d9e0f1a";
        let second = "1e4f7a3c-9d1b-4c2e-8f5a-6b7c8d9e0f1a";
        let masked = Redactor::default().json(&json!([first, second, first, "a uuid"]));
        assert_eq!(
            masked,
            json!(["<uuid:1>", "<uuid:2>", "<uuid:1>", "a uuid"])
        );
    }

    #[test]
    fn a_timestamp_is_checked_before_it_is_masked() {
        let mut redactor = Redactor::default();
        let sent = json!({"timestamp": "2025-07-01T10:00:00+02:00"});
        redactor.note_sent(&sent);
        let seen = json!([
            sent,
            "2025-07-01T10:00:01Z",
            "2025-13-01T10:00:00Z",
            "10:00"
        ]);
        assert_eq!(
            redactor.json(&seen),
            json!([{"timestamp": "<timestamp:1>"}, "<timestamp>", "2025-13-01T10:00:00Z", "10:00"])
        );
    }

    #[test]
    fn identities_and_tokens_are_masked_in_running_text() {
        let mut redactor = Redactor::default();
        redactor.identify("9f3c", "user:anna");
        redactor.identify("9f3c-2", "user:bert");
        assert_eq!(
            redactor.text(
                "ws:9f3c not 9f3c-2 with ?token=eyJh.eyJz.sig_1&x, eyJ and Bearer eyJh.eyJz.sig_1."
            ),
            "ws:<user:anna> not <user:bert> with ?token=<jwt:1>&x, eyJ and Bearer <jwt:1>."
        );
    }

    #[rstest]
    #[case::signed("eyJh.eyJz.sig-1", "<jwt:1>")]
    #[case::encrypted("eyJh.a.b.c.d", "<jwt:1>")]
    #[case::with_more_behind_it("eyJh.eyJz.sig_1.more", "<jwt:1>")]
    #[case::unsecured("eyJh.eyJz.", "<jwt:1>.")]
    #[case::no_token("eyJh.txt", "eyJh.txt")]
    fn a_token_is_masked_however_many_parts_it_has(#[case] text: &str, #[case] masked: &str) {
        assert_eq!(Redactor::default().text(text), masked);
    }
}

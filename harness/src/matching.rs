//! Pact matching rules: what a consumer's contract says of a value besides an example of it.
//!
//! A fixture carries them as `matching`, in the form of a Pact V4 file's `matchingRules`, and this is what they mean
//! (pact-specification, versions 3 and 4). The field's own crates are not used: `pact_matching` 2.1 and `pact_models`
//! 1.3 build, but both switch on TLS without a crypto provider in `reqwest`. As cargo builds one `reqwest` for a
//! workspace, every client in it, the reference gateway's too, would then panic when it is made. The published cases
//! of the specification say whether this agrees (`tests/pact_cases.rs`).
//!
//! - `path`: where in a message a rule applies
//! - `rule`: what a rule says of one value
//! - `time`: formats of dates and times
//! - `compare`: two JSON values held against each other

mod compare;
mod path;
mod rule;
mod time;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::fixture::nearest;
pub use path::Path;
use rule::{Rules, Set};

/// The parts of a message that rules can be about; `content` is a message's body.
const PARTS: [&str; 4] = ["body", "content", "header", "status"];

/// The rules of one message: `{"body": {"$.path": {"matchers": [{"match": "type"}]}}}`.
///
/// With rules the expected values are examples: a value without a rule of its own must be equal, and members and
/// header fields that nobody expects may be there in what is received, as in every Pact.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(try_from = "Value", into = "Value")]
pub struct Matching {
    json: Value,
    body: Rules,
    headers: BTreeMap<String, Set>,
    status: Option<Set>,
}

/// The body of a message.
#[derive(Clone, Debug, PartialEq)]
pub enum Body {
    /// Nothing is said of it; in what came, there was none.
    Missing,
    /// There must be none.
    Empty,
    /// JSON.
    Json(Value),
    /// Anything else, as text.
    Text(String),
}

/// A response.
#[derive(Clone, Debug, PartialEq)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// Header fields, their names in lower case.
    pub headers: BTreeMap<String, String>,
    /// The body.
    pub body: Body,
}

/// Whether members that nobody expects may be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keys {
    /// In what is received.
    MayBeMore,
    /// In what is sent.
    AreThese,
}

impl PartialEq for Matching {
    fn eq(&self, other: &Self) -> bool {
        self.json == other.json
    }
}

impl TryFrom<Value> for Matching {
    type Error = String;

    fn try_from(json: Value) -> Result<Self, String> {
        let parts = json
            .as_object()
            .ok_or("matching rules are an object: {\"body\": {…}}")?;
        let mut matching = Self::none();
        for (name, rules) in parts {
            match name.as_str() {
                "body" | "content" => matching.body = Rules::read(rules)?,
                "header" => {
                    let fields = rules.as_object().ok_or("header has rules by name")?;
                    for (name, rules) in fields {
                        let set = Set::read(name, rules)?;
                        matching.headers.insert(name.to_lowercase(), set);
                    }
                }
                "status" => {
                    // Some tools give it a path.
                    let rules = rules.get("$").unwrap_or(rules);
                    matching.status = Some(Set::read("status", rules)?);
                }
                _ => return Err(unknown("part of a message", name, &PARTS)),
            }
        }
        matching.json = json;
        Ok(matching)
    }
}

impl From<Matching> for Value {
    fn from(matching: Matching) -> Self {
        matching.json
    }
}

impl Matching {
    /// Every value is as in the example.
    pub fn none() -> Self {
        Self {
            json: Map::new().into(),
            body: Rules::default(),
            headers: BTreeMap::new(),
            status: None,
        }
    }

    /// A sentence for each way in which `actual` is not the response that is expected.
    pub fn response(&self, expected: &Response, actual: &Response) -> Vec<String> {
        let mut found = Vec::new();
        let [wanted, got] = [Value::from(expected.status), Value::from(actual.status)];
        match &self.status {
            Some(set) => found.extend(set.check("the status", &wanted, &got)),
            None if wanted == got => {}
            None => found.push(format!("expected status {wanted}, got {got}")),
        }
        for (name, wanted) in &expected.headers {
            let Some(got) = actual.headers.get(name) else {
                found.push(format!("expected the header {name}, got none"));
                continue;
            };
            match self.headers.get(name) {
                Some(set) => {
                    let what = format!("the header {name}");
                    found.extend(set.check(&what, &wanted.as_str().into(), &got.as_str().into()));
                }
                None if same_header(name, wanted, got) => {}
                None => found.push(format!("expected the header {name}: {wanted}, got {got}")),
            }
        }
        found.extend(self.body(&expected.body, &actual.body, Keys::MayBeMore));
        found
    }

    /// A sentence for each way in which `actual` is not the body that is expected.
    pub fn body(&self, expected: &Body, actual: &Body, keys: Keys) -> Vec<String> {
        match (expected, actual) {
            (Body::Missing, _) | (Body::Empty, Body::Missing | Body::Empty) => Vec::new(),
            (Body::Empty, Body::Json(Value::Null)) => Vec::new(),
            (Body::Empty, _) => vec!["expected no body, got one".to_owned()],
            (_, Body::Missing | Body::Empty) => vec!["expected a body, got none".to_owned()],
            (Body::Json(expected), Body::Json(actual)) => {
                compare::json(&self.body, expected, actual, keys)
            }
            (Body::Json(_), Body::Text(text)) => vec![format!("expected JSON, got {text:?}")],
            (Body::Text(_), Body::Json(json)) => vec![format!("expected a text, got {json}")],
            (Body::Text(expected), Body::Text(actual)) => {
                let [expected, actual] = [expected, actual].map(|text| text.as_str().into());
                compare::json(&self.body, &expected, &actual, keys)
            }
        }
    }
}

impl Body {
    /// What `bytes` are, with the content type that their message has, if it has one.
    pub fn read(bytes: &[u8], kind: Option<&str>) -> Self {
        if bytes.is_empty() {
            return Self::Empty;
        }
        let text = || Self::Text(String::from_utf8_lossy(bytes).into_owned());
        if kind.is_some_and(|kind| !kind.contains("json")) {
            return text();
        }
        serde_json::from_slice(bytes).map_or_else(|_| text(), Self::Json)
    }
}

/// Whether a header field says what is expected; a content type may have parameters that nobody expects.
fn same_header(name: &str, expected: &str, actual: &str) -> bool {
    let plain = |text: &str| text.replace([' ', '\t'], "");
    let (expected, actual) = (plain(expected), plain(actual));
    let media = actual.split(';').next().unwrap_or_default();
    expected == actual || (name == "content-type" && expected == media)
}

fn unknown(what: &str, name: &str, known: &[&str]) -> String {
    let suggestion = nearest(name, known.iter().copied())
        .map(|name| format!("; did you mean `{name}`?"))
        .unwrap_or_default();
    format!("no {what} is called `{name}`{suggestion}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use serde_json::json;

    #[rstest]
    #[case::no_object(json!([]), "matching rules are an object: {\"body\": {…}}")]
    #[case::part(json!({"bdy": {}}), "no part of a message is called `bdy`; did you mean `body`?")]
    #[case::path(
        json!({"body": {"a": {"matchers": [{"match": "type"}]}}}),
        "\"a\" is no path: expected one like $.a['b c'][0][*].*"
    )]
    #[case::rule(
        json!({"body": {"$.a": {"matchers": [{"match": "typ"}]}}}),
        "no matching rule is called `typ`; did you mean `type`?"
    )]
    #[case::rule_of_a_rule(
        json!({"body": {"$": {"matchers": [{"match": "eachValue", "rules": [{"match": "typ"}]}]}}}),
        "no matching rule is called `typ`; did you mean `type`?"
    )]
    #[case::binary(
        json!({"body": {"$": {"matchers": [{"match": "contentType", "value": "image/png"}]}}}),
        "no matching rule is called `contentType`"
    )]
    #[case::no_rules(
        json!({"body": {"$.a": {"match": "type"}}}),
        "$.a has no matchers: {\"matchers\": [{\"match\": …}]}"
    )]
    #[case::empty(
        json!({"body": {"$.a": {"matchers": []}}}),
        "$.a has no matchers: {\"matchers\": [{\"match\": …}]}"
    )]
    #[case::incomplete(
        json!({"body": {"$.a": {"matchers": [{"match": "regex"}]}}}),
        "the rule regex has no regex"
    )]
    #[case::no_expression(
        json!({"body": {"$.a": {"matchers": [{"match": "regex", "regex": "("}]}}}),
        "\"(\" is no regular expression"
    )]
    fn rules_that_would_not_be_applied_are_refused(#[case] rules: Value, #[case] sentence: &str) {
        let problem = Matching::try_from(rules).unwrap_err();
        assert!(problem.starts_with(sentence), "{problem}");
    }

    #[rstest]
    #[case::equality(json!({"match": "equality"}), json!({"b": 1}), json!({"b": 2}))]
    #[case::type_of(json!({"match": "type"}), json!("b"), json!(1))]
    #[case::lengths(json!({"match": "type", "min": 1, "max": 2}), json!([1, 2]), json!([1, 2, 3]))]
    #[case::regex(json!({"match": "regex", "regex": "a+"}), json!("aaa"), json!("aab"))]
    #[case::regex_ahead(json!({"match": "regex", "regex": "(?!b).*"}), json!("a"), json!("b"))]
    #[case::include(json!({"match": "include", "value": "b"}), json!("abc"), json!("ac"))]
    #[case::integer(json!({"match": "integer"}), json!(7), json!(7.5))]
    #[case::decimal(json!({"match": "decimal"}), json!(7.5), json!(7))]
    #[case::number(json!({"match": "number"}), json!(7.5), json!("7.5"))]
    #[case::boolean(json!({"match": "boolean"}), json!(true), json!(1))]
    #[case::null(json!({"match": "null"}), json!(null), json!(0))]
    #[case::not_empty(json!({"match": "notEmpty"}), json!("a"), json!(""))]
    #[case::date(json!({"match": "date", "format": "yyyy-MM-dd"}), json!("2025-07-01"), json!("1 July"))]
    #[case::time(json!({"match": "time"}), json!("08:00:00"), json!("25:00:00"))]
    #[case::timestamp(json!({"match": "datetime"}), json!("2025-07-01T08:00:00Z"), json!("2025-07-01"))]
    #[case::semver(json!({"match": "semver"}), json!("1.2.3-rc.1"), json!("1.2"))]
    #[case::values(json!({"match": "values"}), json!({"b": 1}), json!({"b": 2}))]
    #[case::each_key(
        json!({"match": "eachKey", "rules": [{"match": "regex", "regex": "b+"}]}),
        json!({"bb": 1}),
        json!({"c": 1})
    )]
    #[case::each_value(
        json!({"match": "eachValue", "rules": [{"match": "integer"}]}),
        json!([1, 2]),
        json!([1, "2"])
    )]
    #[case::array_contains(
        json!({"match": "arrayContains", "variants": [{"index": 0}]}),
        json!([3, 1]),
        json!([3, 4])
    )]
    fn a_rule_accepts_and_refuses(#[case] rule: Value, #[case] good: Value, #[case] bad: Value) {
        let example = match &rule["match"] {
            name if name == "arrayContains" || name == "eachValue" => json!([1]),
            name if name == "values" => json!({"a": 1}),
            _ => good.clone(),
        };
        let matching = Matching::try_from(json!({"body": {"$.a": {"matchers": [rule]}}})).unwrap();
        let found = |value: Value| {
            let [expected, actual] =
                [&example, &value].map(|value| Body::Json(json!({"a": value})));
            matching.body(&expected, &actual, Keys::MayBeMore)
        };
        assert_eq!(found(good), Vec::<String>::new());
        assert_ne!(found(bad), Vec::<String>::new());
    }

    /// Rules apply to what is inside of their place, but their lengths do not, nor does what they say of keys.
    #[rstest]
    #[case::length(json!({"match": "type", "min": 2}), json!([[1], [2]]), true)]
    #[case::type_of(json!({"match": "type", "min": 2}), json!([[1], ["2"]]), false)]
    #[case::keys(json!({"match": "values"}), json!({"x": {"y": 1}}), false)]
    fn a_rule_applies_inside(#[case] rule: Value, #[case] value: Value, #[case] holds: bool) {
        let example = if value.is_array() {
            json!([[1]])
        } else {
            json!({"a": {"b": 1}})
        };
        let matching = Matching::try_from(json!({"body": {"$": {"matchers": [rule]}}})).unwrap();
        let found = matching.body(&Body::Json(example), &Body::Json(value), Keys::MayBeMore);
        assert_eq!(found.is_empty(), holds, "{found:?}");
    }

    #[rstest]
    #[case::all("AND", false)]
    #[case::any("OR", true)]
    fn rules_are_combined(#[case] combine: &str, #[case] holds: bool) {
        let rules = json!([{"match": "integer"}, {"match": "null"}]);
        let rules = json!({"body": {"$.a": {"combine": combine, "matchers": rules}}});
        let [expected, actual] = [json!({"a": 1}), json!({"a": null})].map(Body::Json);
        let matching = Matching::try_from(rules).unwrap();
        let found = matching.body(&expected, &actual, Keys::MayBeMore);
        assert_eq!(found.is_empty(), holds, "{found:?}");
    }

    #[rstest]
    #[case::as_expected(200, "text/plain", &[])]
    #[case::status(404, "text/plain", &["the status: expected success, 200 to 299, got 404"])]
    #[case::header(200, "image/png", &["the header x-kind: expected a text like text/.*, got \"image/png\""])]
    fn status_and_headers_have_rules(
        #[case] status: u16,
        #[case] kind: &str,
        #[case] sentences: &[&str],
    ) {
        let matching = Matching::try_from(json!({
            "status": {"matchers": [{"match": "statusCode", "status": "success"}]},
            "header": {"X-Kind": {"matchers": [{"match": "regex", "regex": "text/.*"}]}},
        }));
        let response = |status, kind: &str, body| Response {
            status,
            headers: BTreeMap::from([("x-kind".to_owned(), kind.to_owned())]),
            body,
        };
        let expected = response(201, "text/html", Body::Missing);
        let actual = response(status, kind, Body::Text("anything".into()));
        assert_eq!(matching.unwrap().response(&expected, &actual), sentences);
    }
}

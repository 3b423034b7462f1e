//! Pact matching rules: what a consumer's contract says of a value besides an example of it.
//!
//! A fixture carries them as `matching`, in the form of a Pact V4 file's `matchingRules`. The matching is
//! `pact_matching`'s own; its answers are sentences here. Without its plugins nothing in it waits, so these are plain
//! functions.

use std::collections::HashMap;

use futures_util::FutureExt;
use pact_matching::{
    BodyMatchResult, CoreMatchingContext, DiffConfig, HeaderMatchingContext, Mismatch,
};
use pact_models::bodies::OptionalBody;
use pact_models::content_types::{ContentType, JSON};
use pact_models::http_parts::HttpPart;
use pact_models::matchingrules::{MatchingRules, matchers_from_json};
use pact_models::v4::http_parts::{HttpRequest, HttpResponse};
use pact_models::v4::message_parts::MessageContents;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::fixture::nearest;

/// The parts of a message that rules can be about.
const CATEGORIES: [&str; 8] = [
    "body", "content", "header", "status", "metadata", "path", "query", "method",
];

/// The rules of Pact V4 (pact-specification, version 4, "Matching Rule definitions").
const RULES: [&str; 21] = [
    "equality",
    "regex",
    "type",
    "include",
    "integer",
    "decimal",
    "number",
    "boolean",
    "null",
    "date",
    "time",
    "timestamp",
    "datetime",
    "contentType",
    "values",
    "arrayContains",
    "statusCode",
    "notEmpty",
    "semver",
    "eachKey",
    "eachValue",
];

/// The rules of one message: `{"body": {"$.path": {"matchers": [{"match": "type"}]}}}`.
///
/// With rules the expected values are examples: a value without a rule of its own must be equal, and members and
/// header fields that nobody expects may be there in what is received, as in every Pact.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(try_from = "Value", into = "Value")]
pub struct Matching {
    json: Value,
    rules: MatchingRules,
}

impl PartialEq for Matching {
    fn eq(&self, other: &Self) -> bool {
        self.json == other.json
    }
}

impl TryFrom<Value> for Matching {
    type Error = String;

    fn try_from(json: Value) -> Result<Self, String> {
        let categories = json
            .as_object()
            .ok_or("matching rules are an object: {\"body\": {…}}")?;
        for name in categories.keys() {
            if !CATEGORIES.contains(&name.as_str()) {
                return Err(unknown("part of a message", name, &CATEGORIES));
            }
        }
        check(&json)?;
        let rules = matchers_from_json(&json!({ "matchingRules": json }), &None)
            .map_err(|error| format!("{error:#}"))?;
        Ok(Self { json, rules })
    }
}

impl From<Matching> for Value {
    fn from(matching: Matching) -> Self {
        matching.json
    }
}

impl Matching {
    /// The rules of no part.
    pub fn none() -> Self {
        Self {
            json: json!({}),
            rules: MatchingRules::default(),
        }
    }

    /// The expected response that these rules belong to.
    pub fn of_response(
        &self,
        status: u16,
        headers: impl IntoIterator<Item = (String, String)>,
        body: Option<Vec<u8>>,
    ) -> HttpResponse {
        HttpResponse {
            matching_rules: self.rules.clone(),
            ..http_response(status, headers, body)
        }
    }

    /// The expected request that these rules belong to; only its body is compared.
    pub fn of_request(&self, body: Vec<u8>) -> HttpRequest {
        HttpRequest {
            matching_rules: self.rules.clone(),
            ..http_request(body)
        }
    }

    /// The expected JSON message that these rules belong to.
    pub fn of_message(&self, json: &Value) -> MessageContents {
        MessageContents {
            matching_rules: self.rules.clone(),
            ..message_contents(json)
        }
    }
}

/// A response as rules see it. A body of no known type is JSON if it can be read as that.
pub fn http_response(
    status: u16,
    headers: impl IntoIterator<Item = (String, String)>,
    body: Option<Vec<u8>>,
) -> HttpResponse {
    let headers = fields(headers);
    HttpResponse {
        status,
        body: typed(body, &headers),
        headers: Some(headers),
        ..HttpResponse::default()
    }
}

/// A request with a JSON body as rules see it.
pub fn http_request(body: Vec<u8>) -> HttpRequest {
    HttpRequest {
        body: typed(Some(body), &HashMap::new()),
        ..HttpRequest::default()
    }
}

/// A JSON message as rules see it.
pub fn message_contents(json: &Value) -> MessageContents {
    MessageContents {
        contents: OptionalBody::Present(json.to_string().into(), Some(JSON.clone()), None),
        ..MessageContents::default()
    }
}

/// A sentence for each way in which `actual` is not the response that is expected.
pub fn response(expected: &HttpResponse, actual: &HttpResponse) -> Vec<String> {
    let status = context(&expected.matching_rules, "status", Keys::MayBeMore);
    let mut found = pact_matching::match_status(expected.status, actual.status, &status)
        .err()
        .unwrap_or_default();
    let headers = headers_context(&expected.matching_rules);
    found.extend(
        pact_matching::headers::match_headers(
            expected.headers.clone(),
            actual.headers.clone(),
            &headers,
        )
        .into_values()
        .flatten(),
    );
    found.extend(body(
        expected,
        actual,
        &expected.matching_rules,
        Keys::MayBeMore,
    ));
    sentences(&found)
}

/// A sentence for each way in which the body of `actual` is not the one that the receiver of a request expects. In
/// what is sent there may be no more than that.
pub fn request_body(expected: &HttpRequest, actual: &HttpRequest) -> Vec<String> {
    sentences(&body(
        expected,
        actual,
        &expected.matching_rules,
        Keys::AreThese,
    ))
}

/// A sentence for each way in which `actual` is not the message that is expected.
pub fn message(expected: &MessageContents, actual: &MessageContents) -> Vec<String> {
    let context = context(&expected.matching_rules, "body", Keys::MayBeMore);
    let found = at_once(pact_matching::match_message_contents(
        expected, actual, &context,
    ));
    sentences(&found.err().unwrap_or_default())
}

fn fields(headers: impl IntoIterator<Item = (String, String)>) -> HashMap<String, Vec<String>> {
    let mut fields: HashMap<String, Vec<String>> = HashMap::new();
    for (name, value) in headers {
        fields.entry(name.to_lowercase()).or_default().push(value);
    }
    fields
}

fn typed(body: Option<Vec<u8>>, headers: &HashMap<String, Vec<String>>) -> OptionalBody {
    let Some(body) = body else {
        return OptionalBody::Missing;
    };
    if body.is_empty() {
        return OptionalBody::Empty;
    }
    let kind = match headers
        .get("content-type")
        .and_then(|values| values.first())
    {
        Some(value) => ContentType::parse(value.as_str()).ok(),
        None => serde_json::from_slice::<Value>(&body)
            .is_ok()
            .then(|| JSON.clone()),
    };
    OptionalBody::Present(body.into(), kind, None)
}

/// Whether members that nobody expects may be there.
#[derive(Clone, Copy)]
enum Keys {
    MayBeMore,
    AreThese,
}

fn body(
    expected: &(dyn HttpPart + Send + Sync),
    actual: &(dyn HttpPart + Send + Sync),
    rules: &MatchingRules,
    keys: Keys,
) -> Vec<Mismatch> {
    let context = context(rules, "body", keys);
    match at_once(pact_matching::match_body(
        expected,
        actual,
        &context,
        &headers_context(rules),
    )) {
        BodyMatchResult::Ok => Vec::new(),
        result => result.mismatches(),
    }
}

fn context(rules: &MatchingRules, category: &str, keys: Keys) -> CoreMatchingContext {
    let config = match keys {
        Keys::MayBeMore => DiffConfig::AllowUnexpectedKeys,
        Keys::AreThese => DiffConfig::NoUnexpectedKeys,
    };
    let rules = rules.rules_for_category(category).unwrap_or_default();
    CoreMatchingContext::new(config, &rules)
}

fn headers_context(rules: &MatchingRules) -> HeaderMatchingContext {
    HeaderMatchingContext::new(&context(rules, "header", Keys::AreThese))
}

fn at_once<T>(future: impl Future<Output = T>) -> T {
    future
        .now_or_never()
        .unwrap_or_else(|| panic!("matching without plugins waits for nothing"))
}

/// What is wrong, in an order that is the same every time.
fn sentences(mismatches: &[Mismatch]) -> Vec<String> {
    let mut sentences: Vec<String> = mismatches.iter().map(Mismatch::description).collect();
    sentences.sort();
    sentences
}

/// Fails at a rule that nobody knows, which `pact_models` takes for a plugin's, and at a path without rules, which it
/// ignores.
fn check(json: &Value) -> Result<(), String> {
    match json {
        Value::Object(members) => {
            if let Some(Value::String(name)) = members.get("match")
                && !RULES.contains(&name.as_str())
            {
                return Err(unknown("matching rule", name, &RULES));
            }
            for (name, value) in members {
                let empty =
                    || format!("{name} has no matchers: {{\"matchers\": [{{\"match\": …}}]}}");
                if name.starts_with('$') && value.get("matchers").is_none() {
                    return Err(empty());
                }
                if name == "matchers" && value.as_array().is_none_or(Vec::is_empty) {
                    return Err("matchers is a list of at least one rule".to_owned());
                }
                check(value)?;
            }
            Ok(())
        }
        Value::Array(values) => values.iter().try_for_each(check),
        _ => Ok(()),
    }
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

    #[rstest]
    #[case::no_object(json!([]), "matching rules are an object: {\"body\": {…}}")]
    #[case::part(json!({"bdy": {}}), "no part of a message is called `bdy`; did you mean `body`?")]
    #[case::rule(
        json!({"body": {"$.a": {"matchers": [{"match": "typ"}]}}}),
        "no matching rule is called `typ`; did you mean `type`?"
    )]
    #[case::rule_of_a_rule(
        json!({"body": {"$": {"matchers": [{"match": "eachValue", "rules": [{"match": "typ"}]}]}}}),
        "no matching rule is called `typ`; did you mean `type`?"
    )]
    #[case::no_rules(
        json!({"body": {"$.a": {"match": "type"}}}),
        "$.a has no matchers: {\"matchers\": [{\"match\": …}]}"
    )]
    #[case::empty(
        json!({"body": {"$.a": {"matchers": []}}}),
        "matchers is a list of at least one rule"
    )]
    #[case::incomplete(
        json!({"body": {"$.a": {"matchers": [{"match": "regex"}]}}}),
        "Regex matcher missing 'regex' field"
    )]
    fn rules_that_would_not_be_applied_are_refused(#[case] rules: Value, #[case] sentence: &str) {
        let problem = Matching::try_from(rules).unwrap_err();
        assert!(problem.contains(sentence), "{problem}");
    }

    #[rstest]
    #[case::date("date", json!({"format": "yyyy-MM-dd"}), "2025-07-01", "1 July")]
    #[case::regex("regex", json!({"regex": "^a+$"}), "aaa", "ab")]
    #[case::integer("integer", json!({}), json!(7), json!(7.5))]
    #[case::each_value("eachValue", json!({"rules": [{"match": "integer"}]}), json!([1, 2]), json!([1, "2"]))]
    #[case::array_contains(
        "arrayContains",
        json!({"variants": [{"index": 0, "rules": {"$": {"matchers": [{"match": "equality"}]}}}]}),
        json!([3, 1]),
        json!([3, 4])
    )]
    #[case::semver("semver", json!({}), "1.2.3", "one")]
    fn a_rule_accepts_and_refuses(
        #[case] name: &str,
        #[case] mut rule: Value,
        #[case] good: impl Into<Value>,
        #[case] bad: impl Into<Value>,
    ) {
        rule["match"] = json!(name);
        let rules = json!({"body": {"$.a": {"matchers": [rule]}}});
        let matching = Matching::try_from(rules).unwrap();
        let good: Value = good.into();
        let example = if good.is_array() {
            json!([1])
        } else {
            good.clone()
        };
        let expected = matching.of_message(&json!({ "a": example }));
        let found = |value: Value| message(&expected, &message_contents(&json!({ "a": value })));
        assert_eq!(found(good), Vec::<String>::new());
        assert_ne!(found(bad.into()), Vec::<String>::new());
    }

    #[rstest]
    #[case::as_expected(200, "text/plain", &[])]
    #[case::status(404, "text/plain", &["Expected status code 404 to be a Successful response (200–299)"])]
    fn status_and_headers_have_rules(
        #[case] status: u16,
        #[case] kind: &str,
        #[case] sentences: &[&str],
    ) {
        let rules = json!({
            "status": {"matchers": [{"match": "statusCode", "status": "success"}]},
            "header": {"X-Kind": {"matchers": [{"match": "regex", "regex": "text/.*"}]}},
        });
        let header = |value: &str| [("X-Kind".to_owned(), value.to_owned())];
        let matching = Matching::try_from(rules).unwrap();
        let expected = matching.of_response(201, header("text/html"), None);
        let actual = http_response(status, header(kind), Some(b"anything".to_vec()));
        assert_eq!(response(&expected, &actual), sentences);
    }
}

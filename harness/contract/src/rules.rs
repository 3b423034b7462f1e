//! What travels, held against the contract: messages, closes, responses, and calls of the services behind.

mod http;

use std::collections::{BTreeMap, BTreeSet};

use jsonschema::Validator;
use jsonschema::error::ValidationErrorKind;
use serde_json::Value;

use crate::document::Problem;
use crate::model::{Contract, Direction};
use crate::nearest;
use crate::reference::Location;

pub use http::{Call, Reply, Service};

/// The contract in a form that checks quickly.
pub struct Rules {
    messages: BTreeMap<String, Schema>,
    closes: Vec<CloseRule>,
    http: http::HttpRules,
    wording: Vec<String>,
}

/// One place where something is not as the contract says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Where in what travelled: a JSON pointer (RFC 6901); empty for the whole.
    pub pointer: String,
    /// What was expected and what came.
    pub problem: String,
    /// What it is about.
    pub about: About,
}

/// What of an answer or a call is not as the contract says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum About {
    /// What it says: a message, a reason, a body.
    Content,
    /// The header field with this name, in small letters.
    Field(String),
    /// That there is such an answer or call at all.
    Exchange,
}

impl std::fmt::Display for Violation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.pointer.is_empty() {
            f.write_str(&self.problem)
        } else {
            write!(f, "{}: {}", self.pointer, self.problem)
        }
    }
}

struct CloseRule {
    name: String,
    code: u16,
    reason: Option<Schema>,
    reason_required: bool,
}

/// The longest reason, in bytes (RFC 6455, section 5.5).
const REASON_LIMIT: usize = 123;

impl Rules {
    /// The rules of `contract`. Fails with a schema that cannot be used.
    pub fn new(contract: &Contract) -> Result<Self, Problem> {
        let mut messages = BTreeMap::new();
        for message in &contract.messages {
            if message.direction == Direction::ToClient {
                let schema = Schema::new(contract, &message.schema_location, &message.schema)?;
                messages.insert(message.name.clone(), schema);
            }
        }
        let mut closes = Vec::new();
        for close in &contract.closes {
            let reason = close.reason.as_ref();
            closes.push(CloseRule {
                name: close.name.clone(),
                code: close.code,
                reason: reason
                    .map(|schema| Schema::new(contract, &close.location, schema))
                    .transpose()?,
                reason_required: close.reason_required,
            });
        }
        Ok(Self {
            wording: wording(contract),
            messages,
            closes,
            http: http::HttpRules::new(contract)?,
        })
    }

    /// The names of members whose words are for people: `x-wording` in a schema. The contract fixes that they are there.
    pub fn wording(&self) -> &[String] {
        &self.wording
    }

    /// Whether there is a notification of this type.
    pub fn knows(&self, event: &str) -> bool {
        self.messages.contains_key(event)
    }

    /// Whether a close of the service's may have this code.
    pub fn knows_close(&self, code: u16) -> bool {
        self.closes.iter().any(|close| close.code == code)
    }

    /// Every way in which `message` is not as the schema of its `event` says.
    pub fn message(&self, message: &Value) -> Vec<Violation> {
        let event = message["event"].as_str().unwrap_or_default();
        match self.messages.get(event) {
            Some(schema) => schema.violations(message),
            None => vec![Violation {
                pointer: "/event".to_owned(),
                problem: unknown("event", event, self.messages.keys()),
                about: About::Content,
            }],
        }
    }

    /// Whether a close that the service begins may have this code.
    pub fn closes_with(&self, code: u16) -> bool {
        self.closes.iter().any(|close| close.code == code)
    }

    /// Every way in which a close that the service began is not one of the contract's.
    pub fn close(&self, code: u16, reason: &str) -> Vec<Violation> {
        let whole = |problem: String| {
            vec![Violation {
                pointer: String::new(),
                problem,
                about: About::Content,
            }]
        };
        let rules: Vec<&CloseRule> = self.closes.iter().filter(|c| c.code == code).collect();
        if rules.is_empty() {
            let mut codes: Vec<u16> = self.closes.iter().map(|close| close.code).collect();
            codes.sort_unstable();
            codes.dedup();
            return whole(format!("the close code {code} is none of {codes:?}"));
        }
        if reason.len() > REASON_LIMIT {
            let length = reason.len();
            return whole(format!(
                "the reason of {code} has {length} bytes, at most {REASON_LIMIT} are allowed"
            ));
        }
        // With some codes a library closes before the service hears of it: their reasons are nobody's promise.
        if !rules.iter().all(|rule| rule.reason_required) {
            return Vec::new();
        }
        if reason.is_empty() {
            return whole(format!("the close {code} has no reason"));
        }
        let parsed: Value = match serde_json::from_str(reason) {
            Ok(parsed) => parsed,
            Err(error) => {
                return whole(format!(
                    "the reason of {code} is no JSON ({error}): {reason}"
                ));
            }
        };
        let found = rules.iter().map(|rule| {
            let found = rule
                .reason
                .as_ref()
                .map(|schema| schema.violations(&parsed));
            let mut found = found.unwrap_or_default();
            for violation in &mut found {
                violation.problem = format!("{} (close {})", violation.problem, rule.name);
            }
            found
        });
        // Several closes may share a code: the reason has to be that of one of them.
        found.min_by_key(Vec::len).unwrap_or_default()
    }

    /// Every way in which `reply` of `service` to `call` is not as the contract says.
    pub fn response(&self, service: Service, call: &Call<'_>, reply: &Reply<'_>) -> Vec<Violation> {
        self.http.response(service, call, reply)
    }

    /// Every way in which the body of `call` is not what its route of `service` takes.
    pub fn request(&self, service: Service, call: &Call<'_>) -> Vec<Violation> {
        self.http.request(service, call)
    }

    /// Every way in which `call`, which arrived at the service behind the gateway called `service`, is none that the
    /// contract knows.
    pub fn downstream(&self, service: &str, call: &Call<'_>) -> Vec<Violation> {
        self.http.downstream(service, call)
    }

    /// Every way in which `status` and the JSON `body` are no answer of `service` to `call`, header fields aside.
    pub fn example(
        &self,
        service: Service,
        call: &Call<'_>,
        status: u16,
        body: Option<&Value>,
    ) -> Vec<Violation> {
        self.http.example(service, call, status, body)
    }

    /// Whether `template` is the one of the routes of `service` that `path` is for.
    pub fn is_at(&self, service: Service, path: &str, template: &str) -> bool {
        self.http.is_at(service, path, template)
    }

    /// The promise that an answer to `call` of `service` breaks which is not as the contract says, where it names one.
    pub fn promise_of_answer(&self, service: Service, call: &Call<'_>) -> Option<&str> {
        self.http.promise_of_answer(service, call)
    }

    /// The promise that a call of the service behind the gateway called `service` breaks which is not as the contract
    /// says, where it names one.
    pub fn promise_of_call(&self, service: &str) -> Option<&str> {
        self.http.promise_of_call(service)
    }

    /// The route that `call` of `service` is for, as method and template, and the word for `status` in it.
    pub fn route(
        &self,
        service: Service,
        call: &Call<'_>,
        status: u16,
    ) -> Option<(String, String)> {
        self.http.route(service, call, status)
    }
}

fn wording(contract: &Contract) -> Vec<String> {
    fn collect(schema: &Value, found: &mut BTreeSet<String>) {
        let Value::Object(members) = schema else {
            if let Value::Array(elements) = schema {
                elements.iter().for_each(|element| collect(element, found));
            }
            return;
        };
        if let Some(Value::Object(properties)) = members.get("properties") {
            let worded = properties.iter().filter(|(_, p)| p["x-wording"] == true);
            found.extend(worded.map(|(name, _)| name.clone()));
        }
        members.values().for_each(|value| collect(value, found));
    }
    let mut found = BTreeSet::new();
    let responses = contract.routes.iter().flat_map(|route| &route.responses);
    for response in responses.chain(contract.unknown_routes.values()) {
        response
            .content
            .iter()
            .for_each(|(_, schema)| collect(schema, &mut found));
    }
    for close in &contract.closes {
        close
            .reason
            .iter()
            .for_each(|schema| collect(schema, &mut found));
    }
    found.into_iter().collect()
}

/// A schema ready for use.
struct Schema {
    validator: Validator,
    schema: Value,
}

impl Schema {
    fn new(contract: &Contract, location: &Location, schema: &Value) -> Result<Self, Problem> {
        let mut schema = schema.clone();
        without_ids(&mut schema);
        let validator = jsonschema::draft202012::options()
            .should_validate_formats(true)
            .build(&schema)
            .map_err(|error| {
                let problem = format!("is no usable schema: {error}");
                contract.documents.problem(location, problem)
            })?;
        Ok(Self { validator, schema })
    }

    fn violations(&self, instance: &Value) -> Vec<Violation> {
        let mut found = Vec::new();
        for error in self.validator.iter_errors(instance) {
            let pointer = error.instance_path().to_string();
            match error.kind() {
                ValidationErrorKind::AdditionalProperties { unexpected } => {
                    let keyword = error.schema_path().to_string();
                    let known = keyword
                        .strip_suffix("/additionalProperties")
                        .and_then(|object| self.schema.pointer(&format!("{object}/properties")))
                        .and_then(Value::as_object);
                    found.extend(unexpected.iter().map(|name| Violation {
                        pointer: format!("{pointer}/{name}"),
                        problem: match known {
                            Some(known) => unknown("field", name, known.keys()),
                            None => format!("unknown field `{name}`"),
                        },
                        about: About::Content,
                    }));
                }
                ValidationErrorKind::Constant { expected_value } => found.push(Violation {
                    problem: format!("expected {expected_value}, got {}", error.instance()),
                    pointer,
                    about: About::Content,
                }),
                _ => found.push(Violation {
                    problem: error.to_string(),
                    pointer,
                    about: About::Content,
                }),
            }
        }
        // An unknown field explains most of what else is wrong, such as the required one that it should have been.
        found.sort_by_key(|violation| !violation.problem.starts_with("unknown"));
        found
    }
}

/// Removes what names a schema: inlined schemas are found by nobody, and one of them may stand in many places.
fn without_ids(schema: &mut Value) {
    match schema {
        Value::Object(members) => {
            if let Some(Value::String(_)) = members.get("$id") {
                members.shift_remove("$id");
            }
            members.values_mut().for_each(without_ids);
        }
        Value::Array(elements) => elements.iter_mut().for_each(without_ids),
        _ => {}
    }
}

/// `unknown KIND NAME`, with the nearest known name if one is near.
fn unknown<'a>(kind: &str, name: &str, known: impl Iterator<Item = &'a String>) -> String {
    let suggestion = nearest(name, known.map(String::as_str))
        .map(|near| format!("; did you mean `{near}`?"))
        .unwrap_or_default();
    format!("unknown {kind} `{name}`{suggestion}")
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::LazyLock;

    use super::*;
    use rstest::rstest;
    use serde_json::json;

    fn rules() -> &'static Rules {
        static RULES: LazyLock<Rules> = LazyLock::new(|| {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../contracts");
            Rules::new(&Contract::of_folder(&folder).unwrap()).unwrap()
        });
        &RULES
    }

    fn sentences(violations: &[Violation]) -> Vec<String> {
        violations.iter().map(Violation::to_string).collect()
    }

    fn message() -> Value {
        json!({"event": "essay_status_updated", "data": {
            "essay_id": "e", "status": "s", "timestamp": "2025-09-15T07:05:18+00:00",
            "correlation_id": "ed73a06c-419f-4582-b3da-5c8f1e60972b",
        }})
    }

    #[test]
    fn a_message_as_the_schema_says_has_no_violation() {
        assert_eq!(rules().message(&message()), []);
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
        let found = sentences(&rules().message(&message));
        assert!(found.contains(&sentence.to_owned()), "{found:?}");
    }

    #[rstest]
    #[case::good(4000, r#"{"error_code":"QUOTA_EXCEEDED","message":"too many"}"#, None)]
    #[case::as_described_where_none_is_owed(
        1001,
        r#"{"error_code":"IDLE_TIMEOUT","message":"m"}"#,
        None
    )]
    #[case::none_where_none_is_owed(1001, "", None)]
    #[case::a_sentence_where_none_is_owed(1002, "invalid opcode", None)]
    #[case::another_where_none_is_owed(1001, r#"{"error_code":"GOING_AWAY"}"#, None)]
    #[case::none(1008, "", Some("the close 1008 has no reason"))]
    #[case::no_json(1011, "please reconnect", Some("the reason of 1011 is no JSON"))]
    #[case::other_code(
        4000,
        r#"{"error_code":"QUOTA","message":"m"}"#,
        Some("/error_code: expected \"QUOTA_EXCEEDED\", got \"QUOTA\" (close connection-limit)")
    )]
    #[case::unknown(1000, "", Some("the close code 1000 is none of [1001, "))]
    fn a_close_is_one_of_the_contracts(
        #[case] code: u16,
        #[case] reason: &str,
        #[case] sentence: Option<&str>,
    ) {
        let found = sentences(&rules().close(code, reason));
        match sentence {
            None => assert_eq!(found, Vec::<String>::new()),
            Some(sentence) => assert!(found.iter().any(|s| s.starts_with(sentence)), "{found:?}"),
        }
    }

    #[test]
    fn a_reason_of_more_than_123_bytes_is_too_long() {
        let reason = format!(
            r#"{{"error_code":"QUOTA_EXCEEDED","message":"{}"}}"#,
            "x".repeat(100)
        );
        assert_eq!(
            sentences(&rules().close(4000, &reason)),
            ["the reason of 4000 has 144 bytes, at most 123 are allowed"]
        );
    }

    fn error(code: &str) -> Vec<u8> {
        let body = json!({"error": {"code": code, "message": "m", "correlation_id": "c",
            "service": "api_gateway", "timestamp": "2025-09-15T07:05:18Z", "details": {}}});
        body.to_string().into_bytes()
    }

    fn health() -> Vec<u8> {
        let body = json!({"service": "api_gateway", "status": "healthy", "message": "m",
            "environment": "test", "timestamp": "2025-09-15T07:05:18Z", "uptime_seconds": 1.5});
        body.to_string().into_bytes()
    }

    #[rstest]
    #[case::health("GET", "/healthz", 200, health(), None)]
    #[case::error_shape("GET", "/v1/batches/b/status", 502, error("DOWNSTREAM_ERROR"), None)]
    #[case::passed_on("PUT", "/v1/classes/a/b?c=d", 204, vec![], None)]
    #[case::no_route("GET", "/v2", 404, error("ROUTE_NOT_FOUND"), None)]
    #[case::another_services_route("GET", "/healthz/redis", 404, error("ROUTE_NOT_FOUND"), None)]
    #[case::code_of_another_status(
        "GET",
        "/v1/batches/b/status",
        502,
        error("FORBIDDEN"),
        Some("/error/code: expected \"DOWNSTREAM_ERROR\", got \"FORBIDDEN\"")
    )]
    #[case::no_such_status("GET", "/v1/batches/b/status", 418, vec![],
        Some("status 418 is none that GET /v1/batches/{batch_id}/status has: 200, 400"))]
    #[case::no_such_method("PATCH", "/v1/batches/b/status", 200, vec![],
        Some("expected status 405 for PATCH /v1/batches/{batch_id}/status, which the contract does not have, got 200"))]
    #[case::no_such_route("GET", "/ws/v1/status/u", 101, vec![],
        Some("expected status 404 for a path that the contract does not have, got 101"))]
    #[case::no_json("GET", "/healthz", 200, b"fine".to_vec(), Some("the body is no JSON"))]
    fn a_response_is_what_its_route_says(
        #[case] method: &str,
        #[case] path: &str,
        #[case] status: u16,
        #[case] body: Vec<u8>,
        #[case] sentence: Option<&str>,
    ) {
        let headers = [
            ("content-type", "application/json"),
            ("x-correlation-id", "c"),
            ("allow", "GET"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
        let call = Call {
            method,
            path,
            headers: &[],
            body: &[],
        };
        let reply = Reply {
            status,
            headers: &headers,
            body: &body,
        };
        let found = sentences(&rules().response(Service::Gateway, &call, &reply));
        match sentence {
            None => assert_eq!(found, Vec::<String>::new()),
            Some(sentence) => assert!(found.iter().any(|s| s.starts_with(sentence)), "{found:?}"),
        }
    }

    #[test]
    fn a_header_field_is_required_and_checked() {
        let call = Call {
            method: "GET",
            path: "/v1/batches/b/status",
            headers: &[],
            body: &[],
        };
        let headers = [
            ("content-type", "application/json"),
            ("x-correlation-id", "c"),
            ("retry-after", "soon"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
        let body = error("RATE_LIMIT_EXCEEDED");
        let reply = |headers| Reply {
            status: 429,
            headers,
            body: &body,
        };
        assert_eq!(
            sentences(&rules().response(Service::Gateway, &call, &reply(&headers))),
            ["header field retry-after: \"soon\" is not of type \"integer\""]
        );
        assert_eq!(
            sentences(&rules().response(Service::Gateway, &call, &reply(&headers[..2]))),
            ["the answer 429 has no header field retry-after"]
        );
    }

    #[test]
    fn a_call_of_a_service_behind_is_one_that_the_contract_has() {
        let headers = [("x-correlation-id".to_owned(), "c".to_owned())];
        let call = |method, path| Call {
            method,
            path,
            headers: &headers,
            body: b"{}",
        };
        let rules = rules();
        let path = "/internal/v1/batches/b/status";
        assert_eq!(rules.downstream("aggregator", &call("GET", path)), []);
        assert_eq!(
            sentences(&rules.downstream("aggregator", &call("DELETE", path))),
            ["DELETE /internal/v1/batches/b/status is no call of aggregator that the contract has"]
        );
        let found = sentences(&rules.downstream(
            "orchestrator",
            &call("POST", "/internal/v1/batches/b/pipelines"),
        ));
        assert!(
            found.contains(&"the call has no header field x-user-id".to_owned()),
            "{found:?}"
        );
        assert!(
            found.contains(&"\"user_id\" is a required property".to_owned()),
            "{found:?}"
        );
    }
}

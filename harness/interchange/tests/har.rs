//! Browser recordings: what becomes a fixture, what is dropped, what is refused.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use harness::{contract, fixture};
use interchange::exchange::Known;
use interchange::{Files, Problem, har};
use rstest::rstest;
use serde_json::{Value, json};

const USER: &str = "0f8fad5b-d9cb-469f-a165-70867728950e";

fn import(text: &str) -> Result<Files, Problem> {
    let fixtures = fixture::interactions().unwrap();
    let known = Known {
        contract: contract::contract().unwrap(),
        fixtures: &fixtures,
        proves: &[],
    };
    har::import("r.har", text, &known)
}

fn har_of(entries: Value) -> String {
    json!({"log": {"version": "1.2", "entries": entries}}).to_string()
}

fn read(files: &Files, path: &str) -> Value {
    let text = files.texts.get(path);
    let text = text.unwrap_or_else(|| panic!("{path} is not among {:?}", files.texts.keys()));
    serde_json::from_str(text).unwrap()
}

fn token() -> String {
    let part = |json: Value| BASE64_URL_SAFE_NO_PAD.encode(json.to_string());
    let (header, claims) = (part(json!({"alg": "HS256"})), part(json!({"sub": USER})));
    format!("{header}.{claims}.c2lnbmF0dXJl")
}

fn notification(event: &str) -> Value {
    let fixture = fixture::notification("class_created").unwrap();
    let mut message = json!(fixture.content.message);
    message["event"] = json!(event);
    message
}

fn socket(frames: Value) -> Value {
    let url = format!("ws://localhost:8080/ws?token={}", token());
    json!({
        "request": {"method": "GET", "url": url, "headers": [{"name": "Cookie", "value": "s=1"}]},
        "response": {"status": 101, "headers": [], "content": {}},
        "_webSocketMessages": frames,
    })
}

fn received(message: &Value) -> Value {
    json!({"type": "receive", "time": 1.5, "opcode": 1, "data": message.to_string()})
}

fn call(path: &str, status: u16, body: &Value) -> Value {
    json!({
        "request": {
            "method": "GET",
            "url": format!("http://localhost:4001{path}"),
            "headers": [
                {"name": "Authorization", "value": format!("Bearer {}", token())},
                {"name": "Cookie", "value": "session=secret"},
                {"name": "User-Agent", "value": "a browser"},
            ],
        },
        "response": {
            "status": status,
            "headers": [{"name": "X-Correlation-ID", "value": "made-by-the-gateway"}],
            "content": {"mimeType": "application/json", "text": body.to_string()},
        },
    })
}

#[test]
fn received_notifications_become_fixtures() {
    let mut message = notification("class_created");
    message["data"]["message"] = json!(format!("For {USER}, with {}.", token()));
    let sent = json!({"type": "send", "opcode": 1, "data": "heartbeat"});
    let binary = json!({"type": "receive", "opcode": 2, "data": "AAAA"});
    let frames = json!([sent, received(&message), binary, received(&message)]);
    let files = import(&har_of(json!([socket(frames)]))).unwrap();
    let folder = "contracts/fixtures/notifications";
    let paths: Vec<&String> = files.texts.keys().collect();
    assert_eq!(
        paths,
        [
            &format!("{folder}/class_created.recorded.json"),
            &format!("{folder}/class_created.recorded_2.json"),
        ]
    );
    let fixture = read(&files, paths[0]);
    assert_eq!(
        fixture["message"]["data"]["message"],
        "For {user_id}, with <jwt:1>."
    );
    message["data"]["message"] = fixture["message"]["data"]["message"].clone();
    assert_eq!(fixture["message"], message);
}

#[test]
fn calls_of_the_gateway_become_fixtures_without_secrets() {
    let class = "7c9e6679-7425-40de-944b-e07fc1f90ae7";
    let body = json!([{"id": class, "owner": USER}]);
    let entries = json!([
        call(&format!("/v1/classes/{class}"), 200, &body),
        call("/styles.css", 200, &json!("")),
    ]);
    let files = import(&har_of(entries)).unwrap();
    assert_eq!(
        files.notes,
        ["r.har: 1 entries that are neither are left out"]
    );
    let path = files.texts.keys().next().unwrap();
    let text = &files.texts[path];
    for secret in ["eyJ", "session", USER, class] {
        assert!(!text.contains(secret), "{secret} is in {text}");
    }
    let fixture = read(&files, path);
    assert_eq!(fixture["caller"], "teacher");
    assert_eq!(
        fixture["request"],
        json!({"method": "GET", "path": "/v1/classes/{class_id}"})
    );
    assert_eq!(
        fixture["response"]["json"],
        json!([{"id": "{class_id}", "owner": "{user_id}"}])
    );
}

#[test]
fn what_the_gateway_makes_anew_is_free() {
    let error = json!({"error": {
        "code": "RESOURCE_NOT_FOUND", "message": "No such batch.", "correlation_id": "made-by-the-gateway",
        "service": "api_gateway", "timestamp": "2025-07-01T08:00:00Z", "details": {},
    }});
    let files = import(&har_of(json!([call("/v1/batches/7/status", 404, &error)]))).unwrap();
    let path = files.texts.keys().next().unwrap();
    let mut expected = error;
    expected["error"]["message"] = json!("<text>");
    expected["error"]["correlation_id"] = json!("<uuid>");
    expected["error"]["timestamp"] = json!("<timestamp>");
    let fixture = read(&files, path);
    assert_eq!(fixture["response"]["json"], expected);
    assert_eq!(fixture["downstream"]["response"]["status"], 404);
}

#[rstest]
#[case::truncated(
    "{\"log\":\n {\"entries\": [",
    "r.har:2:14: is no HAR: EOF while parsing a list"
)]
#[case::no_entries("{\"log\": {}}", "r.har:1:10: is no HAR: missing field `entries`")]
#[case::nothing(&har_of(json!([])), "r.har: has no notification and no call of the gateway")]
#[case::event(
    &har_of(json!([socket(json!([received(&notification("class_creatd"))]))])),
    "r.har: entry 1 (GET /ws), message 1: /message/event: unknown event `class_creatd`; did you mean `class_created`?"
)]
#[case::no_event(
    &har_of(json!([socket(json!([received(&json!({"a": 1}))]))])),
    "r.har: entry 1 (GET /ws), message 1: has no event: a notification is {\"event\": …, \"data\": {…}}"
)]
#[case::unknowable(
    &har_of(json!([call("/v1/batches/7/status", 504, &json!({}))])),
    "r.har: entry 1 (GET /v1/batches/7/status): a 504 does not say what the service behind the gateway did: write \
     this fixture by hand"
)]
fn what_cannot_be_a_fixture_is_told_in_one_message(#[case] text: &str, #[case] message: &str) {
    assert_eq!(import(text).unwrap_err().to_string(), message);
}

//! Pact files: what is read, what is refused, and that an export comes back as it was.

use std::collections::BTreeMap;

use harness::contract;
use harness::data::data;
use harness::fixture::{self, Interaction};
use harness::matching::{Body, Keys, Matching};
use interchange::exchange::Known;
use interchange::{Files, Problem, pact};
use rstest::rstest;
use serde_json::{Value, json};

fn import(text: &str) -> Result<Files, Problem> {
    let fixtures = fixture::interactions().unwrap();
    let known = Known {
        contract: contract::contract().unwrap(),
        fixtures: &fixtures,
        proves: &[],
    };
    pact::import("p.json", text, &known)
}

/// A Pact with one interaction.
fn pact_of(interaction: Value) -> String {
    json!({
        "consumer": {"name": "a"},
        "provider": {"name": "b"},
        "interactions": [interaction],
        "metadata": {"pactSpecification": {"version": "4.0"}},
    })
    .to_string()
}

fn read(files: &Files, path: &str) -> Value {
    let text = files.texts.get(path);
    let text = text.unwrap_or_else(|| panic!("{path} is not among {:?}", files.texts.keys()));
    serde_json::from_str(text).unwrap()
}

#[test]
fn an_export_comes_back_as_the_same_fixtures() {
    let interactions = fixture::interactions().unwrap();
    let notifications = fixture::notifications().unwrap();
    let mut expected = BTreeMap::new();
    for fixture in &interactions {
        expected.insert(fixture.path.clone(), json!(fixture.content));
    }
    for fixture in &notifications {
        expected.insert(fixture.path.clone(), json!(fixture.content));
    }
    let mut found = BTreeMap::new();
    for pact in pact::export(&interactions, &notifications) {
        let files = import(&pact.json.to_string()).unwrap();
        for path in files.texts.keys() {
            found.insert(path.clone(), read(&files, path));
        }
    }
    for (path, fixture) in &expected {
        assert_eq!(found.get(path), Some(fixture), "{path}");
    }
    assert_eq!(found.len(), expected.len());
}

/// Were more in the comments, a consumer's tool would not see it.
#[test]
fn comments_hold_only_what_a_pact_has_no_word_for() {
    let interactions = fixture::interactions().unwrap();
    let [gateway, _] = pact::export(&interactions, &[]);
    for (pact, fixture) in gateway.json["interactions"]
        .as_array()
        .unwrap()
        .iter()
        .zip(&interactions)
    {
        let Interaction { request, .. } = &fixture.content;
        for place in pact["comments"]["fixture"].as_object().unwrap().keys() {
            let is_needed = match place.as_str() {
                "/proves" | "/downstream" | "/request/multipart" => true,
                "/response/absent_headers" | "/response/contains" | "/response/absent" => true,
                // A query is a set of parameters there, and running text has no values of a run in it.
                "/request/path" => request.path.contains('?') || request.path.contains('%'),
                "/request/text" => {
                    let kind = request.headers.get("content-type");
                    kind.is_some_and(|kind| kind.starts_with("multipart/"))
                        || request.text.as_ref().is_some_and(|text| text.contains('{'))
                }
                _ => false,
            };
            assert!(is_needed, "{}: {place}", fixture.path);
        }
    }
}

/// What a provider would answer in the examples' words is what the consumer expects.
#[test]
fn examples_are_as_their_rules_say() {
    let interactions = fixture::interactions().unwrap();
    let notifications = fixture::notifications().unwrap();
    for exported in pact::export(&interactions, &notifications) {
        for interaction in exported.json["interactions"].as_array().unwrap() {
            let (part, body) = match interaction.get("response") {
                Some(response) => (response, &response["body"]["content"]),
                None => (interaction, &interaction["contents"]["content"]),
            };
            let rules = part.get("matchingRules").cloned().unwrap_or(json!({}));
            let body = Body::Json(body.clone());
            let found = Matching::try_from(rules)
                .unwrap()
                .body(&body, &body, Keys::AreThese);
            assert_eq!(
                found,
                Vec::<String>::new(),
                "{}",
                interaction["description"]
            );
        }
    }
}

#[test]
fn an_interaction_becomes_a_fixture_with_its_rules() {
    let rules = json!({"body": {"$.details.essay_count": {"matchers": [{"match": "integer"}]}}});
    let files = import(&pact_of(json!({
        "type": "Synchronous/HTTP",
        "description": "a status",
        "providerStates": [{"name": "a batch of two essays"}],
        "request": {
            "method": "GET",
            "path": "/v1/batches/b-7/status",
            "headers": {"Authorization": ["Bearer abc"], "Cookie": ["session=1"]},
        },
        "response": {
            "status": 200,
            "headers": {"Content-Type": ["application/json"]},
            "body": {
                "contentType": "application/json",
                "content": {"status": "processing", "details": {"batch_id": "b-7", "essay_count": 2}},
            },
            "matchingRules": rules,
            "generators": {"body": {"$.details.essay_count": {"type": "RandomInt"}}},
        },
    })))
    .unwrap();
    let path = "contracts/fixtures/gateway/status/a_status_given_a_batch_of_two_essays.json";
    assert_eq!(
        read(&files, path),
        json!({
            "title": "a status, given a batch of two essays",
            "proves": ["status.own-batch"],
            "caller": "teacher",
            "request": {"method": "GET", "path": "/v1/batches/{batch_id}/status"},
            "downstream": {
                "service": "aggregator",
                "request": {"method": "GET", "path": "/internal/v1/batches/{batch_id}/status"},
                "response": {
                    "status": 200,
                    "json": {
                        "batch_id": "{batch_id}",
                        "essay_count": 2,
                        "user_id": "{user_id}",
                        "overall_status": "processing",
                    },
                },
            },
            "response": {
                "status": 200,
                "headers": {"content-type": "application/json"},
                "json": {"status": "processing", "details": {"batch_id": "{batch_id}", "essay_count": 2}},
                "matching": rules,
            },
        })
    );
}

fn message(event: &str) -> Value {
    let path = "contracts/fixtures/notifications/class_created.json";
    let fixture: Value = serde_json::from_str(&data().read(path).unwrap()).unwrap();
    let mut content = fixture["message"].clone();
    content["event"] = json!(event);
    json!({
        "type": "Asynchronous/Messages",
        "description": "A class!",
        "contents": {"content": content, "contentType": "application/json", "encoded": false},
        "matchingRules": {"body": {"$.data.class_id": {"matchers": [{"match": "notEmpty"}]}}},
    })
}

#[test]
fn a_message_becomes_a_notification_with_its_rules() {
    let files = import(&pact_of(message("class_created"))).unwrap();
    let fixture = read(
        &files,
        "contracts/fixtures/notifications/class_created.a_class.json",
    );
    assert_eq!(fixture["title"], "A class!");
    assert_eq!(
        fixture["matching"],
        message("class_created")["matchingRules"]
    );
}

fn get(path: &str, status: u16) -> Value {
    json!({
        "type": "Synchronous/HTTP",
        "description": "d",
        "request": {"method": "GET", "path": path, "headers": {"Authorization": ["Bearer x"]}},
        "response": {"status": status},
    })
}

fn with(mut value: Value, pointer: &str, name: &str, member: Value) -> Value {
    value.pointer_mut(pointer).unwrap()[name] = member;
    value
}

#[rstest]
#[case::no_json("{\n  \"a\": 1,\n}", "p.json:3:1: is no JSON: trailing comma")]
#[case::truncated("{\n  \"a\": [", "p.json:2:8: is no JSON: EOF while parsing a list")]
#[case::no_pact(
    "{}",
    "p.json: is no Pact: /metadata/pactSpecification/version is missing"
)]
#[case::version_2(
    "{\"metadata\": {\"pactSpecification\": {\"version\": \"2.0.0\"}}}",
    "p.json: is a Pact of version 2.0.0: only version 4 is read"
)]
#[case::empty(
    "{\"metadata\": {\"pactSpecification\": {\"version\": \"4.0\"}}, \"interactions\": []}",
    "p.json: has no interactions"
)]
#[case::plugin(
    &pact_of(with(get("/healthz", 200), "", "pluginConfiguration", json!({"protobuf": {}}))),
    "p.json: \"d\": is a plugin's: plugins are not supported"
)]
#[case::kind(
    &pact_of(json!({"type": "Synchronous/Messages", "description": "d"})),
    "p.json: \"d\": is Synchronous/Messages: only Synchronous/HTTP and Asynchronous/Messages are read"
)]
#[case::binary(
    &pact_of(with(get("/v1/classes/", 200), "/response", "body",
        json!({"content": "/9j/4A==", "contentType": "image/jpeg", "encoded": "base64"}))),
    "p.json: \"d\": its response has a binary body, which is not supported"
)]
#[case::generator(
    &pact_of(with(get("/v1/classes/", 200), "/request", "generators",
        json!({"header": {"x-request-id": {"type": "Uuid"}}}))),
    "p.json: \"d\": the generator Uuid for its header x-request-id is not supported"
)]
#[case::state_value(
    &pact_of(with(get("/v1/batches/1/status", 200), "/request", "generators",
        json!({"path": {"type": "ProviderState", "expression": "/v1/batches/${batchid}/status"}}))),
    "p.json: \"d\": no value of a run is called `batchid`; did you mean `batch_id`?"
)]
#[case::rule(
    &pact_of(with(get("/v1/classes/", 200), "/response", "matchingRules",
        json!({"body": {"$.a": {"matchers": [{"match": "intger"}]}}}))),
    "p.json: \"d\": no matching rule is called `intger`; did you mean `integer`?"
)]
#[case::route(
    &pact_of(get("/v1/batch/7/status", 200)),
    "p.json: \"d\": the gateway has no route /v1/batch/7/status; did you mean /v1/batches/{batch_id}/status?"
)]
#[case::unknowable(
    &pact_of(get("/v1/batches/7/status", 503)),
    "p.json: \"d\": a 503 does not say what the service behind the gateway did: write this fixture by hand"
)]
#[case::unproven(
    &pact_of(get("/v1/classes/", 418)),
    "p.json: \"d\": no fixture in contracts/fixtures/gateway/classes has a GET with a 418, so what it proves is not \
     known: say it with --proves ID"
)]
#[case::description(
    &pact_of(with(get("/v1/classes/", 200), "", "description", json!("…"))),
    "p.json: \"…\": has no description to name a file after"
)]
#[case::event(
    &pact_of(message("clas_created")),
    "p.json: \"A class!\": /message/event: unknown event `clas_created`; did you mean `class_created`?"
)]
fn what_cannot_be_a_fixture_is_told_in_one_message(#[case] text: &str, #[case] message: &str) {
    assert_eq!(import(text).unwrap_err().to_string(), message);
}

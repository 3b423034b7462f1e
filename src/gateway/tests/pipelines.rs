use reqwest::{Method, Response};
use rstest::rstest;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use wiremock::matchers::{body_json, header, method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::running::{BATCH, CORRELATION, Running, code_of, rest_of, start, token};
use super::stub;

const OTHER: &str = "00000000-6c1b-4c8e-9a55-2f1f0e6b7a11";

async fn ask(gateway: &Running, body: &Value) -> Response {
    let path = format!("/v1/batches/{BATCH}/pipelines");
    let request = gateway.request(Method::POST, &path).json(body);
    request.send().await.unwrap()
}

async fn orchestrator(expected: Value, status: u16) -> MockServer {
    let server = MockServer::start().await;
    Mock::given(method("POST"))
        .and(path(format!("/internal/v1/batches/{BATCH}/pipelines")))
        .and(header("x-correlation-id", CORRELATION))
        .and(header("x-user-id", "teacher"))
        .and(body_json(expected))
        .respond_with(ResponseTemplate::new(status).set_body_string("kafka"))
        .mount(&server)
        .await;
    server
}

fn command(phase: &str) -> Value {
    json!({
        "batch_id": BATCH,
        "user_id": "teacher",
        "requested_pipeline": phase,
        "is_retry": false,
        "retry_reason": null,
        "correlation_id": CORRELATION,
    })
}

#[rstest]
#[case("spellcheck")]
#[case("cj_assessment")]
#[case("nlp")]
#[case("ai_feedback")]
#[case("student_matching")]
#[tokio::test]
async fn every_phase_is_accepted_as_the_callers(#[case] phase: &str) {
    let server = orchestrator(command(phase), 202).await;
    let gateway = start(&[("BATCH_ORCHESTRATOR_URL", &server.uri())]).await;
    let body = json!({"requested_pipeline": phase, "user_id": "colleague", "batch_id": BATCH});
    let answer = ask(&gateway, &body).await;
    assert_eq!(answer.status(), 202);
    let body: Value = answer.json().await.unwrap();
    let message = body["message"].clone();
    assert!(message.is_string());
    assert_eq!(
        body,
        json!({"status": "accepted", "message": message, "batch_id": BATCH, "correlation_id": CORRELATION})
    );
}

#[tokio::test]
async fn a_retry_is_forwarded_with_its_reason() {
    let mut expected = command("nlp");
    expected["is_retry"] = json!(true);
    expected["retry_reason"] = json!("the results are late");
    let server = orchestrator(expected, 202).await;
    let gateway = start(&[("BATCH_ORCHESTRATOR_URL", &server.uri())]).await;
    let body = json!({
        "requested_pipeline": "nlp", "is_retry": true, "retry_reason": "the results are late",
    });
    assert_eq!(ask(&gateway, &body).await.status(), 202);
}

#[rstest]
#[case::another_batch(json!({"requested_pipeline": "nlp", "batch_id": OTHER}), 400, "BATCH_ID_MISMATCH")]
#[case::unknown_phase(json!({"requested_pipeline": "translation"}), 422, "VALIDATION_ERROR")]
#[case::no_phase(json!({}), 422, "VALIDATION_ERROR")]
#[case::no_boolean(json!({"requested_pipeline": "nlp", "is_retry": 1}), 422, "VALIDATION_ERROR")]
#[case::no_object(json!(["nlp"]), 422, "VALIDATION_ERROR")]
#[tokio::test]
async fn a_command_that_is_none_goes_nowhere(
    #[case] body: Value,
    #[case] status: u16,
    #[case] code: &str,
) {
    let answer = ask(&start(&[]).await, &body).await;
    assert_eq!(answer.status(), status);
    assert_eq!(code_of(answer).await, code);
}

#[rstest]
#[case::no_json("application/json", "{", 400, "INVALID_BODY")]
#[case::another_type("text/plain", "{}", 415, "UNSUPPORTED_MEDIA_TYPE")]
#[case::with_a_charset("application/json; charset=utf-8", "{", 400, "INVALID_BODY")]
#[tokio::test]
async fn a_body_that_is_no_json_goes_nowhere(
    #[case] media: &str,
    #[case] body: &'static str,
    #[case] status: u16,
    #[case] code: &str,
) {
    let gateway = start(&[]).await;
    let path = format!("/v1/batches/{BATCH}/pipelines");
    let request = gateway.request(Method::POST, &path);
    let answer = request
        .header("content-type", media)
        .body(body)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), status);
    assert_eq!(code_of(answer).await, code);
}

#[rstest]
#[case::unknown_batch(404, 404, "BATCH_NOT_FOUND")]
#[case::another_owner(403, 403, "FORBIDDEN")]
#[case::an_error(500, 502, "DOWNSTREAM_ERROR")]
#[case::a_conflict(409, 502, "DOWNSTREAM_ERROR")]
#[case::a_redirect(302, 502, "DOWNSTREAM_ERROR")]
#[tokio::test]
async fn what_the_orchestrator_refuses_is_said_in_the_gateways_words(
    #[case] theirs: u16,
    #[case] ours: u16,
    #[case] code: &str,
) {
    let server = orchestrator(command("nlp"), theirs).await;
    let gateway = start(&[("BATCH_ORCHESTRATOR_URL", &server.uri())]).await;
    let answer = ask(&gateway, &json!({"requested_pipeline": "nlp"})).await;
    assert_eq!(answer.status(), ours);
    assert_eq!(code_of(answer).await, code);
}

#[tokio::test]
async fn an_unreachable_orchestrator_is_a_503() {
    let answer = ask(&start(&[]).await, &json!({"requested_pipeline": "nlp"})).await;
    assert_eq!(answer.status(), 503);
    assert_eq!(code_of(answer).await, "SERVICE_UNAVAILABLE");
}

#[tokio::test]
async fn a_silent_orchestrator_is_a_504() {
    let url = stub::silent().await;
    let gateway = start(&[
        ("BATCH_ORCHESTRATOR_URL", &url),
        ("FIRST_BYTE_TIMEOUT", "0.2"),
    ])
    .await;
    let answer = ask(&gateway, &json!({"requested_pipeline": "nlp"})).await;
    assert_eq!(answer.status(), 504);
    assert_eq!(code_of(answer).await, "DOWNSTREAM_TIMEOUT");
}

#[tokio::test]
async fn an_orchestrator_that_accepts_is_not_waited_for_any_longer() {
    // The contract asks for its word, which is the status; the body has no end.
    let url = stub::trickling("HTTP/1.1 202 Accepted\r\n\r\n", " ").await;
    let gateway = start(&[("BATCH_ORCHESTRATOR_URL", &url)]).await;
    let answer = ask(&gateway, &json!({"requested_pipeline": "nlp"})).await;
    assert_eq!(answer.status(), 202);
}

#[tokio::test]
async fn a_long_body_is_a_413() {
    let gateway = start(&[("MAX_JSON_BYTES", "64")]).await;
    let answer = ask(&gateway, &json!({"requested_pipeline": "x".repeat(64)})).await;
    assert_eq!(answer.status(), 413);
    assert_eq!(code_of(answer).await, "PAYLOAD_TOO_LARGE");
}

#[tokio::test]
async fn a_body_that_does_not_come_is_a_408() {
    let gateway = start(&[("CLIENT_TIMEOUT", "1")]).await;
    let mut stream = gateway.connect().await;
    let head = format!(
        "POST /v1/batches/{BATCH}/pipelines HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\n\
         content-type: application/json\r\ncontent-length: 10\r\n\r\n{{",
        token("teacher")
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let answer = rest_of(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(answer.contains("\"REQUEST_TIMEOUT\""), "{answer}");
}

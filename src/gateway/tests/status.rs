use reqwest::Method;
use rstest::rstest;
use serde_json::{Value, json};
use wiremock::matchers::{header, method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::running::{BATCH, CORRELATION, Running, code_of, start};
use super::stub;

async fn aggregator(answer: ResponseTemplate) -> MockServer {
    let server = MockServer::start().await;
    Mock::given(method("GET"))
        .and(path(format!("/internal/v1/batches/{BATCH}/status")))
        .and(header("x-correlation-id", CORRELATION))
        .respond_with(answer)
        .mount(&server)
        .await;
    server
}

async fn behind(url: &str) -> Running {
    start(&[("RESULT_AGGREGATOR_URL", url)]).await
}

fn of(batch: &str) -> String {
    format!("/v1/batches/{batch}/status")
}

#[tokio::test]
async fn the_owner_reads_everything_but_the_owner() {
    let body = json!({"batch_id": BATCH, "user_id": "teacher", "overall_status": "processing", "essay_count": 2});
    let server = aggregator(ResponseTemplate::new(200).set_body_json(body)).await;
    let gateway = behind(&server.uri()).await;
    let answer = gateway.get(&of(BATCH)).await;
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["x-correlation-id"], CORRELATION);
    let details = json!({"batch_id": BATCH, "overall_status": "processing", "essay_count": 2});
    assert_eq!(
        answer.json::<Value>().await.unwrap(),
        json!({"status": "processing", "details": details})
    );
}

#[rstest]
#[case::another(json!({"user_id": "colleague", "overall_status": "processing"}))]
#[case::none(json!({"overall_status": "processing"}))]
#[case::a_number(json!({"user_id": 7, "overall_status": "processing"}))]
#[tokio::test]
async fn another_owner_is_a_403_that_does_not_name_them(#[case] body: Value) {
    let server = aggregator(ResponseTemplate::new(200).set_body_json(body)).await;
    let gateway = behind(&server.uri()).await;
    let answer = gateway.get(&of(BATCH)).await;
    assert_eq!(answer.status(), 403);
    let body = answer.text().await.unwrap();
    assert!(!body.contains("colleague"), "{body}");
}

#[tokio::test]
async fn a_404_stays_one() {
    let server = aggregator(ResponseTemplate::new(404).set_body_string("shard 3")).await;
    let gateway = behind(&server.uri()).await;
    let answer = gateway.get(&of(BATCH)).await;
    assert_eq!(answer.status(), 404);
    assert_eq!(code_of(answer).await, "BATCH_NOT_FOUND");
}

#[rstest]
#[case::an_error(ResponseTemplate::new(500).set_body_string("Traceback"))]
#[case::a_refusal(ResponseTemplate::new(401).set_body_string("Traceback"))]
#[case::a_redirect(ResponseTemplate::new(302).insert_header("location", "/Traceback"))]
#[case::no_content(ResponseTemplate::new(204))]
#[case::no_json(ResponseTemplate::new(200).set_body_string("Traceback"))]
#[case::no_object(ResponseTemplate::new(200).set_body_json(json!(["Traceback"])))]
#[case::no_status(ResponseTemplate::new(200).set_body_json(json!({"user_id": "teacher"})))]
#[tokio::test]
async fn any_other_answer_is_a_502_without_a_word_of_it(#[case] answer: ResponseTemplate) {
    let server = aggregator(answer).await;
    let gateway = behind(&server.uri()).await;
    let answer = gateway.get(&of(BATCH)).await;
    assert_eq!(answer.status(), 502);
    assert!(!answer.headers().contains_key("location"));
    let body = answer.text().await.unwrap();
    assert!(!body.contains("Traceback"), "{body}");
}

#[rstest]
#[case::breaks_off("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"user_id\":")]
#[case::is_no_http("SSH-2.0-OpenSSH_9.6\r\n")]
#[case::closes_without_a_word("")]
#[case::switches_protocols(
    "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n"
)]
#[tokio::test]
async fn an_answer_that_is_none_is_a_502(#[case] answer: &'static str) {
    let gateway = behind(&stub::answering(answer).await).await;
    let answer = gateway.get(&of(BATCH)).await;
    assert_eq!(answer.status(), 502);
    assert_eq!(code_of(answer).await, "DOWNSTREAM_ERROR");
}

#[tokio::test]
async fn an_unreachable_aggregator_is_a_503() {
    let answer = start(&[]).await.get(&of(BATCH)).await;
    assert_eq!(answer.status(), 503);
    assert_eq!(code_of(answer).await, "SERVICE_UNAVAILABLE");
}

#[tokio::test]
async fn a_connection_that_does_not_come_about_is_a_504() {
    let (url, _queue) = stub::unconnectable();
    let gateway = start(&[
        ("RESULT_AGGREGATOR_URL", &url),
        ("CONNECT_TIMEOUT", "0.2"),
        ("FIRST_BYTE_TIMEOUT", "600"),
    ])
    .await;
    let answer = gateway.get(&of(BATCH)).await;
    assert_eq!(answer.status(), 504);
    assert_eq!(code_of(answer).await, "DOWNSTREAM_TIMEOUT");
}

#[tokio::test]
async fn an_answer_that_does_not_begin_is_a_504() {
    let url = stub::silent().await;
    let gateway = start(&[
        ("RESULT_AGGREGATOR_URL", &url),
        ("FIRST_BYTE_TIMEOUT", "0.2"),
    ])
    .await;
    let answer = gateway.get(&of(BATCH)).await;
    assert_eq!(answer.status(), 504);
    assert_eq!(code_of(answer).await, "DOWNSTREAM_TIMEOUT");
}

#[tokio::test]
async fn an_answer_whose_head_trickles_is_a_504() {
    let url = stub::trickling("HTTP/1.1 200 OK\r\nx-slow: ", "x").await;
    let gateway = start(&[
        ("RESULT_AGGREGATOR_URL", &url),
        ("FIRST_BYTE_TIMEOUT", "0.2"),
    ])
    .await;
    assert_eq!(gateway.get(&of(BATCH)).await.status(), 504);
}

#[tokio::test]
async fn an_answer_that_trickles_is_a_504() {
    let url = stub::trickling("HTTP/1.1 200 OK\r\n\r\n{", " ").await;
    let gateway = start(&[("RESULT_AGGREGATOR_URL", &url), ("BODY_TIMEOUT", "0.2")]).await;
    let answer = gateway.get(&of(BATCH)).await;
    assert_eq!(answer.status(), 504);
    assert_eq!(code_of(answer).await, "DOWNSTREAM_TIMEOUT");
}

#[tokio::test]
async fn an_answer_without_end_is_not_held_in_memory() {
    const PIECE: &str = "                                                                ";
    let url = stub::trickling("HTTP/1.1 200 OK\r\n\r\n{", PIECE).await;
    let gateway = start(&[("RESULT_AGGREGATOR_URL", &url), ("MAX_JSON_BYTES", "256")]).await;
    let answer = gateway.get(&of(BATCH)).await;
    assert_eq!(answer.status(), 502);
}

#[rstest]
#[case("..%2F..")]
#[case("%2e%2e")]
#[case("a%20b")]
#[case("%ff")]
#[case("a.b")]
#[tokio::test]
async fn a_batch_id_that_is_no_plain_name_is_a_400(#[case] batch: &str) {
    let gateway = start(&[]).await;
    // Written by hand: a URL parser would resolve some of these.
    let token = super::running::token("teacher");
    let answer = gateway
        .exchange(&format!(
            "GET {} HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: Bearer {token}\r\n\r\n",
            of(batch)
        ))
        .await;
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    assert!(answer.contains("\"INVALID_BATCH_ID\""), "{answer}");
}

#[rstest]
#[case::missing(None, "missing")]
#[case::of_another_kind(Some("Basic dGVhY2hlcjpzZWNyZXQ="), "missing")]
#[case::empty(Some("Bearer "), "missing")]
#[case::garbage(Some("Bearer garbage"), "malformed")]
#[tokio::test]
async fn whoever_proves_nothing_is_told_how_to(#[case] value: Option<&str>, #[case] reason: &str) {
    let gateway = start(&[]).await;
    let mut request = gateway.anonymous(Method::GET, &of(BATCH));
    if let Some(value) = value {
        request = request.header("authorization", value);
    }
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status(), 401);
    assert_eq!(answer.headers()["www-authenticate"], "Bearer");
    let body: Value = answer.json().await.unwrap();
    assert_eq!(body["error"]["code"], "AUTHENTICATION_ERROR");
    assert_eq!(body["error"]["details"]["reason"], reason);
}

#[rstest]
#[case::a_blank_at_the_end("teacher ")]
#[case::a_line_feed("teacher\nx-admin: 1")]
#[case::beyond_ascii("lärare")]
#[tokio::test]
async fn a_subject_that_a_header_would_change_is_refused(#[case] subject: &str) {
    let gateway = start(&[]).await;
    let answer = gateway
        .anonymous(Method::GET, &of(BATCH))
        .bearer_auth(super::running::token(subject))
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 401);
}

use std::sync::{Arc, Mutex};

use reqwest::Method;
use rstest::rstest;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::oneshot;
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::running::{CORRELATION, code_of, rest_of, start, token, within};
use super::stub;

async fn classes(answer: ResponseTemplate) -> MockServer {
    let server = MockServer::start().await;
    Mock::given(any()).respond_with(answer).mount(&server).await;
    server
}

fn head(method: &str, path: &str, more: &str) -> String {
    format!(
        "{method} {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\n{more}\r\n",
        token("teacher")
    )
}

#[rstest]
#[case(Method::GET)]
#[case(Method::HEAD)]
#[case(Method::POST)]
#[case(Method::PUT)]
#[case(Method::DELETE)]
#[tokio::test]
async fn a_request_passes_with_headers_query_and_body(#[case] method: Method) {
    let answer = ResponseTemplate::new(418)
        .insert_header("x-correlation-id", "theirs")
        .insert_header("access-control-allow-origin", "*")
        .insert_header("etag", "\"7\"")
        .set_body_string("short and stout");
    let server = classes(answer).await;
    let gateway = start(&[("CMS_API_URL", &server.uri())]).await;
    let answer = gateway
        .request(
            method.clone(),
            "/v1/classes/9B/students/?name=%C3%85sa&limit=1&limit=2",
        )
        .header("x-user-id", "colleague")
        .header("x_user_id", "colleague")
        .header("connection", "x-hop, x-user-id")
        .header("x-hop", "1")
        .header("accept-language", "sv")
        .body("name=Åsa")
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 418);
    assert_eq!(answer.headers()["x-correlation-id"], CORRELATION);
    assert_eq!(answer.headers()["etag"], "\"7\"");
    assert!(!answer.headers().contains_key("access-control-allow-origin"));
    let body = answer.text().await.unwrap();
    assert_eq!(
        body,
        if method == Method::HEAD {
            ""
        } else {
            "short and stout"
        }
    );

    let received = &server.received_requests().await.unwrap()[0];
    assert_eq!(received.method, method);
    assert_eq!(received.url.path(), "/v1/classes/9B/students/");
    assert_eq!(received.url.query(), Some("name=%C3%85sa&limit=1&limit=2"));
    assert_eq!(received.body, "name=Åsa".as_bytes());
    let values = |name: &str| -> Vec<String> {
        let values = received.headers.get_all(name).iter();
        values
            .map(|value| value.to_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(values("x-user-id"), ["teacher"]);
    assert_eq!(values("x_user_id"), [""; 0]);
    assert_eq!(values("x-correlation-id"), [CORRELATION]);
    assert_eq!(values("x-hop"), [""; 0]);
    assert_eq!(values("accept-language"), ["sv"]);
}

#[rstest]
#[case("GET", "../batches/7/status")]
#[case("GET", "%2e%2e/batches/7/status")]
#[case("POST", "%2E%2e/internal")]
#[case("PUT", "9B/../../internal")]
#[case("DELETE", "..%2finternal")]
#[case("GET", "..%5Cinternal")]
#[case("GET", "%252e%252e/internal")]
#[case("GET", "/internal.example/x")]
#[case("GET", "9B//students")]
#[tokio::test]
async fn a_path_that_would_leave_the_prefix_goes_nowhere(#[case] method: &str, #[case] path: &str) {
    let server = classes(ResponseTemplate::new(200)).await;
    let gateway = start(&[("CMS_API_URL", &server.uri())]).await;
    let path = format!("/v1/classes/{path}");
    let answer = gateway
        .exchange(&head(method, &path, "connection: close\r\n"))
        .await;
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    assert!(answer.contains("\"INVALID_PATH\""), "{answer}");
    assert_eq!(server.received_requests().await.unwrap().len(), 0);
}

#[tokio::test]
async fn both_bodies_pass_while_they_are_being_sent() {
    let (request_begun, begun) = oneshot::channel();
    let request_begun = Arc::new(Mutex::new(Some(request_begun)));
    let url = stub::start(move |mut connection| {
        let request_begun = request_begun.clone();
        async move {
            connection.head().await;
            connection.read_until("ping").await;
            request_begun
                .lock()
                .unwrap()
                .take()
                .unwrap()
                .send(())
                .unwrap();
            connection
                .write("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\npong\r\n")
                .await;
            connection.read_until("last").await;
            connection.write("3\r\nend\r\n0\r\n\r\n").await;
            connection.until_closed().await;
        }
    })
    .await;
    let gateway = start(&[("CMS_API_URL", &url)]).await;
    let mut stream = gateway.connect().await;
    let head = head(
        "POST",
        "/v1/classes/9B/roster",
        "transfer-encoding: chunked\r\nconnection: close\r\n",
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(b"4\r\nping\r\n").await.unwrap();
    within("the first chunk to arrive", begun).await.unwrap();
    let mut answer = String::new();
    while !answer.contains("pong") {
        let byte = within("the first chunk of the answer", stream.read_u8())
            .await
            .unwrap();
        answer.push(byte.into());
    }
    stream.write_all(b"4\r\nlast\r\n0\r\n\r\n").await.unwrap();
    let rest = rest_of(&mut stream).await;
    assert!(rest.contains("end"), "{rest}");
}

#[tokio::test]
async fn an_answer_that_trickles_is_cut_off() {
    let url = stub::trickling(
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
        "1\r\nx\r\n",
    )
    .await;
    let gateway = start(&[("CMS_API_URL", &url), ("BODY_TIMEOUT", "0.3")]).await;
    let answer = gateway.get("/v1/classes/9B").await;
    assert_eq!(answer.status(), 200);
    let body = within("the answer to be cut off", answer.bytes()).await;
    let error = body.expect_err("an answer that is cut off must not look whole");
    assert!(!error.is_timeout(), "the client gave up first: {error:?}");
}

#[tokio::test]
async fn an_answer_that_breaks_off_breaks_off_for_the_client_too() {
    let url = stub::answering("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nshort").await;
    let gateway = start(&[("CMS_API_URL", &url)]).await;
    let answer = gateway.get("/v1/classes/9B").await;
    assert!(within("the end", answer.bytes()).await.is_err());
}

#[tokio::test]
async fn a_redirect_to_class_management_itself_leads_back_through_the_gateway() {
    let server = MockServer::start().await;
    let location = format!("{}/v1/classes/9B", server.uri());
    let answer = ResponseTemplate::new(307).insert_header("location", location);
    Mock::given(any()).respond_with(answer).mount(&server).await;
    let gateway = start(&[("CMS_API_URL", &server.uri())]).await;
    let answer = gateway.get("/v1/classes/9B/").await;
    assert_eq!(answer.status(), 307);
    assert_eq!(answer.headers()["location"], "/v1/classes/9B");
}

#[tokio::test]
async fn class_management_may_live_below_a_path() {
    let server = classes(ResponseTemplate::new(204)).await;
    let gateway = start(&[("CMS_API_URL", &format!("{}/cms/", server.uri()))]).await;
    assert_eq!(gateway.get("/v1/classes/").await.status(), 204);
    let received = &server.received_requests().await.unwrap()[0];
    assert_eq!(received.url.path(), "/cms/v1/classes/");
}

#[tokio::test]
async fn unreachable_class_management_is_a_503() {
    let answer = start(&[]).await.get("/v1/classes/9B").await;
    assert_eq!(answer.status(), 503);
    assert_eq!(code_of(answer).await, "SERVICE_UNAVAILABLE");
}

#[tokio::test]
async fn silent_class_management_is_a_504() {
    let url = stub::silent().await;
    let gateway = start(&[("CMS_API_URL", &url), ("FIRST_BYTE_TIMEOUT", "0.2")]).await;
    let answer = gateway.get("/v1/classes/9B").await;
    assert_eq!(answer.status(), 504);
    assert_eq!(code_of(answer).await, "DOWNSTREAM_TIMEOUT");
}

#[tokio::test]
async fn class_management_that_is_no_http_is_a_502() {
    let gateway = start(&[("CMS_API_URL", &stub::answering("hello\r\n").await)]).await;
    let answer = gateway.get("/v1/classes/9B").await;
    assert_eq!(answer.status(), 502);
    assert_eq!(code_of(answer).await, "DOWNSTREAM_ERROR");
}

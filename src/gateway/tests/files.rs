use std::sync::{Arc, Mutex};

use reqwest::multipart::{Form, Part};
use reqwest::{Method, Response};
use rstest::rstest;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::oneshot;
use wiremock::matchers::{header, method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::running::{BATCH, CORRELATION, Running, code_of, rest_of, start, token, within};
use super::stub;

fn essays() -> Form {
    Form::new().text("batch_id", BATCH).part(
        "files",
        Part::text("Min sommar var varm.").file_name("Åsa.txt"),
    )
}

async fn upload(gateway: &Running) -> Response {
    let request = gateway.request(Method::POST, "/v1/files/batch");
    let answer = request
        .header("x-user-id", "colleague")
        .multipart(essays())
        .send();
    within("an answer", answer).await.unwrap()
}

fn head(more: &str) -> String {
    format!(
        "POST /v1/files/batch HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\n\
         content-type: multipart/form-data; boundary=b\r\n{more}\r\n",
        token("teacher")
    )
}

#[rstest]
#[case(201)]
#[case(400)]
#[case(403)]
#[case(404)]
#[tokio::test]
async fn what_the_contract_knows_passes(#[case] status: u16) {
    let server = MockServer::start().await;
    Mock::given(method("POST"))
        .and(path("/v1/files/batch"))
        .and(header("x-user-id", "teacher"))
        .and(header("x-correlation-id", CORRELATION))
        .respond_with(ResponseTemplate::new(status).set_body_json("its own words"))
        .mount(&server)
        .await;
    let gateway = start(&[("FILE_SERVICE_URL", &server.uri())]).await;
    let answer = upload(&gateway).await;
    assert_eq!(answer.status(), status);
    assert_eq!(answer.headers()["content-type"], "application/json");
    assert_eq!(answer.headers()["x-correlation-id"], CORRELATION);
    assert_eq!(answer.text().await.unwrap(), "\"its own words\"");

    let received = &server.received_requests().await.unwrap()[0];
    let body = String::from_utf8(received.body.clone()).unwrap();
    assert!(
        body.contains(BATCH) && body.contains("Min sommar var varm."),
        "{body}"
    );
    assert!(!received.headers.contains_key("authorization"));
    assert_eq!(received.headers.get_all("x-user-id").iter().count(), 1);
}

#[rstest]
#[case(200)]
#[case(302)]
#[case(409)]
#[case(500)]
#[case(504)]
#[tokio::test]
async fn any_other_answer_is_a_503_without_a_word_of_it(#[case] status: u16) {
    let server = MockServer::start().await;
    Mock::given(method("POST"))
        .respond_with(ResponseTemplate::new(status).set_body_string("disk-17"))
        .mount(&server)
        .await;
    let gateway = start(&[("FILE_SERVICE_URL", &server.uri())]).await;
    let answer = upload(&gateway).await;
    assert_eq!(answer.status(), 503);
    let body = answer.text().await.unwrap();
    assert!(
        body.contains("SERVICE_UNAVAILABLE") && !body.contains("disk-17"),
        "{body}"
    );
}

#[rstest]
#[case::breaks_off("HTTP/1.1 201 Created\r\ncontent-length: 100\r\n\r\n{")]
#[case::says_nothing("")]
#[tokio::test]
async fn a_file_service_that_breaks_off_is_a_503(#[case] answer: &'static str) {
    let gateway = start(&[("FILE_SERVICE_URL", &stub::answering(answer).await)]).await;
    assert_eq!(upload(&gateway).await.status(), 503);
}

#[tokio::test]
async fn an_unreachable_file_service_is_a_503() {
    let answer = upload(&start(&[]).await).await;
    assert_eq!(answer.status(), 503);
    assert_eq!(code_of(answer).await, "SERVICE_UNAVAILABLE");
}

#[tokio::test]
async fn a_silent_file_service_is_a_504() {
    let url = stub::silent().await;
    let gateway = start(&[("FILE_SERVICE_URL", &url), ("FIRST_BYTE_TIMEOUT", "0.2")]).await;
    let answer = upload(&gateway).await;
    assert_eq!(answer.status(), 504);
    assert_eq!(code_of(answer).await, "DOWNSTREAM_TIMEOUT");
}

#[tokio::test]
async fn a_file_service_that_trickles_is_a_504() {
    let url = stub::trickling("HTTP/1.1 201 Created\r\n\r\n{", " ").await;
    let gateway = start(&[("FILE_SERVICE_URL", &url), ("BODY_TIMEOUT", "0.2")]).await;
    assert_eq!(upload(&gateway).await.status(), 504);
}

#[tokio::test]
async fn a_file_service_that_takes_nothing_is_a_504() {
    // It accepts the connection and never reads: what fits into the sockets' buffers is all that gets through.
    let url = stub::start(|connection| async move {
        std::future::pending::<()>().await;
        drop(connection);
    })
    .await;
    let gateway = start(&[("FILE_SERVICE_URL", &url), ("FIRST_BYTE_TIMEOUT", "0.5")]).await;
    let (mut reader, mut writer) = gateway.connect().await.into_split();
    let client = tokio::spawn(async move {
        let _ = writer
            .write_all(head("transfer-encoding: chunked\r\n").as_bytes())
            .await;
        let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x10000));
        while writer.write_all(chunk.as_bytes()).await.is_ok() {}
    });
    let mut answer = vec![0; 12];
    within("an answer", reader.read_exact(&mut answer))
        .await
        .unwrap();
    assert_eq!(answer, b"HTTP/1.1 504");
    client.abort();
}

#[tokio::test]
async fn an_upload_arrives_while_the_client_still_sends() {
    let (first_arrived, first) = oneshot::channel();
    let first_arrived = Arc::new(Mutex::new(Some(first_arrived)));
    let url = stub::start(move |mut connection| {
        let first_arrived = first_arrived.clone();
        async move {
            let head = connection.head().await;
            assert!(head.contains("transfer-encoding: chunked"), "{head}");
            connection.read_until("first").await;
            first_arrived
                .lock()
                .unwrap()
                .take()
                .unwrap()
                .send(())
                .unwrap();
            connection.read_until("last").await;
            connection
                .write("HTTP/1.1 201 Created\r\ncontent-length: 2\r\n\r\n{}")
                .await;
            connection.until_closed().await;
        }
    })
    .await;
    let gateway = start(&[("FILE_SERVICE_URL", &url)]).await;
    let mut stream = gateway.connect().await;
    let head = head("transfer-encoding: chunked\r\nconnection: close\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(b"5\r\nfirst\r\n").await.unwrap();
    within("the first chunk to arrive", first).await.unwrap();
    stream.write_all(b"4\r\nlast\r\n0\r\n\r\n").await.unwrap();
    let answer = rest_of(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 201 "), "{answer}");
}

#[tokio::test]
async fn the_length_of_an_upload_is_passed_on() {
    let url = stub::start(|mut connection| async move {
        let head = connection.head().await;
        assert!(head.contains("content-length: 4\r\n"), "{head}");
        assert!(!head.contains("transfer-encoding"), "{head}");
        connection.read_until("text").await;
        connection
            .write("HTTP/1.1 201 Created\r\ncontent-length: 2\r\n\r\n{}")
            .await;
    })
    .await;
    let gateway = start(&[("FILE_SERVICE_URL", &url)]).await;
    let request = head("content-length: 4\r\nconnection: close\r\n") + "text";
    let answer = gateway.exchange(&request).await;
    assert!(answer.starts_with("HTTP/1.1 201 "), "{answer}");
}

#[tokio::test]
async fn an_answer_before_the_last_byte_reaches_the_client() {
    // The client keeps sending; it must read the answer and not a reset.
    let url = stub::start(|mut connection| async move {
        connection.head().await;
        let body = "HTTP/1.1 403 Forbidden\r\ncontent-length: 6\r\nconnection: close\r\n\r\nlocked";
        connection.write(body).await;
        connection.until_closed().await;
    })
    .await;
    let gateway = start(&[("FILE_SERVICE_URL", &url)]).await;
    let (mut reader, mut writer) = gateway.connect().await.into_split();
    writer
        .write_all(head("content-length: 100000000\r\n").as_bytes())
        .await
        .unwrap();
    let client =
        tokio::spawn(async move { while writer.write_all(&[b'x'; 65536]).await.is_ok() {} });
    let mut answer = vec![0; 12];
    within("an answer", reader.read_exact(&mut answer))
        .await
        .unwrap();
    assert_eq!(answer, b"HTTP/1.1 403");
    client.abort();
}

#[tokio::test]
async fn a_refusal_reaches_a_client_that_is_still_sending() {
    let gateway = start(&[]).await;
    let (mut reader, mut writer) = gateway.connect().await.into_split();
    let head = "POST /v1/files/batch HTTP/1.1\r\nhost: x\r\ncontent-length: 5000000\r\n\r\n";
    writer.write_all(head.as_bytes()).await.unwrap();
    let client = tokio::spawn(async move {
        for _ in 0..50 {
            writer.write_all(&[b'x'; 100_000]).await.unwrap();
        }
    });
    within("the upload to end without a reset", client)
        .await
        .unwrap();
    let mut answer = String::new();
    within("an answer", reader.read_to_string(&mut answer))
        .await
        .unwrap();
    assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
}

#[rstest]
#[case::announced("connection: close\r\ncontent-length: 11\r\n", "01234567890")]
#[case::not_announced(
    "connection: close\r\ntransfer-encoding: chunked\r\n",
    "b\r\n01234567890\r\n0\r\n\r\n"
)]
#[tokio::test]
async fn an_upload_that_is_too_long_is_a_413(#[case] framing: &str, #[case] body: &str) {
    let url = stub::silent().await;
    let gateway = start(&[("FILE_SERVICE_URL", &url), ("MAX_UPLOAD_BYTES", "10")]).await;
    let answer = gateway.exchange(&(head(framing) + body)).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    assert!(answer.contains("\"PAYLOAD_TOO_LARGE\""), "{answer}");
}

#[rstest]
#[case::between_two_parts("CLIENT_TIMEOUT")]
#[case::altogether("UPLOAD_TIMEOUT")]
#[tokio::test]
async fn a_client_that_takes_too_long_is_told_so(#[case] deadline: &str) {
    let url = stub::silent().await;
    let gateway = start(&[("FILE_SERVICE_URL", &url), (deadline, "1")]).await;
    let mut stream = gateway.connect().await;
    stream
        .write_all((head("content-length: 10\r\n") + "x").as_bytes())
        .await
        .unwrap();
    let answer = rest_of(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(answer.contains("\"REQUEST_TIMEOUT\""), "{answer}");
}

#[rstest]
#[case::json("application/json")]
#[case::no_boundary("multipart/form-data")]
#[case::another_multipart("multipart/mixed; boundary=b")]
#[tokio::test]
async fn a_body_that_is_no_form_is_a_415(#[case] media: &str) {
    let gateway = start(&[]).await;
    let request = gateway.request(Method::POST, "/v1/files/batch");
    let answer = request
        .header("content-type", media)
        .body("x")
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 415);
    assert_eq!(code_of(answer).await, "UNSUPPORTED_MEDIA_TYPE");
}

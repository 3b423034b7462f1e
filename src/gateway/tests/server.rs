use std::sync::{Arc, Mutex};

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::{Notify, oneshot};

use super::running::{BATCH, rest_of, start, token, within};
use super::stub;

fn status_request() -> String {
    format!(
        "GET /v1/batches/{BATCH}/status HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\n\r\n",
        token("teacher")
    )
}

#[tokio::test]
async fn a_request_under_way_is_answered_before_the_gateway_stops() {
    let asked = Arc::new(Notify::new());
    let released = Arc::new(Notify::new());
    let (asked_there, released_there) = (asked.clone(), released.clone());
    let url = stub::start(move |mut connection| {
        let (asked, released) = (asked_there.clone(), released_there.clone());
        async move {
            connection.head().await;
            asked.notify_one();
            released.notified().await;
            let body = r#"{"user_id":"teacher","overall_status":"done"}"#;
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
            connection.write(&(head + body)).await;
        }
    })
    .await;
    let gateway = start(&[("RESULT_AGGREGATOR_URL", &url)]).await;
    let mut idle = gateway.connect().await;
    let mut stream = gateway.connect().await;
    stream.write_all(status_request().as_bytes()).await.unwrap();
    within("the request to get through", asked.notified()).await;

    gateway.shutdown.cancel();
    assert_eq!(
        rest_of(&mut idle).await,
        "",
        "an idle connection ends at once"
    );
    assert!(!gateway.ended.is_finished());
    let refused = TcpStream::connect(gateway.address).await;
    assert!(refused.is_err(), "no new connections");
    released.notify_one();
    let answer = rest_of(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    within("the gateway to stop", gateway.ended)
        .await
        .unwrap()
        .unwrap();
}

#[tokio::test]
async fn a_hung_downstream_does_not_keep_the_gateway() {
    let (asked_there, asked) = oneshot::channel();
    let asked_there = Arc::new(Mutex::new(Some(asked_there)));
    let url = stub::start(move |mut connection| {
        let asked = asked_there.clone();
        async move {
            connection.head().await;
            asked.lock().unwrap().take().unwrap().send(()).unwrap();
            connection.until_closed().await;
        }
    })
    .await;
    let gateway = start(&[("RESULT_AGGREGATOR_URL", &url), ("SHUTDOWN_TIMEOUT", "0.2")]).await;
    let mut stream = gateway.connect().await;
    stream.write_all(status_request().as_bytes()).await.unwrap();
    within("the request to get through", asked).await.unwrap();
    gateway.stop().await;
    assert_eq!(rest_of(&mut stream).await, "");
}

#[tokio::test]
async fn an_answer_without_end_does_not_keep_the_gateway() {
    let url = stub::trickling(
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
        "1\r\nx\r\n",
    )
    .await;
    let gateway = start(&[("CMS_API_URL", &url), ("SHUTDOWN_TIMEOUT", "0.2")]).await;
    let answer = gateway.get("/v1/classes/9B").await;
    assert_eq!(answer.status(), 200);
    gateway.stop().await;
    assert!(within("the end", answer.bytes()).await.is_err());
}

#[tokio::test]
async fn a_client_that_sends_half_a_head_is_not_waited_for() {
    let gateway = start(&[("CLIENT_TIMEOUT", "0.2")]).await;
    let mut stream = gateway.connect().await;
    stream
        .write_all(b"GET /healthz HTTP/1.1\r\nhost:")
        .await
        .unwrap();
    rest_of(&mut stream).await;
}

#[tokio::test]
async fn a_client_that_takes_nothing_of_its_answer_is_not_waited_for() {
    let (ended_there, ended) = oneshot::channel();
    let ended_there = Arc::new(Mutex::new(Some(ended_there)));
    let url = stub::start(move |mut connection| {
        let ended = ended_there.clone();
        async move {
            connection.head().await;
            connection
                .write("HTTP/1.1 200 OK\r\ncontent-length: 9000000000\r\n\r\n")
                .await;
            let piece = "x".repeat(65536);
            while connection.write(&piece).await {}
            let _ = ended.lock().unwrap().take().unwrap().send(());
        }
    })
    .await;
    let gateway = start(&[("CMS_API_URL", &url), ("CLIENT_TIMEOUT", "1")]).await;
    let mut stream = gateway.connect().await;
    let request = format!(
        "GET /v1/classes/9B HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\n\r\n",
        token("teacher")
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    within("the gateway to give up on both sides", ended)
        .await
        .unwrap();
    drop(stream);
}

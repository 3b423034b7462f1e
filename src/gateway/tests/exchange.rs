use reqwest::Method;
use rstest::rstest;
use serde_json::Value;

use super::running::{BATCH, CORRELATION, code_of, start, token};

const ORIGIN: &str = "https://app.example";

#[rstest]
#[case::unknown_route(Method::GET, "/nothing", 404, "ROUTE_NOT_FOUND")]
#[case::root(Method::GET, "/", 404, "ROUTE_NOT_FOUND")]
#[case::the_former_upgrade_route(Method::GET, "/ws/v1/status/teacher", 404, "ROUTE_NOT_FOUND")]
#[case::classes_without_a_slash(Method::GET, "/v1/classes", 404, "ROUTE_NOT_FOUND")]
#[case::wrong_method(Method::DELETE, "/v1/files/batch", 405, "METHOD_NOT_ALLOWED")]
#[case::wrong_method_on_health(Method::POST, "/healthz", 405, "METHOD_NOT_ALLOWED")]
#[case::wrong_method_on_classes(Method::PATCH, "/v1/classes/9B", 405, "METHOD_NOT_ALLOWED")]
#[tokio::test]
async fn what_leads_nowhere_is_said_in_the_one_shape(
    #[case] method: Method,
    #[case] path: &str,
    #[case] status: u16,
    #[case] code: &str,
) {
    let gateway = start(&[]).await;
    let answer = gateway.request(method, path).send().await.unwrap();
    assert_eq!(answer.status(), status);
    assert_eq!(answer.headers()["x-correlation-id"], CORRELATION);
    assert_eq!(answer.headers().contains_key("allow"), status == 405);
    assert_eq!(code_of(answer).await, code);
}

#[rstest]
#[case(Method::GET, "/v1/batches/7/status")]
#[case(Method::POST, "/v1/batches/7/pipelines")]
#[case(Method::POST, "/v1/files/batch")]
#[case(Method::GET, "/v1/classes/")]
#[case(Method::GET, "/v1/classes/9B")]
#[case(Method::POST, "/v1/classes/9B")]
#[case(Method::PUT, "/v1/classes/9B")]
#[case(Method::DELETE, "/v1/classes/9B")]
#[tokio::test]
async fn every_route_of_the_first_version_asks_for_a_token(
    #[case] method: Method,
    #[case] path: &str,
) {
    let gateway = start(&[]).await;
    let answer = gateway.anonymous(method, path).send().await.unwrap();
    assert_eq!(answer.status(), 401);
    assert_eq!(code_of(answer).await, "AUTHENTICATION_ERROR");
}

#[tokio::test]
async fn an_upgrade_request_to_the_former_route_is_a_plain_404() {
    let gateway = start(&[]).await;
    let request = format!(
        "GET /ws/v1/status/teacher HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\nconnection: Upgrade, close\r\n\
         upgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        token("teacher")
    );
    let answer = gateway.exchange(&request).await.to_ascii_lowercase();
    assert!(answer.starts_with("http/1.1 404 "), "{answer}");
    for word in ["upgrade:", "location:", "sec-websocket", "websocket"] {
        assert!(!answer.contains(word), "{word} in {answer}");
    }
}

#[tokio::test]
async fn a_correlation_id_is_made_where_none_came() {
    let gateway = start(&[]).await;
    let answer = gateway
        .anonymous(Method::GET, "/healthz")
        .send()
        .await
        .unwrap();
    let id = answer.headers()["x-correlation-id"].to_str().unwrap();
    assert!(uuid::Uuid::parse_str(id).is_ok(), "{id}");
}

#[tokio::test]
async fn a_preflight_of_a_known_origin_is_allowed() {
    let gateway = start(&[("CORS_ORIGINS", ORIGIN)]).await;
    let answer = gateway
        .anonymous(Method::OPTIONS, &format!("/v1/batches/{BATCH}/pipelines"))
        .header("x-correlation-id", CORRELATION)
        .header("origin", ORIGIN)
        .header("access-control-request-method", "POST")
        .header(
            "access-control-request-headers",
            "authorization,content-type",
        )
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 200);
    let headers = answer.headers();
    assert_eq!(headers["x-correlation-id"], CORRELATION);
    assert_eq!(headers["access-control-allow-origin"], ORIGIN);
    assert_eq!(
        headers["access-control-allow-methods"],
        "GET,POST,PUT,DELETE"
    );
    assert_eq!(
        headers["access-control-allow-headers"],
        "authorization,content-type,x-correlation-id"
    );
}

#[tokio::test]
async fn an_error_may_be_read_by_a_known_origin() {
    let gateway = start(&[("CORS_ORIGINS", ORIGIN)]).await;
    let answer = gateway
        .anonymous(Method::GET, &format!("/v1/batches/{BATCH}/status"))
        .header("origin", ORIGIN)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 401);
    assert_eq!(answer.headers()["access-control-allow-origin"], ORIGIN);
    assert_eq!(
        answer.headers()["access-control-expose-headers"],
        "x-correlation-id,retry-after"
    );
}

#[rstest]
#[case(Method::OPTIONS)]
#[case(Method::GET)]
#[tokio::test]
async fn another_origin_may_read_nothing(#[case] method: Method) {
    let gateway = start(&[("CORS_ORIGINS", ORIGIN)]).await;
    let answer = gateway
        .anonymous(method, "/healthz")
        .header("origin", "https://app.example.evil.example")
        .header("access-control-request-method", "GET")
        .send()
        .await
        .unwrap();
    assert!(!answer.headers().contains_key("access-control-allow-origin"));
}

#[tokio::test]
async fn requests_are_counted_by_template_and_never_by_what_clients_invent() {
    let gateway = start(&[]).await;
    gateway.get(&format!("/v1/batches/{BATCH}/status")).await;
    gateway.get("/v1/classes/9B/students").await;
    gateway.get("/nothing/at/all").await;
    gateway.get("/ws/v1/status/teacher").await;
    let invented = Method::from_bytes(b"BREW").unwrap();
    gateway.request(invented, "/healthz").send().await.unwrap();

    let metrics = gateway.metrics().await;
    for line in [
        r#"gateway_http_requests_total{endpoint="/v1/batches/{batch_id}/status",http_status="503",method="GET"} 1"#,
        r#"gateway_http_requests_total{endpoint="/v1/classes/{path}",http_status="503",method="GET"} 1"#,
        r#"gateway_http_requests_total{endpoint="unknown",http_status="404",method="GET"} 2"#,
        r#"gateway_http_requests_total{endpoint="/healthz",http_status="405",method="other"} 1"#,
        r#"gateway_http_request_duration_seconds_count{endpoint="unknown",method="GET"} 2"#,
        r#"gateway_api_errors_total{endpoint="unknown",error_type="ROUTE_NOT_FOUND"} 2"#,
        r#"gateway_downstream_service_calls_total{outcome="unreachable",service="aggregator"} 1"#,
        r#"gateway_downstream_service_call_duration_seconds_count{service="classes"} 1"#,
    ] {
        assert!(metrics.contains(line), "no {line} in\n{metrics}");
    }
    let metrics = metrics.to_ascii_lowercase();
    for word in ["websocket", "/ws", BATCH, "teacher", "9b", "brew"] {
        assert!(!metrics.contains(word), "{word} in\n{metrics}");
    }
}

#[tokio::test]
async fn health_tells_who_and_how_long() {
    let gateway = start(&[("ENVIRONMENT", "staging")]).await;
    let answer = gateway
        .anonymous(Method::GET, "/healthz")
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 200);
    let body: Value = answer.json().await.unwrap();
    let members: Vec<&String> = body.as_object().unwrap().keys().collect();
    assert_eq!(
        members,
        [
            "service",
            "status",
            "message",
            "environment",
            "timestamp",
            "uptime_seconds"
        ]
    );
    assert_eq!(body["service"], "api_gateway");
    assert_eq!(body["status"], "healthy");
    assert_eq!(body["environment"], "staging");
    assert!(body["uptime_seconds"].as_f64().unwrap() > 0.0);
}

#[tokio::test]
async fn a_client_that_goes_away_is_counted() {
    let url = super::stub::silent().await;
    let gateway = start(&[("RESULT_AGGREGATOR_URL", &url)]).await;
    let stream = gateway.connect().await;
    let request = format!(
        "GET /v1/batches/{BATCH}/status HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\n\r\n",
        token("teacher")
    );
    let (_, mut writer) = stream.into_split();
    tokio::io::AsyncWriteExt::write_all(&mut writer, request.as_bytes())
        .await
        .unwrap();
    drop(writer);
    let line = r#"http_status="499",method="GET"} 1"#;
    super::running::within("the request to be counted", async {
        while !gateway.metrics().await.contains(line) {}
    })
    .await;
}

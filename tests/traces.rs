//! Traces as a collector and the services behind the gateway meet them.

use std::process::Stdio;
use std::time::Duration;

use harness::token::Claims;
use rstest::rstest;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::net::TcpListener;
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;
use tokio_tungstenite::connect_async;
use wiremock::matchers::{any, method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

const PATIENCE: Duration = Duration::from_secs(20);
const SECRET: &str = "hunter2";
const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
const NOWHERE: &str = "http://127.0.0.1:1";
const BATCH: &str = "7d2f9a30-6c1b-4c8e-9a55-2f1f0e6b7a11";
const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const CLIENTS_SPAN: &str = "b7ad6b7169203331";

/// A service as a process that does not outlive its test.
struct Service {
    child: Child,
    stdout: BufReader<ChildStdout>,
    address: String,
    /// What it logged until it was ready.
    log: String,
}

#[rstest]
#[case::standard_name(&[ENDPOINT])]
#[case::name_of_the_gateway(&["API_GATEWAY_OTEL_EXPORTER_OTLP_ENDPOINT"])]
#[tokio::test]
async fn a_request_is_a_span_in_the_clients_trace_and_so_is_the_call_it_needs(
    #[case] names: &[&str],
) {
    let (collector, aggregator) = (collector().await, aggregator().await);
    let uri = collector.uri();
    let variables: Vec<_> = names.iter().map(|name| (*name, uri.as_str())).collect();
    let gateway = gateway(&aggregator, &variables).await;
    let token = Claims::good("teacher").sign(SECRET);
    assert_eq!(status(&gateway, &token).await, 200);
    gateway.stop().await;

    let received = &aggregator.received_requests().await.unwrap()[0].headers;
    let traceparent = received["traceparent"].to_str().unwrap();
    let parts: Vec<&str> = traceparent.split('-').collect();
    assert_eq!(
        (parts[0], parts[1], parts[3]),
        ("00", TRACE, "01"),
        "{traceparent}"
    );
    assert_eq!(received["tracestate"], "vendor=1");

    let spans = spans(&collector).await;
    assert!(contains(&spans, &bytes(TRACE)));
    for text in [
        "api_gateway",
        "GET /v1/batches/{batch_id}/status",
        "GET aggregator",
    ] {
        assert!(contains(&spans, text.as_bytes()), "no {text}");
    }
    let request = parent_of(&spans, &bytes(parts[2]));
    assert_eq!(parent_of(&spans, &request), bytes(CLIENTS_SPAN));
    for secret in [&token, SECRET, BATCH, "teacher"] {
        assert!(!contains(&spans, secret.as_bytes()), "{secret} is shown");
    }
}

#[tokio::test]
async fn a_handshake_is_a_span_without_the_token_in_its_address() {
    let collector = collector().await;
    let service = websocket_service(&[(ENDPOINT, &collector.uri())]).await;
    let token = Claims::good("teacher").sign(SECRET);
    let url = format!("ws://{}/ws?token={token}", service.address);
    drop(connect_async(url).await.unwrap());
    service.stop().await;

    let spans = spans(&collector).await;
    for text in ["websocket_service", "GET /ws"] {
        assert!(contains(&spans, text.as_bytes()), "no {text}");
    }
    for secret in [&token, "teacher"] {
        assert!(!contains(&spans, secret.as_bytes()), "{secret} is shown");
    }
}

#[rstest]
#[case::no_variable(&[])]
#[case::an_empty_one(&[(ENDPOINT, "")])]
#[case::another_one(&[("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "{collector}")])]
#[tokio::test]
async fn without_a_collector_nothing_is_sent(#[case] variables: &[(&str, &str)]) {
    let (collector, aggregator) = (collector().await, aggregator().await);
    let uri = collector.uri();
    let variables: Vec<_> = variables
        .iter()
        .map(|(name, value)| (*name, value.replace("{collector}", &uri)))
        .collect();
    let variables: Vec<_> = variables
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    let gateway = gateway(&aggregator, &variables).await;
    let token = Claims::good("teacher").sign(SECRET);
    assert_eq!(status(&gateway, &token).await, 200);
    gateway.stop().await;

    let received = &aggregator.received_requests().await.unwrap()[0].headers;
    assert!(!received.contains_key("traceparent"), "{received:?}");
    assert!(collector.received_requests().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_collector_that_hangs_holds_up_neither_requests_nor_the_end() {
    let hung = TcpListener::bind("127.0.0.1:0").await.unwrap(); // the kernel accepts and nobody reads
    let endpoint = format!("http://{}", hung.local_addr().unwrap());
    let aggregator = aggregator().await;
    let variables = [
        (ENDPOINT, endpoint.as_str()),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "3600000"),
        ("OTEL_BSP_SCHEDULE_DELAY", "1"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "2"),
        ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "1"),
    ];
    let gateway = gateway(&aggregator, &variables).await;
    let token = Claims::good("teacher").sign(SECRET);
    for _ in 0..10 {
        assert_eq!(status(&gateway, &token).await, 200);
    }
    let log = gateway.stop().await;
    assert!(log.contains("failed to send the last traces"), "{log}");
}

#[rstest]
#[case::away(None)]
#[case::failing(Some(500))]
#[tokio::test]
async fn a_collector_that_fails_is_logged_without_a_secret(#[case] answer: Option<u16>) {
    let (collector, aggregator) = (MockServer::start().await, aggregator().await);
    let token = Claims::good("teacher").sign(SECRET);
    if let Some(answer) = answer {
        let echo = ResponseTemplate::new(answer).set_body_string(&token);
        Mock::given(any())
            .respond_with(echo)
            .mount(&collector)
            .await;
    }
    let endpoint = answer.map_or(NOWHERE.to_owned(), |_| collector.uri());
    let variables = [
        (ENDPOINT, endpoint.as_str()),
        ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20hush"),
        ("API_GATEWAY_LOG_LEVEL", "trace"),
    ];
    let gateway = gateway(&aggregator, &variables).await;
    assert_eq!(status(&gateway, &token).await, 200);
    let log = gateway.stop().await;
    assert_eq!(log.matches("failed to send traces").count(), 1, "{log}");
    for secret in [&token, SECRET, "hush"] {
        assert!(!log.contains(secret), "{secret} is shown in {log}");
    }
}

/// Asks for the status of a batch as a client with a trace of its own.
async fn status(gateway: &Service, token: &str) -> u16 {
    let url = format!(
        "http://{}/v1/batches/{BATCH}/status?secret={SECRET}",
        gateway.address
    );
    let request = reqwest::Client::new()
        .get(url)
        .bearer_auth(token)
        .header("traceparent", format!("00-{TRACE}-{CLIENTS_SPAN}-01"))
        .header("tracestate", "vendor=1")
        .timeout(PATIENCE);
    request.send().await.unwrap().status().as_u16()
}

async fn collector() -> MockServer {
    let collector = MockServer::start().await;
    Mock::given(method("POST"))
        .and(path("/v1/traces"))
        .respond_with(ResponseTemplate::new(200))
        .mount(&collector)
        .await;
    collector
}

async fn aggregator() -> MockServer {
    let aggregator = MockServer::start().await;
    let batch = json!({"user_id": "teacher", "overall_status": "completed"});
    Mock::given(method("GET"))
        .respond_with(ResponseTemplate::new(200).set_body_json(batch))
        .mount(&aggregator)
        .await;
    aggregator
}

async fn gateway(aggregator: &MockServer, variables: &[(&str, &str)]) -> Service {
    let uri = aggregator.uri();
    let required = [
        ("API_GATEWAY_PORT", "0"),
        ("API_GATEWAY_JWT_SECRET_KEY", SECRET),
        ("API_GATEWAY_REDIS_URL", "redis://127.0.0.1:1"),
        ("API_GATEWAY_RESULT_AGGREGATOR_URL", &uri),
        ("API_GATEWAY_FILE_SERVICE_URL", NOWHERE),
        ("API_GATEWAY_CMS_API_URL", NOWHERE),
        ("API_GATEWAY_BATCH_ORCHESTRATOR_URL", NOWHERE),
    ];
    Service::start(env!("CARGO_BIN_EXE_api-gateway"), &required, variables).await
}

async fn websocket_service(variables: &[(&str, &str)]) -> Service {
    let required = [
        ("WEBSOCKET_PORT", "0"),
        ("JWT_SECRET_KEY", SECRET),
        ("REDIS_URL", "redis://127.0.0.1:1"),
    ];
    Service::start(
        env!("CARGO_BIN_EXE_websocket-service"),
        &required,
        variables,
    )
    .await
}

/// The one batch of spans that `collector` got.
async fn spans(collector: &MockServer) -> Vec<u8> {
    let received = collector.received_requests().await.unwrap();
    assert_eq!(received.len(), 1, "{received:?}");
    assert_eq!(
        received[0].headers["content-type"],
        "application/x-protobuf"
    );
    received[0].body.clone()
}

/// The parent of the span with this id, in protobuf: `span_id` is field 2 and `parent_span_id` field 4 of a span, each
/// 8 bytes.
fn parent_of(spans: &[u8], id: &[u8]) -> Vec<u8> {
    let own = [&[0x12, 8], id].concat();
    let at = position(spans, &own).expect("no such span");
    let rest = &spans[at + own.len()..];
    let at = position(rest, &[0x22, 8]).expect("a span without a parent") + 2;
    rest[at..at + 8].to_vec()
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    position(haystack, needle).is_some()
}

fn position(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack
        .windows(needle.len())
        .position(|window| window == needle)
}

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
        .collect()
}

impl Service {
    /// Starts `program` and waits until it logs where it listens.
    async fn start(program: &str, required: &[(&str, &str)], more: &[(&str, &str)]) -> Self {
        let mut child = Command::new(program)
            .env_clear()
            .envs(required.iter().chain(more).copied())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut log = String::new();
        let ready = async {
            loop {
                let mut line = String::new();
                assert!(
                    stdout.read_line(&mut line).await.unwrap() > 0,
                    "ended: {log}"
                );
                log.push_str(&line);
                let line: Value = serde_json::from_str(&line).unwrap();
                if let Some((_, port)) = line["address"].as_str().and_then(|it| it.rsplit_once(':'))
                {
                    return format!("127.0.0.1:{port}");
                }
            }
        };
        let address = timeout(PATIENCE, ready)
            .await
            .expect("waited in vain for the service to listen");
        Self {
            child,
            stdout,
            address,
            log,
        }
    }

    /// Tells it to end, sees that it does so in order, and returns what it has logged.
    async fn stop(mut self) -> String {
        let id = self.child.id().unwrap().to_string();
        let told = Command::new("kill").args(["-TERM", &id]).status().await;
        assert!(told.unwrap().success());
        let ending = async {
            self.stdout.read_to_string(&mut self.log).await.unwrap();
            self.child.wait().await.unwrap()
        };
        let status = timeout(PATIENCE, ending)
            .await
            .expect("waited in vain for the service to end");
        assert!(status.success(), "{status}: {}", self.log);
        self.log
    }
}

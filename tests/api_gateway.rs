//! The binary as operators meet it: its exit codes, its one message on standard error, its logs.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use jsonwebtoken::{EncodingKey, Header};
use serde_json::{Value, json};
use socket2::SockRef;

const REQUIRED: [(&str, &str); 5] = [
    ("API_GATEWAY_JWT_SECRET_KEY", "hunter2"),
    (
        "API_GATEWAY_RESULT_AGGREGATOR_URL",
        "http://aggregator:8000",
    ),
    ("API_GATEWAY_FILE_SERVICE_URL", "http://files:8000"),
    ("API_GATEWAY_CMS_API_URL", "http://classes:8000"),
    (
        "API_GATEWAY_BATCH_ORCHESTRATOR_URL",
        "http://orchestrator:8000",
    ),
];

/// A process that does not outlive its test.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start<'a>(variables: impl IntoIterator<Item = (&'a str, &'a str)>) -> Process {
    let child = Command::new(env!("CARGO_BIN_EXE_api-gateway"))
        .env_clear()
        .envs(variables)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    Process(child)
}

fn terminate(process: &Process) {
    let told = Command::new("kill")
        .args(["-TERM", &process.0.id().to_string()])
        .status();
    assert!(told.unwrap().success());
}

fn ended(mut process: Process) -> (Option<i32>, String) {
    let status = process.0.wait().unwrap();
    let mut message = String::new();
    let mut stderr = process.0.stderr.take().unwrap();
    stderr.read_to_string(&mut message).unwrap();
    (status.code(), message)
}

#[test]
fn a_bad_configuration_is_one_message_that_names_every_bad_variable() {
    let process = start([
        ("API_GATEWAY_PORT", "x"),
        ("API_GATEWAY_LOG_LEVEL", "=loud="),
    ]);
    let (code, message) = ended(process);
    assert_eq!(code, Some(2), "{message}");
    assert!(message.contains("API_GATEWAY_PORT=x"), "{message}");
    assert!(message.contains("API_GATEWAY_LOG_LEVEL"), "{message}");
    for (name, _) in REQUIRED {
        assert!(message.contains(name), "no {name} in {message}");
    }
}

#[test]
fn a_port_that_is_taken_is_one_message_that_names_it() {
    let taken = TcpListener::bind("0.0.0.0:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let (code, message) = ended(start(
        REQUIRED
            .into_iter()
            .chain([("API_GATEWAY_PORT", port.as_str())]),
    ));
    assert_eq!(code, Some(1), "{message}");
    assert_eq!(message.lines().count(), 1, "{message}");
    assert!(
        message.contains(&port) && message.contains("API_GATEWAY_PORT"),
        "{message}"
    );
}

#[test]
fn it_says_what_it_is_set_to_and_ends_with_zero_when_told_to() {
    let mut process = start(REQUIRED.into_iter().chain([("API_GATEWAY_PORT", "0")]));
    let mut logs = BufReader::new(process.0.stdout.take().unwrap());
    let mut first = String::new();
    logs.read_line(&mut first).unwrap();
    let line: Value = serde_json::from_str(&first).unwrap();
    assert_eq!(line["version"], env!("CARGO_PKG_VERSION"));
    assert!(line["address"].is_string(), "{line}");
    assert!(
        line["settings"]
            .as_str()
            .unwrap()
            .contains("aggregator:8000"),
        "{line}"
    );
    assert!(!first.contains("hunter2"), "{line}");

    terminate(&process);
    let (code, message) = ended(process);
    assert_eq!(code, Some(0), "{message}");
}

#[test]
fn logs_hold_the_correlation_id_and_no_secret() {
    let mut process = start(REQUIRED.into_iter().chain([
        ("API_GATEWAY_PORT", "0"),
        ("API_GATEWAY_LOG_LEVEL", "trace"),
        ("API_GATEWAY_REDIS_URL", "redis://:hunter2@127.0.0.1:1"),
        ("API_GATEWAY_CMS_API_URL", "http://user:hunter2@127.0.0.1:1"),
    ]));
    let mut logs = BufReader::new(process.0.stdout.take().unwrap());
    let mut printed = String::new();
    logs.read_line(&mut printed).unwrap();
    let first: Value = serde_json::from_str(&printed).unwrap();
    let (_, port) = first["address"].as_str().unwrap().rsplit_once(':').unwrap();

    let claims = json!({
        "sub": "teacher", "exp": 4_102_444_800_u64,
        "aud": "huleedu-platform", "iss": "huleedu-identity-service",
    });
    let key = EncodingKey::from_secret(b"hunter2");
    let token = jsonwebtoken::encode(&Header::default(), &claims, &key).unwrap();
    let mut client = TcpStream::connect((Ipv4Addr::LOCALHOST, port.parse().unwrap())).unwrap();
    write!(
        client,
        "GET /v1/classes/9B?token={token} HTTP/1.1\r\nHost: gateway\r\nAuthorization: Bearer {token}\r\n\
         X-Correlation-ID: of-this-request\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    drop(client);
    terminate(&process);
    logs.read_to_string(&mut printed).unwrap();

    assert!(printed.contains("of-this-request"), "{printed}");
    for line in printed.lines() {
        serde_json::from_str::<Value>(line).unwrap();
    }
    for secret in [token.as_str(), token.rsplit('.').next().unwrap(), "hunter2"] {
        assert!(!printed.contains(secret), "{secret} in {printed}");
    }
}

#[test]
fn ten_thousand_clients_that_reset_their_connections_leave_nothing_behind() {
    let child = Command::new("sh")
        .args(["-c", "ulimit -n 512; exec \"$0\""])
        .arg(env!("CARGO_BIN_EXE_api-gateway"))
        .env_clear()
        .envs(REQUIRED)
        .env("API_GATEWAY_PORT", "0")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut process = Process(child);
    let mut logs = BufReader::new(process.0.stdout.take().unwrap());
    let mut first = String::new();
    logs.read_line(&mut first).unwrap();
    let first: Value = serde_json::from_str(&first).unwrap();
    let (_, port) = first["address"].as_str().unwrap().rsplit_once(':').unwrap();
    let address = (Ipv4Addr::LOCALHOST, port.parse().unwrap());

    for _ in 0..20 {
        for _ in 0..500 {
            let client = TcpStream::connect(address).unwrap();
            let linger = Some(Duration::ZERO);
            SockRef::from(&client).set_linger(linger).unwrap();
        }
        // Connections are taken in order: this answer says that the system's queue is empty again.
        let mut client = TcpStream::connect(address).unwrap();
        let patience = Some(Duration::from_secs(20));
        client.set_read_timeout(patience).unwrap();
        let request = b"GET /healthz HTTP/1.1\r\nHost: gateway\r\nConnection: close\r\n\r\n";
        client.write_all(request).unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    }
}

/// A service behind the gateway that reads one request to the end of its body, and answers it.
fn sink() -> String {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut tail = Vec::new();
        let mut buffer = vec![0; 64 * 1024];
        // The last chunk of a chunked body (RFC 9112, section 7.1).
        while !tail.ends_with(b"\r\n0\r\n\r\n") {
            let length = stream.read(&mut buffer).unwrap();
            assert!(length > 0, "the body breaks off");
            tail.extend_from_slice(&buffer[..length]);
            tail.drain(..tail.len().saturating_sub(16));
        }
        let answer =
            "HTTP/1.1 201 Created\r\nContent-Length: 2\r\nContent-Type: application/json\r\n\r\n{}";
        stream.write_all(answer.as_bytes()).unwrap();
    });
    url
}

/// The most memory that `process` has had at once, in KiB.
fn peak_memory(process: &Process) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", process.0.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let digits = line.unwrap().trim().trim_end_matches(" kB");
    digits.parse().unwrap()
}

// The contract, "API gateway": memory does not grow with the upload.
#[rstest::rstest]
#[case::to_the_file_service("/v1/files/batch", "multipart/form-data; boundary=b")]
#[case::to_class_management("/v1/classes/9B/roster", "application/octet-stream")]
fn an_upload_of_100_mib_takes_less_than_16_mib(#[case] path: &str, #[case] media: &str) {
    let url = sink();
    let downstreams = [
        ("API_GATEWAY_PORT", "0"),
        ("API_GATEWAY_FILE_SERVICE_URL", &url),
        ("API_GATEWAY_CMS_API_URL", &url),
        ("API_GATEWAY_REDIS_URL", "redis://127.0.0.1:1"),
    ];
    let mut process = start(REQUIRED.into_iter().chain(downstreams));
    let mut logs = BufReader::new(process.0.stdout.take().unwrap());
    let mut first = String::new();
    logs.read_line(&mut first).unwrap();
    let first: Value = serde_json::from_str(&first).unwrap();
    let (_, port) = first["address"].as_str().unwrap().rsplit_once(':').unwrap();
    let claims = json!({
        "sub": "teacher", "exp": 4_102_444_800_u64,
        "aud": "huleedu-platform", "iss": "huleedu-identity-service",
    });
    let key = EncodingKey::from_secret(b"hunter2");
    let token = jsonwebtoken::encode(&Header::default(), &claims, &key).unwrap();

    let before = peak_memory(&process);
    let mut client = TcpStream::connect((Ipv4Addr::LOCALHOST, port.parse().unwrap())).unwrap();
    write!(
        client,
        "POST {path} HTTP/1.1\r\nHost: gateway\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: {media}\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    let mebibyte = vec![b'x'; 1 << 20];
    for _ in 0..100 {
        write!(client, "{:x}\r\n", mebibyte.len()).unwrap();
        client.write_all(&mebibyte).unwrap();
        client.write_all(b"\r\n").unwrap();
    }
    client.write_all(b"0\r\n\r\n").unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 201 "), "{answer}");
    let growth = peak_memory(&process) - before;
    assert!(growth < 16 * 1024, "the memory grew by {growth} KiB");
}

// The standard name may be set for everybody on a machine, in whichever form they need.
#[cfg(not(feature = "otlp"))]
#[test]
fn a_build_without_traces_says_so_and_serves() {
    let collector = ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://collector:4317");
    let mut process = start(
        REQUIRED
            .into_iter()
            .chain([("API_GATEWAY_PORT", "0"), collector]),
    );
    let logs = BufReader::new(process.0.stdout.take().unwrap());
    let lines: Vec<String> = logs.lines().take(2).map(Result::unwrap).collect();
    assert!(lines[0].contains("without `otlp`"), "{lines:?}");
    assert!(lines[0].contains(collector.0), "{lines:?}");
    assert!(lines[1].contains("address"), "{lines:?}");
}

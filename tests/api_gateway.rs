//! The binary as operators meet it: its exit codes, its one message on standard error, its logs.

use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

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

    let told = Command::new("kill")
        .args(["-TERM", &process.0.id().to_string()])
        .status();
    assert!(told.unwrap().success());
    let (code, message) = ended(process);
    assert_eq!(code, Some(0), "{message}");
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

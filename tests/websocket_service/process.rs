//! The binary as operators meet it: its exit codes, its one message on standard error, its logs, its descriptors.

use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;

use harness::system::RedisServer;
use rstest::rstest;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::net::TcpStream;
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

use crate::failover::connected;
use crate::scripted_redis::Redis;
use crate::service::{PATIENCE, SECRET, Service, claims, token};

/// A process that does not outlive its test.
struct Process {
    child: Child,
    logs: Lines<BufReader<ChildStdout>>,
}

impl Process {
    /// The service on `redis`, with more variables; `limits` is a shell's command before it.
    async fn start(redis: &str, limits: &str, variables: &[(&str, &str)]) -> Self {
        let mut child = Command::new("sh")
            .args(["-c", &format!("{limits} exec \"$0\"")])
            .arg(env!("CARGO_BIN_EXE_websocket-service"))
            .env_clear()
            .env("JWT_SECRET_KEY", SECRET)
            .env("REDIS_URL", redis)
            .env("WEBSOCKET_PORT", "0")
            .env("WEBSOCKET_REDIS_HEALTH_INTERVAL", "3600")
            .envs(variables.iter().copied())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let logs = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, logs }
    }

    /// The next line of the log.
    async fn line(&mut self) -> Value {
        let line = timeout(PATIENCE, self.logs.next_line())
            .await
            .expect("waited in vain for a line of the log");
        serde_json::from_str(&line.unwrap().expect("a line of the log")).unwrap()
    }

    /// The service, as its log tells where it listens.
    async fn service(&mut self) -> Service {
        let line = self.line().await;
        let address: SocketAddr = line["address"].as_str().unwrap().parse().unwrap();
        Service {
            address: ([127, 0, 0, 1], address.port()).into(),
        }
    }

    async fn signal(&self, name: &str) {
        let process = self.child.id().unwrap().to_string();
        let told = Command::new("kill").args(["-s", name, &process]).status();
        assert!(told.await.unwrap().success());
    }

    /// Its exit code once it ends by itself, which must be soon, and the rest of its log.
    async fn end(mut self, deadline: Duration) -> (Option<i32>, Vec<String>) {
        let ended = async {
            let mut logs = Vec::new();
            while let Some(line) = self.logs.next_line().await.unwrap() {
                logs.push(line);
            }
            (self.child.wait().await.unwrap().code(), logs)
        };
        timeout(deadline, ended)
            .await
            .expect("waited in vain for the service to end")
    }
}

#[tokio::test]
async fn a_bad_configuration_is_one_message_that_names_every_bad_variable() {
    let output = Command::new(env!("CARGO_BIN_EXE_websocket-service"))
        .env_clear()
        .env("WEBSOCKET_PORT", "x")
        .env("LOG_LEVEL", "=loud=")
        .output()
        .await
        .unwrap();
    let message = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{message}");
    for words in [
        "WEBSOCKET_PORT=x",
        "LOG_LEVEL",
        "JWT_SECRET_KEY is required",
    ] {
        assert_eq!(message.matches(words).count(), 1, "{words} in {message}");
    }
}

#[rstest]
#[case("TERM")]
#[case("INT")]
#[tokio::test]
async fn a_signal_ends_it_within_ten_seconds_though_a_client_is_stuck(#[case] signal: &str) {
    let redis = Redis::start().await;
    let mut process = Process::start(&format!("redis://{}", redis.address()), "", &[]).await;
    let service = process.service().await;
    let mut link = service.link(&redis).await;
    let client = service.subscribe(&mut link, "teacher").await;
    let _stuck = service.subscribe(&mut link, "stuck").await;

    process.signal(signal).await;
    let end = process.end(Duration::from_secs(10));
    let told = async {
        assert_eq!(client.close().await.0, 1001);
        let late = TcpStream::connect(service.address).await;
        assert!(late.is_err(), "nobody is let in any more");
    };
    let ((code, _), ()) = tokio::join!(end, told);
    assert_eq!(code, Some(0));
}

#[tokio::test]
async fn logs_hold_the_correlation_id_and_no_secret() {
    let redis = Redis::start().await;
    let url = format!("redis://:hunter2@{}", redis.address());
    let mut process = Process::start(&url, "", &[("LOG_LEVEL", "trace")]).await;
    let service = process.service().await;
    let mut link = redis.accept().await;
    link.expect("AUTH hunter2").await;
    link.say("-WRONGPASS invalid username-password pair\r\n")
        .await;
    link.left().await;

    let good = token(&claims("teacher"));
    let bad = token(&json!({"sub": "expired", "exp": 1}));
    for (token, id) in [(&good, "let-in-or-not"), (&bad, "not-let-in")] {
        let path = format!("/ws?token={token}");
        let client = service.upgrade(&path, &[("x-correlation-id", id)]).await;
        client.unwrap().close().await;
        service.page(&path).await;
    }
    process.signal("TERM").await;
    let (_, logs) = process.end(PATIENCE).await;
    for line in &logs {
        serde_json::from_str::<Value>(line).unwrap();
    }
    let logs = logs.concat();
    for id in ["let-in-or-not", "not-let-in"] {
        assert!(logs.contains(id), "no {id} in {logs}");
    }
    let signature = |token: &str| token.rsplit('.').next().unwrap().to_owned();
    for secret in [
        signature(&good),
        signature(&bad),
        SECRET.into(),
        "hunter2".into(),
    ] {
        assert!(!logs.contains(&secret), "{secret} in {logs}");
    }
}

#[tokio::test]
async fn what_is_below_the_level_is_not_logged() {
    let variables = [("LOG_LEVEL", "warn")];
    let mut process = Process::start("redis://127.0.0.1:1", "", &variables).await;
    // At the default level the first line tells where the service listens.
    assert_eq!(process.line().await["level"], "WARN");
}

#[tokio::test]
async fn a_redis_that_tells_no_role_is_noted_once() {
    let redis = Redis::start().await;
    let mut process = Process::start(&format!("redis://{}", redis.address()), "", &[]).await;
    let service = process.service().await;
    for _ in 0..3 {
        service.known(redis.old_link().await).await;
    }
    process.signal("TERM").await;
    let (_, logs) = process.end(PATIENCE).await;
    let notes = logs.iter().filter(|line| line.contains("tell its role"));
    assert_eq!(notes.count(), 1, "{logs:?}");
}

#[tokio::test]
async fn clients_that_reset_their_connections_leave_nothing_behind() {
    let redis = RedisServer::start().await.unwrap();
    let mut process = Process::start(redis.url(), "ulimit -n 512;", &[]).await;
    let service = process.service().await;
    let Process {
        child: _child,
        mut logs,
    } = process;
    // Whoever does not read its log stops it.
    tokio::spawn(async move { while let Ok(Some(_)) = logs.next_line().await {} });
    connected(&service, &redis, "teacher").await.reset();
    for _ in 0..20 {
        for _ in 0..500 {
            let stream = TcpStream::connect(service.address).await.unwrap();
            stream.set_zero_linger().unwrap();
        }
        // Connections are taken in order: this answer says that the system's queue is empty again.
        service.page("/healthz").await;
        for _ in 0..50 {
            service.connect("teacher").await.reset();
        }
    }
    let gone = async { while service.metric("websocket_active_connections").await > 0 {} };
    timeout(PATIENCE, gone)
        .await
        .expect("waited in vain for the connections to be gone");
    connected(&service, &redis, "teacher").await;
}

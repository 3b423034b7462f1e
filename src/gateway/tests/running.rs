//! A gateway under test, on a port of its own.

use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use reqwest::redirect::Policy;
use reqwest::{Method, RequestBuilder, Response};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::gateway::rate_limit::{Away, Budget, Limiter, Verdict};
use crate::gateway::settings::{PREFIX, Settings};
use crate::settings::Environment;

pub const BATCH: &str = "7d2f9a30-6c1b-4c8e-9a55-2f1f0e6b7a11";
pub const CORRELATION: &str = "3f0c8b1e-7c55-4a53-9f4e-0d6f0f7f2f11";

// Longer than a loaded machine ever takes.
const PATIENCE: Duration = Duration::from_secs(20);
const SECRET: &str = "secret";
const NOWHERE: &str = "http://127.0.0.1:1";

/// A gateway that ends with the test.
pub struct Running {
    pub address: SocketAddr,
    pub shutdown: CancellationToken,
    pub ended: JoinHandle<io::Result<()>>,
    client: reqwest::Client,
}

/// A limiter that counts in memory; its windows never end.
#[derive(Default)]
pub struct Counted(Mutex<HashMap<(String, Budget), u32>>);

/// A gateway with `variables` (without the prefix) and a limiter of its own.
pub async fn start(variables: &[(&str, &str)]) -> Running {
    start_with(variables, Arc::new(Counted::default())).await
}

pub async fn start_with(variables: &[(&str, &str)], limiter: Arc<dyn Limiter>) -> Running {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let shutdown = CancellationToken::new();
    let served = crate::gateway::serve(listener, settings(variables), limiter, shutdown.clone());
    Running {
        address,
        shutdown,
        ended: tokio::spawn(served),
        client: client(),
    }
}

/// A gateway as the binary runs it, with the limiter that asks Redis.
pub async fn run(variables: &[(&str, &str)]) -> Running {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let shutdown = CancellationToken::new();
    let served = crate::gateway::run(listener, settings(variables), shutdown.clone());
    Running {
        address,
        shutdown,
        ended: tokio::spawn(served),
        client: client(),
    }
}

/// A token that is good for an hour.
pub fn token(user: &str) -> String {
    let expires = jiff::Timestamp::now().as_second() + 3600;
    let claims = json!({"sub": user, "exp": expires, "aud": "huleedu-platform", "iss": "huleedu-identity-service"});
    let key = EncodingKey::from_secret(SECRET.as_bytes());
    jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &key).unwrap()
}

/// What `future` comes to; a test that waits too long has failed to see `what`.
pub async fn within<F: Future>(what: &str, future: F) -> F::Output {
    tokio::time::timeout(PATIENCE, future)
        .await
        .unwrap_or_else(|_| panic!("waited in vain for {what}"))
}

/// The code of an error, once everything else about it is as the contract says.
pub async fn code_of(response: Response) -> String {
    let id = response.headers()["x-correlation-id"]
        .to_str()
        .unwrap()
        .to_owned();
    assert_eq!(response.headers()["content-type"], "application/json");
    let body: Value = response.json().await.unwrap();
    let error = body["error"].as_object().unwrap();
    let members: Vec<&str> = error.keys().map(String::as_str).collect();
    assert_eq!(
        members,
        [
            "code",
            "message",
            "correlation_id",
            "service",
            "timestamp",
            "details"
        ]
    );
    assert_eq!(error["correlation_id"], id.as_str());
    assert_eq!(error["service"], "api_gateway");
    assert!(error["details"].is_object());
    let timestamp = error["timestamp"].as_str().unwrap();
    timestamp.parse::<jiff::Timestamp>().unwrap();
    error["code"].as_str().unwrap().to_owned()
}

impl Running {
    /// A request without a token.
    pub fn anonymous(&self, method: Method, path: &str) -> RequestBuilder {
        let url = format!("http://{}{path}", self.address);
        self.client.request(method, url)
    }

    /// A request of the user `teacher`.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.anonymous(method, path)
            .bearer_auth(token("teacher"))
            .header("x-correlation-id", CORRELATION)
    }

    pub async fn get(&self, path: &str) -> Response {
        let answer = self.request(Method::GET, path).send();
        within("an answer", answer).await.unwrap()
    }

    /// A connection on which the test writes HTTP itself.
    pub async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// What comes back for `request`, byte for byte, until the gateway closes the connection.
    pub async fn exchange(&self, request: &str) -> String {
        let mut stream = self.connect().await;
        stream.write_all(request.as_bytes()).await.unwrap();
        rest_of(&mut stream).await
    }

    /// The metrics as text.
    pub async fn metrics(&self) -> String {
        self.get("/metrics").await.text().await.unwrap()
    }

    /// Tells the gateway to stop and waits until it has.
    pub async fn stop(self) {
        self.shutdown.cancel();
        within("the gateway to stop", self.ended)
            .await
            .unwrap()
            .unwrap();
    }
}

/// Everything until the other side closes.
pub async fn rest_of(stream: &mut TcpStream) -> String {
    let mut rest = Vec::new();
    within("the end of the connection", stream.read_to_end(&mut rest))
        .await
        .unwrap();
    String::from_utf8(rest).unwrap()
}

impl Limiter for Counted {
    fn take<'a>(
        &'a self,
        user: &'a str,
        budget: Budget,
        limit: u32,
        window: Duration,
    ) -> BoxFuture<'a, Result<Verdict, Away>> {
        let mut counts = self.0.lock().unwrap();
        let count = counts.entry((user.to_owned(), budget)).or_default();
        *count += 1;
        let verdict = if *count > limit {
            Verdict::Wait(window)
        } else {
            Verdict::Pass
        };
        async move { Ok(verdict) }.boxed()
    }
}

fn settings(variables: &[(&str, &str)]) -> Settings {
    let required = [
        ("JWT_SECRET_KEY", SECRET),
        ("RESULT_AGGREGATOR_URL", NOWHERE),
        ("FILE_SERVICE_URL", NOWHERE),
        ("CMS_API_URL", NOWHERE),
        ("BATCH_ORCHESTRATOR_URL", NOWHERE),
    ];
    let mut environment: Environment = required
        .iter()
        .chain(variables)
        .map(|(name, value)| (format!("{PREFIX}{name}"), (*value).to_owned()))
        .collect();
    let settings = Settings::from_environment(&mut environment);
    environment.finish(settings).unwrap()
}

fn client() -> reqwest::Client {
    reqwest::Client::builder()
        .no_proxy()
        .timeout(PATIENCE)
        .redirect(Policy::none())
        .build()
        .unwrap()
}

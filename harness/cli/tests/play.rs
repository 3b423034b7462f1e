//! `cargo play` as a frontend meets it: a process, its addresses, its closes, and its end.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use futures_util::{Sink, SinkExt, Stream, StreamExt};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::net::TcpStream;
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message};

/// How long a step may take, with the building of the services.
const PATIENCE: Duration = Duration::from_secs(240);
/// Where a frontend's development server is.
const FRONTEND: &str = "http://localhost:5173";

/// A running playground. Dropping it kills it.
struct Play {
    child: Child,
    _printed: Lines<BufReader<ChildStdout>>,
    page: String,
    websocket: String,
    gateway: String,
    http: reqwest::Client,
}

impl Play {
    async fn start(arguments: &[&str]) -> Self {
        let mut child = command(arguments).spawn().unwrap();
        let mut printed = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut address = async |name: &str| loop {
            let line = timeout(PATIENCE, printed.next_line()).await.unwrap();
            let line = line.unwrap().expect("the playground should be up");
            if let Some(address) = line.trim().strip_prefix(name) {
                return address.trim().to_owned();
            }
        };
        let page = address("page").await;
        let websocket = address("websocket service").await;
        let gateway = address("api gateway").await;
        address("Ctrl-C takes it down").await;
        Self {
            child,
            _printed: printed,
            page,
            websocket: websocket.trim_end_matches('…').to_owned(),
            gateway,
            http: reqwest::Client::builder().no_proxy().build().unwrap(),
        }
    }

    /// The answer of the playground's route, which need not be a success.
    async fn ask(&self, path: &str, body: Value) -> (u16, Value) {
        let url = format!("{}{path}", self.page);
        let answer = self.http.post(url).json(&body).send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }

    async fn token(&self, user: &str) -> String {
        let url = format!("{}/api/token?user={user}", self.page);
        let answer = self.http.get(url).send().await.unwrap();
        let answer: Value = answer.json().await.unwrap();
        answer["token"].as_str().unwrap().to_owned()
    }

    /// Connects `user` as a browser does whose page is from `origin`.
    async fn connect(&self, user: &str, origin: &str) -> Result<Tab, Error> {
        let url = format!("{}{}", self.websocket, self.token(user).await);
        let mut request = url.into_client_request().unwrap();
        let origin = HeaderValue::from_str(origin).unwrap();
        request.headers_mut().insert("origin", origin);
        connect_async(request)
            .await
            .map(|(socket, _)| Tab(Box::new(socket)))
    }

    /// Tells it to end, and returns its exit status.
    async fn end(mut self, signal: &str) -> Option<i32> {
        let pid = self.child.id().unwrap().to_string();
        let kill = Command::new("kill").args(["-s", signal, &pid]).status();
        assert!(kill.await.unwrap().success());
        let ended = timeout(PATIENCE, self.child.wait()).await.unwrap();
        ended.unwrap().code()
    }
}

trait Socket: Stream<Item = Result<Message, Error>> + Sink<Message, Error = Error> + Unpin {}
impl<T> Socket for T where
    T: Stream<Item = Result<Message, Error>> + Sink<Message, Error = Error> + Unpin
{
}

/// An open connection.
struct Tab(Box<dyn Socket>);

impl Tab {
    /// The next text.
    async fn text(&mut self) -> String {
        match self.next().await {
            Message::Text(text) => text.to_string(),
            other => panic!("expected a text, got {other:?}"),
        }
    }

    /// The next text's event.
    async fn event(&mut self) -> String {
        let message: Value = serde_json::from_str(&self.text().await).unwrap();
        message["event"].as_str().unwrap().to_owned()
    }

    /// How many texts come before the close, and its code.
    async fn close(mut self) -> (usize, CloseCode) {
        let mut texts = 0;
        loop {
            match self.next().await {
                Message::Text(_) => texts += 1,
                Message::Close(Some(close)) => return (texts, close.code),
                other => panic!("expected a close, got {other:?}"),
            }
        }
    }

    async fn next(&mut self) -> Message {
        loop {
            let next = timeout(PATIENCE, self.0.next()).await.unwrap();
            match next.unwrap().unwrap() {
                Message::Ping(_) | Message::Pong(_) => self.0.flush().await.unwrap(),
                message => return message,
            }
        }
    }
}

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_notifications"));
    command
        .args(["play", "--runtime", "processes"])
        .args([
            "--port",
            "0",
            "--websocket-port",
            "0",
            "--gateway-port",
            "0",
        ])
        .args(arguments)
        .current_dir(harness::data::checkout().unwrap())
        .stdout(Stdio::piped())
        .kill_on_drop(true);
    command
}

#[tokio::test]
async fn a_frontend_gets_what_is_published_and_nothing_is_left_behind() {
    let play = Play::start(&[]).await;
    let page = play.http.get(&play.page).send().await.unwrap();
    let page = page.text().await.unwrap();
    assert!(page.contains("<h1>Notification playground</h1>"));
    assert!(!page.contains("/* page."), "the page is whole");

    let mut tab = play.connect("anna", FRONTEND).await.unwrap();
    let fixture = json!({"user": "anna", "fixture": "class_created"});
    let answer = play.ask("/api/publish", fixture).await;
    assert_eq!(answer, (200, json!({"services": 1, "problems": []})));
    let fixture = harness::fixture::notification("class_created").unwrap();
    assert_eq!(tab.text().await, fixture.content.message.text());

    let typed = json!({"user": "anna", "message": "{ \"event\": \"clas_created\" }"});
    let (status, answer) = play.ask("/api/publish", typed).await;
    assert_eq!(status, 200);
    let problem = "/event: unknown event `clas_created`; did you mean `class_created`?";
    assert_eq!(answer["problems"], json!([problem]));
    assert_eq!(tab.text().await, "{ \"event\": \"clas_created\" }");

    // What the report of a run gives people to copy for wscat.
    let report = include_str!("../../src/report/page/messages.js");
    let (_, copied) = report
        .split_once("http://localhost:4100/api/token")
        .unwrap();
    let (path, _) = copied.split_once("${user}").unwrap();
    let url = format!("{}/api/token{path}bert", play.page);
    let token = play.http.get(url).send().await.unwrap();
    let token = token.text().await.unwrap();
    let copied = connect_async(format!("{}{token}", play.websocket)).await;
    let mut copied = Tab(Box::new(copied.unwrap().0));
    let typed = json!({"user": "bert", "message": "{}"});
    assert_eq!(play.ask("/api/publish", typed).await.0, 200);
    assert_eq!(copied.text().await, "{}");

    let unknown = json!({"user": "anna", "fixture": "clas_created"});
    let words = "no fixture is called `clas_created`; did you mean `class_created`?";
    let answer = play.ask("/api/publish", unknown).await;
    assert_eq!(answer, (404, json!({"error": words})));

    let stranger = play.connect("anna", "http://evil.example").await;
    let Err(Error::Http(refused)) = stranger else {
        panic!("an unknown origin should be refused");
    };
    assert_eq!(refused.status(), 403);

    let addresses = [&play.page, &play.websocket, &play.gateway].map(|url| {
        let (_, rest) = url.split_once("localhost:").unwrap();
        let port = rest.split('/').next().unwrap();
        format!("127.0.0.1:{port}")
    });
    assert_eq!(play.end("INT").await, Some(0));
    for address in addresses {
        assert!(TcpStream::connect(&address).await.is_err(), "{address}");
    }
}

#[tokio::test]
async fn every_fault_is_a_close_that_the_contract_knows_and_passes() {
    let play = Play::start(&[]).await;
    let connect = || async { play.connect("anna", FRONTEND).await.unwrap() };

    let (first, second) = (connect().await, connect().await);
    let other = play.connect("bo", FRONTEND).await.unwrap();
    let anna = json!({"user": "anna"});
    let (status, overflow) = play.ask("/api/overflow", anna.clone()).await;
    assert_eq!(status, 200, "{overflow}");
    for tab in [first, second] {
        let (texts, code) = tab.close().await;
        assert_eq!(code, CloseCode::Again);
        assert!(texts as u64 <= overflow["messages"].as_u64().unwrap());
    }
    let (status, answer) = play.ask("/api/overflow", anna).await;
    let words = "nobody is connected as anna: connect first";
    assert_eq!((status, answer), (503, json!({"error": words})));

    let tab = connect().await;
    let (_, state) = play.ask("/api/redis", json!({"runs": false})).await;
    assert_eq!(
        (&state["redis"], &state["service"]),
        (&json!(false), &json!(true))
    );
    assert_eq!(tab.close().await, (0, CloseCode::Error));
    assert_eq!(other.close().await, (0, CloseCode::Error));
    let fixture = json!({"user": "anna", "fixture": "class_created"});
    let (status, _) = play.ask("/api/publish", fixture.clone()).await;
    assert_eq!(status, 503);
    play.ask("/api/redis", json!({"runs": true})).await;

    let tab = connect().await;
    let (_, state) = play.ask("/api/service", json!({"runs": false})).await;
    assert_eq!(state["service"], json!(false));
    assert_eq!(tab.close().await, (0, CloseCode::Away));
    play.ask("/api/service", json!({"runs": true})).await;

    let mut tab = connect().await;
    play.ask("/api/publish", fixture).await;
    assert_eq!(tab.event().await, "class_created");
}

#[tokio::test]
async fn a_pipeline_is_followed_from_its_start_to_its_results() {
    let play = Play::start(&[]).await;
    let mut tab = play.connect("anna", FRONTEND).await.unwrap();
    let token = play.token("anna").await;
    let call = play
        .http
        .post(format!("{}/v1/batches/7/pipelines", play.gateway));
    let call = call.bearer_auth(&token).header("origin", FRONTEND);
    let call = call.json(&json!({"requested_pipeline": "spellcheck"}));
    let answer = call.send().await.unwrap();
    assert_eq!(answer.status(), 202);
    assert_eq!(answer.headers()["access-control-allow-origin"], FRONTEND);
    for event in [
        "batch_processing_started",
        "batch_spellcheck_completed",
        "pipeline_completed",
        "batch_results_ready",
    ] {
        assert_eq!(tab.event().await, event);
    }
    for (user, status) in [("anna", 200), ("bo", 403)] {
        let call = play
            .http
            .get(format!("{}/v1/batches/7/status", play.gateway));
        let answer = call
            .bearer_auth(play.token(user).await)
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), status);
        let body: Value = answer.json().await.unwrap();
        let told = body["status"] == "completed_successfully";
        assert_eq!(told, user == "anna", "{body}");
    }
}

#[tokio::test]
async fn a_script_is_played_again_and_again() {
    let folder = tempfile::tempdir().unwrap();
    let step =
        |name: &str| format!("[[step]]\npublish = \"{name}\"\nto = \"anna\"\npause = 0.05\n");
    let script = step("class_created") + &step("pipeline_completed.partial-failure");
    let file = write(folder.path(), &script);
    let play = Play::start(&["--script", &file]).await;
    let mut tab = play.connect("anna", FRONTEND).await.unwrap();
    // Which comes first is chance.
    let first = tab.event().await;
    let second = tab.event().await;
    let mut both = [first.clone(), second.clone()];
    both.sort();
    assert_eq!(both, ["class_created", "pipeline_completed"]);
    for expected in [&first, &second, &first] {
        assert_eq!(tab.event().await, *expected);
    }
    assert_eq!(play.end("TERM").await, Some(0));
}

#[tokio::test]
async fn what_is_wrong_is_told_before_anything_starts() {
    let folder = tempfile::tempdir().unwrap();
    let file = write(
        folder.path(),
        "[[step]]\npublish = \"clas_created\"\nto = \"anna\"\n",
    );
    let output = command(&["--script", &file]).output().await.unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    let words =
        format!("{file}:2: no fixture is called `clas_created`; did you mean `class_created`?\n");
    assert_eq!(
        (said.as_ref(), output.status.code()),
        (words.as_str(), Some(3))
    );
}

fn write(folder: &Path, script: &str) -> String {
    let path = folder.join("script.toml");
    std::fs::write(&path, script).unwrap();
    path.display().to_string()
}

//! One scenario's view of a system: users that nobody else has, connections, publishing, calls, and the fence.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use redis::aio::MultiplexedConnection;
use serde_json::Value;
use uuid::Uuid;
use wiremock::ResponseTemplate;

use crate::client::{Answer, Client, Handshake, shake_hands};
use crate::fixture::{self, Caller, Fixture, Interaction, Message, Service};
use crate::flow::{Actor, Entry, Flow, Frame, Lane, Recorder};
use crate::http::{Call, CallBody, Reply};
use crate::ledger::{Ledger, Promise};
use crate::redaction::Redactor;
use crate::scenario::{Failure, Outcome, ensure};
use crate::standin::StandIn;
use crate::system::System;
use crate::token::Claims;
use crate::{expectation, flow, http};

/// How long Redis may take for one command.
const REDIS_DEADLINE: Duration = Duration::from_secs(10);

/// A scenario's view of a system. Clones are the same stage.
#[derive(Clone)]
pub struct Stage(Arc<Inner>);

/// A user of one stage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// What the scenario calls them.
    pub name: String,
    /// Their id: unique to the stage and the run.
    pub id: String,
}

/// The connections that all stages of a system share.
#[derive(Clone)]
pub struct Lines {
    redis: MultiplexedConnection,
    http: reqwest::Client,
}

struct Inner {
    system: Arc<System>,
    lines: Lines,
    mark: String,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    ledger: Ledger,
    lanes: Vec<(String, Actor, Recorder)>,
    redactor: Redactor,
    users: BTreeMap<String, User>,
    clients: Vec<Client>,
}

impl Lines {
    /// Connects to the system's Redis.
    pub async fn open(system: &System) -> Outcome<Self> {
        let trouble = |error: redis::RedisError| {
            Failure::System(format!("{} cannot be reached: {error}", system.redis_url))
        };
        let config = redis::AsyncConnectionConfig::new()
            .set_response_timeout(Some(REDIS_DEADLINE))
            .set_connection_timeout(Some(REDIS_DEADLINE));
        let redis = redis::Client::open(system.redis_url.as_str())
            .map_err(trouble)?
            .get_multiplexed_async_connection_with_config(&config)
            .await
            .map_err(trouble)?;
        let http = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()
            .map_err(|error| Failure::Bug(format!("no HTTP client: {error}")))?;
        Ok(Self { redis, http })
    }
}

impl Stage {
    /// A stage of its own on `system`.
    pub fn new(system: Arc<System>, lines: Lines) -> Self {
        // Every id of the stage ends with the mark, so that whatever carries one of them belongs to the stage.
        let mark = Uuid::new_v4().simple().to_string()[20..].to_owned();
        for standin in system.standins.all() {
            standin.join(&mark);
        }
        Self(Arc::new(Inner {
            system,
            lines,
            mark,
            state: Mutex::default(),
        }))
    }

    /// What every id of this stage contains: for finding the stage in a log.
    pub fn mark(&self) -> &str {
        &self.0.mark
    }

    /// The system that the stage is on.
    pub fn system(&self) -> &System {
        &self.0.system
    }

    /// The user called `name`: the same one each time.
    pub fn user(&self, name: &str) -> User {
        self.user_with_id(name, &self.fresh_id())
    }

    /// The user called `name`, with this id if they are new. For ids that resemble another's.
    pub fn user_with_id(&self, name: &str, id: &str) -> User {
        let mut state = self.lock();
        if let Some(user) = state.users.get(name) {
            return user.clone();
        }
        state.redactor.identify(id, &format!("user:{name}"));
        let user = User {
            name: name.to_owned(),
            id: id.to_owned(),
        };
        state.users.insert(name.to_owned(), user.clone());
        user
    }

    /// A good token for `user`.
    pub fn token(&self, user: &User) -> String {
        self.known_token(
            &user.name,
            Claims::good(&user.id).sign(&self.0.system.jwt_secret),
        )
    }

    /// Tells the flow to call `token` `<token:NAME>`.
    pub fn known_token(&self, name: &str, token: String) -> String {
        self.lock()
            .redactor
            .identify(token.clone(), &format!("token:{name}"));
        token
    }

    /// An id that no other stage has; the flow calls it `<NAME>`.
    pub fn id(&self, name: &str) -> String {
        let id = self.fresh_id();
        self.lock().redactor.identify(id.clone(), name);
        id
    }

    /// Connects `user` with a good token; anything but `101` breaks the contract.
    pub async fn connect(&self, user: &User) -> Outcome<Client> {
        let token = self.token(user);
        self.connect_to(&format!("/ws?token={token}"), user).await
    }

    /// Connects as `user` with `path`; anything but `101` breaks the contract.
    pub async fn connect_to(&self, path: &str, user: &User) -> Outcome<Client> {
        let (offered, name, recorder) = {
            let mut state = self.lock();
            let number = 1 + state
                .lanes
                .iter()
                .filter(|(_, actor, _)| matches!(actor, Actor::Client { user: u, .. } if *u == user.name))
                .count();
            let offered = state.ledger.len();
            let name = format!("{}/{number}", user.name);
            let recorder = Recorder::default();
            let actor = Actor::Client {
                user: user.name.clone(),
                offered,
            };
            state.lanes.push((name.clone(), actor, recorder.clone()));
            (offered, name, recorder)
        };
        let handshake = Handshake {
            address: self.0.system.websocket,
            path: path.to_owned(),
            headers: Vec::new(),
        };
        match shake_hands(&handshake, &recorder).await? {
            Answer::Refused(response) => Err(Failure::Broken(format!(
                "{name} should have got 101 and got {}",
                response.status
            ))),
            Answer::Upgraded(stream) => {
                let mut state = self.lock();
                let promise = (offered, state.ledger.len());
                let id = user.id.clone();
                let is_fence = move |bytes: &[u8]| fence_of(&id, bytes);
                let client = Client::start(&name, &user.name, promise, *stream, recorder, is_fence);
                state.clients.push(client.clone());
                Ok(client)
            }
        }
    }

    /// Asks the gateway for an upgrade of `path`, as actor `name`, and says what it answered.
    pub async fn upgrade_at_gateway(
        &self,
        name: &str,
        path: &str,
        headers: Vec<(String, String)>,
    ) -> Outcome<Answer> {
        let recorder = self.lane(name, Actor::Caller);
        let handshake = Handshake {
            address: self.0.system.gateway,
            path: path.to_owned(),
            headers,
        };
        shake_hands(&handshake, &recorder).await
    }

    /// Publishes a message to `user`, as backend services do.
    pub async fn publish(&self, user: &User, message: &Message) -> Outcome {
        self.publish_bytes(user, &message.event, message.text().as_bytes())
            .await
    }

    /// Publishes `bytes` to `user`; `kind` is how flows and messages call them.
    pub async fn publish_bytes(&self, user: &User, kind: &str, bytes: &[u8]) -> Outcome {
        self.publish_all(user, kind, &[bytes.to_owned()]).await
    }

    /// Publishes many messages to `user`, in order, without a pause between them.
    pub async fn publish_all(&self, user: &User, kind: &str, messages: &[Vec<u8>]) -> Outcome {
        let recorder = self.lane("backend", Actor::Backend);
        let mut pipeline = redis::pipe();
        {
            let mut state = self.lock();
            for bytes in messages {
                if let Ok(value) = serde_json::from_slice(bytes) {
                    state.redactor.note_sent(&value);
                }
                let number = state.ledger.publish(&user.name, kind, bytes);
                recorder.push(Entry::Published(number));
                pipeline
                    .cmd("PUBLISH")
                    .arg(channel(user))
                    .arg(bytes.as_slice());
            }
        }
        self.send(&pipeline).await
    }

    /// The fence: proves that everything published has arrived exactly once, in order, at every open connection that
    /// it was for, and nothing anywhere else.
    ///
    /// A marked message goes down the same path to every connected user, and once all have it, a second one: whatever a
    /// service lets stray from the first user's path to another's had the whole first round to arrive.
    pub async fn settle(&self) -> Outcome {
        let clients = self.lock().clients.clone();
        let open: Vec<Client> = clients
            .iter()
            .filter(|client| client.is_open())
            .cloned()
            .collect();
        let mut lost = Vec::new();
        for _round in 0..2 {
            lost.clear();
            self.fence_round(&open, &mut lost).await?;
            if !lost.is_empty() {
                break;
            }
        }
        let mut sentences = Vec::new();
        {
            let state = self.lock();
            for client in &clients {
                let (offered, promised) = client.promise();
                let promise = Promise {
                    client: client.name(),
                    user: client.user(),
                    offered,
                    promised,
                    open: open.iter().any(|open| open.name() == client.name()),
                };
                let id = &state.users[client.user()].id;
                let texts: Vec<Vec<u8>> = client
                    .texts()
                    .into_iter()
                    .filter(|text| !fence_of(id, text))
                    .collect();
                sentences.extend(state.ledger.violations(&promise, &texts));
            }
        }
        sentences.extend(lost);
        for client in &clients {
            sentences.extend(
                client
                    .lost()
                    .map(|words| format!("{} {words}", client.name())),
            );
        }
        for client in &open {
            client.fence();
        }
        ensure(sentences.is_empty(), || sentences.join("\n"))
    }

    /// Calls the gateway as actor `name`.
    pub async fn call(&self, name: &str, call: &Call) -> Outcome<Reply> {
        let (reply, recorder) = self.send_call(name, self.0.system.gateway, call).await?;
        recorder.push(Entry::Response(reply.shown()));
        Ok(reply)
    }

    /// Calls an HTTP route of the websocket service as actor `name`. The flow shows those members of the JSON answer
    /// that `expected` has, free values masked as it says.
    pub async fn call_websocket_service(
        &self,
        name: &str,
        call: &Call,
        expected: &Value,
    ) -> Outcome<Reply> {
        let (reply, recorder) = self.send_call(name, self.0.system.websocket, call).await?;
        let mut shown = reply.shown();
        if let flow::Body::Json(actual) = &mut shown.body {
            *actual = expectation::masked(expected, actual);
            if let (Some(members), Some(expected)) = (actual.as_object_mut(), expected.as_object())
            {
                members.retain(|name, _| expected.contains_key(name));
            }
        }
        recorder.push(Entry::Response(shown));
        Ok(reply)
    }

    /// Reads the websocket service's metrics as actor `name`; the flow says only that they were read.
    pub async fn websocket_metrics(&self, name: &str) -> Outcome<String> {
        let call = Call::get("/metrics");
        let (reply, recorder) = self.send_call(name, self.0.system.websocket, &call).await?;
        recorder.push(Entry::Response(flow::Response {
            body: flow::Body::Empty,
            ..reply.shown()
        }));
        ensure(reply.status == 200, || {
            format!("GET /metrics answered {}", reply.status)
        })?;
        Ok(reply.text())
    }

    /// Plays an interaction with the gateway: the call, what its downstream sees and answers, what the client gets.
    pub async fn play(&self, fixture: &Fixture<Interaction>) -> Outcome<Reply> {
        let interaction = &fixture.content;
        let values = self.placeholders();
        let teacher = self.user("teacher");
        let secret = &self.0.system.jwt_secret;
        let mut headers: Vec<(String, String)> = interaction
            .request
            .headers
            .iter()
            .map(|(name, value)| (name.clone(), values.fill(value)))
            .collect();
        match interaction.caller {
            Caller::Nobody => {}
            Caller::Teacher => {
                headers.push((
                    "authorization".into(),
                    format!("Bearer {}", self.token(&teacher)),
                ));
            }
            Caller::Expired => {
                let token = Claims::good(&teacher.id).expired().sign(secret);
                let token = self.known_token("expired", token);
                headers.push(("authorization".into(), format!("Bearer {token}")));
            }
        }
        let request = &interaction.request;
        let call = Call {
            method: request.method.clone(),
            path: values.fill(&request.path),
            headers,
            body: match (&request.json, &request.text, &request.multipart) {
                (Some(json), _, _) => CallBody::Json(values.fill_json(json)),
                (_, Some(text), _) => CallBody::Text(values.fill(text)),
                (_, _, Some(parts)) => CallBody::Multipart(values.fill_parts(parts)),
                _ => CallBody::Empty,
            },
        };
        if let Some(downstream) = &interaction.downstream {
            let answer = &downstream.response;
            let mut template = ResponseTemplate::new(answer.status);
            if let Some(json) = &answer.json {
                template = template.set_body_json(values.fill_json(json));
            }
            if let Some(text) = &answer.text {
                template = template.set_body_string(values.fill(text));
            }
            for (name, value) in &answer.headers {
                template = template.insert_header(name.as_str(), values.fill(value));
            }
            self.standin(downstream.service)
                .answer(&self.0.mark, template);
        }
        let (reply, recorder) = self
            .send_call(&teacher.name, self.0.system.gateway, &call)
            .await?;
        let mut problems = self.check_downstream(interaction, &values).await?;
        problems.extend(check_reply(interaction, &values, &reply, &recorder));
        ensure(problems.is_empty(), || {
            format!("{}: {}", fixture.path, problems.join("\n"))
        })?;
        Ok(reply)
    }

    /// Tells the stand-in for `service` to answer this stage's requests with `status` and `json`.
    pub fn stand_in_answers(&self, service: Service, status: u16, json: &Value) {
        let template = ResponseTemplate::new(status).set_body_json(json);
        self.standin(service).answer(&self.0.mark, template);
    }

    /// Takes the requests of this stage that `service` has received, and records them with `answered` as the status.
    pub async fn requests_at(
        &self,
        service: Service,
        answered: u16,
    ) -> Outcome<Vec<(String, Value)>> {
        let standin = self.standin(service);
        let recorder = self.lane(standin.name, Actor::StandIn);
        let mut seen = Vec::new();
        for request in standin.take_requests(&self.0.mark) {
            recorder.push(Entry::Request(shown_request(&request).await));
            recorder.push(Entry::Response(flow::Response {
                status: answered,
                headers: Vec::new(),
                body: flow::Body::Empty,
            }));
            let path = request.url.path().to_owned();
            seen.push((
                path,
                serde_json::from_slice(&request.body).unwrap_or(Value::Null),
            ));
        }
        Ok(seen)
    }

    /// Writes a sentence into the lane of actor `name`.
    pub fn note(&self, name: &str, sentence: &str) {
        self.lane(name, Actor::Caller)
            .push(Entry::Note(sentence.to_owned()));
    }

    /// The flow so far.
    pub fn flow(&self) -> Flow {
        let state = self.lock();
        Flow {
            ledger: state.ledger.clone(),
            lanes: state
                .lanes
                .iter()
                .map(|(name, actor, recorder)| Lane {
                    name: name.clone(),
                    actor: actor.clone(),
                    entries: recorder.entries(),
                })
                .collect(),
        }
    }

    /// What the flow's values are called.
    pub fn redactor(&self) -> Redactor {
        self.lock().redactor.clone()
    }

    /// Ends the stage: closes what is open and forgets what the stand-ins keep for it.
    pub fn leave(&self) {
        self.lock().clients.clear();
        for standin in self.0.system.standins.all() {
            standin.leave(&self.0.mark);
        }
    }

    async fn send_call(
        &self,
        name: &str,
        address: std::net::SocketAddr,
        call: &Call,
    ) -> Outcome<(Reply, Recorder)> {
        let recorder = self.lane(name, Actor::Caller);
        recorder.push(Entry::Request(call.shown()));
        if let CallBody::Json(json) = &call.body {
            self.lock().redactor.note_sent(json);
        }
        let reply = call.send(&self.0.lines.http, address).await?;
        Ok((reply, recorder))
    }

    /// One marked message to each connected user, and its arrival at each of their connections.
    async fn fence_round(&self, open: &[Client], lost: &mut Vec<String>) -> Outcome {
        let mut nonces = BTreeMap::new();
        let mut pipeline = redis::pipe();
        for client in open {
            if nonces.contains_key(client.user()) {
                continue;
            }
            let user = self.user(client.user());
            let nonce = Uuid::new_v4().to_string();
            let text = serde_json::json!({
                "event": "fence",
                "data": {"user": user.id, "nonce": nonce},
            });
            pipeline
                .cmd("PUBLISH")
                .arg(channel(&user))
                .arg(text.to_string());
            nonces.insert(client.user(), nonce);
        }
        if nonces.is_empty() {
            return Ok(());
        }
        self.send(&pipeline).await?;
        let nonces = &nonces;
        let arrivals = open.iter().map(|client| async move {
            let words = client.until_text(&nonces[client.user()]).await.err()?;
            Some(format!(
                "{} never received the fence, the last message published to {}: {words}",
                client.name(),
                client.user()
            ))
        });
        lost.extend(join_all(arrivals).await.into_iter().flatten());
        Ok(())
    }

    /// Whether the stand-ins saw what the interaction says, and nothing else.
    async fn check_downstream(
        &self,
        interaction: &Interaction,
        values: &Placeholders,
    ) -> Outcome<Vec<String>> {
        let mut problems = Vec::new();
        for standin in self.0.system.standins.all() {
            let requests = standin.take_requests(&self.0.mark);
            let expected = interaction
                .downstream
                .as_ref()
                .filter(|downstream| self.standin(downstream.service).name == standin.name);
            let times = requests.len();
            match (expected, times) {
                (None, 0) | (Some(_), 1) => {}
                (None, _) => problems.push(format!("{} should not have been called", standin.name)),
                (Some(_), 0) => problems.push(format!("{} was not called", standin.name)),
                (Some(_), _) => problems.push(format!("{} was called {times} times", standin.name)),
            }
            if requests.is_empty() {
                continue;
            }
            let recorder = self.lane(standin.name, Actor::StandIn);
            for request in &requests {
                let mut shown = shown_request(request).await;
                if let Some(downstream) = expected {
                    let arrived = Arrived::of(request).await;
                    problems.extend(arrived.check(
                        standin.name,
                        &downstream.request,
                        values,
                        &mut shown,
                    ));
                }
                recorder.push(Entry::Request(shown));
                if let Some(downstream) = expected {
                    recorder.push(Entry::Response(shown_answer(&downstream.response, values)));
                }
            }
        }
        Ok(problems)
    }

    fn placeholders(&self) -> Placeholders {
        let named = |placeholder: &str, value: String| (format!("{{{placeholder}}}"), value);
        Placeholders(vec![
            named("user_id", self.user("teacher").id),
            named("other_user_id", self.user("colleague").id),
            named("batch_id", self.id("batch")),
            named("class_id", self.id("class")),
            named("correlation_id", self.id("correlation")),
        ])
    }

    fn standin(&self, service: Service) -> &StandIn {
        let standins = &self.0.system.standins;
        match service {
            Service::Aggregator => &standins.aggregator,
            Service::Files => &standins.files,
            Service::Classes => &standins.classes,
            Service::Orchestrator => &standins.orchestrator,
        }
    }

    /// The lane called `name`, made when there is none.
    fn lane(&self, name: &str, actor: Actor) -> Recorder {
        let mut state = self.lock();
        if let Some((_, _, recorder)) = state
            .lanes
            .iter()
            .find(|(n, a, _)| n == name && *a == actor)
        {
            return recorder.clone();
        }
        let recorder = Recorder::default();
        state.lanes.push((name.to_owned(), actor, recorder.clone()));
        recorder
    }

    async fn send(&self, pipeline: &redis::Pipeline) -> Outcome {
        let mut redis = self.0.lines.redis.clone();
        pipeline
            .query_async::<Vec<i64>>(&mut redis)
            .await
            .map(|_| ())
            .map_err(|error| Failure::System(format!("Redis did not take a message: {error}")))
    }

    fn fresh_id(&self) -> String {
        let id = Uuid::new_v4().to_string();
        format!("{}{}", &id[..24], self.0.mark)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// `ws:{user_id}` (contract, Backplane).
fn channel(user: &User) -> String {
    format!("ws:{}", user.id)
}

/// Whether `bytes` are a fence for the user with this id.
fn fence_of(user_id: &str, bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    text.contains("fence") && text.contains("nonce") && text.contains(&format!("\"{user_id}\""))
}

/// What stands for a value of the run in fixtures.
struct Placeholders(Vec<(String, String)>);

impl Placeholders {
    fn fill(&self, text: &str) -> String {
        self.0
            .iter()
            .fold(text.to_owned(), |text, (placeholder, value)| {
                text.replace(placeholder, value)
            })
    }

    fn fill_json(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.fill(text)),
            Value::Array(values) => values.iter().map(|value| self.fill_json(value)).collect(),
            Value::Object(members) => members
                .iter()
                .map(|(name, value)| (self.fill(name), self.fill_json(value)))
                .collect(),
            other => other.clone(),
        }
    }

    fn fill_parts(&self, parts: &[fixture::Part]) -> Vec<fixture::Part> {
        parts
            .iter()
            .map(|part| fixture::Part {
                value: self.fill(&part.value),
                ..part.clone()
            })
            .collect()
    }
}

/// A request at a stand-in, its body read as what it is.
struct Arrived<'a> {
    request: &'a wiremock::Request,
    parts: Option<Vec<fixture::Part>>,
}

impl<'a> Arrived<'a> {
    async fn of(request: &'a wiremock::Request) -> Self {
        let kind = header(request, "content-type").unwrap_or_default();
        let parts = if kind.starts_with("multipart/form-data") {
            http::read_parts(&kind, request.body.clone()).await.ok()
        } else {
            None
        };
        Self { request, parts }
    }

    /// A sentence for each way in which the request is not `expected`. Values that are free are masked in `shown`.
    fn check(
        &self,
        name: &str,
        expected: &fixture::ExpectedRequest,
        values: &Placeholders,
        shown: &mut flow::Request,
    ) -> Vec<String> {
        let mut problems = Vec::new();
        let path = values.fill(&expected.path);
        if shown.method != expected.method || shown.path != path {
            problems.push(format!(
                "{name} should have received {} {path} and received {} {}",
                expected.method, shown.method, shown.path
            ));
        }
        let fields = |field: &str| header(self.request, field);
        problems.extend(check_headers(
            &format!("{name} received"),
            &expected.headers,
            &expected.absent_headers,
            values,
            fields,
        ));
        if let Some(json) = &expected.json {
            let json = values.fill_json(json);
            let actual = serde_json::from_slice(&self.request.body).unwrap_or(Value::Null);
            let differences = expectation::differences(&json, &actual);
            problems.extend(
                differences
                    .iter()
                    .map(|d| format!("{name} received a body with {d}")),
            );
            shown.body = flow::Body::Json(expectation::masked(&json, &actual));
        }
        if let Some(text) = &expected.text
            && self.request.body != values.fill(text).as_bytes()
        {
            problems.push(format!(
                "{name} should have received the body {text:?} and received {:?}",
                String::from_utf8_lossy(&self.request.body)
            ));
        }
        if let Some(parts) = &expected.multipart {
            let parts = values.fill_parts(parts);
            if self.parts.as_ref() != Some(&parts) {
                problems.push(format!(
                    "{name} should have received the parts {parts:?} and received {:?}",
                    self.parts
                ));
            }
        }
        problems
    }
}

/// A sentence for each way in which `reply` is not what the interaction expects; records the reply.
fn check_reply(
    interaction: &Interaction,
    values: &Placeholders,
    reply: &Reply,
    recorder: &Recorder,
) -> Vec<String> {
    let expected = &interaction.response;
    let mut problems = Vec::new();
    let mut shown = reply.shown();
    if reply.status != expected.status {
        problems.push(format!(
            "expected status {}, got {} with {}",
            expected.status,
            reply.status,
            reply.text()
        ));
    }
    problems.extend(check_headers(
        "the answer has",
        &expected.headers,
        &expected.absent_headers,
        values,
        |name| reply.header(name).map(str::to_owned),
    ));
    if let Some(json) = &expected.json {
        let json = values.fill_json(json);
        match serde_json::from_slice(&reply.body) {
            Ok(actual) => {
                let differences = expectation::differences(&json, &actual);
                problems.extend(
                    differences
                        .iter()
                        .map(|d| format!("the answer's body: {d}")),
                );
                shown.body = flow::Body::Json(expectation::masked(&json, &actual));
            }
            Err(error) => {
                problems.push(format!("the answer is no JSON ({error}): {}", reply.text()))
            }
        }
    }
    let text = reply.text();
    if let Some(wanted) = &expected.text
        && text != values.fill(wanted)
    {
        problems.push(format!("expected the body {wanted:?}, got {text:?}"));
    }
    let mut checked = Vec::new();
    for part in &expected.contains {
        if !text.contains(part.as_str()) {
            problems.push(format!("the body does not contain {part:?}"));
        }
        checked.push(format!("contains {part:?}"));
    }
    for part in &expected.absent {
        if text.to_lowercase().contains(&part.to_lowercase()) {
            problems.push(format!("the body contains {part:?}"));
        }
        checked.push(format!("does not contain {part:?}"));
    }
    if expected.json.is_none() && expected.text.is_none() && !checked.is_empty() {
        shown.body = flow::Body::Checked(checked);
    }
    recorder.push(Entry::Response(shown));
    problems
}

fn check_headers(
    whose: &str,
    expected: &BTreeMap<String, String>,
    absent: &[String],
    values: &Placeholders,
    field: impl Fn(&str) -> Option<String>,
) -> Vec<String> {
    let mut problems = Vec::new();
    for (name, value) in expected {
        let value = Value::String(values.fill(value));
        let actual = field(&name.to_lowercase());
        match &actual {
            Some(actual) => {
                let actual = Value::String(actual.clone());
                let differences = expectation::differences(&value, &actual);
                problems.extend(
                    differences.iter().map(|d| {
                        format!("{whose} {name}: expected {}, got {}", d.expected, d.actual)
                    }),
                );
            }
            None => problems.push(format!("{whose} no {name}, expected {value}")),
        }
    }
    for name in absent {
        if let Some(value) = field(&name.to_lowercase()) {
            problems.push(format!("{whose} {name}: {value}, which must not be there"));
        }
    }
    problems
}

fn header(request: &wiremock::Request, name: &str) -> Option<String> {
    let value = request.headers.get(name)?;
    Some(String::from_utf8_lossy(value.as_bytes()).into_owned())
}

async fn shown_request(request: &wiremock::Request) -> flow::Request {
    let query = request
        .url
        .query()
        .map(|query| format!("?{query}"))
        .unwrap_or_default();
    let headers = request
        .headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.to_str().unwrap_or("(not text)")));
    let body = match Arrived::of(request).await.parts {
        Some(parts) => http::shown_parts(&parts),
        None => http::shown_body(&request.body),
    };
    flow::Request {
        method: request.method.to_string(),
        path: format!("{}{query}", request.url.path()),
        headers: http::shown_headers(headers),
        body,
    }
}

fn shown_answer(answer: &fixture::Answer, values: &Placeholders) -> flow::Response {
    let mut headers: Vec<(String, String)> = answer
        .headers
        .iter()
        .map(|(name, value)| (name.to_lowercase(), values.fill(value)))
        .collect();
    headers.sort();
    flow::Response {
        status: answer.status,
        headers,
        body: match (&answer.json, &answer.text) {
            (Some(json), _) => flow::Body::Json(values.fill_json(json)),
            (None, Some(text)) => flow::Body::Text(values.fill(text)),
            (None, None) => flow::Body::Empty,
        },
    }
}

impl From<&str> for Frame {
    fn from(text: &str) -> Self {
        Self::Text(text.as_bytes().to_owned())
    }
}

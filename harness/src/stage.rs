//! One scenario's view of a system: users that nobody else has, connections, publishing, calls, and the fence.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use contract::Rules;
use contract::rules::{self, Service};
use futures_util::future::join_all;
use redis::aio::MultiplexedConnection;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep};
use tokio_tungstenite::WebSocketStream;
use uuid::Uuid;
use wiremock::ResponseTemplate;

use crate::audit::{Audience, Audit, Exercised};
use crate::client::{Answer, Client, Handshake, PATIENCE, shake_hands};
use crate::fixture::{self, Message};
use crate::flow::{Actor, Entry, Flow, Frame, Lane, Recorder};
use crate::http::{Call, CallBody, Reply};
use crate::ledger::{Ledger, Promise};
use crate::raw_client::RawClient;
use crate::redaction::Redactor;
use crate::scenario::{Failure, Outcome, ensure};
use crate::standin::StandIn;
use crate::system::{Part, System};
use crate::{expectation, flow, interaction};

/// How long Redis may take for one command.
const REDIS_DEADLINE: Duration = Duration::from_secs(10);
/// How often a Redis that starts is asked whether it answers yet.
const REDIS_INTERVAL: Duration = Duration::from_millis(15);

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
    redis: Arc<Mutex<MultiplexedConnection>>,
    http: reqwest::Client,
    rules: &'static Rules,
}

struct Inner {
    system: Arc<System>,
    lines: Lines,
    mark: String,
    state: Mutex<State>,
}

struct State {
    audit: Audit,
    /// The lanes whose close is in the audit already.
    closes_audited: BTreeSet<String>,
    ledger: Ledger,
    lanes: Vec<(String, Actor, Recorder)>,
    redactor: Redactor,
    users: BTreeMap<String, User>,
    clients: Vec<Client>,
}

impl Lines {
    /// Connects to the system's Redis.
    pub async fn open(system: &System) -> Outcome<Self> {
        let http = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()
            .map_err(|error| Failure::Bug(format!("no HTTP client: {error}")))?;
        let redis = Arc::new(Mutex::new(connection(system).await?));
        let rules =
            crate::contract::rules().map_err(|error| Failure::Bug(format!("no rules: {error}")))?;
        Ok(Self { redis, http, rules })
    }

    pub(crate) fn http(&self) -> &reqwest::Client {
        &self.http
    }

    /// Connects anew to a Redis that was started again.
    pub(crate) async fn reopen(&self, system: &System) -> Outcome {
        let opened = connection(system).await?;
        *self.redis.lock().unwrap_or_else(PoisonError::into_inner) = opened;
        Ok(())
    }
}

/// A connection to the system's Redis as soon as it answers; one that somebody else started has to at once.
async fn connection(system: &System) -> Outcome<MultiplexedConnection> {
    let trouble = |error: redis::RedisError| {
        // The URL holds the password; an address is all that a reader needs.
        let address = system.redis_address();
        let words = match error.kind() {
            redis::ErrorKind::AuthenticationFailed => {
                format!("the Redis at {address} refuses the user or the password of its url")
            }
            redis::ErrorKind::Parse => format!("what answers at {address} is no Redis: {error}"),
            _ => format!("the Redis at {address} cannot be reached: {error}"),
        };
        Failure::System(words)
    };
    let config = redis::AsyncConnectionConfig::new()
        .set_response_timeout(Some(REDIS_DEADLINE))
        .set_connection_timeout(Some(REDIS_DEADLINE));
    let client = redis::Client::open(system.redis_url()).map_err(trouble)?;
    let deadline = Instant::now() + REDIS_DEADLINE;
    let starts = |error: &redis::RedisError| {
        let final_answer = redis::ErrorKind::AuthenticationFailed;
        system.starts(Part::Redis) && error.kind() != final_answer && Instant::now() < deadline
    };
    loop {
        match client
            .get_multiplexed_async_connection_with_config(&config)
            .await
        {
            Err(error) if starts(&error) => {
                if let Some(exit) = system.exit(Part::Redis).await {
                    let log = system.log_tail(Part::Redis);
                    return Err(Failure::System(format!("redis {exit}\n{log}")));
                }
                sleep(REDIS_INTERVAL).await;
            }
            opened => return opened.map_err(trouble),
        }
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
        let state = State {
            audit: Audit::new(lines.rules),
            closes_audited: BTreeSet::new(),
            ledger: Ledger::default(),
            lanes: Vec::new(),
            redactor: Redactor::default(),
            users: BTreeMap::new(),
            clients: Vec::new(),
        };
        Self(Arc::new(Inner {
            system,
            lines,
            mark,
            state: Mutex::new(state),
        }))
    }

    /// What every id of this stage contains: for finding the stage in a log.
    pub fn mark(&self) -> &str {
        &self.0.mark
    }

    /// The system that the stage is on.
    pub fn system(&self) -> &Arc<System> {
        &self.0.system
    }

    pub(crate) fn lines(&self) -> &Lines {
        &self.0.lines
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
        let issuer = &self.0.system.issuer;
        self.known_token(&user.name, issuer.sign(&issuer.claims(&user.id)))
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
        self.connect_with(path, Vec::new(), user).await
    }

    /// Connects as `user` with `path` and header fields; anything but `101` breaks the contract.
    pub async fn connect_with(
        &self,
        path: &str,
        headers: Vec<(String, String)>,
        user: &User,
    ) -> Outcome<Client> {
        let (name, offered, recorder) = self.client_lane(user);
        let stream = self.upgraded(path, headers, &name, &recorder).await?;
        let mut state = self.lock();
        let promise = (offered, state.ledger.len());
        let client = start_client(&name, user, promise, stream, recorder);
        state.clients.push(client.clone());
        Ok(client)
    }

    /// Connects `user` with a client that does only what it is told. The fence and the ledger do not know it.
    pub async fn connect_raw(&self, user: &User) -> Outcome<RawClient> {
        let (name, _, recorder) = self.client_lane(user);
        let path = format!("/ws?token={}", self.token(user));
        let address = self.0.system.address(Part::WebsocketService)?;
        let target = self.0.system.target(&path);
        RawClient::connect(name, address, path, &target, recorder).await
    }

    /// Waits until `user` may have one more connection: tries, unseen by the flow, until one is served.
    pub async fn until_room_for(&self, user: &User) -> Outcome {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let recorder = Recorder::default();
            let path = format!("/ws?token={}", self.token(user));
            let name = format!("{}, trying,", user.name);
            let stream = self.upgraded(&path, Vec::new(), &name, &recorder).await?;
            let client = start_client(&name, user, (0, 0), stream, recorder);
            // One that is refused is closed at once, and may be before the ping is sent.
            let served =
                client.send(Frame::Ping(Vec::new())).await.is_ok() && client.is_served(b"").await;
            if served {
                return client.close().await;
            }
            ensure(Instant::now() < deadline, || {
                let ended = client.ended().unwrap_or_default();
                let seconds = PATIENCE.as_secs();
                format!("{name} still finds no room after {seconds} s: {ended}")
            })?;
        }
    }

    async fn upgraded(
        &self,
        path: &str,
        headers: Vec<(String, String)>,
        name: &str,
        recorder: &Recorder,
    ) -> Outcome<WebSocketStream<TcpStream>> {
        let handshake = self.handshake(Service::Websocket, path, headers)?;
        match self
            .shake_hands(Service::Websocket, &handshake, recorder)
            .await?
        {
            Answer::Refused(response) => Err(Failure::Broken(format!(
                "{name} should have got 101 and got {}",
                response.status
            ))),
            Answer::Upgraded(stream) => Ok(*stream),
        }
    }

    /// The lane of the next connection of `user`: its name, how many messages were published before, and its recorder.
    fn client_lane(&self, user: &User) -> (String, usize, Recorder) {
        let mut state = self.lock();
        let number = 1 + state
            .lanes
            .iter()
            .filter(
                |(_, actor, _)| matches!(actor, Actor::Client { user: u, .. } if *u == user.name),
            )
            .count();
        let offered = state.ledger.len();
        let name = format!("{}/{number}", user.name);
        let recorder = Recorder::default();
        let actor = Actor::Client {
            user: user.name.clone(),
            offered,
        };
        state.lanes.push((name.clone(), actor, recorder.clone()));
        (name, offered, recorder)
    }

    /// Asks the gateway for an upgrade of `path`, as actor `name`, and says what it answered.
    pub async fn upgrade_at_gateway(
        &self,
        name: &str,
        path: &str,
        headers: Vec<(String, String)>,
    ) -> Outcome<Answer> {
        self.upgrade(Service::Gateway, name, path, headers).await
    }

    /// The same at the websocket service, for requests that it should refuse.
    pub async fn upgrade_at_websocket_service(
        &self,
        name: &str,
        path: &str,
        headers: Vec<(String, String)>,
    ) -> Outcome<Answer> {
        self.upgrade(Service::Websocket, name, path, headers).await
    }

    async fn upgrade(
        &self,
        service: Service,
        name: &str,
        path: &str,
        headers: Vec<(String, String)>,
    ) -> Outcome<Answer> {
        let recorder = self.lane(name, Actor::Caller);
        let handshake = self.handshake(service, path, headers)?;
        self.shake_hands(service, &handshake, &recorder).await
    }

    /// Shakes hands and holds the answer against the contract.
    async fn shake_hands(
        &self,
        service: Service,
        handshake: &Handshake,
        recorder: &Recorder,
    ) -> Outcome<Answer> {
        let answer = shake_hands(handshake, recorder).await?;
        let call = rules::Call {
            method: "GET",
            path: &handshake.path,
            headers: &handshake.headers,
            body: &[],
        };
        let reply = match &answer {
            Answer::Upgraded(_) => rules::Reply {
                status: 101,
                headers: &[],
                body: &[],
            },
            Answer::Refused(refusal) => rules::Reply {
                status: refusal.status,
                headers: &refusal.headers,
                body: &refusal.body,
            },
        };
        self.lock().audit.called(service, &call, &reply);
        Ok(answer)
    }

    /// An upgrade request of `path`, which is the contract's: a profile may name another one for the wire.
    pub(crate) fn handshake(
        &self,
        service: Service,
        path: &str,
        headers: Vec<(String, String)>,
    ) -> Outcome<Handshake> {
        Ok(Handshake {
            address: self.address(service)?,
            path: path.to_owned(),
            target: match service {
                Service::Gateway => path.to_owned(),
                Service::Websocket => self.0.system.target(path),
            },
            headers,
        })
    }

    fn address(&self, service: Service) -> Outcome<SocketAddr> {
        self.0.system.address(match service {
            Service::Gateway => Part::ApiGateway,
            Service::Websocket => Part::WebsocketService,
        })
    }

    /// Publishes a message to `user`, as backend services do.
    pub async fn publish(&self, user: &User, message: &Message) -> Outcome {
        let value = serde_json::json!(message);
        self.lock().audit.published(&value);
        self.publish_bytes(user, &message.event, message.text().as_bytes())
            .await
    }

    /// Publishes `bytes` to `user`, which need not be a notification of the contract; `kind` is how flows and messages call them.
    pub async fn publish_bytes(&self, user: &User, kind: &str, bytes: &[u8]) -> Outcome {
        self.publish_all(user, kind, &[bytes.to_owned()]).await
    }

    /// Publishes many messages to `user`, in order, without a pause between them.
    pub async fn publish_all(&self, user: &User, kind: &str, messages: &[Vec<u8>]) -> Outcome {
        self.publish_entered(user, kind, messages, Ledger::publish)
            .await
    }

    /// The same for messages whose number is chance: the flow does not count them.
    pub async fn publish_flood(&self, user: &User, kind: &str, messages: &[Vec<u8>]) -> Outcome {
        self.publish_entered(user, kind, messages, Ledger::publish_flood)
            .await
    }

    async fn publish_entered(
        &self,
        user: &User,
        kind: &str,
        messages: &[Vec<u8>],
        enter: fn(&mut Ledger, &str, &str, &[u8]) -> usize,
    ) -> Outcome {
        let recorder = self.lane("backend", Actor::Backend);
        let mut pipeline = redis::pipe();
        {
            let mut state = self.lock();
            for bytes in messages {
                if let Ok(value) = serde_json::from_slice(bytes) {
                    state.redactor.note_sent(&value);
                }
                let number = enter(&mut state.ledger, &user.name, kind, bytes);
                recorder.push(Entry::Published(number));
                pipeline
                    .cmd("PUBLISH")
                    .arg(self.0.system.channel(&user.id))
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
                sentences.extend(doubled_fences(client));
                sentences.extend(client.binaries().iter().map(|bytes| {
                    let kind = state.ledger.published().iter().find(|m| m.bytes == *bytes);
                    let what = kind.map_or("something".to_owned(), |m| {
                        format!("#{} {}", m.number, m.kind)
                    });
                    format!(
                        "{} received {what} as a binary message, not as a text",
                        client.name()
                    )
                }));
                sentences.extend(state.ledger.violations(&promise, &client.texts()));
            }
        }
        sentences.extend(lost);
        sentences.extend(self.audit(&clients));
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
        let (reply, recorder) = self.send_call(name, Service::Gateway, call).await?;
        recorder.push(Entry::Response(reply.shown()));
        Ok(reply)
    }

    /// Calls the gateway, unseen by the flow: for calls whose number is chance.
    pub async fn call_unseen(&self, call: &Call) -> Outcome<Reply> {
        self.exchange(Service::Gateway, call).await
    }

    /// Calls an HTTP route of the websocket service as actor `name`. The flow shows those members of the JSON answer
    /// that `expected` has, free values masked as it says.
    pub async fn call_websocket_service(
        &self,
        name: &str,
        call: &Call,
        expected: &Value,
    ) -> Outcome<Reply> {
        let (reply, recorder) = self.send_call(name, Service::Websocket, call).await?;
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
        let (reply, recorder) = self.send_call(name, Service::Websocket, &call).await?;
        recorder.push(Entry::Response(flow::Response {
            body: flow::Body::Empty,
            ..reply.shown()
        }));
        ensure(reply.status == 200, || {
            format!("GET /metrics answered {}", reply.status)
        })?;
        Ok(reply.text())
    }

    /// Tells the stand-in for `service` to answer this stage's requests with `status` and `json`.
    pub fn stand_in_answers(&self, service: fixture::Service, status: u16, json: &Value) {
        let template = ResponseTemplate::new(status).set_body_json(json);
        self.standin(service).answer(&self.0.mark, template);
    }

    /// The same, but the answer comes only after `delay`.
    pub fn stand_in_answers_after(
        &self,
        delay: Duration,
        service: fixture::Service,
        status: u16,
        json: &Value,
    ) {
        let template = ResponseTemplate::new(status).set_body_json(json);
        self.standin(service)
            .answer(&self.0.mark, template.set_delay(delay));
    }

    /// Takes the requests of this stage that `service` has received, and records them with `answered` as the status.
    pub async fn requests_at(
        &self,
        service: fixture::Service,
        answered: u16,
    ) -> Outcome<Vec<(String, Value)>> {
        let standin = self.standin(service);
        let recorder = self.lane(standin.name, Actor::StandIn);
        let mut seen = Vec::new();
        for request in standin.take_requests(&self.0.mark) {
            self.arrived(standin.name, &request);
            recorder.push(Entry::Request(interaction::shown_request(&request).await));
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

    /// A sentence for each thing that travelled since the last call and is not as the contract's documents say.
    fn audit(&self, clients: &[Client]) -> Vec<String> {
        let mut state = self.lock();
        let state = &mut *state;
        for client in clients {
            for text in client.texts() {
                // What was published off the contract on purpose arrives as it was published.
                let mut copies = (state.ledger.published().iter()).filter(|m| m.bytes == text);
                if copies.any(|message| self.0.lines.rules.knows(&message.kind)) {
                    state.audit.received(client.name(), &text);
                }
            }
        }
        for (name, actor, recorder) in &state.lanes {
            if let Actor::Client { .. } = actor
                && let Some((code, reason)) = close_by_service(&recorder.entries())
                && state.closes_audited.insert(name.clone())
            {
                state.audit.closed(name, code, &reason);
            }
        }
        state.audit.take_violations()
    }

    /// What of the contract this stage exercised.
    pub fn exercised(&self) -> Exercised {
        let mut state = self.lock();
        let state = &mut *state;
        for message in state.ledger.published() {
            // A connection counts as there when the promise holds for it.
            let there = |client: &&Client| client.promise().1 < message.number;
            let (own, others): (Vec<_>, Vec<_>) = (state.clients.iter().filter(there))
                .partition(|client| client.user() == message.user);
            let audience = match own.len() {
                0 => Audience::Nobody,
                1 => Audience::One,
                _ => Audience::Several,
            };
            state.audit.delivered(&message.kind, audience);
            if !others.is_empty() {
                state.audit.delivered(&message.kind, Audience::Others);
            }
        }
        state.audit.exercised().clone()
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

    pub(crate) async fn send_call(
        &self,
        name: &str,
        service: Service,
        call: &Call,
    ) -> Outcome<(Reply, Recorder)> {
        let recorder = self.lane(name, Actor::Caller);
        recorder.push(Entry::Request(call.shown()));
        if let CallBody::Json(json) = &call.body {
            self.lock().redactor.note_sent(json);
        }
        Ok((self.exchange(service, call).await?, recorder))
    }

    /// Sends `call` and holds the answer against the contract.
    async fn exchange(&self, service: Service, call: &Call) -> Outcome<Reply> {
        let address = self.address(service)?;
        let reply = call.send(&self.0.lines.http, address).await?;
        let body = match &call.body {
            CallBody::Json(json) => json.to_string().into_bytes(),
            CallBody::Text(text) => text.clone().into_bytes(),
            CallBody::Empty | CallBody::Multipart(_) => Vec::new(),
        };
        let sent = rules::Call {
            method: &call.method,
            path: &call.path,
            headers: &call.headers,
            body: &body,
        };
        let answer = rules::Reply {
            status: reply.status,
            headers: &reply.headers,
            body: &reply.body,
        };
        self.lock().audit.called(service, &sent, &answer);
        Ok(reply)
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
                .arg(self.0.system.channel(&user.id))
                .arg(text.to_string());
            nonces.insert(client.user(), nonce);
        }
        if nonces.is_empty() {
            return Ok(());
        }
        self.send(&pipeline).await?;
        let nonces = &nonces;
        let arrivals = open.iter().map(|client| async move {
            let words = client.until_fence(&nonces[client.user()]).await.err()?;
            Some(format!(
                "{} never received the fence, the last message published to {}: {words}",
                client.name(),
                client.user()
            ))
        });
        lost.extend(join_all(arrivals).await.into_iter().flatten());
        Ok(())
    }

    /// Holds a call that reached a stand-in against the contract.
    pub(crate) fn arrived(&self, standin: &str, request: &wiremock::Request) {
        let headers: Vec<(String, String)> = (request.headers.iter())
            .map(|(name, value)| (name.to_string(), value.to_str().unwrap_or_default().into()))
            .collect();
        let call = rules::Call {
            method: request.method.as_str(),
            path: request.url.path(),
            headers: &headers,
            body: &request.body,
        };
        self.lock().audit.arrived(standin, &call);
    }

    pub(crate) fn standin(&self, service: fixture::Service) -> &StandIn {
        let standins = &self.0.system.standins;
        match service {
            fixture::Service::Aggregator => &standins.aggregator,
            fixture::Service::Files => &standins.files,
            fixture::Service::Classes => &standins.classes,
            fixture::Service::Orchestrator => &standins.orchestrator,
        }
    }

    /// The lane called `name`, made when there is none.
    pub(crate) fn lane(&self, name: &str, actor: Actor) -> Recorder {
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
        let mut redis = {
            let shared = self.0.lines.redis.lock();
            shared.unwrap_or_else(PoisonError::into_inner).clone()
        };
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

/// The code and reason of the close in a client's lane, if the service began it; no code is 1005 (RFC 6455, section
/// 7.1.5).
fn close_by_service(entries: &[Entry]) -> Option<(u16, String)> {
    const NONE: u16 = 1005;
    entries.iter().find_map(|entry| match entry {
        Entry::Sent(Frame::Close(_)) => Some(None),
        Entry::Received(Frame::Close(close)) => {
            Some(Some(close.clone().unwrap_or((NONE, String::new()))))
        }
        _ => None,
    })?
}

/// A sentence if a fence arrived more than once: a service that doubles it doubles messages too.
fn doubled_fences(client: &Client) -> Option<String> {
    let mut fences = client.fences();
    let all = fences.len();
    fences.sort();
    fences.dedup();
    (fences.len() < all).then(|| format!("{} received a fence twice", client.name()))
}

fn start_client(
    name: &str,
    user: &User,
    promise: (usize, usize),
    stream: WebSocketStream<TcpStream>,
    recorder: Recorder,
) -> Client {
    let id = user.id.clone();
    let is_fence = move |bytes: &[u8]| fence_of(&id, bytes);
    Client::start(name, &user.name, promise, stream, recorder, is_fence)
}

/// Whether `bytes` are a fence for the user with this id.
fn fence_of(user_id: &str, bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    text.contains("fence") && text.contains("nonce") && text.contains(&format!("\"{user_id}\""))
}

impl From<&str> for Frame {
    fn from(text: &str) -> Self {
        Self::Text(text.as_bytes().to_owned())
    }
}

//! One scenario's view of a system: users that nobody else has, connections, publishing, calls, and the fence.
//!
//! - `connections`: how users connect, and what an upgrade is answered
//! - `guests`: connections that somebody else makes and keeps
//! - `calls`: HTTP, to the services and behind the gateway
//! - `traffic`: numbered messages that are published while something else happens
//! - `crowd`: many users who all do the same
//! - `ordinary`: what is asked of a system before something is done to it
//! - `settlement`: the fence, and what it settles

mod calls;
mod connections;
mod crowd;
mod guests;
mod ordinary;
mod settlement;
mod traffic;

pub(crate) use connections::AWAY_REFUSES;
pub use guests::{Guest, Sight};
pub use traffic::Traffic;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use contract::Rules;
use contract::rules::Service;
use redis::aio::MultiplexedConnection;
use uuid::Uuid;

use crate::audit::Audit;
use crate::backplane::{Backplane, Publication};
use crate::channels::Channels;
use crate::client::{Client, Counts};
use crate::endpoint::Endpoint;
use crate::error_shape::ErrorShape;
use crate::fixture::Message;
use crate::flow::{Actor, Entry, Flow, Frame, Recorder};
use crate::http::Http;
use crate::ledger::{Ledger, Telling, is_fence};
use crate::proxy::Proxy;
use crate::redaction::Redactor;
use crate::saboteur::{Between, Saboteur};
use crate::scenario::{Failure, Outcome};
use crate::system::{Part, System};

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
    /// The crowd that they are one of, if they are.
    pub crowd: Option<String>,
}

/// The connections that all stages of a system share.
#[derive(Clone)]
pub struct Lines {
    backplane: Arc<Backplane>,
    channels: Arc<Channels>,
    http: Http,
    rules: &'static Rules,
}

struct Inner {
    system: Arc<System>,
    lines: Lines,
    mark: String,
    saboteur: Option<Saboteur>,
    /// How many messages are in the ledger, and what of everything has arrived, without the state.
    counts: Arc<Counts>,
    state: Mutex<State>,
    /// Held by whoever publishes, where messages do not keep their order by themselves.
    publishing: tokio::sync::Mutex<()>,
}

struct State {
    audit: Audit,
    /// The lanes whose close is in the audit already.
    closes_audited: BTreeSet<String>,
    ledger: Ledger,
    /// The numbers of the messages that Redis has not yet said to have.
    on_their_way: BTreeSet<usize>,
    lanes: Vec<(String, Actor, Recorder)>,
    redactor: Redactor,
    users: BTreeMap<String, User>,
    clients: Vec<Client>,
    /// How many numbered messages a client had got when its lane last told of them.
    told: BTreeMap<String, usize>,
    /// The networks that clients connect over.
    networks: Vec<Arc<Proxy>>,
    /// What was done to the system, and how many messages had been published before it.
    faults: Vec<(usize, String)>,
}

impl Lines {
    /// Connects to the system's Redis.
    pub async fn open(system: &System) -> Outcome<Self> {
        let http = Http::new().map_err(Failure::Bug)?;
        let backplane = Arc::new(Backplane::open(system).await?);
        let rules =
            crate::contract::rules().map_err(|error| Failure::Bug(format!("no rules: {error}")))?;
        Ok(Self {
            backplane,
            channels: Arc::default(),
            http,
            rules,
        })
    }

    pub(crate) fn rules(&self) -> &'static Rules {
        self.rules
    }

    pub(crate) fn http(&self) -> &Http {
        &self.http
    }

    /// Connects anew to a Redis that was started again.
    pub(crate) async fn reopen(&self, system: &System) -> Outcome {
        self.backplane.reopen(system).await
    }

    /// From here on publishes over `connection`.
    pub(crate) fn publish_at(&self, connection: MultiplexedConnection) {
        self.backplane.publish_at(connection);
    }
}

impl Stage {
    /// A stage of its own on `system`.
    pub fn new(system: Arc<System>, lines: Lines) -> Self {
        Self::with(system, lines, new_mark(), None)
    }

    /// A stage of its own on `system`, with whoever is to stand `between` the two.
    pub async fn behind(system: Arc<System>, lines: Lines, between: Between) -> Outcome<Self> {
        let mark = new_mark();
        let saboteur = match between {
            Between::Nobody => None,
            Between::Saboteur(sabotage) => Some(Saboteur::begin(&system, &mark, sabotage).await?),
        };
        Ok(Self::with(system, lines, mark, saboteur))
    }

    fn with(system: Arc<System>, lines: Lines, mark: String, saboteur: Option<Saboteur>) -> Self {
        for standin in system.standins.all() {
            standin.join(&mark);
        }
        let state = State {
            audit: Audit::new(lines.rules, !system.is_reference()),
            closes_audited: BTreeSet::new(),
            ledger: Ledger::default(),
            on_their_way: BTreeSet::new(),
            lanes: Vec::new(),
            redactor: Redactor::default(),
            users: BTreeMap::new(),
            clients: Vec::new(),
            told: BTreeMap::new(),
            networks: Vec::new(),
            faults: Vec::new(),
        };
        Self(Arc::new(Inner {
            system,
            lines,
            mark,
            saboteur,
            counts: Arc::default(),
            state: Mutex::new(state),
            publishing: tokio::sync::Mutex::default(),
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
            crowd: None,
        };
        state.users.insert(name.to_owned(), user.clone());
        user
    }

    /// A good token for `user`.
    pub fn token(&self, user: &User) -> String {
        let issuer = &self.0.system.issuer;
        let token = issuer.sign(&issuer.claims(&user.id));
        match &user.crowd {
            None => self.known_token(&user.name, token),
            // The flow has their paths masked, and any token is masked wherever it stands.
            Some(_) => token,
        }
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

    fn endpoint(&self, service: Service) -> Outcome<Endpoint> {
        self.endpoint_of(match service {
            Service::Gateway => Part::ApiGateway,
            Service::Websocket => Part::WebsocketService,
        })
    }

    /// What the errors of `service` look like.
    fn errors(&self, service: Service) -> ErrorShape {
        match service {
            Service::Gateway => self.0.system.profile().errors.clone(),
            Service::Websocket => ErrorShape::default(),
        }
    }

    /// Where the stage reaches `part`.
    pub(crate) fn endpoint_of(&self, part: Part) -> Outcome<Endpoint> {
        let endpoint = self.0.system.endpoint(part)?;
        let door = self.saboteur().and_then(|saboteur| saboteur.door(part));
        Ok(door.map_or(endpoint, Endpoint::http))
    }

    /// The same of a part that the harness starts: for what is done to the network before it.
    pub(crate) fn address_of(&self, part: Part) -> Outcome<SocketAddr> {
        let address = self.0.system.address(part)?;
        let door = self.saboteur().and_then(|saboteur| saboteur.door(part));
        Ok(door.unwrap_or(address))
    }

    pub(crate) fn saboteur(&self) -> Option<&Saboteur> {
        self.0.saboteur.as_ref()
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
        self.publish_entered(user, kind, messages, Telling::Numbered)
            .await
    }

    /// The same for messages whose number is chance: the flow does not count them.
    pub async fn publish_flood(&self, user: &User, kind: &str, messages: &[Vec<u8>]) -> Outcome {
        self.publish_entered(user, kind, messages, Telling::Uncounted)
            .await
    }

    async fn publish_entered(
        &self,
        user: &User,
        kind: &str,
        messages: &[Vec<u8>],
        telling: Telling,
    ) -> Outcome {
        let recorder = self.lane("backend", Actor::Backend);
        let mut publications = Vec::new();
        let mut numbers = Vec::new();
        for bytes in messages {
            if let Ok(value) = serde_json::from_slice(bytes) {
                self.lock().redactor.note_sent(&value);
            }
            let (number, publication) = self.enter(user, kind, telling, |_| bytes.clone());
            recorder.push(Entry::Published(number));
            publications.push(publication);
            numbers.push(number);
        }
        self.send_entered(&publications, &numbers).await
    }

    /// Enters a message, whose bytes may hold its number, in the ledger, as on its way; says its number.
    fn enter(
        &self,
        user: &User,
        kind: &str,
        telling: Telling,
        bytes: impl FnOnce(usize) -> Vec<u8>,
    ) -> (usize, Publication) {
        let mut state = self.lock();
        let bytes = bytes(state.ledger.len() + 1);
        let number = state.ledger.publish(&user.name, kind, &bytes, telling);
        state.on_their_way.insert(number);
        self.0.counts.published.store(number, Ordering::SeqCst);
        (number, (self.0.system.channel(&user.id), bytes))
    }

    /// Sends messages with these numbers. If Redis does not say that it has them they are in doubt.
    async fn send_entered(&self, publications: &[Publication], numbers: &[usize]) -> Outcome {
        let sent = self.send(publications).await;
        let mut state = self.lock();
        for number in numbers {
            state.on_their_way.remove(number);
            if sent.is_err() {
                state.ledger.doubt(*number);
            }
        }
        sent
    }

    /// How many messages Redis has for certain: whoever connects from now on gets none of them.
    fn settled(&self) -> usize {
        let state = self.lock();
        match state.on_their_way.first() {
            Some(first) => first - 1,
            None => state.ledger.len(),
        }
    }

    /// Writes a sentence into the lane of actor `name`.
    pub fn note(&self, name: &str, sentence: &str) {
        self.lane(name, Actor::Caller)
            .push(Entry::Note(sentence.to_owned()));
    }

    /// Remembers what is done to the system, and how many messages had been published before it.
    pub(crate) fn note_fault(&self, words: &str) {
        let mut state = self.lock();
        let published = state.ledger.len();
        state.faults.push((published, words.to_owned()));
    }

    /// Keeps a network of clients up until the stage is left.
    pub(crate) fn keep(&self, network: Arc<Proxy>) {
        self.lock().networks.push(network);
    }

    /// The flow so far.
    pub fn flow(&self) -> Flow {
        let state = self.lock();
        Flow {
            ledger: state.ledger.clone(),
            lanes: state
                .lanes
                .iter()
                .map(|(name, actor, recorder)| recorder.lane(name, actor))
                .collect(),
        }
    }

    /// What the flow's values are called.
    pub fn redactor(&self) -> Redactor {
        self.lock().redactor.clone()
    }

    /// Ends the stage: closes what is open and forgets what the stand-ins keep for it.
    pub fn leave(&self) {
        {
            let mut state = self.lock();
            state.clients.clear();
            state.networks.clear();
        }
        for standin in self.0.system.standins.all() {
            standin.leave(&self.0.mark);
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

    /// Sends one command to Redis, past any proxy; what it answers is nobody's business.
    pub(crate) async fn tell_redis(&self, command: &redis::Cmd) -> Outcome {
        self.0.lines.backplane.tell(command).await
    }

    /// Publishes `publications`, after those that were published before.
    async fn send(&self, publications: &[Publication]) -> Outcome {
        let (backplane, turn) = (&self.0.lines.backplane, &self.0.publishing);
        for (channel, bytes) in publications {
            self.0.lines.channels.note(channel, bytes);
        }
        backplane.publish(publications, turn).await
    }

    pub(crate) fn fresh_id(&self) -> String {
        let id = Uuid::new_v4().to_string();
        format!("{}{}", &id[..24], self.0.mark)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Every id of a stage ends with its mark, so that whatever carries one of them belongs to the stage.
fn new_mark() -> String {
    Uuid::new_v4().simple().to_string()[20..].to_owned()
}

/// Whether `bytes` are a fence for the user with this id.
fn fence_of(user_id: &str, bytes: &[u8]) -> bool {
    is_fence(bytes) && String::from_utf8_lossy(bytes).contains(&format!("\"{user_id}\""))
}

impl From<&str> for Frame {
    fn from(text: &str) -> Self {
        Self::Text(text.as_bytes().to_owned())
    }
}

//! How a scenario's users connect, and what an upgrade is answered.

use std::sync::Arc;

use contract::rules::{self, Service};
use futures_util::StreamExt;
use futures_util::stream::SplitSink;
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::Message;

use super::{Stage, User, fence_of};
use crate::breach::Breach;
use crate::client::{Client, Messages, PATIENCE};
use crate::endpoint::Endpoint;
use crate::fault::Link;
use crate::flow::{Actor, Entry, Recorder};
use crate::handshake::{Answer, Handshake, Socket, shake_hands};
use crate::profile::Upgrade;
use crate::raw_client::RawClient;
use crate::scenario::{Failure, Outcome, ensure};

/// What a new client is owed while Redis is away.
pub(crate) const AWAY_REFUSES: &str = "backplane.away-refuses";
/// The status that some services answer then.
const NOT_AVAILABLE: u16 = 503;

/// A client's lane.
pub(super) struct Lane {
    pub name: String,
    /// How many messages had been published when its handshake began.
    pub offered: usize,
    pub recorder: Recorder,
}

impl Stage {
    /// Connects `user` with a good token; anything but `101` breaks the contract.
    pub async fn connect(&self, user: &User) -> Outcome<Client> {
        self.connect_by(None, user).await
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
        let handshake = self.handshake_as(user, path, headers)?;
        self.connect_as(handshake, None, user).await
    }

    /// Connects `user` with a good token over `link`; anything but `101` breaks the contract.
    pub async fn connect_over(&self, link: &Link, user: &User) -> Outcome<Client> {
        self.connect_by(Some(link), user).await
    }

    /// Connects `user` with a good token to the websocket service at `endpoint`; anything but `101` breaks the contract.
    pub(crate) async fn connect_at(&self, endpoint: &Endpoint, user: &User) -> Outcome<Client> {
        let mut handshake = self.good_handshake(user)?;
        handshake.endpoint = endpoint.clone();
        self.connect_as(handshake, None, user).await
    }

    pub(super) async fn connect_by(&self, link: Option<&Link>, user: &User) -> Outcome<Client> {
        let mut handshake = self.good_handshake(user)?;
        if let Some(link) = link {
            handshake.endpoint = link.endpoint();
        }
        self.connect_as(handshake, link.map(Link::name), user).await
    }

    async fn connect_as(
        &self,
        handshake: Handshake,
        network: Option<&str>,
        user: &User,
    ) -> Outcome<Client> {
        let (name, offered, recorder) = self.client_lane(user);
        if let Some(network) = network {
            recorder.push(Entry::Note(format!("over {network}")));
        }
        let stream = self.upgraded(&handshake, &name, &recorder).await?;
        let mut state = self.lock();
        let promise = (offered, state.ledger.len());
        let client = self.start_client(&name, user, promise, stream, recorder);
        state.clients.push(client.clone());
        Ok(client)
    }

    /// Connects `user` with a client that does only what it is told. The fence and the ledger do not know it.
    pub async fn connect_raw(&self, user: &User) -> Outcome<RawClient> {
        let (name, _, recorder) = self.client_lane(user);
        let handshake = self.good_handshake(user)?;
        RawClient::connect(name, &handshake, recorder).await
    }

    /// Connects `user` once there is room for it: tries, unseen by the flow, until a connection is served. A place is free as
    /// soon as its client is gone for the service, which the client cannot see.
    pub async fn connect_once_there_is_room(&self, user: &User) -> Outcome<Client> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let (client, lane) = self.connect_unseen(user).await?;
            if self.serves(&client).await? {
                self.see(&client, user, lane);
                return Ok(client);
            }
            ensure(Instant::now() < deadline, || {
                let (name, ended) = (&user.name, client.ended().unwrap_or_default());
                let seconds = PATIENCE.as_secs();
                format!("{name} still finds no room after {seconds} s: {ended}")
            })?;
        }
    }

    /// Asks the gateway for an upgrade of `path`, as actor `name`, and says what it answered.
    pub async fn upgrade_at_gateway(
        &self,
        name: &str,
        path: &str,
        headers: Vec<(String, String)>,
    ) -> Outcome<Answer> {
        let handshake = Handshake {
            service: Service::Gateway,
            endpoint: self.endpoint(Service::Gateway)?,
            path: path.to_owned(),
            target: self.0.system.profile().gateway_target(path),
            bearer: None,
            errors: self.errors(Service::Gateway),
            headers,
        };
        self.upgrade(Service::Gateway, name, &handshake).await
    }

    /// The same at the websocket service, as `user`, for requests that it should refuse.
    pub async fn upgrade_at_websocket_service(
        &self,
        name: &str,
        user: &User,
        path: &str,
        headers: Vec<(String, String)>,
    ) -> Outcome<Answer> {
        let handshake = self.handshake_as(user, path, headers)?;
        self.upgrade(Service::Websocket, name, &handshake).await
    }

    async fn upgraded(
        &self,
        handshake: &Handshake,
        name: &str,
        recorder: &Recorder,
    ) -> Outcome<Socket> {
        match self
            .shake_hands(Service::Websocket, handshake, recorder)
            .await?
        {
            Answer::Refused(response) => {
                let status = response.status;
                let words = format!("{name} should have got 101 and got {status}");
                // Who is not served after something was done to the system is told by a close.
                let away = status == NOT_AVAILABLE && !self.lock().faults.is_empty();
                let breach = Breach::of(words, away.then_some(AWAY_REFUSES));
                Err(Failure::Broken(vec![breach]))
            }
            Answer::Upgraded(stream) => Ok(*stream),
        }
    }

    /// Connects `user` with a client that neither the flow nor the ledger know until it is [seen](Self::see).
    pub(super) async fn connect_unseen(&self, user: &User) -> Outcome<(Client, Lane)> {
        let lane = self.next_lane(user);
        let handshake = self.good_handshake(user)?;
        let stream = self
            .upgraded(&handshake, &lane.name, &lane.recorder)
            .await?;
        let promise = (lane.offered, self.lock().ledger.len());
        let recorder = lane.recorder.clone();
        let client = self.start_client(&lane.name, user, promise, stream, recorder);
        Ok((client, lane))
    }

    /// From here on flow and ledger know `client`, a connection of `user`.
    pub(super) fn see(&self, client: &Client, user: &User, lane: Lane) {
        self.enter_lane(user, lane);
        self.lock().clients.push(client.clone());
    }

    /// The lane of the next connection of `user`: its name, how many messages were published before, and its recorder.
    fn client_lane(&self, user: &User) -> (String, usize, Recorder) {
        let lane = self.next_lane(user);
        let (name, offered, recorder) = (lane.name.clone(), lane.offered, lane.recorder.clone());
        self.enter_lane(user, lane);
        (name, offered, recorder)
    }

    pub(super) fn next_lane(&self, user: &User) -> Lane {
        let offered = self.dealt_with(user);
        let state = self.lock();
        let others = state.lanes.iter().filter(
            |(_, actor, _)| matches!(actor, Actor::Client { user: u, .. } if *u == user.name),
        );
        Lane {
            name: format!("{}/{}", user.name, 1 + others.count()),
            offered,
            recorder: Recorder::default(),
        }
    }

    /// How many messages have been dealt with: whoever connects as `user` from now on gets none of them.
    pub(super) fn dealt_with(&self, user: &User) -> usize {
        let settled = self.settled();
        let state = self.lock();
        let siblings = state.clients.iter();
        let siblings = siblings.filter(|client| client.user() == user.name && client.is_open());
        let siblings: Vec<&Client> = siblings.collect();
        state.ledger.dealt_with(&user.name, settled, |message| {
            let (number, bytes) = (message.number, &message.bytes);
            let waits = |client: &&Client| number > client.promise().1 && !client.has_text(bytes);
            siblings.iter().any(waits)
        })
    }

    fn enter_lane(&self, user: &User, lane: Lane) {
        let actor = Actor::Client {
            user: user.name.clone(),
            offered: lane.offered,
            crowd: user.crowd.clone(),
        };
        self.lock().lanes.push((lane.name, actor, lane.recorder));
    }

    /// What `user` asks for who has a good token.
    pub(crate) fn good_handshake(&self, user: &User) -> Outcome<Handshake> {
        let path = format!("/ws?token={}", self.token(user));
        let mut handshake = self.handshake_as(user, &path, Vec::new())?;
        if let Some(crowd) = &user.crowd {
            handshake.path = format!("/ws?token=<token:{crowd}>");
        }
        Ok(handshake)
    }

    /// An upgrade request of `path` at the websocket service, which is the contract's: what goes over the wire is as the
    /// profile has it for `user`.
    pub(crate) fn handshake_as(
        &self,
        user: &User,
        path: &str,
        headers: Vec<(String, String)>,
    ) -> Outcome<Handshake> {
        let Upgrade { target, bearer } = self.0.system.profile().upgrade(path, &user.id);
        Ok(Handshake {
            service: Service::Websocket,
            endpoint: self.endpoint(Service::Websocket)?,
            path: path.to_owned(),
            target,
            bearer,
            errors: self.errors(Service::Websocket),
            headers,
        })
    }

    async fn upgrade(
        &self,
        service: Service,
        name: &str,
        handshake: &Handshake,
    ) -> Outcome<Answer> {
        let recorder = self.lane(name, Actor::Caller);
        self.shake_hands(service, handshake, &recorder).await
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
        let refusal = match &answer {
            Answer::Upgraded(_) => None,
            Answer::Refused(refusal) => Some(refusal.judged()),
        };
        let reply = match &refusal {
            None => rules::Reply {
                status: 101,
                headers: &[],
                body: &[],
            },
            Some(refusal) => rules::Reply {
                status: refusal.status,
                headers: &refusal.headers,
                body: &refusal.body,
            },
        };
        self.lock().audit.called(service, &call, &reply);
        Ok(answer)
    }

    fn start_client(
        &self,
        name: &str,
        user: &User,
        promise: (usize, usize),
        stream: Socket,
        recorder: Recorder,
    ) -> Client {
        let (sink, stream) = stream.split();
        self.client_of(name, user, promise, (Some(sink), stream), recorder)
    }

    pub(super) fn client_of(
        &self,
        name: &str,
        user: &User,
        promise: (usize, usize),
        ends: (Option<SplitSink<Socket, Message>>, impl Messages),
        recorder: Recorder,
    ) -> Client {
        let (id, counts) = (user.id.clone(), Arc::clone(&self.0.counts));
        let is_fence = move |bytes: &[u8]| fence_of(&id, bytes);
        Client::start(name, &user.name, promise, ends, recorder, counts, is_fence)
    }
}

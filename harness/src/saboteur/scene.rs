//! What the saboteur knows of its stage, and its own line to Redis.

use std::collections::BTreeSet;
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::StreamExt;
use redis::aio::PubSub;
use tokio::sync::mpsc;

use super::frame::Frame;
use crate::endpoint::Endpoint;
use crate::scenario::{Failure, Outcome};
use crate::system::{Part, System};
use crate::token::Issuer;

/// How long Redis may take to take a connection.
const CONNECT_DEADLINE: Duration = Duration::from_secs(1);

/// One stage, as its saboteur sees it.
pub(super) struct Scene {
    system: Arc<System>,
    /// Where each part is really.
    parts: Vec<(Part, SocketAddr)>,
    mark: String,
    count: AtomicUsize,
    state: Mutex<State>,
    /// Held while something is sent to a client, where nobody else may be sent anything meanwhile.
    pub turn: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct State {
    connected: Vec<Connected>,
    closes: BTreeSet<u16>,
    kept: Vec<(String, Vec<u8>)>,
}

/// A connection of a client.
struct Connected {
    user: String,
    number: usize,
    orders: mpsc::UnboundedSender<Order>,
}

/// What a connection's own task is to send its client besides what the service sends.
pub(super) enum Order {
    /// This frame.
    Send(Frame),
    /// This one so much later.
    SendLate(Frame, Duration),
    /// This one, if there is one, and then the connection ends, on both sides.
    End(Option<Frame>),
}

impl Scene {
    /// Of the stage with `mark`, on a `system` whose `parts` are there.
    pub fn new(system: Arc<System>, mark: &str, parts: Vec<(Part, SocketAddr)>) -> Self {
        Self {
            system,
            parts,
            mark: mark.to_owned(),
            count: AtomicUsize::new(0),
            state: Mutex::default(),
            turn: tokio::sync::Mutex::new(()),
        }
    }

    /// Where `part` is really.
    pub fn address(&self, part: Part) -> Option<SocketAddr> {
        let mut parts = self.parts.iter();
        parts.find_map(|(other, address)| (*other == part).then_some(*address))
    }

    /// Who signs good tokens.
    pub fn issuer(&self) -> &Issuer {
        &self.system.issuer
    }

    /// The password of Redis.
    pub fn redis_password(&self) -> &str {
        &self.system.redis_password
    }

    /// 1 at the first call, 2 at the second.
    pub fn next(&self) -> usize {
        self.count.fetch_add(1, Ordering::SeqCst) + 1
    }

    /// How often [`next`](Self::next) was called.
    pub fn counted(&self) -> usize {
        self.count.load(Ordering::SeqCst)
    }

    /// The largest `value` so far.
    pub fn most(&self, value: usize) -> usize {
        self.count.fetch_max(value, Ordering::SeqCst).max(value)
    }

    /// What services behind the gateway answer this stage: the bodies.
    pub fn words_behind(&self) -> Vec<String> {
        let standins = self.system.standins.all().into_iter();
        standins
            .filter_map(|standin| standin.words(&self.mark))
            .collect()
    }

    /// The port of the stand-in called `name`.
    pub fn standin(&self, name: &str) -> Option<u16> {
        let mut standins = self.system.standins.all().into_iter();
        standins
            .find(|standin| standin.name == name)
            .map(|standin| standin.port())
    }

    /// Whether Redis takes connections.
    pub fn redis_is_there(&self) -> bool {
        // Only a Redis of the harness is ever away.
        match self.system.address(Part::Redis) {
            Ok(address) => TcpStream::connect_timeout(&address, CONNECT_DEADLINE).is_ok(),
            Err(_) => true,
        }
    }

    /// Enters a connection of `user`; its number is the how-manieth of the stage's it is.
    pub fn enter(&self, user: &str, orders: mpsc::UnboundedSender<Order>) -> usize {
        let mut state = self.lock();
        let number = state.connected.len() + 1;
        state.connected.push(Connected {
            user: user.to_owned(),
            number,
            orders,
        });
        number
    }

    /// Whose connections there were.
    pub fn users(&self) -> BTreeSet<String> {
        let state = self.lock();
        state.connected.iter().map(|one| one.user.clone()).collect()
    }

    /// How many connections of `user` are open.
    pub fn open(&self, user: &str) -> usize {
        let state = self.lock();
        let open = |one: &&Connected| one.user == user && !one.orders.is_closed();
        state.connected.iter().filter(open).count()
    }

    /// How many connections of anybody are open.
    pub fn open_of_all(&self) -> usize {
        let state = self.lock();
        let open = |one: &&Connected| !one.orders.is_closed();
        state.connected.iter().filter(open).count()
    }

    /// Whether the connection with `number` is the first open one of its user.
    pub fn is_first(&self, user: &str, number: usize) -> bool {
        let state = self.lock();
        let mut open = (state.connected.iter()).filter(|one| !one.orders.is_closed());
        open.find(|one| one.user == user)
            .is_some_and(|first| first.number == number)
    }

    /// Has the first open connection whose user and number are as `wanted` do what `order` says.
    pub fn tell(&self, wanted: impl Fn(&str, usize) -> bool, order: Order) {
        let state = self.lock();
        let mut open = (state.connected.iter()).filter(|one| !one.orders.is_closed());
        if let Some(one) = open.find(|one| wanted(&one.user, one.number)) {
            // One that has ended meanwhile is told nothing.
            let _ = one.orders.send(order);
        }
    }

    /// Has every open connection of `user` do what `order` says.
    pub fn tell_all(&self, user: &str, order: impl Fn() -> Order) {
        let state = self.lock();
        for one in state.connected.iter().filter(|one| one.user == user) {
            let _ = one.orders.send(order());
        }
    }

    /// Remembers that the service closed a connection with `code`.
    pub fn note_close(&self, code: u16) {
        self.lock().closes.insert(code);
    }

    /// Whether the service has closed a connection of the stage with `code`.
    pub fn has_closed(&self, code: u16) -> bool {
        self.lock().closes.contains(&code)
    }

    /// Keeps what was published to `user`.
    pub fn keep(&self, user: &str, bytes: &[u8]) {
        self.lock().kept.push((user.to_owned(), bytes.to_owned()));
    }

    /// What was kept for `user`.
    pub fn kept(&self, user: &str) -> Vec<Vec<u8>> {
        let state = self.lock();
        let kept = state.kept.iter().filter(|(whose, _)| whose == user);
        kept.map(|(_, bytes)| bytes.clone()).collect()
    }

    /// What is published to `user` from now on.
    pub async fn line_of(&self, user: &str) -> redis::RedisResult<PubSub> {
        let mut line = self.line().await?;
        line.subscribe(self.system.channel(user)).await?;
        Ok(line)
    }

    async fn line(&self) -> redis::RedisResult<PubSub> {
        let client = redis::Client::open(self.system.redis().map_or("", Endpoint::url))?;
        client.get_async_pubsub().await
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// From now on `deed` hears of every message that is published to a user of the stage, as long as what is returned runs.
pub(super) async fn overhear(
    scene: Arc<Scene>,
    deed: fn(&Scene, &str, &[u8]),
) -> Outcome<impl Future<Output = ()> + Send + 'static> {
    let trouble = |error: redis::RedisError| {
        Failure::System(format!("the saboteur has no line to Redis: {error}"))
    };
    // A mark is hexadecimal: nothing in it is a pattern.
    let pattern = scene.system.channel(&format!("*{}*", scene.mark));
    let around = scene.system.channel("\n");
    let (before, after) = around.split_once('\n').unwrap_or_default();
    let (before, after) = (before.len(), after.len());
    let mut line = scene.line().await.map_err(trouble)?;
    line.psubscribe(pattern).await.map_err(trouble)?;
    Ok(async move {
        let mut messages = line.on_message();
        while let Some(message) = messages.next().await {
            let channel = message.get_channel_name();
            let user = channel
                .get(before..channel.len() - after)
                .unwrap_or_default();
            deed(&scene, user, message.get_payload_bytes());
        }
    })
}

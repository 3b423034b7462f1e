//! The clients of one target: they read everything, and keep account of it.

use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use notification_services::websocket::resp::{self, Reply};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::ledger::{Faults, Ledger};
use super::message::{LENGTH, Message};
use super::target::Wire;

/// Open connections, read until this is dropped.
pub struct Audience {
    shared: Arc<Shared>,
    /// By user: each has one of these connections.
    clients: Vec<(u64, Arc<Mutex<Client>>)>,
    readers: JoinSet<()>,
    /// By user.
    published: HashMap<u64, u64>,
    expected: u64,
}

struct Shared {
    began: Instant,
    received: AtomicU64,
    /// How many are waited for.
    awaited: AtomicU64,
    enough: Notify,
    latencies: Mutex<Vec<Duration>>,
}

#[derive(Default)]
struct Client {
    /// By user: one, except for the bare subscriber.
    ledgers: HashMap<u64, Ledger>,
    /// Bytes of a message that is not whole yet.
    rest: Vec<u8>,
}

/// How long nothing may come before what is missing counts as lost.
const SILENCE: Duration = Duration::from_secs(3);

impl Audience {
    /// Nobody yet; `began` is when time zero of the messages was.
    pub fn new(began: Instant) -> Self {
        Self {
            shared: Arc::new(Shared {
                began,
                received: AtomicU64::new(0),
                awaited: AtomicU64::new(u64::MAX),
                enough: Notify::new(),
                latencies: Mutex::default(),
            }),
            clients: Vec::new(),
            readers: JoinSet::new(),
            published: HashMap::new(),
            expected: 0,
        }
    }

    /// Reads `stream`, which brings the messages of `users`, from now on.
    pub fn add(&mut self, stream: TcpStream, wire: Wire, users: impl IntoIterator<Item = u64>) {
        // At the end no port is to stay in TIME_WAIT. Fails only for a connection that is lost already.
        let _ = stream.set_zero_linger();
        let client = Arc::new(Mutex::new(Client::default()));
        for user in users {
            let published = *self.published.entry(user).or_default();
            lock(&client).ledgers.insert(user, Ledger::from(published));
            self.clients.push((user, client.clone()));
        }
        self.readers
            .spawn(read(stream, wire, client, self.shared.clone()));
    }

    /// The next message of `user`, who has `connections` of these; its time is told for [`latencies`](Self::latencies).
    pub fn next(&mut self, user: u64, connections: u64) -> Message {
        let published = self.published.entry(user).or_default();
        let number = *published;
        *published += 1;
        self.expected += connections;
        Message {
            user,
            number,
            sent: self.shared.began.elapsed().as_nanos() as u64,
        }
    }

    /// When time zero of the messages was.
    pub fn began(&self) -> Instant {
        self.shared.began
    }

    /// Waits until all but `behind` of the messages have come; false when nothing comes any more.
    pub async fn caught_up(&self, behind: u64) -> bool {
        let awaited = self.expected.saturating_sub(behind);
        self.shared.awaited.store(awaited, Ordering::Relaxed);
        loop {
            let received = self.received();
            if received >= awaited {
                return true;
            }
            let enough = timeout(SILENCE, self.shared.enough.notified()).await;
            if enough.is_err() && self.received() == received {
                return false;
            }
        }
    }

    /// How many messages came to the connections, altogether.
    pub fn received(&self) -> u64 {
        self.shared.received.load(Ordering::Relaxed)
    }

    /// How long the messages since the last call took.
    pub fn latencies(&self) -> Vec<Duration> {
        std::mem::take(&mut *lock(&self.shared.latencies))
    }

    /// What became of all the messages.
    pub fn balance(&self) -> Faults {
        let balances = self.clients.iter().map(|(user, client)| {
            let published = self.published.get(user).copied().unwrap_or(0);
            lock(client).ledgers[user].balance(published)
        });
        balances.fold(Faults::default(), Faults::and)
    }
}

async fn read(stream: TcpStream, wire: Wire, client: Arc<Mutex<Client>>, shared: Arc<Shared>) {
    while stream.readable().await.is_ok() {
        let mut buffer = [0; 16 * 1024];
        match stream.try_read(&mut buffer) {
            Ok(0) => break,
            Ok(length) => {
                let came = lock(&client).take_in(&buffer[..length], &wire, &shared);
                let received = shared.received.fetch_add(came, Ordering::Relaxed) + came;
                if received >= shared.awaited.load(Ordering::Relaxed) {
                    shared.enough.notify_one();
                }
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(_) => break,
        }
    }
}

impl Client {
    /// Takes account of what came; how many messages that were.
    fn take_in(&mut self, bytes: &[u8], wire: &Wire, shared: &Shared) -> u64 {
        let whole;
        let bytes = if self.rest.is_empty() {
            bytes
        } else {
            self.rest.extend_from_slice(bytes);
            whole = std::mem::take(&mut self.rest);
            &whole
        };
        let (mut used, mut came) = (0, 0);
        while let Some((message, length)) = unwrap(&bytes[used..], wire) {
            used += length;
            if let Some(message) = message {
                self.note(message, shared);
                came += 1;
            }
        }
        self.rest.extend_from_slice(&bytes[used..]);
        came
    }

    fn note(&mut self, bytes: &[u8], shared: &Shared) {
        let now = shared.began.elapsed();
        let message = Message::read(bytes);
        let ledger = message.and_then(|message| self.ledgers.get_mut(&message.user));
        match (message, ledger) {
            (Some(message), Some(ledger)) => {
                ledger.came(message.number);
                let sent = Duration::from_nanos(message.sent);
                lock(&shared.latencies).push(now.saturating_sub(sent));
            }
            _ => {
                if let Some(ledger) = self.ledgers.values_mut().next() {
                    ledger.damaged();
                }
            }
        }
    }
}

/// The first whole unit of `bytes`, the message in it if there is one, and the unit's length.
fn unwrap<'a>(bytes: &'a [u8], wire: &Wire) -> Option<(Option<&'a [u8]>, usize)> {
    match wire {
        Wire::Raw => Some((Some(bytes.get(..LENGTH)?), LENGTH)),
        Wire::WebSocket(_) => {
            let (header, length) = match (*bytes.get(1)?, bytes.get(2..4)) {
                (126, Some(length)) => (4, usize::from(length[0]) << 8 | usize::from(length[1])),
                (126, None) => return None,
                (short, _) => (2, usize::from(short)),
            };
            let payload = bytes.get(header..header + length)?;
            // A ping needs no answer for as long as a run takes; everything else but a text is damage.
            let message = (bytes[0] != 0x89).then_some(payload);
            Some((message, header + length))
        }
        Wire::Redis => match resp::parse(bytes) {
            Ok(Some((Reply::Message { payload, .. }, length))) => Some((Some(payload), length)),
            Ok(Some((_, length))) => Some((None, length)),
            Ok(None) | Err(_) => None,
        },
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

//! The clients of one target: a thread that opens their connections and reads everything that comes.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use mio::{Events, Interest, Poll, Token, Waker};

use super::account::Balance;
use super::book::{Book, histogram};
use super::client::{Client, Greeting, News, Surroundings, Wire};
use super::message::Form;
use super::socket::Way;
use super::thread::Thread;

/// Whose close codes tell a client what to do.
pub type Closes = Arc<dyn Fn(u16) -> bool + Send + Sync>;

/// The clients that are to be there.
pub struct Plan {
    /// How they get messages.
    pub wire: Wire,
    /// Where they connect, by turns.
    pub ways: Vec<Way>,
    /// What each says first: as many clients as greetings, one user's one after the other.
    pub greetings: Vec<Greeting>,
    /// How many users there are.
    pub users: u32,
    /// How many connections each of them has; one connection brings all users' messages where they come from Redis itself.
    pub per_user: u32,
    /// Over which time they connect, evenly; zero for as soon as they can.
    pub ramp: Duration,
    /// What messages look like.
    pub form: Form,
    /// Where they are in what comes, as a JSON pointer; none where they are all that comes.
    pub message: Option<String>,
    /// The close codes that tell a client what to do.
    pub closes: Closes,
}

/// Open connections, read until they are left.
#[must_use = "an audience that is dropped stays until the process ends"]
pub struct Audience {
    /// What is known of their deliveries.
    pub book: Arc<Book>,
    /// How long it took from the first connection's begin to the last one's handshake.
    pub opened_in: Duration,
    /// Who reads.
    pub thread: Option<Thread>,
    waker: Waker,
    worker: JoinHandle<io::Result<Departure>>,
}

/// What became of everything that an audience was promised.
#[derive(Debug, Default)]
pub struct Departure {
    /// All its connections together.
    pub balance: Balance,
    /// How many connections ended before they were left, by the server's close code; none where it gave none.
    pub ended: BTreeMap<Option<u16>, u64>,
}

/// How many clients connect at the same time.
const CONNECTING: usize = 64;
/// How long no handshake may succeed while some are under way.
const PATIENCE: Duration = Duration::from_secs(10);
const WAKER: Token = Token(usize::MAX);
/// How much is read at once.
const CHUNK: usize = 64 * 1024;

impl Audience {
    /// Opens the connections of `plan` and returns when the last is open. The error says which one could not be, and why.
    pub async fn open(plan: Plan, began: Instant) -> Result<Self, String> {
        let book = Arc::new(Book::new(began, plan.users, plan.per_user));
        let failed = |error: io::Error| format!("no client can be started: {error}");
        let poll = Poll::new().map_err(failed)?;
        let waker = Waker::new(poll.registry(), WAKER).map_err(failed)?;
        let (tell, told) = channel();
        let endpoints: Vec<String> = (plan.ways.iter())
            .map(|way| way.endpoint().to_string())
            .collect();
        let books = Arc::clone(&book);
        let worker = std::thread::Builder::new().name("audience".to_owned());
        let worker = worker
            .spawn(move || work(plan, poll, &books, &tell))
            .map_err(failed)?;
        let opened = tokio::task::spawn_blocking(move || opened(&told)).await;
        match opened.unwrap_or_else(|error| Err(error.to_string())) {
            Ok((opened_in, thread)) => Ok(Self {
                book,
                opened_in,
                thread,
                waker,
                worker,
            }),
            Err(words) => Err(format!("{}: {words}", endpoints.join(", "))),
        }
    }

    /// Leaves: every connection is closed, and everything accounted for that came until now.
    pub async fn leave(self) -> Result<Departure, String> {
        self.book.over.store(true, Ordering::SeqCst);
        self.waker.wake().map_err(|error| error.to_string())?;
        let worker = self.worker;
        let left = tokio::task::spawn_blocking(move || worker.join()).await;
        match left {
            Ok(Ok(departure)) => departure.map_err(|error| error.to_string()),
            Ok(Err(_)) | Err(_) => Err("the clients' thread panicked".to_owned()),
        }
    }
}

type Opened = Result<(Duration, Option<Thread>), String>;

fn opened(told: &Receiver<Opened>) -> Opened {
    let gone = |_| Err("the clients' thread ended".to_owned());
    told.recv().unwrap_or_else(gone)
}

/// The clients' thread: opens, tells, reads.
fn work(
    mut plan: Plan,
    mut poll: Poll,
    book: &Book,
    tell: &Sender<Opened>,
) -> io::Result<Departure> {
    let closes = Arc::clone(&plan.closes);
    let knows_close = move |code| closes(code);
    let mut room = Room {
        around: Surroundings {
            book,
            form: plan.form.clone(),
            message: plan.message.clone(),
            latencies: histogram(),
            arrived: 0,
            knows_close: &knows_close,
            buffer: vec![0; CHUNK],
        },
        clients: Vec::with_capacity(plan.greetings.len()),
        ended: BTreeMap::new(),
        opening: 0,
        progress: Instant::now(),
    };
    let mut events = Events::with_capacity(1024);
    let began = Instant::now();
    let opened = room.open_all(&mut plan, &mut poll, &mut events);
    let is_open = opened.is_ok();
    // Whoever waits for this is there until it comes.
    let _ = tell.send(match opened {
        Ok(()) => Ok((began.elapsed(), Thread::this())),
        Err(error) => Err(error.to_string()),
    });
    while is_open && !book.over.load(Ordering::SeqCst) {
        room.turn(&mut poll, &mut events, None)?;
    }
    Ok(room.leave())
}

/// The clients and what they share.
struct Room<'a> {
    around: Surroundings<'a>,
    clients: Vec<Client>,
    ended: BTreeMap<Option<u16>, u64>,
    /// How many handshakes are under way.
    opening: usize,
    /// When the last one began or succeeded.
    progress: Instant,
}

impl Room<'_> {
    fn open_all(
        &mut self,
        plan: &mut Plan,
        poll: &mut Poll,
        events: &mut Events,
    ) -> io::Result<()> {
        let began = Instant::now();
        let greetings = std::mem::take(&mut plan.greetings);
        let pause = plan.ramp.div_f64(greetings.len().max(1) as f64);
        for (number, greeting) in greetings.into_iter().enumerate() {
            let due = began + pause.mul_f64(number as f64);
            loop {
                let early = due.saturating_duration_since(Instant::now());
                if early.is_zero() && self.opening < CONNECTING {
                    break;
                }
                let patience = if early.is_zero() { PATIENCE } else { early };
                self.turn(poll, events, Some(patience))?;
                self.check_progress()?;
            }
            let turn = number % plan.ways.len().max(1);
            let nobody = || io::Error::other("there is nobody to connect to");
            let mut socket = plan.ways.get_mut(turn).ok_or_else(nobody)?.begin()?;
            let both = Interest::READABLE | Interest::WRITABLE;
            let registry = poll.registry();
            registry.register(socket.stream(), Token(number), both)?;
            let (user, users) = match plan.wire {
                Wire::Redis => (0, plan.users),
                Wire::WebSocket | Wire::Raw => (number as u32 / plan.per_user, 1),
            };
            let client = Client::new(socket, plan.wire, greeting, user, users);
            self.clients.push(client);
            self.opening += 1;
            self.progress = Instant::now();
        }
        while self.opening > 0 {
            self.turn(poll, events, Some(PATIENCE))?;
            self.check_progress()?;
        }
        Ok(())
    }

    fn check_progress(&self) -> io::Result<()> {
        if self.opening == 0 || self.progress.elapsed() < PATIENCE {
            return Ok(());
        }
        Err(io::Error::other(format!(
            "{} connections got no answer to their handshake in {} s; {} are open",
            self.opening,
            PATIENCE.as_secs(),
            self.around.book.open.load(Ordering::Relaxed)
        )))
    }

    /// Waits until something comes, or for so long, and takes it in.
    fn turn(
        &mut self,
        poll: &mut Poll,
        events: &mut Events,
        patience: Option<Duration>,
    ) -> io::Result<()> {
        match poll.poll(events, patience) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(()),
            polled => polled?,
        }
        for event in events.iter().filter(|event| event.token() != WAKER) {
            let Token(number) = event.token();
            let Some(client) = self.clients.get_mut(number) else {
                continue;
            };
            let news = client.drive(&mut self.around);
            let open = &self.around.book.open;
            match news {
                Ok(News::None) => {}
                Ok(News::Opened) => {
                    self.opening -= 1;
                    self.progress = Instant::now();
                    open.fetch_add(1, Ordering::Relaxed);
                }
                Ok(News::Ended(code)) => *self.ended.entry(code).or_default() += 1,
                Err(error) => {
                    let open = open.load(Ordering::Relaxed);
                    let words = format!("connection {} ({open} are open): {error}", number + 1);
                    return Err(io::Error::other(words));
                }
            }
        }
        if !self.around.latencies.is_empty() {
            let added = self.around.book.latencies().add(&self.around.latencies);
            self.around.latencies.reset();
            added.map_err(|error| io::Error::other(error.to_string()))?;
        }
        // Last: whoever waits for it then looks at the rest.
        let arrived = std::mem::take(&mut self.around.arrived);
        if arrived > 0 {
            self.around.book.received(arrived);
        }
        Ok(())
    }

    /// Closes every connection and sums up.
    fn leave(mut self) -> Departure {
        let mut balance = Balance::default();
        for client in &mut self.clients {
            for (user, account) in client.accounts() {
                balance += account.balance(self.around.book.published(user));
            }
            if let Some(socket) = client.socket() {
                socket.reset_on_drop();
            }
        }
        Departure {
            balance,
            ended: self.ended,
        }
    }
}

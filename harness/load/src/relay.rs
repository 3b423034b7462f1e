//! The raw relay: from Redis to sockets, one write for each message, nothing of WebSocket and no promise. What a service
//! costs beside it is the price of the protocol.
//!
//! A client sends a line, the channel that it wants, and gets one byte once Redis has confirmed the subscription.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token, Waker};

use super::line::log_in;
use super::resp::{self, Reply};
use super::socket::{Socket, Way};
use super::thread::Thread;

const LISTENER: Token = Token(0);
const REDIS: Token = Token(1);
const WAKER: Token = Token(2);
const FIRST_CLIENT: usize = 3;
/// How much is read at once.
const CHUNK: usize = 64 * 1024;

/// A running relay. Dropping it ends it.
#[must_use = "dropping a relay ends it"]
pub struct Relay {
    address: SocketAddr,
    thread: Option<Thread>,
    waker: Arc<Waker>,
    _alive: Sender<()>,
    worker: Option<JoinHandle<io::Result<()>>>,
}

/// What the relay's thread has.
struct Work {
    poll: Poll,
    listener: TcpListener,
    redis: Socket<TcpStream>,
    /// Commands that Redis has not taken yet.
    commands: Vec<u8>,
    /// Bytes of a push that is not whole yet.
    rest: Vec<u8>,
    clients: HashMap<usize, Client>,
    next: usize,
    /// By channel.
    subscribers: HashMap<Vec<u8>, Channel>,
}

struct Client {
    stream: TcpStream,
    /// Its line; whole when `subscribed`.
    line: Vec<u8>,
    subscribed: bool,
}

#[derive(Default)]
struct Channel {
    clients: Vec<usize>,
    confirmed: bool,
}

impl Relay {
    /// Starts one on loopback, which subscribes at the Redis that `way` leads to.
    pub fn start(mut way: Way) -> io::Result<Self> {
        let poll = Poll::new()?;
        let mut listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0).into())?;
        let address = listener.local_addr()?;
        let mut redis = way.begin()?;
        poll.registry()
            .register(&mut listener, LISTENER, Interest::READABLE)?;
        let both = Interest::READABLE | Interest::WRITABLE;
        poll.registry().register(redis.stream(), REDIS, both)?;
        let waker = Arc::new(Waker::new(poll.registry(), WAKER)?);
        let mut commands = Vec::new();
        log_in(&mut commands, way.endpoint());
        let work = Work {
            poll,
            listener,
            redis,
            commands,
            rest: Vec::new(),
            clients: HashMap::new(),
            next: FIRST_CLIENT,
            subscribers: HashMap::new(),
        };
        let (alive, end) = channel();
        let (tell, told) = channel();
        let worker = std::thread::Builder::new()
            .name("raw-relay".to_owned())
            .spawn(move || {
                // Whoever started it waits for this.
                let _ = tell.send(Thread::this());
                work.run(&end)
            })?;
        Ok(Self {
            address,
            thread: told.recv().ok().flatten(),
            waker,
            _alive: alive,
            worker: Some(worker),
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The processor time that it has used; nothing where the system does not say.
    pub fn cpu(&self) -> Option<Duration> {
        self.thread?.cpu()
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        let (gone, _) = channel();
        self._alive = gone;
        // It looks at whether anybody is left once it is woken; if it has ended already, so it has.
        let _ = self.waker.wake();
        if let Some(worker) = self.worker.take() {
            let _ = worker.join();
        }
    }
}

impl Work {
    fn run(mut self, end: &Receiver<()>) -> io::Result<()> {
        let mut events = Events::with_capacity(1024);
        loop {
            if let Err(error) = self.poll.poll(&mut events, None) {
                match error.kind() {
                    io::ErrorKind::Interrupted => continue,
                    _ => return Err(error),
                }
            }
            for event in &events {
                match event.token() {
                    WAKER => {
                        if end.try_recv() == Err(std::sync::mpsc::TryRecvError::Disconnected) {
                            return Ok(());
                        }
                    }
                    LISTENER => self.accept()?,
                    REDIS => {
                        self.ask()?;
                        self.deliver()?;
                    }
                    Token(client) => self.hear(client)?,
                }
            }
        }
    }

    fn accept(&mut self) -> io::Result<()> {
        loop {
            let mut stream = match self.listener.accept() {
                Ok((stream, _)) => stream,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            };
            stream.set_nodelay(true)?;
            let token = Token(self.next);
            self.poll
                .registry()
                .register(&mut stream, token, Interest::READABLE)?;
            let (line, subscribed) = (Vec::new(), false);
            let client = Client {
                stream,
                line,
                subscribed,
            };
            self.clients.insert(self.next, client);
            self.next += 1;
        }
    }

    /// Reads a client's line, or sees that it is gone.
    fn hear(&mut self, number: usize) -> io::Result<()> {
        let Some(client) = self.clients.get_mut(&number) else {
            return Ok(());
        };
        let mut buffer = [0; 256];
        loop {
            match client.stream.read(&mut buffer) {
                Ok(length @ 1..) => client.line.extend_from_slice(&buffer[..length]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Ok(0) | Err(_) => {
                    self.forget(number);
                    return Ok(());
                }
            }
        }
        if client.subscribed || client.line.last() != Some(&b'\n') {
            return Ok(());
        }
        client.line.pop();
        client.subscribed = true;
        let channel = self.subscribers.entry(client.line.clone()).or_default();
        channel.clients.push(number);
        if channel.confirmed {
            let _ = client.stream.write(b"k");
        } else if channel.clients.len() == 1 {
            resp::command(&mut self.commands, &[b"SUBSCRIBE", &client.line]);
            self.ask()?;
        }
        Ok(())
    }

    fn forget(&mut self, number: usize) {
        if let Some(client) = self.clients.remove(&number)
            && let Some(channel) = self.subscribers.get_mut(&client.line)
        {
            channel.clients.retain(|other| *other != number);
        }
    }

    /// Sends Redis what it takes of the commands.
    fn ask(&mut self) -> io::Result<()> {
        while !self.commands.is_empty() {
            match self.redis.write(&self.commands) {
                Ok(written) => drop(self.commands.drain(..written)),
                Err(error) if not_yet(&error) => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Writes what Redis has pushed to whom it is for.
    fn deliver(&mut self) -> io::Result<()> {
        let mut buffer = [0; CHUNK];
        loop {
            match self.redis.read(&mut buffer) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(length) => self.rest.extend_from_slice(&buffer[..length]),
                Err(error) if not_yet(&error) => return Ok(()),
                Err(error) => return Err(error),
            }
            let mut used = 0;
            while let Some((reply, length)) = resp::parse(&self.rest[used..])? {
                used += length;
                let (name, bytes): (_, &[u8]) = match reply {
                    Reply::Message { channel, payload } => (channel, payload),
                    Reply::Subscribed(name) => (name, b"k"),
                    Reply::Done => continue,
                    Reply::Refused(words) => {
                        return Err(io::Error::other(
                            String::from_utf8_lossy(words).into_owned(),
                        ));
                    }
                };
                let Some(channel) = self.subscribers.get_mut(name) else {
                    continue;
                };
                channel.confirmed = true;
                for number in &channel.clients {
                    if let Some(client) = self.clients.get_mut(number) {
                        // What does not fit is lost; the account shows it.
                        let _ = client.stream.write(bytes);
                    }
                }
            }
            self.rest.drain(..used);
        }
    }
}

/// Whether a socket that does not block, or is not connected yet, has to be asked again later.
pub fn not_yet(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::NotConnected
    )
}

//! A Redis that says exactly what a test tells it to, and nothing by itself.

use std::net::SocketAddr;
use std::sync::Mutex;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use crate::service::PATIENCE;

/// What a master says of itself.
pub const MASTER: &str = "%2\r\n$5\r\nproto\r\n:3\r\n$4\r\nrole\r\n$6\r\nmaster\r\n";

/// What a replica says of itself.
pub const REPLICA: &str = "%2\r\n$5\r\nproto\r\n:3\r\n$4\r\nrole\r\n$7\r\nreplica\r\n";

/// Where the service looks for Redis.
pub struct Redis {
    listener: TcpListener,
    /// The connections that are left unanswered, because this Redis stays what it is.
    waiting: Mutex<Vec<TcpStream>>,
}

/// One connection of the service.
pub struct Link {
    stream: TcpStream,
    received: Vec<u8>,
    /// The first byte of what is pushed.
    push: char,
}

impl Redis {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let waiting = Mutex::default();
        Self { listener, waiting }
    }

    pub fn address(&self) -> SocketAddr {
        self.listener.local_addr().unwrap()
    }

    /// The service's next connection, apart from those on which it waits for Redis to be a replica.
    pub async fn accept(&self) -> Link {
        let accepting = async {
            loop {
                let (stream, _) = self.listener.accept().await.unwrap();
                let mut beginning = [0; 256];
                let length = stream.peek(&mut beginning).await.unwrap();
                if !String::from_utf8_lossy(&beginning[..length]).contains("WAIT") {
                    return stream;
                }
                self.waiting.lock().unwrap().push(stream);
            }
        };
        let stream = timeout(PATIENCE, accepting)
            .await
            .expect("waited in vain for a connection of the service");
        Link {
            stream,
            received: Vec::new(),
            push: '>',
        }
    }

    /// The service's next connection, greeted by a master.
    pub async fn link(&self) -> Link {
        let mut link = self.accept().await;
        link.greet(MASTER).await;
        link
    }

    /// The service's next connection, greeted by a Redis that knows RESP2 alone.
    pub async fn old_link(&self) -> Link {
        let mut link = self.accept().await;
        link.push = '*';
        link.greet("-ERR unknown command `HELLO`\r\n").await;
        link
    }
}

impl Link {
    /// Waits for the next command, its parts joined by blanks; pings of the health check are told apart by
    /// their place: with a long interval there are none.
    pub async fn command(&mut self) -> String {
        loop {
            if let Some((command, length)) = command(&self.received) {
                self.received.drain(..length);
                return command;
            }
            let read = timeout(PATIENCE, self.stream.read_buf(&mut self.received))
                .await
                .expect("waited in vain for a command of the service")
                .unwrap();
            assert_ne!(read, 0, "the service closed its connection to redis");
        }
    }

    /// Waits for the greeting, and says `hello` of itself.
    pub async fn greet(&mut self, hello: &str) {
        self.expect("PING").await;
        self.say("+PONG\r\n").await;
        self.expect("HELLO 3").await;
        self.say(hello).await;
    }

    /// Waits until the service has closed the connection.
    pub async fn left(mut self) {
        let rest = self.stream.read_to_end(&mut self.received);
        timeout(PATIENCE, rest)
            .await
            .expect("waited in vain for the service to leave")
            .unwrap();
    }

    pub async fn expect(&mut self, command: &str) {
        assert_eq!(self.command().await, command);
    }

    pub async fn say(&mut self, reply: impl AsRef<[u8]>) {
        self.stream.write_all(reply.as_ref()).await.unwrap();
    }

    pub async fn publish(&mut self, channel: &str, payload: impl AsRef<[u8]>) {
        let payload = payload.as_ref();
        let (push, channel_length, length) = (self.push, channel.len(), payload.len());
        let header =
            format!("{push}3\r\n$7\r\nmessage\r\n${channel_length}\r\n{channel}\r\n${length}\r\n");
        self.say([header.as_bytes(), payload, b"\r\n"].concat())
            .await;
    }

    /// Confirms a subscription (`subscribe`) or its end (`unsubscribe`).
    pub async fn confirm(&mut self, word: &str, channel: &str) {
        let (push, word_length, length) = (self.push, word.len(), channel.len());
        let reply =
            format!("{push}3\r\n${word_length}\r\n{word}\r\n${length}\r\n{channel}\r\n:1\r\n");
        self.say(reply).await;
    }
}

/// The first command in `bytes` and its length.
fn command(bytes: &[u8]) -> Option<(String, usize)> {
    let mut position = 0;
    let mut line = |length: Option<usize>| {
        let rest = bytes.get(position..)?;
        let length = match length {
            Some(length) => length,
            None => rest.windows(2).position(|end| end == b"\r\n")?,
        };
        let line = rest.get(..length)?;
        rest.get(length..length + 2)?;
        position += length + 2;
        Some(String::from_utf8_lossy(line).into_owned())
    };
    let number = |line: String| line[1..].parse::<usize>().unwrap();
    let parts = number(line(None)?);
    let parts: Vec<String> = (0..parts)
        .map(|_| {
            let length = number(line(None)?);
            line(Some(length))
        })
        .collect::<Option<_>>()?;
    Some((parts.join(" "), position))
}

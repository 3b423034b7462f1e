//! A Redis that says exactly what a test tells it to, and nothing by itself.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Where the service looks for Redis.
pub struct Redis {
    listener: TcpListener,
}

/// One connection of the service.
pub struct Link {
    stream: TcpStream,
    received: Vec<u8>,
}

impl Redis {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self { listener }
    }

    pub fn address(&self) -> SocketAddr {
        self.listener.local_addr().unwrap()
    }

    /// The service's next connection.
    pub async fn accept(&self) -> Link {
        let (stream, _) = self.listener.accept().await.unwrap();
        let received = Vec::new();
        Link { stream, received }
    }

    /// The service's next connection, greeted.
    pub async fn link(&self) -> Link {
        let mut link = self.accept().await;
        link.expect("PING").await;
        link.say("+PONG\r\n").await;
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
            let read = self.stream.read_buf(&mut self.received).await.unwrap();
            assert_ne!(read, 0, "the service closed its connection to redis");
        }
    }

    pub async fn expect(&mut self, command: &str) {
        assert_eq!(self.command().await, command);
    }

    pub async fn say(&mut self, reply: impl AsRef<[u8]>) {
        self.stream.write_all(reply.as_ref()).await.unwrap();
    }

    pub async fn publish(&mut self, channel: &str, payload: impl AsRef<[u8]>) {
        let payload = payload.as_ref();
        let (channel_length, length) = (channel.len(), payload.len());
        let header =
            format!("*3\r\n$7\r\nmessage\r\n${channel_length}\r\n{channel}\r\n${length}\r\n");
        self.say([header.as_bytes(), payload, b"\r\n"].concat())
            .await;
    }

    /// Confirms a subscription (`subscribe`) or its end (`unsubscribe`).
    pub async fn confirm(&mut self, word: &str, channel: &str) {
        let (word_length, length) = (word.len(), channel.len());
        let reply = format!("*3\r\n${word_length}\r\n{word}\r\n${length}\r\n{channel}\r\n:1\r\n");
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

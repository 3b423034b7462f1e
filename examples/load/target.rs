//! What is measured: the service, the relay, and a bare subscriber in this process.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU8, Ordering};

use harness::token::Claims;
use notification_services::websocket::resp;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

/// Where messages come from, and in which wrapping.
#[derive(Clone, Debug)]
pub struct Target {
    /// Where it listens.
    pub address: SocketAddr,
    /// The channels are `{prefix}:{user}`: each target has its own, so that only one gets a message.
    pub prefix: &'static str,
    /// How it wraps messages.
    pub wire: Wire,
}

/// How messages are wrapped.
#[derive(Clone, Debug)]
pub enum Wire {
    /// In WebSocket frames, to who has a token signed with this secret.
    WebSocket(String),
    /// Not at all.
    Raw,
    /// In Redis' pushes: one connection for all users.
    Redis,
}

/// The last byte of 127.0.0.x, where connections come from: the next one when an address is out of ports.
static SOURCE: AtomicU8 = AtomicU8::new(1);

impl Target {
    /// The channel of `user`.
    pub fn channel(&self, user: u64) -> String {
        format!("{}:{user}", self.prefix)
    }

    /// What a client of `user` says first.
    pub fn greeting(&self, user: u64) -> Vec<u8> {
        match &self.wire {
            Wire::WebSocket(secret) => {
                let token = Claims::good(&user.to_string()).sign(secret);
                let address = self.address;
                format!(
                    "GET /ws?token={token} HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\n\
                     Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                     Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
                )
                .into()
            }
            Wire::Raw => format!("{}\n", self.channel(user)).into(),
            Wire::Redis => {
                let mut command = Vec::new();
                resp::command(&mut command, &[b"SUBSCRIBE", self.channel(user).as_bytes()]);
                command
            }
        }
    }

    /// Connects and waits until the target has answered `greeting`.
    pub async fn open(&self, greeting: &[u8]) -> io::Result<TcpStream> {
        let mut stream = connect(self.address).await?;
        stream.set_nodelay(true)?;
        stream.write_all(greeting).await?;
        match self.wire {
            Wire::Raw => {
                stream.read_u8().await?;
            }
            Wire::WebSocket(_) => {
                // The head and nothing behind it: nobody publishes before everybody is connected.
                let mut head = Vec::with_capacity(256);
                while !head.ends_with(b"\r\n\r\n") {
                    if stream.read_buf(&mut head).await? == 0 {
                        return Err(io::ErrorKind::UnexpectedEof.into());
                    }
                }
                if !head.starts_with(b"HTTP/1.1 101 ") {
                    let head = String::from_utf8_lossy(&head);
                    return Err(io::Error::other(format!("not upgraded: {head}")));
                }
            }
            Wire::Redis => {}
        }
        Ok(stream)
    }
}

async fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    loop {
        let source = SOURCE.load(Ordering::Relaxed);
        let socket = TcpSocket::new_v4()?;
        if source > 1 {
            socket.bind((Ipv4Addr::new(127, 0, 0, source), 0).into())?;
        }
        match socket.connect(address).await {
            Err(error) if error.kind() == io::ErrorKind::AddrNotAvailable && source < u8::MAX => {
                // Whoever notices it at the same time takes the same step.
                let _ = SOURCE.compare_exchange(
                    source,
                    source + 1,
                    Ordering::Relaxed,
                    Ordering::Relaxed,
                );
            }
            connected => return connected,
        }
    }
}

//! The backend: a connection to Redis on which messages are published.

use std::io::{self, Read as _, Write as _};
use std::net::SocketAddr;
use std::thread::sleep;
use std::time::{Duration, Instant};

use notification_services::websocket::resp;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::message::Message;
use super::target::Target;

/// Publishes one message each millisecond, stamped with the time since `zero`; blocks until all are.
pub fn pace(redis: SocketAddr, messages: Vec<(String, Message)>, zero: Instant) -> io::Result<()> {
    let mut stream = std::net::TcpStream::connect(redis)?;
    stream.set_nodelay(true)?;
    let (mut command, mut answer) = (Vec::new(), [0; 64]);
    let mut next = Instant::now();
    for (channel, mut message) in messages {
        next += Duration::from_millis(1);
        sleep(next.saturating_duration_since(Instant::now()));
        message.sent = zero.elapsed().as_nanos() as u64;
        command.clear();
        let parts = [&b"PUBLISH"[..], channel.as_bytes(), &message.bytes()];
        resp::command(&mut command, &parts);
        stream.write_all(&command)?;
        // One line, far shorter than a segment.
        let length = stream.read(&mut answer)?;
        if !answer[..length].ends_with(b"\r\n") || answer[0] != b':' {
            return Err(io::Error::other("redis does not publish"));
        }
    }
    Ok(())
}

/// A connection that publishes.
pub struct Publisher {
    stream: TcpStream,
    commands: Vec<u8>,
    unanswered: usize,
}

impl Publisher {
    /// Connects to Redis.
    pub async fn connect(redis: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(redis).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            commands: Vec::new(),
            unanswered: 0,
        })
    }

    /// Adds a message to what [`send`](Self::send) sends.
    pub fn add(&mut self, target: &Target, message: Message) {
        let channel = target.channel(message.user);
        let parts = [&b"PUBLISH"[..], channel.as_bytes(), &message.bytes()];
        resp::command(&mut self.commands, &parts);
        self.unanswered += 1;
    }

    /// Sends what was added, in one write.
    pub async fn send(&mut self) -> io::Result<()> {
        self.stream.write_all(&self.commands).await?;
        self.commands.clear();
        Ok(())
    }

    /// Waits until Redis has answered everything. Each answer is a line.
    pub async fn answered(&mut self) -> io::Result<()> {
        let mut buffer = [0; 4096];
        while self.unanswered > 0 {
            let length = self.stream.read(&mut buffer).await?;
            if length == 0 || buffer[0] == b'-' {
                return Err(io::Error::other("redis does not publish"));
            }
            let lines = buffer[..length].iter().filter(|byte| **byte == b'\n');
            self.unanswered -= lines.count();
        }
        Ok(())
    }
}

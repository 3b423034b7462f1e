//! A line to Redis: what a backend has that publishes.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use harness::endpoint::Endpoint;

use super::resp::{self, Reply};
use super::socket::{Socket, Way};

/// How long Redis may take for one answer.
const DEADLINE: Duration = Duration::from_secs(10);

/// A connection to Redis that blocks.
pub struct Line {
    socket: Socket<TcpStream>,
    commands: Vec<u8>,
    unanswered: usize,
    /// Bytes of an answer that is not whole yet.
    rest: Vec<u8>,
}

impl Line {
    /// Connects, as whom the endpoint's url says.
    pub fn open(way: &Way) -> io::Result<Self> {
        let mut socket = way.connect()?;
        socket.stream().set_read_timeout(Some(DEADLINE))?;
        let mut line = Self {
            socket,
            commands: Vec::new(),
            unanswered: 0,
            rest: Vec::new(),
        };
        if log_in(&mut line.commands, way.endpoint()) {
            line.unanswered = 1;
            line.send()?;
            line.answered()?;
        }
        Ok(line)
    }

    /// Adds a message to what [`send`](Self::send) sends.
    pub fn publish(&mut self, channel: &str, message: &[u8]) {
        resp::command(
            &mut self.commands,
            &[b"PUBLISH", channel.as_bytes(), message],
        );
        self.unanswered += 1;
    }

    /// Sends what was added, in one write.
    pub fn send(&mut self) -> io::Result<()> {
        self.socket.write_all(&self.commands)?;
        self.socket.flush()?;
        self.commands.clear();
        Ok(())
    }

    /// Waits until Redis has answered everything.
    pub fn answered(&mut self) -> io::Result<()> {
        let mut buffer = [0; 4096];
        while self.unanswered > 0 {
            let length = match self.socket.read(&mut buffer) {
                Ok(0) => {
                    return Err(io::Error::other(
                        "Redis closed the connection that publishes",
                    ));
                }
                Ok(length) => length,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    let words = format!("Redis has not answered in {} s", DEADLINE.as_secs());
                    return Err(io::Error::other(words));
                }
                Err(error) => return Err(error),
            };
            self.rest.extend_from_slice(&buffer[..length]);
            let mut used = 0;
            while let Some((reply, length)) = resp::parse(&self.rest[used..])? {
                if let Reply::Refused(words) = reply {
                    let words = String::from_utf8_lossy(words);
                    return Err(io::Error::other(format!("Redis does not publish: {words}")));
                }
                used += length;
                self.unanswered = self.unanswered.saturating_sub(1);
            }
            self.rest.drain(..used);
        }
        Ok(())
    }
}

/// Appends what logs in to `endpoint` to `commands`, if its url holds a password.
pub fn log_in(commands: &mut Vec<u8>, endpoint: &Endpoint) -> bool {
    match endpoint.login() {
        None => false,
        Some((None, password)) => {
            resp::command(commands, &[b"AUTH", password.as_bytes()]);
            true
        }
        Some((Some(name), password)) => {
            resp::command(commands, &[b"AUTH", name.as_bytes(), password.as_bytes()]);
            true
        }
    }
}

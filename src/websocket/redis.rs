//! One connection to Redis: where, as whom, and the first words on it.

use std::fmt;
use std::io;
use std::time::Duration;

use redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo, RedisConnectionInfo};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::resp::{self, Malformed, Reply, Role};

/// Where Redis is, and as whom to go there. Shown without the password.
#[derive(Clone, PartialEq, Eq)]
pub struct RedisAddress {
    host: String,
    port: u16,
    username: Option<String>,
    password: Option<String>,
    database: i64,
}

/// A connection on which Redis has answered.
#[derive(Debug)]
pub struct RedisStream {
    pub(super) stream: TcpStream,
    /// What was read and not yet understood.
    pub(super) buffer: Vec<u8>,
    /// Whether Redis tells its role, and hence may be asked for it again.
    pub(super) tells_role: bool,
}

/// Asks for the role, and for RESP3, in which a subscriber too may ask anything. `ROLE` would tell as much, but is one of
/// the commands that an ACL often forbids.
pub(super) const HELLO: &[&[u8]] = &[b"HELLO", b"3"];

/// Asks whether Redis is there.
pub(super) const PING: &[&[u8]] = &[b"PING"];

/// Why there is no connection to Redis, or no longer. Names no credentials and no address.
#[derive(Debug, thiserror::Error)]
pub enum RedisError {
    /// The network failed.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// Redis ended the connection.
    #[error("connection closed by redis")]
    Closed,
    /// Redis did not answer in time.
    #[error("no answer within {0:?}")]
    Unresponsive(Duration),
    /// Redis refused a command, in its own words.
    #[error("refused: {0}")]
    Refused(String),
    /// Redis is a replica: what is published to its master may not reach it.
    #[error("it is a replica")]
    Replica,
    /// The sentinels name another master.
    #[error("the sentinels name another master")]
    Superseded,
    /// The nodes of a cluster have lost touch, for however short a time.
    #[error("the nodes of the cluster lost touch")]
    Apart,
    /// Nobody has said yet where Redis is.
    #[error("nobody says where it is")]
    Nowhere,
    /// It could not be asked.
    #[error("{0}")]
    Unasked(#[from] redis::RedisError),
    /// What came is not what Redis sends.
    #[error("not understood: {0}")]
    Malformed(&'static str),
}

impl RedisAddress {
    /// A server of which the settings say as whom to go there.
    pub fn new(host: &str, port: u16, settings: &RedisConnectionInfo) -> Self {
        Self {
            host: host.to_owned(),
            port,
            username: settings.username().map(str::to_owned),
            password: settings.password().map(str::to_owned),
            database: settings.db(),
        }
    }

    /// The server of a [`RedisUrl`](crate::redis_url::RedisUrl).
    pub fn of(info: &ConnectionInfo) -> Self {
        let (host, port) = match info.addr() {
            ConnectionAddr::Tcp(host, port) => (host.as_str(), *port),
            // No URL leads there.
            _ => ("localhost", 0),
        };
        Self::new(host, port, info.redis_settings())
    }

    /// Another server, as the same user.
    pub fn elsewhere(&self, host: &str, port: u16) -> Self {
        Self {
            host: host.to_owned(),
            port,
            ..self.clone()
        }
    }

    /// Host and port.
    pub fn place(&self) -> (&str, u16) {
        (&self.host, self.port)
    }

    /// A client of the library's: for questions that are not asked often.
    pub(super) fn client(&self) -> redis::RedisResult<redis::Client> {
        let mut settings = RedisConnectionInfo::default().set_db(self.database);
        if let Some(username) = &self.username {
            settings = settings.set_username(username);
        }
        if let Some(password) = &self.password {
            settings = settings.set_password(password);
        }
        let info = (self.host.as_str(), self.port).into_connection_info()?;
        redis::Client::open(info.set_redis_settings(settings))
    }

    /// Connects, authenticates, and sees Redis answer a ping and be no replica, all within `deadline`.
    pub async fn connect(&self, deadline: Duration) -> Result<RedisStream, RedisError> {
        timeout(deadline, self.greet())
            .await
            .unwrap_or(Err(RedisError::Unresponsive(deadline)))
    }

    /// Connects, and says nothing yet.
    pub(super) async fn open(&self) -> Result<RedisStream, RedisError> {
        let stream = TcpStream::connect((&*self.host, self.port)).await?;
        stream.set_nodelay(true)?;
        Ok(RedisStream {
            stream,
            buffer: Vec::new(),
            tells_role: false,
        })
    }

    /// The command that says as whom, if there is anybody.
    pub(super) fn login(&self) -> Option<Vec<&[u8]>> {
        let password = self.password.as_ref()?.as_bytes();
        Some(match &self.username {
            Some(user) => vec![b"AUTH", user.as_bytes(), password],
            None => vec![b"AUTH", password],
        })
    }

    async fn greet(&self) -> Result<RedisStream, RedisError> {
        let mut link = self.open().await?;
        if let Some(login) = self.login() {
            link.ask(&login).await?;
        }
        if self.database != 0 {
            let database = self.database.to_string();
            link.ask(&[b"SELECT", database.as_bytes()]).await?;
        }
        link.ask(PING).await?;
        link.tells_role = match link.ask(HELLO).await {
            Ok(role) => role.is_some(),
            // Redis before version 6 does not know it, and an ACL may forbid it.
            Err(RedisError::Refused(_)) => false,
            Err(error) => return Err(error),
        };
        Ok(link)
    }
}

impl RedisStream {
    /// Waits for the answer to `command`, which may tell a role. To be used before any subscription.
    async fn ask(&mut self, command: &[&[u8]]) -> Result<Option<Role>, RedisError> {
        self.say([command]).await?;
        self.answer().await
    }

    /// Sends these commands, in one go.
    pub(super) async fn say<'a>(
        &mut self,
        commands: impl IntoIterator<Item = &'a [&'a [u8]]>,
    ) -> Result<(), RedisError> {
        let mut outgoing = Vec::new();
        for command in commands {
            resp::command(&mut outgoing, command);
        }
        Ok(self.stream.write_all(&outgoing).await?)
    }

    /// Waits for the next answer, which may tell a role.
    pub(super) async fn answer(&mut self) -> Result<Option<Role>, RedisError> {
        loop {
            if let Some((reply, length)) = resp::parse(&self.buffer)? {
                let answer = match reply {
                    Reply::Hello(Some(Role::Replica)) => Err(RedisError::Replica),
                    Reply::Hello(role) => Ok(role),
                    Reply::Ok | Reply::Pong => Ok(None),
                    Reply::Error(words) => Err(RedisError::Refused(words.to_owned())),
                    _ => Err(RedisError::Malformed("a push before any subscription")),
                };
                self.buffer.drain(..length);
                return answer;
            }
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Err(RedisError::Closed);
            }
        }
    }
}

impl From<Malformed> for RedisError {
    fn from(Malformed(words): Malformed) -> Self {
        Self::Malformed(words)
    }
}

impl fmt::Display for RedisAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let credentials = match (&self.username, &self.password) {
            (None, None) => "",
            _ => "***@",
        };
        write!(
            formatter,
            "redis://{credentials}{}:{}/{}",
            self.host, self.port, self.database
        )
    }
}

impl fmt::Debug for RedisAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

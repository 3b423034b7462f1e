//! How messages get into Redis, as backend services publish them.
//!
//! - `command`: the program that does it where Redis cannot be reached from here
//! - `ensemble`: where Redis is more than one server
//! - `servers`: the URL of such a Redis

mod command;
mod ensemble;
mod servers;

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Cmd, ErrorKind, RedisConnectionInfo, RedisError};
use tokio::time::{Instant, sleep, timeout};
use uuid::Uuid;

use crate::endpoint::Endpoint;
use crate::profile::Service;
use crate::scenario::{Failure, Outcome};
use crate::system::{Part, System};
use command::Publisher;
use ensemble::Broadcaster;
pub(crate) use servers::Servers;

/// How long Redis may take for one command.
const DEADLINE: Duration = Duration::from_secs(10);
/// How often a Redis that starts is asked whether it answers yet.
const INTERVAL: Duration = Duration::from_millis(10);

/// The way into Redis that all stages of a system share.
pub(crate) enum Backplane {
    /// A connection.
    Redis(Mutex<MultiplexedConnection>),
    /// Several servers.
    Ensemble(Broadcaster),
    /// A program of the profile's.
    Command(Publisher),
    /// None: nobody listens. A gateway alone has no use for it.
    Nowhere,
}

/// A message on its way, and its channel.
pub(crate) type Publication = (String, Vec<u8>);

/// Whose turn it is to publish.
pub(crate) type Turn = tokio::sync::Mutex<()>;

/// Why Redis cannot be used.
enum Trouble {
    /// It may be there soon.
    NotYet(String),
    /// It is there, and this is its word.
    Final(String),
}

impl Backplane {
    /// Connects to the system's Redis, or runs its program once.
    pub async fn open(system: &System) -> Outcome<Self> {
        let profile = system.profile();
        if let Some(servers) = servers(system) {
            let broadcaster = Broadcaster::new(servers, system.sharded);
            if profile.redis.as_ref().and_then(Service::url).is_some() {
                let published = broadcaster.publish(&[to_nobody(system)]).await;
                published.map_err(|failure| {
                    let advice = format!("check [redis] in {}", profile.file);
                    Failure::System(format!("{failure}; {advice}"))
                })?;
            }
            return Ok(Self::Ensemble(broadcaster));
        }
        match (&profile.publish, system.redis()) {
            (None, Some(redis)) => {
                let connection = connection(system, redis).await?;
                Ok(Self::Redis(Mutex::new(connection)))
            }
            (Some(command), _) => {
                let publisher = Publisher::new(command, profile)?;
                publisher.publish(&to_nobody(system)).await?;
                Ok(Self::Command(publisher))
            }
            (None, None) => Ok(Self::Nowhere),
        }
    }

    /// Connects anew to a Redis that was started again.
    pub async fn reopen(&self, system: &System) -> Outcome {
        if let (Self::Redis(shared), Some(redis)) = (self, system.redis()) {
            let opened = connection(system, redis).await?;
            *shared.lock().unwrap_or_else(PoisonError::into_inner) = opened;
        }
        Ok(())
    }

    /// From here on publishes over `connection`, if it is by a connection at all.
    pub fn publish_at(&self, connection: MultiplexedConnection) {
        if let Self::Redis(shared) = self {
            *shared.lock().unwrap_or_else(PoisonError::into_inner) = connection;
        }
    }

    /// Sends one command to Redis, past any proxy; what it answers is nobody's business.
    pub async fn tell(&self, command: &Cmd) -> Outcome {
        let Self::Redis(shared) = self else {
            let words = "Redis was to be told something, and cannot be reached: the scenario should say its needs";
            return Err(Failure::Bug(words.to_owned()));
        };
        let told = command.exec_async(&mut open(shared)).await;
        told.map_err(|error| Failure::System(format!("Redis refused a command: {error}")))
    }

    /// Publishes `messages`, in order, and after those whose publisher had `turn` before.
    pub async fn publish(&self, messages: &[Publication], turn: &Turn) -> Outcome {
        let mut redis = match self {
            // A connection keeps the order by itself.
            Self::Redis(shared) => open(shared),
            Self::Ensemble(broadcaster) => return broadcaster.publish(messages).await,
            Self::Command(publisher) => {
                let _turn = turn.lock().await;
                for message in messages {
                    publisher.publish(message).await?;
                }
                return Ok(());
            }
            Self::Nowhere => {
                let words = "a message was to be published, and the profile has no Redis";
                return Err(Failure::Bug(words.to_owned()));
            }
        };
        let mut pipeline = redis::pipe();
        for (channel, bytes) in messages {
            pipeline.cmd("PUBLISH").arg(channel).arg(bytes.as_slice());
        }
        pipeline
            .query_async::<Vec<i64>>(&mut redis)
            .await
            .map(|_| ())
            .map_err(|error| Failure::System(format!("Redis did not take a message: {error}")))
    }
}

/// Where Redis is, if it is more than one server.
fn servers(system: &System) -> Option<Servers> {
    let url = match (system.ensemble(), system.redis()) {
        (Some(ensemble), _) => ensemble.url(),
        (None, redis) => redis?.url(),
    };
    // A url that says something else was refused when the profile was read.
    Servers::of_url(url)?.ok()
}

fn open(shared: &Mutex<MultiplexedConnection>) -> MultiplexedConnection {
    let shared = shared.lock().unwrap_or_else(PoisonError::into_inner);
    shared.clone()
}

/// A connection to the system's Redis as soon as it answers; one that somebody else started has to at once.
async fn connection(system: &System, endpoint: &Endpoint) -> Outcome<MultiplexedConnection> {
    let deadline = Instant::now() + DEADLINE;
    let first = to_nobody(system);
    let advice = format!("; check [redis] in {}", system.profile().file);
    loop {
        let words = match connect(endpoint, &first).await {
            Ok(connection) => return Ok(connection),
            Err(Trouble::NotYet(words)) if system.starts(Part::Redis) => words,
            Err(Trouble::NotYet(words)) => {
                let words = endpoint.explain(words).await;
                return Err(Failure::System(words + &advice));
            }
            Err(Trouble::Final(words)) => return Err(Failure::System(words + &advice)),
        };
        if let Some(exit) = system.exit(Part::Redis).await {
            let log = system.log_tail(Part::Redis);
            return Err(Failure::System(format!("redis {exit}\n{log}")));
        }
        if Instant::now() > deadline {
            return Err(Failure::System(words));
        }
        sleep(INTERVAL).await;
    }
}

/// A message that nobody listens for. It needs the same permissions as those that somebody does.
fn to_nobody(system: &System) -> Publication {
    let channel = system.channel(&Uuid::new_v4().to_string());
    (channel, b"{}".to_vec())
}

/// A connection on which a first message was taken.
async fn connect(
    endpoint: &Endpoint,
    (channel, message): &Publication,
) -> Result<MultiplexedConnection, Trouble> {
    let trouble = |error: RedisError| match (error.kind(), error.code()) {
        (ErrorKind::AuthenticationFailed, _) => Trouble::Final(format!(
            "{endpoint} refuses the user or the password of its url"
        )),
        (_, Some("NOAUTH")) => Trouble::Final(format!(
            "{endpoint} asks for a password, and its url has none"
        )),
        (_, Some("NOPERM")) => Trouble::Final(format!(
            "{endpoint} does not let the user of its url publish: {error}"
        )),
        // What it could not parse would be all that it says.
        (ErrorKind::Parse, _) => Trouble::NotYet(format!("what answers at {endpoint} is no Redis")),
        _ => Trouble::NotYet(format!("{endpoint} cannot be used as a Redis: {error}")),
    };
    let settings = settings(endpoint.url()).map_err(trouble)?;
    let config = AsyncConnectionConfig::new().set_response_timeout(Some(DEADLINE));
    let stream = endpoint.connect().await;
    let stream = stream.map_err(|error| Trouble::NotYet(error.to_string()))?;
    let open = async {
        let (mut connection, driver) =
            MultiplexedConnection::new_with_config(&settings, stream, config)
                .await
                .map_err(trouble)?;
        // Ends with the connection's last clone.
        tokio::spawn(driver);
        redis::cmd("PUBLISH")
            .arg(channel)
            .arg(message.as_slice())
            .query_async::<i64>(&mut connection)
            .await
            .map_err(trouble)?;
        Ok(connection)
    };
    timeout(DEADLINE, open).await.unwrap_or_else(|_| {
        let seconds = DEADLINE.as_secs();
        Err(Trouble::NotYet(format!(
            "{endpoint} gives a Redis client no answer in {seconds} s"
        )))
    })
}

/// As whom, and for which database, a Redis is asked by its `url`.
pub(crate) fn settings(url: &str) -> Result<RedisConnectionInfo, RedisError> {
    // TLS is the stream's business; the crate refuses what it was not built for.
    let url = url.replacen("rediss://", "redis://", 1);
    let info = redis::IntoConnectionInfo::into_connection_info(url)?;
    Ok(info.redis_settings().clone())
}

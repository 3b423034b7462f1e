//! How messages get into Redis, as backend services publish them.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, ErrorKind, RedisConnectionInfo, RedisError};
use tokio::time::{Instant, sleep, timeout};
use uuid::Uuid;

use crate::endpoint::Endpoint;
use crate::scenario::{Failure, Outcome};
use crate::system::{Part, System};

/// How long Redis may take for one command.
const DEADLINE: Duration = Duration::from_secs(10);
/// How often a Redis that starts is asked whether it answers yet.
const INTERVAL: Duration = Duration::from_millis(15);

/// The way into Redis that all stages of a system share.
pub(crate) struct Backplane(Mutex<MultiplexedConnection>);

/// A message on its way, and its channel.
pub(crate) type Publication = (String, Vec<u8>);

/// Why Redis cannot be used.
enum Trouble {
    /// It may be there soon.
    NotYet(String),
    /// It is there, and this is its word.
    Final(String),
}

impl Backplane {
    /// Connects to the system's Redis.
    pub async fn open(system: &System) -> Outcome<Self> {
        Ok(Self(Mutex::new(connection(system).await?)))
    }

    /// Connects anew to a Redis that was started again.
    pub async fn reopen(&self, system: &System) -> Outcome {
        let opened = connection(system).await?;
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = opened;
        Ok(())
    }

    /// Publishes `messages`, in order.
    pub async fn publish(&self, messages: &[Publication]) -> Outcome {
        let mut redis = {
            let shared = self.0.lock();
            shared.unwrap_or_else(PoisonError::into_inner).clone()
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

/// A connection to the system's Redis as soon as it answers; one that somebody else started has to at once.
async fn connection(system: &System) -> Outcome<MultiplexedConnection> {
    let endpoint = system.redis();
    let deadline = Instant::now() + DEADLINE;
    // Nobody listens there; it asks for the same permissions as what will be published.
    let channel = system.channel(&Uuid::new_v4().to_string());
    let advice = format!("; check [redis] in {}", system.profile_file());
    loop {
        let words = match connect(&endpoint, &channel).await {
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

/// A connection on which a first message to `channel` was taken.
async fn connect(endpoint: &Endpoint, channel: &str) -> Result<MultiplexedConnection, Trouble> {
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
            .arg("{}")
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

//! Publishing as backend services do.

use std::time::Duration;

use harness::system::System;
use redis::aio::MultiplexedConnection;

/// How long Redis may take for one command.
const DEADLINE: Duration = Duration::from_secs(5);

/// A connection to the Redis of the moment: it may be killed and started, somewhere else, at any time.
pub struct Backplane(MultiplexedConnection);

impl Backplane {
    /// Connects to the Redis of `system`.
    pub async fn connect(system: &System) -> Result<Self, String> {
        let config = redis::AsyncConnectionConfig::new()
            .set_connection_timeout(Some(DEADLINE))
            .set_response_timeout(Some(DEADLINE));
        let redis = system.redis().ok_or("the system has no Redis")?;
        let client = redis::Client::open(redis.url()).map_err(words)?;
        let connection = client.get_multiplexed_async_connection_with_config(&config);
        Ok(Self(connection.await.map_err(words)?))
    }

    /// Publishes `messages` to the user with this id, in order. Returns how many websocket services took the last one:
    /// with none, nobody is connected, and it is gone.
    pub async fn publish(
        &mut self,
        system: &System,
        user: &str,
        messages: &[String],
    ) -> Result<u64, String> {
        let channel = system.channel(user);
        let mut pipeline = redis::pipe();
        for message in messages {
            pipeline.cmd("PUBLISH").arg(&channel).arg(message);
        }
        let taken: Vec<u64> = pipeline.query_async(&mut self.0).await.map_err(words)?;
        Ok(taken.last().copied().unwrap_or_default())
    }
}

/// Publishes one message to the user with this id, on a connection of its own.
pub async fn publish(system: &System, user: &str, message: String) -> Result<u64, String> {
    let mut backplane = Backplane::connect(system).await?;
    backplane.publish(system, user, &[message]).await
}

fn words(error: redis::RedisError) -> String {
    format!("Redis took no message: {error}")
}

//! A real Redis alone, as a child process: for tests that need no more.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::children::{Children, free_port};
use super::log::Log;
use super::processes::redis_command;
use super::{StartError, redis_package};

/// How long Redis may take until it answers.
const READY_DEADLINE: Duration = Duration::from_secs(20);
const READY_INTERVAL: Duration = Duration::from_millis(5);

/// A running Redis. Dropping it kills it; so does the end of this process, however it comes.
#[must_use = "dropping a Redis server ends it"]
pub struct RedisServer {
    url: String,
    children: Children,
}

impl RedisServer {
    /// Starts the machine's Redis, or the distribution package's, on a port of its own and waits until it answers.
    pub async fn start() -> Result<Self, StartError> {
        let program = redis_package::provide(&|_| {}).await?;
        let port = free_port()?;
        let log = Log::default();
        let mut children = Children::new(&log)?;
        children
            .spawn("redis", redis_command(&program, port))
            .await
            .map_err(|error| StartError(format!("failed to run redis: {error}")))?;
        let url = format!("redis://127.0.0.1:{port}");
        let client = redis::Client::open(url.as_str())
            .map_err(|error| StartError(format!("{url}: {error}")))?;
        let deadline = Instant::now() + READY_DEADLINE;
        while let Err(error) = client.get_multiplexed_async_connection().await {
            if let Some(ended) = children.ended("redis") {
                return Err(StartError(format!("redis {ended}\n{}", log.tail("redis"))));
            }
            if Instant::now() > deadline {
                return Err(StartError(format!("redis does not answer: {error}")));
            }
            sleep(READY_INTERVAL).await;
        }
        Ok(Self { url, children })
    }

    /// Where it listens: `redis://host:port`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Kills it and waits until it is gone.
    pub async fn stop(self) {
        self.children.stop().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_redis_answers_until_it_is_stopped() {
        let server = RedisServer::start().await.unwrap();
        let client = redis::Client::open(server.url()).unwrap();
        let mut connection = client.get_multiplexed_async_connection().await.unwrap();
        let pong: String = redis::cmd("PING")
            .query_async(&mut connection)
            .await
            .unwrap();
        assert_eq!(pong, "PONG");
        server.stop().await;
        assert!(client.get_multiplexed_async_connection().await.is_err());
    }
}

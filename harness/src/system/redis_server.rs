//! A real Redis alone, as a child process: for tests that need no more.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::children::{Children, free_port};
use super::log::Log;
use super::programs::{ON_LOOPBACK, REDIS};
use super::{StartError, processes, redis_package};
use crate::profile::template;

/// How long Redis may take until it answers.
const READY_DEADLINE: Duration = Duration::from_secs(20);
const READY_INTERVAL: Duration = Duration::from_millis(5);

/// A running Redis. Dropping it kills it; so does the end of this process, however it comes.
#[must_use = "dropping a Redis server ends it"]
pub struct RedisServer {
    url: String,
    port: u16,
    children: Children,
}

/// A Redis that was stopped: it can be started again where it was.
pub struct StoppedRedis {
    port: u16,
}

impl RedisServer {
    /// Starts the machine's Redis, or the distribution package's, on a port of its own and waits until it answers.
    pub async fn start() -> Result<Self, StartError> {
        Self::start_on(free_port()?).await
    }

    /// Where it listens: `redis://host:port`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Kills it and waits until it is gone.
    pub async fn stop(self) -> StoppedRedis {
        self.children.stop().await;
        StoppedRedis { port: self.port }
    }

    async fn start_on(port: u16) -> Result<Self, StartError> {
        let redis = redis_package::provide(&|_| {}).await?;
        let values = [("port", port.to_string())];
        let arguments = ON_LOOPBACK.iter().chain(&REDIS);
        let arguments = arguments.map(|word| template::fill(word, &values));
        let log = Log::default();
        let mut children = Children::new(&log);
        children
            .spawn("redis", processes::own(&redis, arguments))
            .await
            .map_err(|error| StartError(format!("failed to run redis: {error}")))?;
        let url = format!("redis://127.0.0.1:{port}");
        let client = redis::Client::open(url.as_str())
            .map_err(|error| StartError(format!("{url}: {error}")))?;
        let deadline = Instant::now() + READY_DEADLINE;
        while let Err(error) = client.get_multiplexed_async_connection().await {
            if let Some(exit) = children.exit("redis") {
                return Err(StartError(format!("redis {exit}\n{}", log.tail("redis"))));
            }
            if Instant::now() > deadline {
                return Err(StartError(format!("redis does not answer: {error}")));
            }
            sleep(READY_INTERVAL).await;
        }
        Ok(Self {
            url,
            port,
            children,
        })
    }
}

impl StoppedRedis {
    /// Starts it again at the same URL, empty, and waits until it answers.
    pub async fn start(self) -> Result<RedisServer, StartError> {
        RedisServer::start_on(self.port).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_redis_answers_until_it_is_stopped_and_when_it_is_started_again() {
        let server = RedisServer::start().await.unwrap();
        let client = redis::Client::open(server.url()).unwrap();
        assert_eq!(ping(&client).await.unwrap(), "PONG");
        let stopped = server.stop().await;
        assert!(ping(&client).await.is_err());
        let _server = stopped.start().await.unwrap();
        assert_eq!(ping(&client).await.unwrap(), "PONG");
    }
    async fn ping(client: &redis::Client) -> redis::RedisResult<String> {
        let mut connection = client.get_multiplexed_async_connection().await?;
        redis::cmd("PING").query_async(&mut connection).await
    }
}

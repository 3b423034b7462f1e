//! Requests counted in Redis, so that the replicas of the gateway share their limits.

use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, RedisResult, Script};
use tokio::sync::Mutex;
use tokio::time::timeout;

use super::{Away, Budget, Limiter, Verdict};

// A fixed window per key, which begins with its first request. One script, hence atomic; the time is Redis's own, hence
// the same for all replicas. It answers 0, or how many milliseconds are left of a window that is full.
const TAKE: &str = "
local count = redis.call('INCR', KEYS[1])
local left = redis.call('PTTL', KEYS[1])
if left < 0 then
    left = tonumber(ARGV[2])
    redis.call('PEXPIRE', KEYS[1], left)
end
if count > tonumber(ARGV[1]) then
    return math.max(left, 1)
end
return 0
";

/// A [`Limiter`] on one Redis.
pub struct RedisLimiter {
    client: Client,
    deadline: Duration,
    script: Script,
    connection: Mutex<Option<MultiplexedConnection>>,
}

impl RedisLimiter {
    /// A limiter that connects on first use and gives an answer, or up, within `deadline`.
    pub fn new(client: Client, deadline: Duration) -> Self {
        Self {
            client,
            deadline,
            script: Script::new(TAKE),
            connection: Mutex::new(None),
        }
    }

    async fn connection(&self) -> RedisResult<MultiplexedConnection> {
        let mut slot = self.connection.lock().await;
        if let Some(connection) = &*slot {
            return Ok(connection.clone());
        }
        // One deadline for all of it stands in `take`.
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(None)
            .set_response_timeout(None);
        let connection = self
            .client
            .get_multiplexed_async_connection_with_config(&config)
            .await?;
        *slot = Some(connection.clone());
        Ok(connection)
    }

    async fn count(&self, key: String, limit: u32, window: Duration) -> RedisResult<u64> {
        let mut connection = self.connection().await?;
        self.script
            .key(key)
            .arg(limit)
            .arg(window.as_millis().max(1) as u64)
            .invoke_async(&mut connection)
            .await
    }
}

impl Limiter for RedisLimiter {
    fn take<'a>(
        &'a self,
        user: &'a str,
        budget: Budget,
        limit: u32,
        window: Duration,
    ) -> BoxFuture<'a, Result<Verdict, Away>> {
        async move {
            let key = format!("gateway:rate_limit:{}:{user}", budget.as_str());
            let failed = match timeout(self.deadline, self.count(key, limit, window)).await {
                Ok(Ok(0)) => return Ok(Verdict::Pass),
                Ok(Ok(left)) => return Ok(Verdict::Wait(Duration::from_millis(left))),
                Ok(Err(error)) => error.to_string(),
                Err(_) => "no answer in time".to_owned(),
            };
            // The connection may be dead without knowing it; the next request makes a new one. Whoever holds the slot
            // is making one already.
            if let Ok(mut slot) = self.connection.try_lock() {
                *slot = None;
            }
            Err(Away(failed))
        }
        .boxed()
    }
}

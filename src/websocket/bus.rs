//! Whether the nodes of a cluster may have failed to tell one another what was published.
//!
//! A message that is published plainly at one node is sent once to each other node, over a connection of its own, and what
//! is lost with such a connection nobody misses. But every node knows since when it has the connections over which the
//! others send (`CLUSTER LINKS`, since Redis 7). When one of them is gone, or is a new one, something may have been lost.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, FromRedisValue, RedisResult, Value};
use tokio::time::sleep;

use super::redis::{RedisAddress, RedisError};

/// The connections over which one node is told what is published at the others.
pub(super) struct Bus {
    node: MultiplexedConnection,
    /// From which node, and since when.
    inbound: BTreeSet<(String, i64)>,
}

impl Bus {
    /// The bus of the node at `address`, as it is now.
    pub(super) async fn open(
        address: &RedisAddress,
        deadline: Duration,
    ) -> Result<Self, RedisError> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(deadline))
            .set_response_timeout(Some(deadline));
        let client = address.client()?;
        let connecting = client.get_multiplexed_async_connection_with_config(&config);
        let mut node = connecting.await?;
        let inbound = inbound(&mut node).await?;
        Ok(Self { node, inbound })
    }

    /// Waits until something may have been lost on it, which is asked at every `interval`.
    pub(super) async fn until_broken(mut self, interval: Duration) -> RedisError {
        loop {
            sleep(interval).await;
            match inbound(&mut self.node).await {
                Ok(inbound) if inbound == self.inbound => {}
                Ok(_) => return RedisError::Apart,
                Err(error) => return error.into(),
            }
        }
    }
}

async fn inbound(node: &mut MultiplexedConnection) -> RedisResult<BTreeSet<(String, i64)>> {
    let links = redis::cmd("CLUSTER").arg("LINKS").query_async(node).await?;
    let links: Vec<HashMap<String, Value>> = links;
    let mut inbound = BTreeSet::new();
    for mut link in links {
        let mut take = |name: &str| link.remove(name).unwrap_or(Value::Nil);
        if String::from_redis_value(take("direction"))? == "from" {
            let node = String::from_redis_value(take("node"))?;
            inbound.insert((node, i64::from_redis_value(take("create-time"))?));
        }
    }
    Ok(inbound)
}

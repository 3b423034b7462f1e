//! Scripts run in Redis, one server, one behind sentinels, or a cluster: for what services share besides messages.

use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::cluster::ClusterClient;
use redis::cluster_async::ClusterConnection;
use redis::sentinel::{SentinelClient, SentinelNodeConnectionInfo, SentinelServerType};
use redis::{AsyncConnectionConfig, Client, RedisResult, ScriptInvocation};
use tokio::sync::Mutex;
use tokio::time::timeout;

use crate::redis_url::RedisUrl;

/// Where scripts run.
pub struct Scripts {
    url: RedisUrl,
    deadline: Duration,
    connection: Mutex<Option<Connection>>,
}

/// A script did not run, or nobody knows whether it did, and why.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Away(pub String);

#[derive(Clone)]
enum Connection {
    /// To one server, be it one that sentinels named.
    One(MultiplexedConnection),
    /// To each primary.
    Cluster(ClusterConnection),
}

impl Scripts {
    /// Connects on first use and gives an answer, or up, within `deadline`.
    pub fn new(url: RedisUrl, deadline: Duration) -> Self {
        Self {
            url,
            deadline,
            connection: Mutex::new(None),
        }
    }

    /// The whole number that `script` answers.
    pub async fn run(&self, script: &ScriptInvocation<'_>) -> Result<u64, Away> {
        let failed = match timeout(self.deadline, self.ask(script)).await {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(error)) => error.to_string(),
            Err(_) => "no answer in time".to_owned(),
        };
        // The connection may be dead without knowing it; whoever asks next makes a new one. Whoever holds the slot is making
        // one already.
        if let Ok(mut slot) = self.connection.try_lock() {
            *slot = None;
        }
        Err(Away(failed))
    }

    async fn ask(&self, script: &ScriptInvocation<'_>) -> RedisResult<u64> {
        match &mut self.connection().await? {
            Connection::One(connection) => script.invoke_async(connection).await,
            Connection::Cluster(connection) => script.invoke_async(connection).await,
        }
    }

    async fn connection(&self) -> RedisResult<Connection> {
        let mut slot = self.connection.lock().await;
        if let Some(connection) = &*slot {
            return Ok(connection.clone());
        }
        let connection = self.connect().await?;
        *slot = Some(connection.clone());
        Ok(connection)
    }

    async fn connect(&self) -> RedisResult<Connection> {
        // One deadline for all of it stands in `run`.
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(None)
            .set_response_timeout(None);
        match &self.url {
            RedisUrl::One(info) => {
                let client = Client::open(info.clone())?;
                let connecting = client.get_multiplexed_async_connection_with_config(&config);
                connecting.await.map(Connection::One)
            }
            RedisUrl::Sentinel(url) => {
                let master = SentinelNodeConnectionInfo::default()
                    .set_redis_connection_info(url.master.clone());
                let mut sentinels = SentinelClient::build(
                    url.sentinels.clone(),
                    url.service.clone(),
                    Some(master),
                    SentinelServerType::Master,
                )?;
                let connecting = sentinels.get_async_connection_with_config(&config);
                connecting.await.map(Connection::One)
            }
            RedisUrl::Cluster(nodes) => {
                let client = ClusterClient::new(nodes.clone())?;
                let connecting = client.get_async_connection();
                connecting.await.map(Connection::Cluster)
            }
        }
    }
}

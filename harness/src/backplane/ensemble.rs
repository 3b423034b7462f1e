//! Where Redis is more than one server: each message goes where it belongs at that moment.

use redis::aio::MultiplexedConnection;
use redis::cluster::ClusterClientBuilder;
use redis::cluster_async::ClusterConnection;
use redis::{
    AsyncConnectionConfig, Client, Cmd, ErrorKind, FromRedisValue, RedisResult, Value, cmd,
};
use tokio::sync::Mutex;

use super::servers::Servers;
use super::{DEADLINE, Publication};
use crate::scenario::{Failure, Outcome};

/// Publishes among several servers. After a failure it looks anew for who is to have the next message.
pub(crate) struct Broadcaster {
    servers: Servers,
    sharded: bool,
    /// Held while something is published, so that messages keep their order.
    connection: Mutex<Option<Connection>>,
}

enum Connection {
    /// To each primary.
    All(ClusterConnection),
    /// To the master, or to the one node of a cluster at which everything is published: between two, messages would not keep
    /// their order.
    One(MultiplexedConnection),
}

impl Broadcaster {
    /// One that has no connection yet.
    pub fn new(servers: Servers, sharded: bool) -> Self {
        Self {
            servers,
            sharded,
            connection: Mutex::default(),
        }
    }

    /// Publishes `messages`, in order, up to the first that is not taken.
    pub async fn publish(&self, messages: &[Publication]) -> Outcome {
        let mut open = self.connection.lock().await;
        for (channel, bytes) in messages {
            let mut command = cmd(if self.sharded { "SPUBLISH" } else { "PUBLISH" });
            command.arg(channel).arg(bytes.as_slice());
            if let Err(error) = self.send(&mut open, &command).await {
                *open = None;
                let words = format!("Redis did not take a message: {error}");
                return Err(Failure::System(words));
            }
        }
        Ok(())
    }

    async fn send(&self, open: &mut Option<Connection>, command: &Cmd) -> RedisResult<i64> {
        let connection = match open {
            Some(connection) => connection,
            None => open.insert(self.connect().await?),
        };
        match connection {
            Connection::All(connection) => command.query_async(connection).await,
            Connection::One(connection) => command.query_async(connection).await,
        }
    }

    async fn connect(&self) -> RedisResult<Connection> {
        match (&self.servers, self.sharded) {
            (
                Servers::Sentinel {
                    sentinels,
                    service,
                    around,
                },
                _,
            ) => {
                let mut sentinel = first(sentinels.iter()).await?;
                let mut named = cmd("SENTINEL");
                named.arg("get-master-addr-by-name").arg(service);
                let named: Option<(String, u16)> = named.query_async(&mut sentinel).await?;
                let unknown = || (ErrorKind::Io, "the sentinels know no such service");
                let (host, port) = named.ok_or_else(unknown)?;
                let host = if host.contains(':') {
                    format!("[{host}]")
                } else {
                    host
                };
                let (login, database) = around;
                master(&format!("redis://{login}{host}:{port}{database}")).await
            }
            // Services begin with the first.
            (Servers::Cluster(nodes), false) => {
                first(nodes.iter().rev()).await.map(Connection::One)
            }
            (Servers::Cluster(nodes), true) => {
                // A message that is sent twice, because nobody answered the first time, would arrive twice.
                let client = ClusterClientBuilder::new(nodes.iter().map(String::as_str))
                    .retries(0)
                    .connection_timeout(DEADLINE)
                    .response_timeout(DEADLINE)
                    .build()?;
                let connecting = client.get_async_connection();
                connecting.await.map(Connection::All)
            }
        }
    }
}

/// A connection to the master at `url`, if it is one: one that has just been demoted takes messages, and passes them on to
/// nobody.
async fn master(url: &str) -> RedisResult<Connection> {
    let mut master = open(url).await?;
    let role: Vec<Value> = cmd("ROLE").query_async(&mut master).await?;
    let role = role.into_iter().next().map(String::from_redis_value);
    match role.transpose()?.as_deref() {
        Some("master") => Ok(Connection::One(master)),
        _ => Err((ErrorKind::Io, "the master is no longer one").into()),
    }
}

/// A connection to the first of `urls` that answers.
async fn first(urls: impl Iterator<Item = &String>) -> RedisResult<MultiplexedConnection> {
    let mut failed = (ErrorKind::Io, "there is no server").into();
    for url in urls {
        match open(url).await {
            Ok(connection) => return Ok(connection),
            Err(error) => failed = error,
        }
    }
    Err(failed)
}

async fn open(url: &str) -> RedisResult<MultiplexedConnection> {
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(DEADLINE))
        .set_response_timeout(Some(DEADLINE));
    let client = Client::open(url)?;
    client
        .get_multiplexed_async_connection_with_config(&config)
        .await
}

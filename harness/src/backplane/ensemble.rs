//! Where Redis is more than one server: each message goes where it belongs at that moment.

use std::sync::Arc;

use redis::aio::MultiplexedConnection;
use redis::cluster::ClusterClientBuilder;
use redis::cluster_async::ClusterConnection;
use redis::{Cmd, RedisResult};
use tokio::sync::Mutex;

use super::{DEADLINE, Publication};
use crate::scenario::{Failure, Outcome};
use crate::system::{Ensemble, Topology};

/// Publishes in an ensemble. After a failure it looks anew for who is to have the next message.
pub(crate) struct Broadcaster {
    ensemble: Arc<Ensemble>,
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
    pub fn new(ensemble: &Arc<Ensemble>, sharded: bool) -> Self {
        Self {
            ensemble: Arc::clone(ensemble),
            sharded,
            connection: Mutex::default(),
        }
    }

    /// Publishes `messages`, in order, up to the first that is not taken.
    pub async fn publish(&self, messages: &[Publication]) -> Outcome {
        let mut open = self.connection.lock().await;
        for (channel, bytes) in messages {
            let mut command = redis::cmd(if self.sharded { "SPUBLISH" } else { "PUBLISH" });
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
        match (self.ensemble.topology(), self.sharded) {
            (Topology::Sentinel, _) => self.ensemble.connect_to_master().await.map(Connection::One),
            (Topology::Cluster, false) => {
                self.ensemble.connect_to_last().await.map(Connection::One)
            }
            (Topology::Cluster, true) => {
                // A message that is sent twice, because nobody answered the first time, would arrive twice.
                let client = ClusterClientBuilder::new(self.ensemble.nodes())
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

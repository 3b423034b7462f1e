//! A second Redis: a replica of the first, which becomes the master.

use redis::aio::MultiplexedConnection;
use redis::{Cmd, cmd};
use tokio::time::{Instant, sleep};

use crate::client::PATIENCE;
use crate::fault::POLL_INTERVAL;
use crate::scenario::{Failure, Outcome};
use crate::stage::Stage;
use crate::system::{Part, RedisPair};

/// What a replica copies would go through files in the working directory, and would be waited for.
const WITHOUT_FILES: [(&str, &str); 3] = [
    ("repl-diskless-sync", "yes"),
    ("repl-diskless-sync-delay", "0"),
    ("repl-diskless-load", "swapdb"),
];

/// Which of the two.
#[derive(Clone, Copy)]
enum Server {
    First,
    Spare,
}

impl Stage {
    /// Starts a second Redis as a replica of the first, and waits until it has caught up.
    pub async fn start_replica(&self) -> Outcome {
        self.operator_notes("starts a second redis, a replica of the first");
        let started = self.system().start_part(Part::SecondRedis).await;
        self.of_system(started)?;
        for server in [Server::First, Server::Spare] {
            configure(&mut self.server(server).await?, &WITHOUT_FILES).await?;
        }
        let (host, port) = self.pair()?.among_equals[0].clone();
        self.make_replica(Server::Spare, &host, port).await?;
        let deadline = Instant::now() + PATIENCE;
        let mut spare = self.server(Server::Spare).await?;
        loop {
            let told = cmd("INFO").arg("replication").query_async(&mut spare).await;
            let told: String = told.map_err(trouble)?;
            if told.contains("master_link_status:up") {
                return Ok(());
            }
            if Instant::now() > deadline {
                let words = format!("the second redis is no replica of the first: {told}");
                return Err(Failure::System(words));
            }
            sleep(POLL_INTERVAL).await;
        }
    }

    /// Makes the replica the master. Who connects to Redis from here on finds it in the first one's place, and backend
    /// services publish there; connections to the first one stay as they are.
    pub async fn promote_replica(&self) -> Outcome {
        self.operator_notes("makes the replica the master");
        let mut spare = self.server(Server::Spare).await?;
        tell(&mut spare, cmd("REPLICAOF").arg("NO").arg("ONE")).await?;
        let pair = self.pair()?;
        let network = self.network_to_redis()?;
        network.forward_to("the new master", [pair.addresses[1]]);
        self.lines().publish_at(spare);
        Ok(())
    }

    /// Makes the former master a replica of the new one, as Redis Sentinel does: everybody who is connected to it is thrown
    /// out in the same moment.
    pub async fn demote_master(&self) -> Outcome {
        self.operator_notes(
            "makes the former master a replica of the new one, and throws out its clients",
        );
        let (host, port) = self.pair()?.among_equals[1].clone();
        let mut replica = self.server(Server::First).await?;
        self.let_replicate(&mut replica).await?;
        let mut commands = redis::pipe();
        commands.atomic().cmd("REPLICAOF").arg(host).arg(port);
        for kind in ["normal", "pubsub"] {
            commands.cmd("CLIENT").arg("KILL").arg("TYPE").arg(kind);
        }
        let told = commands.exec_async(&mut replica).await;
        told.map_err(trouble)
    }

    async fn make_replica(&self, server: Server, host: &str, port: u16) -> Outcome {
        let mut replica = self.server(server).await?;
        self.let_replicate(&mut replica).await?;
        tell(&mut replica, cmd("REPLICAOF").arg(host).arg(port)).await
    }

    /// Lets `replica` copy from a master that asks for a password.
    async fn let_replicate(&self, replica: &mut MultiplexedConnection) -> Outcome {
        // One that asks for no password refuses any.
        if self.pair()?.spare.url().contains('@') {
            let password = self.system().redis_password.as_str();
            configure(replica, &[("masterauth", password)]).await?;
        }
        Ok(())
    }

    /// A connection to one of the two, as soon as it answers.
    async fn server(&self, server: Server) -> Outcome<MultiplexedConnection> {
        let pair = self.pair()?;
        let redis = match server {
            Server::First => &pair.first,
            Server::Spare => &pair.spare,
        };
        let client = redis::Client::open(redis.url()).map_err(trouble)?;
        let deadline = Instant::now() + PATIENCE;
        loop {
            match client.get_multiplexed_async_connection().await {
                Err(_) if Instant::now() < deadline => sleep(POLL_INTERVAL).await,
                opened => return opened.map_err(trouble),
            }
        }
    }

    fn pair(&self) -> Outcome<&RedisPair> {
        let pair = self.system().redis_pair();
        pair.ok_or_else(|| Failure::Bug("the Redis of this system is somebody else's".to_owned()))
    }
}

async fn configure(server: &mut MultiplexedConnection, settings: &[(&str, &str)]) -> Outcome {
    for (name, value) in settings {
        tell(server, cmd("CONFIG").arg("SET").arg(name).arg(value)).await?;
    }
    Ok(())
}

async fn tell(server: &mut MultiplexedConnection, command: &Cmd) -> Outcome {
    command.exec_async(server).await.map_err(trouble)
}

fn trouble(error: redis::RedisError) -> Failure {
    Failure::System(format!("Redis refused a command: {error}"))
}

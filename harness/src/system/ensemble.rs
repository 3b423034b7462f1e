//! Redis as more than one server: a cluster, or a master with a replica and sentinels that watch over both.
//!
//! The servers are processes of this machine in either runtime, from the same redis-server as every other. Services in
//! containers, and the servers themselves, reach them at an address that all of them can.
//!
//! - `formation`: what the servers are told, and how they come together

mod formation;

use std::net::Ipv4Addr;
use std::path::Path;
use std::time::Duration;
use std::{env, fs};

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Cmd, FromRedisValue, RedisError, cmd};
use tempfile::TempDir;
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep};

use super::children::Children;
use super::log::Log;
use super::programs::{OwnProgram, Topology};
use super::{StartError, owner, processes, redis_package};

/// How long all of it may take to come up, on a busy machine.
const START_DEADLINE: Duration = Duration::from_secs(60);
/// How long a server may take for one command.
const COMMAND_DEADLINE: Duration = Duration::from_secs(10);
/// How often a server is asked whether what it is waited for is so. It has no event for it.
const INTERVAL: Duration = Duration::from_millis(10);

/// What the name of the folder of an ensemble begins with, and the file in it that names the owner.
const FOLDER: &str = "redis-ensemble-";
const OWNER: &str = "owner";

/// What sentinels call the service.
pub(crate) const SERVICE: &str = "notifications";

/// How many primaries a cluster has; their replicas follow them.
const PRIMARIES: usize = 3;
/// The primary at which messages are published that are not sharded.
pub(crate) const LAST: Number = PRIMARIES - 1;
/// How many of the servers before the sentinels have data.
const DATA: usize = 2;
/// The first slot of each primary, and the one after the last.
const SLOTS: [u16; PRIMARIES + 1] = [0, 5461, 10_923, 16_384];

/// Running servers. [`stop`](Self::stop) ends them and waits; a drop kills them.
#[must_use = "dropping an ensemble ends it"]
pub(crate) struct Ensemble {
    url: String,
    host: Ipv4Addr,
    password: String,
    program: OwnProgram,
    servers: Vec<Server>,
    children: Mutex<Children>,
    /// Where they keep what they know of each other.
    _folder: TempDir,
}

/// One of them.
struct Server {
    name: &'static str,
    port: u16,
    /// Where the nodes of a cluster talk to each other.
    bus: u16,
    arguments: Vec<String>,
}

/// A server of an ensemble, by its place among them.
pub(crate) type Number = usize;

impl Ensemble {
    /// Starts one whose servers are found at `host`, and waits until each of them can fail.
    pub(super) async fn start(
        topology: Topology,
        host: Ipv4Addr,
        password: &str,
        log: &Log,
    ) -> Result<Self, StartError> {
        let trouble = |error: std::io::Error| StartError(format!("an ensemble of redis: {error}"));
        sweep(&env::temp_dir());
        let folder = TempDir::with_prefix(FOLDER).map_err(trouble)?;
        fs::write(folder.path().join(OWNER), owner::this_process()).map_err(trouble)?;
        let servers = formation::servers(topology, host, password, folder.path())?;
        let ensemble = Self {
            url: formation::url(topology, host, password, &servers),
            host,
            password: password.to_owned(),
            program: redis_package::provide(&|_| {}).await?,
            servers,
            children: Mutex::new(Children::new(log)),
            _folder: folder,
        };
        let began = match topology {
            Topology::Cluster => ensemble.form_cluster(host).await,
            Topology::Sentinel => ensemble.form_watch().await,
        };
        match began {
            Ok(()) => Ok(ensemble),
            Err(words) => {
                ensemble.stop().await;
                Err(StartError(words))
            }
        }
    }

    /// Where services find it.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// What a server is called.
    pub fn name(&self, server: Number) -> &'static str {
        self.servers[server].name
    }

    /// Where a server listens.
    pub fn port(&self, server: Number) -> u16 {
        self.servers[server].port
    }

    /// The sentinels.
    pub fn sentinels(&self) -> std::ops::Range<Number> {
        DATA..self.servers.len()
    }

    /// The primary to which `channel` belongs in the beginning. Its replica is [`replica_of`](Self::replica_of) it.
    pub async fn primary_of(&self, channel: &str) -> Result<Number, String> {
        let slot = self.slot_of(channel).await?;
        let after = SLOTS.iter().position(|first| *first > slot);
        Ok(after.unwrap_or(PRIMARIES) - 1)
    }

    /// The slot of `channel`.
    pub async fn slot_of(&self, channel: &str) -> Result<u16, String> {
        let mut command = cmd("CLUSTER");
        command.arg("KEYSLOT").arg(channel);
        // Any of them knows, and some may be gone.
        let mut failed = String::new();
        for server in 0..self.servers.len() {
            match self.ask(server, &command).await {
                Ok(slot) => return Ok(slot),
                Err(words) => failed = words,
            }
        }
        Err(failed)
    }

    /// The replica of a primary of a cluster.
    pub fn replica_of(&self, primary: Number) -> Number {
        primary + PRIMARIES
    }

    /// Another primary of a cluster.
    pub fn other_primary(&self, primary: Number) -> Number {
        (primary + 1) % PRIMARIES
    }

    /// Kills a server and waits until it is gone.
    pub async fn kill(&self, server: Number) -> Result<(), String> {
        let name = self.name(server);
        let mut children = self.children.lock().await;
        let sent = children.signal(name, "SIGKILL").await;
        sent.map_err(|error| format!("failed to kill {name}: {error}"))?;
        let deadline = Instant::now() + COMMAND_DEADLINE;
        while children.exit(name).is_none() {
            if Instant::now() > deadline {
                return Err(format!("{name} was killed and still runs"));
            }
            sleep(INTERVAL).await;
        }
        Ok(())
    }

    /// Starts a server, which has ended or never ran, and waits until it answers.
    pub async fn launch(&self, server: Number) -> Result<(), String> {
        let Server {
            name, arguments, ..
        } = &self.servers[server];
        let command = processes::own(&self.program, arguments);
        let spawned = self.children.lock().await.spawn(name, command).await;
        spawned.map_err(|error| format!("failed to run {name}: {error}"))?;
        let mut ping = cmd("PING");
        self.until(server, ping.arg("there"), |pong: String| pong == "there")
            .await
    }

    /// Asks a server something.
    pub async fn ask<T: FromRedisValue>(&self, server: Number, command: &Cmd) -> Result<T, String> {
        let asked = async {
            let mut connection = self.connect(server).await?;
            command.query_async(&mut connection).await
        };
        let name = self.name(server);
        asked
            .await
            .map_err(|error: RedisError| format!("{name} refused a command: {error}"))
    }

    async fn connect(&self, server: Number) -> Result<MultiplexedConnection, RedisError> {
        let (port, host, password) = (self.servers[server].port, self.host, &self.password);
        let client = redis::Client::open(format!("redis://:{password}@{host}:{port}"))?;
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(COMMAND_DEADLINE))
            .set_response_timeout(Some(COMMAND_DEADLINE));
        client
            .get_multiplexed_async_connection_with_config(&config)
            .await
    }

    /// Waits until a server's answer to `command` is as it should be.
    pub async fn until<T: FromRedisValue + std::fmt::Debug>(
        &self,
        server: Number,
        command: &Cmd,
        good: impl Fn(T) -> bool,
    ) -> Result<(), String> {
        let deadline = Instant::now() + START_DEADLINE;
        loop {
            let words = match self.ask(server, command).await {
                Ok(answer) => {
                    let words = format!("{answer:?}");
                    if good(answer) {
                        return Ok(());
                    }
                    words
                }
                Err(words) => words,
            };
            let name = self.name(server);
            if let Some(exit) = self.children.lock().await.exit(name) {
                return Err(format!("{name} {exit}"));
            }
            if Instant::now() > deadline {
                let asked = String::from_utf8_lossy(&command.get_packed_command()).into_owned();
                let asked = asked.replace("\r\n", " ");
                return Err(format!("{name} still answers {asked:?} with {words}"));
            }
            sleep(INTERVAL).await;
        }
    }

    /// Ends the servers and returns when they are gone.
    pub async fn stop(&self) {
        self.children.lock().await.end().await;
    }

    /// Waits until a replica has what its master has.
    pub async fn until_copied(&self, replica: Number) -> Result<(), String> {
        let mut info = cmd("INFO");
        let up = |text: String| text.contains("master_link_status:up");
        self.until(replica, info.arg("replication"), up).await
    }
}

/// Removes the folders of runs that were killed.
fn sweep(parent: &Path) {
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let named = entry.file_name().to_string_lossy().starts_with(FOLDER);
        let owner = fs::read_to_string(entry.path().join(OWNER));
        if named && owner.is_ok_and(|owner| owner::is_gone(&owner)) {
            // What cannot be removed now is tried again by the next ensemble.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

//! What the servers of an ensemble are told, and how they come together.

use std::fs;
use std::net::Ipv4Addr;
use std::path::Path;

use futures_util::future::try_join_all;
use redis::cmd;

use super::super::StartError;
use super::super::children::free_port;
use super::super::programs::{REDIS, Topology};
use super::{DATA, Ensemble, PRIMARIES, SERVICE, SLOTS, Server};
use crate::profile::template;

/// What the servers are called: those of a cluster are three primaries and a replica of each, in the same order.
const CLUSTER: &[&str] = &[
    "redis-1", "redis-2", "redis-3", "redis-4", "redis-5", "redis-6",
];
/// A master, its replica, and the sentinels.
const SENTINEL: &[&str] = &[
    "redis-1",
    "redis-2",
    "sentinel-1",
    "sentinel-2",
    "sentinel-3",
];

/// Of every server but a sentinel. What a replica copies would go through files, and would be waited for.
const COMMON: &str = "--bind {host} --requirepass {password} --masterauth {password} --dir {home} --repl-diskless-sync yes \
                      --repl-diskless-sync-delay 0 --repl-diskless-load swapdb";
/// A server must be silent for two seconds to be given up by the others, here as with sentinels: longer than a busy machine
/// keeps one from answering.
const IN_CLUSTER: &str = "--cluster-enabled yes --cluster-port {bus} --cluster-announce-ip {host} \
                          --cluster-require-full-coverage no --cluster-node-timeout 2000";
const BEHIND_SENTINELS: &str = "--replica-announce-ip {host}";
const REPLICA: &str = "--replica-announce-ip {host} --replicaof {host} {master}";
const WATCHING: &str = "port {port}
bind {host}
dir \"{home}\"
requirepass {password}
sentinel sentinel-pass {password}
sentinel announce-ip {host}
sentinel monitor notifications {host} {master} 2
sentinel auth-pass notifications {password}
sentinel down-after-milliseconds notifications 2000
sentinel failover-timeout notifications 10000
";

/// The servers of an ensemble, none of which runs yet; each has a folder of its own in `folder`.
pub(super) fn servers(
    topology: Topology,
    host: Ipv4Addr,
    password: &str,
    folder: &Path,
) -> Result<Vec<Server>, StartError> {
    let trouble = |error: std::io::Error| StartError(format!("an ensemble of redis: {error}"));
    let names = match topology {
        Topology::Cluster => CLUSTER,
        Topology::Sentinel => SENTINEL,
    };
    let mut servers: Vec<Server> = Vec::new();
    for (number, name) in names.iter().copied().enumerate() {
        let home = folder.join(name);
        fs::create_dir(&home).map_err(trouble)?;
        let (port, bus) = (free_port()?, free_port()?);
        let values = [
            ("port", port.to_string()),
            ("host", host.to_string()),
            ("bus", bus.to_string()),
            (
                "master",
                servers.first().map_or(port, |first| first.port).to_string(),
            ),
            ("password", password.to_owned()),
            ("home", home.display().to_string()),
        ];
        let own = match (topology, number) {
            (Topology::Cluster, _) => Some(IN_CLUSTER),
            (Topology::Sentinel, 0) => Some(BEHIND_SENTINELS),
            (Topology::Sentinel, 1) => Some(REPLICA),
            (Topology::Sentinel, _) => None,
        };
        let arguments = match own {
            Some(own) => {
                let words = REDIS.iter().copied().chain(COMMON.split_whitespace());
                let words = words.chain(own.split_whitespace());
                words.map(|word| template::fill(word, &values)).collect()
            }
            None => {
                // A sentinel writes into its configuration what it learns.
                let file = home.join("sentinel.conf");
                fs::write(&file, template::fill(WATCHING, &values)).map_err(trouble)?;
                vec![file.display().to_string(), "--sentinel".to_owned()]
            }
        };
        servers.push(Server {
            name,
            port,
            bus,
            arguments,
        });
    }
    Ok(servers)
}

/// Where services find the ensemble of these servers.
pub(super) fn url(
    topology: Topology,
    host: Ipv4Addr,
    password: &str,
    servers: &[Server],
) -> String {
    let at = |servers: &[Server]| {
        let hosts = servers
            .iter()
            .map(|server| format!("{host}:{}", server.port));
        hosts.collect::<Vec<_>>().join(",")
    };
    match topology {
        Topology::Cluster => format!("redis+cluster://:{password}@{}", at(&servers[..PRIMARIES])),
        Topology::Sentinel => format!(
            "redis+sentinel://:{password}@{}/{SERVICE}?sentinel_password={password}",
            at(&servers[DATA..])
        ),
    }
}

impl Ensemble {
    /// Makes the servers, which do not run yet, a cluster.
    pub(super) async fn form_cluster(&self, host: Ipv4Addr) -> Result<(), String> {
        try_join_all((0..self.servers.len()).map(|server| self.launch(server))).await?;
        let cluster = |words: &[&str]| {
            let mut command = cmd("CLUSTER");
            command.arg(words);
            command
        };
        let mut ids: Vec<String> = Vec::new();
        for server in 0..self.servers.len() {
            let epoch = (server + 1).to_string();
            self.ask::<()>(server, &cluster(&["SET-CONFIG-EPOCH", &epoch]))
                .await?;
            ids.push(self.ask(server, &cluster(&["MYID"])).await?);
        }
        for (primary, bounds) in SLOTS.windows(2).enumerate() {
            let (first, last) = (bounds[0].to_string(), (bounds[1] - 1).to_string());
            self.ask::<()>(primary, &cluster(&["ADDSLOTSRANGE", &first, &last]))
                .await?;
        }
        for server in &self.servers[1..] {
            let at = [server.port, server.bus].map(|port| port.to_string());
            let [host, port, bus] = [&host.to_string(), &at[0], &at[1]];
            self.ask::<()>(0, &cluster(&["MEET", host, port, bus]))
                .await?;
        }
        for (primary, id) in ids.iter().take(PRIMARIES).enumerate() {
            let replicate = cluster(&["REPLICATE", id]);
            // It refuses as long as it has not heard of its primary.
            self.until(self.replica_of(primary), &replicate, |_: redis::Value| true)
                .await?;
        }
        // Who has been told who is whose replica, and that all slots are served.
        let info = cluster(&["INFO"]);
        for server in 0..self.servers.len() {
            let knows_all = |text: String| text.matches("slave ").count() == PRIMARIES;
            self.until(server, &cluster(&["NODES"]), knows_all).await?;
            self.until(server, &info, |text: String| {
                text.contains("cluster_state:ok")
            })
            .await?;
        }
        for primary in 0..PRIMARIES {
            self.until_copied(self.replica_of(primary)).await?;
        }
        Ok(())
    }

    /// Starts a master, its replica and the sentinels, and waits until all know of each other.
    pub(super) async fn form_watch(&self) -> Result<(), String> {
        try_join_all((0..DATA).map(|server| self.launch(server))).await?;
        // What a sentinel hears of its master when it begins it need not wait for later.
        self.until_copied(1).await?;
        try_join_all(self.sentinels().map(|server| self.launch(server))).await?;
        let mut quorum = cmd("SENTINEL");
        quorum.arg("CKQUORUM").arg(SERVICE);
        let mut replicas = cmd("SENTINEL");
        replicas.arg("REPLICAS").arg(SERVICE);
        for sentinel in self.sentinels() {
            self.until(sentinel, &quorum, |text: String| {
                text.starts_with("OK 3 usable")
            })
            .await?;
            let good = |replicas: Vec<std::collections::HashMap<String, String>>| {
                let flags: Vec<_> = replicas.iter().filter_map(|one| one.get("flags")).collect();
                flags == ["slave"]
            };
            self.until(sentinel, &replicas, good).await?;
        }
        Ok(())
    }
}

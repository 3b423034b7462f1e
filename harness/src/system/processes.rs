//! Parts as child processes on loopback ports.

use std::net::Ipv4Addr;

use tokio::process::Command;

use super::binaries::Binaries;
use super::children::{Children, free_port};
use super::log::Log;
use super::redis_package::{self, RedisProgram};
use super::{Addresses, Program, StartError, Surroundings};

/// The running parts.
pub(super) struct Processes {
    children: Children,
}

/// Starts Redis and the programs of `plan`, all at once; they are not ready yet.
pub(super) async fn start(
    binaries: &Binaries,
    plan: impl Fn(&Surroundings) -> [Program; 2],
    log: &Log,
    say: &(dyn Fn(&str) + Sync),
) -> Result<(Addresses, Processes), StartError> {
    let redis = redis_package::provide(say).await?;
    let ports = [free_port()?, free_port()?, free_port()?];
    let [redis_port, websocket_port, gateway_port] = ports;
    let [websocket, gateway] = plan(&Surroundings {
        redis_url: format!("redis://127.0.0.1:{redis_port}"),
        standin_host: "127.0.0.1".to_owned(),
        websocket_port,
        gateway_port,
    });
    let service = |path, program: &Program| {
        let mut command = Command::new(path);
        command.env_clear().envs(
            program
                .environment
                .iter()
                .map(|(name, value)| (name, value)),
        );
        command
    };
    let mut children = Children::new(log)?;
    for (name, command) in [
        ("redis", redis_command(&redis, redis_port)),
        (
            websocket.name,
            service(&binaries.websocket_service, &websocket),
        ),
        (gateway.name, service(&binaries.api_gateway, &gateway)),
    ] {
        if let Err(error) = children.spawn(name, command).await {
            children.stop().await;
            return Err(StartError(format!("failed to run {name}: {error}")));
        }
    }
    let [redis, websocket, gateway] = ports.map(|port| (Ipv4Addr::LOCALHOST, port).into());
    let addresses = Addresses {
        redis,
        websocket,
        gateway,
    };
    Ok((addresses, Processes { children }))
}

impl Processes {
    /// Kills the parts and waits until they are gone.
    pub async fn stop(self) {
        self.children.stop().await;
    }

    /// How the part `name` ended, if it did.
    pub fn ended(&mut self, name: &str) -> Option<String> {
        self.children.ended(name)
    }
}

/// A Redis that keeps nothing and is reached from this machine only.
pub(super) fn redis_command(redis: &RedisProgram, port: u16) -> Command {
    let mut command = Command::new(&redis.program);
    if let Some(libraries) = &redis.libraries {
        command.env("LD_LIBRARY_PATH", libraries);
    }
    command
        .args(["--bind", "127.0.0.1", "--port"])
        .arg(port.to_string())
        .args(["--save", "", "--appendonly", "no"]);
    command
}

//! Parts as child processes on loopback ports.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use tokio::process::Command;

use super::binaries::Binaries;
use super::children::{Children, free_port};
use super::log::Log;
use super::redis_package::{self, RedisProgram};
use super::{Addresses, Exit, Part, Program, StartError, Surroundings};

/// The programs that systems are started from.
pub(super) struct Executables {
    redis: RedisProgram,
    services: Binaries,
}

/// The running parts.
pub(super) struct Processes {
    children: Children,
    redis: RedisCommand,
    websocket: (PathBuf, Program),
}

/// How this system's Redis is started, any number of times.
struct RedisCommand {
    program: RedisProgram,
    port: u16,
    password: String,
}

impl Executables {
    /// Finds a Redis to go with the services.
    pub async fn prepare(
        services: Binaries,
        say: &(dyn Fn(&str) + Sync),
    ) -> Result<Self, StartError> {
        let redis = redis_package::provide(say).await?;
        Ok(Self { redis, services })
    }
}

/// Starts Redis and the programs of `plan`, all at once; they are not ready yet.
pub(super) async fn start(
    executables: &Executables,
    plan: impl Fn(&Surroundings) -> [Program; 2],
    redis_password: &str,
    log: &Log,
) -> Result<(Addresses, Processes), StartError> {
    let ports = [free_port()?, free_port()?, free_port()?];
    let [redis_port, websocket_port, gateway_port] = ports;
    let [websocket, gateway] = plan(&Surroundings {
        redis_url: format!("redis://:{redis_password}@127.0.0.1:{redis_port}"),
        standin_host: "127.0.0.1".to_owned(),
        websocket_port,
        gateway_port,
    });
    let redis = RedisCommand {
        program: executables.redis.clone(),
        port: redis_port,
        password: redis_password.to_owned(),
    };
    let services = &executables.services;
    let mut children = Children::new(log)?;
    for (name, command) in [
        (Part::Redis.name(), redis.command()),
        (
            websocket.name,
            service(&services.websocket_service, &websocket),
        ),
        (gateway.name, service(&services.api_gateway, &gateway)),
    ] {
        if let Err(error) = children.spawn(name, command).await {
            children.stop().await;
            return Err(StartError(format!("failed to run {name}: {error}")));
        }
    }
    let [redis_address, websocket_address, gateway_address] =
        ports.map(|port| (Ipv4Addr::LOCALHOST, port).into());
    let addresses = Addresses {
        redis: redis_address,
        websocket: websocket_address,
        gateway: gateway_address,
    };
    let websocket = (services.websocket_service.clone(), websocket);
    Ok((
        addresses,
        Processes {
            children,
            redis,
            websocket,
        },
    ))
}

impl Processes {
    /// Kills the parts and waits until they are gone.
    pub async fn stop(self) {
        self.children.stop().await;
    }

    /// Sends `signal` to the part `name`.
    pub async fn signal(&mut self, name: &str, signal: &str) -> Result<(), String> {
        self.children
            .signal(name, signal)
            .await
            .map_err(|error| format!("failed to send {signal} to {name}: {error}"))
    }

    /// How the part `name` ended, if it did.
    pub fn exit(&mut self, name: &str) -> Option<Exit> {
        self.children.exit(name)
    }

    /// Starts Redis on the port that it had.
    pub async fn start_redis(&mut self) -> Result<SocketAddr, String> {
        self.children
            .spawn(Part::Redis.name(), self.redis.command())
            .await
            .map_err(|error| format!("failed to run redis: {error}"))?;
        Ok((Ipv4Addr::LOCALHOST, self.redis.port).into())
    }

    /// Starts a second websocket service without the variable `absent`.
    pub async fn start_second_without(&mut self, absent: &str) -> Result<(), String> {
        let (path, program) = &self.websocket;
        let name = Part::SecondWebsocketService.name();
        let command = service(path, &program.second_without(name, absent));
        self.children
            .spawn(name, command)
            .await
            .map_err(|error| format!("failed to run {name}: {error}"))
    }
}

impl RedisCommand {
    fn command(&self) -> Command {
        redis_command(&self.program, self.port, Some(&self.password))
    }
}

fn service(path: &Path, program: &Program) -> Command {
    let mut command = Command::new(path);
    command.env_clear().envs(
        program
            .environment
            .iter()
            .map(|(name, value)| (name, value)),
    );
    command
}

/// A Redis that keeps nothing and is reached from this machine only, with `password` if there is one.
pub(super) fn redis_command(redis: &RedisProgram, port: u16, password: Option<&str>) -> Command {
    let mut command = Command::new(&redis.program);
    if let Some(libraries) = &redis.libraries {
        command.env("LD_LIBRARY_PATH", libraries);
    }
    command
        .args(["--bind", "127.0.0.1", "--port"])
        .arg(port.to_string())
        .args(["--save", "", "--appendonly", "no"]);
    if let Some(password) = password {
        command.args(["--requirepass", password]);
    }
    command
}

//! Parts as child processes on loopback ports.

use std::net::Ipv4Addr;
use std::path::PathBuf;

use tokio::process::Command;

use super::binaries::{self, Binaries};
use super::children::{Children, free_port};
use super::log::Log;
use super::redis_package::{self, RedisProgram};
use super::{Addresses, Exit, Part, Program, StartError, Surroundings};
use crate::endpoint::Endpoint;
use crate::profile::{self, Profile, Service, Source};

/// The suite's own programs, as far as a profile needs them.
pub(super) struct Executables {
    redis: Option<RedisProgram>,
    services: Option<Binaries>,
}

/// The running parts.
pub(super) struct Processes {
    children: Children,
    redis: Option<Start>,
    websocket: Option<Start>,
}

/// How a part is started, any number of times.
enum Start {
    /// The suite's own Redis.
    OwnRedis {
        redis: RedisProgram,
        port: u16,
        password: String,
    },
    /// A reference service: it gets its variables and no others.
    OwnService { path: PathBuf, program: Program },
    /// A profile's command, in the profile's folder, with the variables of this process besides its own.
    Command { folder: PathBuf, program: Program },
}

impl Executables {
    /// Builds and finds what `profile` starts of the suite's own.
    pub async fn prepare(
        profile: &Profile,
        say: &(dyn Fn(&str) + Sync),
    ) -> Result<Self, StartError> {
        let own = |service: &Service| service.source == Source::Own;
        let needs_services = [&profile.websocket, &profile.gateway]
            .into_iter()
            .flatten()
            .any(own);
        let services = match needs_services {
            true => Some(binaries::build(say).await?),
            false => None,
        };
        let redis = match profile.redis.as_ref().is_some_and(own) {
            true => Some(redis_package::provide(say).await?),
            false => None,
        };
        Ok(Self { redis, services })
    }
}

/// Starts what `profile` says is to be started, all at once; it is not ready yet.
pub(super) async fn start(
    executables: &Executables,
    profile: &Profile,
    plan: impl Fn(&Surroundings) -> [Option<Program>; 2],
    redis_password: &str,
    log: &Log,
) -> Result<(Addresses, Processes), StartError> {
    let ports = [free_port()?, free_port()?, free_port()?];
    let [redis_port, websocket_port, gateway_port] = ports;
    let (redis_endpoint, redis) = redis(executables, profile, redis_port, redis_password);
    let [websocket, gateway] = plan(&Surroundings {
        redis_url: (redis_endpoint.as_ref())
            .map_or_else(String::new, |redis| redis.url().to_owned()),
        redis_password: redis_password.to_owned(),
        standin_host: "127.0.0.1".to_owned(),
        websocket_port,
        gateway_port,
    });
    let services = executables.services.as_ref();
    let start = |program: Option<Program>, own: fn(&Binaries) -> &PathBuf| {
        let program = program?;
        Some(match services {
            Some(services) if program.command.is_empty() => Start::OwnService {
                path: own(services).clone(),
                program,
            },
            _ => Start::Command {
                folder: profile.folder.clone(),
                program,
            },
        })
    };
    let websocket = start(websocket, |services| &services.websocket_service);
    let gateway = start(gateway, |services| &services.api_gateway);
    let addresses = Addresses {
        redis: redis_endpoint,
        websocket: (profile.websocket.as_ref()).map(|part| endpoint(part, websocket_port)),
        gateway: (profile.gateway.as_ref()).map(|part| endpoint(part, gateway_port)),
    };
    let mut children = Children::new(log)?;
    for (part, start) in [
        (Part::Redis, &redis),
        (Part::WebsocketService, &websocket),
        (Part::ApiGateway, &gateway),
    ] {
        let Some(start) = start else { continue };
        if let Err(error) = children.spawn(part.name(), start.command()).await {
            children.stop().await;
            let program = start.program().display().to_string();
            return Err(StartError(format!(
                "failed to run {part}: {program}: {error}"
            )));
        }
    }
    Ok((
        addresses,
        Processes {
            children,
            redis,
            websocket,
        },
    ))
}

/// Where Redis will be, if it is of the system, and how it is started, if it is.
fn redis(
    executables: &Executables,
    profile: &Profile,
    port: u16,
    password: &str,
) -> (Option<Endpoint>, Option<Start>) {
    let Some(service) = &profile.redis else {
        return (None, None);
    };
    let local =
        |password: Option<&str>| Endpoint::redis((Ipv4Addr::LOCALHOST, port).into(), password);
    match (&service.source, &executables.redis) {
        (Source::Url(endpoint), _) => (Some(endpoint.clone()), None),
        (Source::Own, Some(redis)) => {
            let start = Start::OwnRedis {
                redis: redis.clone(),
                port,
                password: password.to_owned(),
            };
            (Some(local(Some(password))), Some(start))
        }
        _ => {
            let values = [
                ("port", port.to_string()),
                ("redis_password", password.to_owned()),
            ];
            let program = Program::of(Part::Redis.name(), service, port, &values);
            // One that is told no password asks for none.
            let told = program.as_ref().is_some_and(|program| {
                let values = program.environment.iter().map(|(_, value)| value);
                program
                    .command
                    .iter()
                    .chain(values)
                    .any(|word| word.contains(password))
            });
            let folder = profile.folder.clone();
            let start = program.map(|program| Start::Command { folder, program });
            (Some(local(told.then_some(password))), start)
        }
    }
}

/// Where a part is reached: on `port` of loopback, or where its url says.
fn endpoint(part: &Service, port: u16) -> Endpoint {
    match &part.source {
        Source::Url(endpoint) => endpoint.clone(),
        Source::Own | Source::Command(_) => Endpoint::loopback(port),
    }
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

    /// Starts Redis where it was.
    pub async fn start_redis(&mut self) -> Result<(), String> {
        let start = self.redis.as_ref().ok_or("redis is somebody else's")?;
        self.children
            .spawn(Part::Redis.name(), start.command())
            .await
            .map_err(|error| format!("failed to run redis: {error}"))
    }

    /// Starts a second websocket service without the variable `absent`.
    pub async fn start_second_without(&mut self, absent: &str) -> Result<(), String> {
        let name = Part::SecondWebsocketService.name();
        let start = self.websocket.as_ref();
        let start = start.ok_or("the websocket service is somebody else's")?;
        self.children
            .spawn(name, start.second_without(name, absent).command())
            .await
            .map_err(|error| format!("failed to run {name}: {error}"))
    }
}

impl Start {
    fn command(&self) -> Command {
        match self {
            Self::OwnRedis {
                redis,
                port,
                password,
            } => redis_command(redis, *port, Some(password)),
            Self::OwnService { path, program } => {
                let mut command = Command::new(path);
                command
                    .env_clear()
                    .envs(program.environment.iter().cloned());
                command
            }
            Self::Command { folder, program } => {
                let mut command = Command::new(self.program());
                command
                    .args(program.command.iter().skip(1))
                    .current_dir(folder)
                    .envs(program.environment.iter().cloned());
                command
            }
        }
    }

    /// What is run.
    fn program(&self) -> PathBuf {
        match self {
            Self::OwnRedis { redis, .. } => redis.program.clone(),
            Self::OwnService { path, .. } => path.clone(),
            Self::Command { folder, program } => {
                let name = program.command.first();
                profile::program(folder, name.map_or("", String::as_str))
            }
        }
    }

    /// The same service under another name and without the variable `absent`.
    fn second_without(&self, name: &'static str, absent: &str) -> Self {
        match self {
            Self::OwnService { path, program } => Self::OwnService {
                path: path.clone(),
                program: program.second_without(name, absent),
            },
            Self::Command { folder, program } => Self::Command {
                folder: folder.clone(),
                program: program.second_without(name, absent),
            },
            Self::OwnRedis {
                redis,
                port,
                password,
            } => Self::OwnRedis {
                redis: redis.clone(),
                port: *port,
                password: password.clone(),
            },
        }
    }
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

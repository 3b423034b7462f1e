//! Parts in containers: the only place that knows testcontainers.
//!
//! Everything started here carries the owner's label. A run that ends, however it fails, takes its containers and
//! its network with it; what a killed run left is removed by the next start.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};

use futures_util::future::join_all;
use testcontainers::bollard::Docker;
use testcontainers::bollard::models::PortBinding;
use testcontainers::core::error::TestcontainersError;
use testcontainers::core::logs::LogFrame;
use testcontainers::core::{Host, IntoContainerPort};
use testcontainers::runners::AsyncRunner;
use testcontainers::{ContainerAsync, ContainerRequest, GenericImage, ImageExt};

use super::binaries::Binaries;
use super::engine::{self, Image, Network};
use super::log::Log;
use super::{Addresses, Exit, Part, Program, StartError, Surroundings, owner, root_cause};
use crate::endpoint::Endpoint;

const REDIS_PORT: u16 = 6379;
const WEBSOCKET_PORT: u16 = 8080;
const GATEWAY_PORT: u16 = 4001;

/// The images that systems are started from, and the engine that has them.
pub(super) struct Images {
    docker: Docker,
    redis: Image,
    websocket: Image,
    gateway: Image,
}

/// The running parts. Dropping them inside a runtime removes the containers; [`stop`](Self::stop) removes all.
pub(super) struct Containers {
    docker: Docker,
    run: String,
    log: Log,
    websocket: (Image, Program),
    containers: Vec<(&'static str, ContainerAsync<GenericImage>)>,
    network: Network,
}

impl Images {
    /// Makes the images that the engine does not have yet, and removes what dead runs left there.
    pub async fn prepare(
        binaries: &Binaries,
        say: &(dyn Fn(&str) + Sync),
    ) -> Result<Self, StartError> {
        let docker = engine::connect().await.map_err(StartError)?;
        engine::sweep(&docker).await;
        let own = |name, program| engine::own_image(&docker, name, program, "/service", None);
        let (redis, websocket, gateway) = tokio::try_join!(
            engine::redis_image(&docker, say),
            own(
                Part::WebsocketService.name(),
                binaries.websocket_service.as_path()
            ),
            own(Part::ApiGateway.name(), binaries.api_gateway.as_path()),
        )?;
        Ok(Self {
            docker,
            redis,
            websocket,
            gateway,
        })
    }
}

/// Starts Redis and the programs of `plan`, all at once; they are not ready yet.
pub(super) async fn start(
    images: &Images,
    plan: impl Fn(&Surroundings) -> [Option<Program>; 2],
    redis_password: &str,
    log: &Log,
) -> Result<(Addresses, Containers), StartError> {
    let docker = images.docker.clone();
    let run = format!("{}-{}", engine::OWN, uuid::Uuid::new_v4().simple());
    let network = Network::create(&docker, &run).await?;
    let redis_name = format!("{run}-redis");
    let programs = plan(&Surroundings {
        redis_url: format!("redis://:{redis_password}@{redis_name}:{REDIS_PORT}"),
        redis_password: redis_password.to_owned(),
        standin_host: "host.docker.internal".to_owned(),
        websocket_port: WEBSOCKET_PORT,
        gateway_port: GATEWAY_PORT,
    });
    let [Some(websocket), Some(gateway)] = programs else {
        network.remove().await;
        let words = "containers are for the whole reference system: a bug in the harness";
        return Err(StartError(words.to_owned()));
    };
    let redis = request(&images.redis, Part::Redis.name(), REDIS_PORT, &run, log).with_cmd([
        "redis-server",
        "--save",
        "",
        "--appendonly",
        "no",
        "--protected-mode",
        "no",
        "--requirepass",
        redis_password,
    ]);
    let of = |image: &Image, program: &Program| service(image, program, &run, log);
    let launched = tokio::join!(
        launch(Part::Redis.name(), redis, REDIS_PORT),
        launch(
            websocket.name,
            of(&images.websocket, &websocket),
            websocket.port
        ),
        launch(gateway.name, of(&images.gateway, &gateway), gateway.port),
    );
    let mut containers = Vec::new();
    let mut addresses = Vec::new();
    let mut failed = None;
    for launched in <[_; 3]>::from(launched) {
        match launched {
            Ok((name, container, address)) => {
                containers.push((name, container));
                addresses.push(address);
            }
            Err(error) => failed = failed.or(Some(error)),
        }
    }
    if let Some(error) = failed {
        remove(containers).await;
        // A container whose start failed is not handed out, but it carries the run's name.
        engine::remove_named(&docker, &run).await;
        network.remove().await;
        return Err(error);
    }
    let addresses = Addresses {
        redis: Some(Endpoint::redis(addresses[0], Some(redis_password))),
        websocket: Some(Endpoint::http(addresses[1])),
        gateway: Some(Endpoint::http(addresses[2])),
    };
    Ok((
        addresses,
        Containers {
            docker,
            run,
            log: log.clone(),
            websocket: (images.websocket.clone(), websocket),
            containers,
            network,
        },
    ))
}

impl Containers {
    /// Removes the containers and the network.
    pub async fn stop(self) {
        remove(self.containers).await;
        self.network.remove().await;
    }

    /// Sends `signal` to the part `name`.
    pub async fn signal(&self, name: &str, signal: &str) -> Result<(), String> {
        engine::signal(&self.docker, self.container(name)?.id(), signal)
            .await
            .map_err(|error| format!("failed to send {signal} to {name}: {error}"))
    }

    /// How the part `name` ended, if it did.
    pub async fn exit(&self, name: &str) -> Option<Exit> {
        let container = self.container(name).ok()?;
        match container.is_running().await {
            Ok(true) => None,
            Ok(false) => Some(Exit {
                status: container.exit_code().await.ok().flatten(),
            }),
            Err(_) => Some(Exit { status: None }),
        }
    }

    /// Starts Redis under the name that it had; the engine publishes it on another port.
    pub async fn start_redis(&self) -> Result<SocketAddr, String> {
        let redis = self.container(Part::Redis.name())?;
        let failed = |error: TestcontainersError| {
            format!("failed to start redis again: {}", root_cause(&error))
        };
        redis.start().await.map_err(failed)?;
        let port = redis.get_host_port_ipv4(REDIS_PORT.tcp()).await;
        Ok((Ipv4Addr::LOCALHOST, port.map_err(failed)?).into())
    }

    /// Starts a second websocket service without the variable `absent`.
    pub async fn start_second_without(&mut self, absent: &str) -> Result<(), String> {
        let (image, program) = &self.websocket;
        let name = Part::SecondWebsocketService.name();
        let second = program.second_without(name, absent);
        // Its port is not asked for: what ends at once has none.
        let container = service(image, &second, &self.run, &self.log)
            .start()
            .await
            .map_err(|error| format!("{name} did not start: {}", root_cause(&error)))?;
        self.containers.push((name, container));
        Ok(())
    }

    fn container(&self, name: &str) -> Result<&ContainerAsync<GenericImage>, String> {
        let found = self.containers.iter().find(|(part, _)| *part == name);
        found
            .map(|(_, container)| container)
            .ok_or_else(|| format!("there is no {name}"))
    }
}

/// A container of this run: named, labelled, on the run's network, its port published on loopback only.
fn request(
    (name, tag): &Image,
    part: &'static str,
    port: u16,
    run: &str,
    log: &Log,
) -> ContainerRequest<GenericImage> {
    let log = log.clone();
    GenericImage::new(name, tag)
        .with_exposed_port(port.tcp())
        .with_container_name(format!("{run}-{part}"))
        .with_network(run)
        .with_label(owner::LABEL, owner::this_process())
        .with_log_consumer(move |frame: &LogFrame| {
            let (LogFrame::StdOut(bytes) | LogFrame::StdErr(bytes)) = frame;
            for line in String::from_utf8_lossy(bytes).lines() {
                log.push(part, line);
            }
        })
        // Published IPv4 and IPv6 ports differ, and one's may be another's: loopback IPv4 alone is unambiguous.
        .with_host_config_modifier(move |host| {
            let loopback = PortBinding {
                host_ip: Some(Ipv4Addr::LOCALHOST.to_string()),
                host_port: None,
            };
            host.publish_all_ports = Some(false);
            host.port_bindings = Some(HashMap::from([(
                format!("{port}/tcp"),
                Some(vec![loopback]),
            )]));
        })
}

/// A container of this run that runs `program`.
fn service(
    image: &Image,
    program: &Program,
    run: &str,
    log: &Log,
) -> ContainerRequest<GenericImage> {
    let request = request(image, program.name, program.port, run, log)
        .with_cmd(["/service"])
        .with_host("host.docker.internal", Host::HostGateway);
    program
        .environment
        .iter()
        .fold(request, |request, (name, value)| {
            request.with_env_var(name, value)
        })
}

async fn launch(
    name: &'static str,
    request: ContainerRequest<GenericImage>,
    port: u16,
) -> Result<(&'static str, ContainerAsync<GenericImage>, SocketAddr), StartError> {
    let container = request
        .start()
        .await
        .map_err(|error| StartError(format!("{name} did not start: {}", root_cause(&error))))?;
    match container.get_host_port_ipv4(port.tcp()).await {
        Ok(mapped) => Ok((name, container, (Ipv4Addr::LOCALHOST, mapped).into())),
        Err(error) => {
            // A container that exits at once has no ports: what it printed says why.
            let printed = container.stderr_to_vec().await.unwrap_or_default();
            let stdout = container.stdout_to_vec().await.unwrap_or_default();
            let printed = [stdout, printed].concat();
            let printed = String::from_utf8_lossy(&printed);
            let reason = match container.is_running().await {
                Ok(false) => format!(
                    "{name} exited at its start; it printed:\n{}",
                    printed.trim()
                ),
                _ => format!("{name} publishes no port: {error}"),
            };
            let _ = container.rm().await;
            Err(StartError(reason))
        }
    }
}

async fn remove(containers: Vec<(&'static str, ContainerAsync<GenericImage>)>) {
    // What cannot be removed now carries the label, and the next start's sweep removes it.
    join_all(containers.into_iter().map(|(_, container)| container.rm())).await;
}

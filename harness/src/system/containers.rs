//! Parts in containers: with `engine`, the only place that knows testcontainers.
//!
//! Everything started here carries the owner's label. A run that ends, however it fails, takes its containers and
//! its network with it; what a killed run left is removed by the next start.

use std::collections::HashMap;
use std::net::Ipv4Addr;

use futures_util::future::join_all;
use testcontainers::bollard::models::PortBinding;
use testcontainers::core::logs::LogFrame;
use testcontainers::core::{Host, IntoContainerPort};
use testcontainers::runners::AsyncRunner;
use testcontainers::{ContainerAsync, ContainerRequest, GenericImage, ImageExt};

use super::engine::{self, Engine, Network};
use super::log::Log;
use super::plan::THIS_MACHINE;
use super::programs::{Ports, Program};
use super::{Exit, StartError, owner, root_cause};
use crate::profile::ImageName;

/// The containers of one system. Dropping them inside a runtime removes them; [`stop`](Self::stop) removes the network too.
pub(super) struct Containers {
    engine: Engine,
    run: String,
    log: Log,
    running: Vec<(&'static str, ContainerAsync<GenericImage>)>,
    network: Network,
}

impl Containers {
    /// None yet, on a network called `run`; their output will go to `log`.
    pub async fn new(engine: &Engine, run: &str, log: &Log) -> Result<Self, StartError> {
        Ok(Self {
            engine: engine.clone(),
            run: run.to_owned(),
            log: log.clone(),
            running: Vec::new(),
            network: Network::create(engine, run).await?,
        })
    }

    /// Starts these programs, all at once; they are not ready yet.
    pub async fn start(&mut self, programs: &[(&ImageName, &Program)]) -> Result<(), StartError> {
        let starts = programs
            .iter()
            .map(|(image, program)| self.request(image, program).start());
        let started = join_all(starts).await;
        let mut result = Ok(());
        for ((image, program), started) in programs.iter().zip(started) {
            let name = program.part.name();
            match started {
                Ok(container) => self.running.push((name, container)),
                Err(error) => {
                    // One whose start failed is not handed out, but it has its name.
                    engine::remove_named(&self.engine, &format!("{}-{name}", self.run)).await;
                    let reason = root_cause(&error);
                    let words = format!("{name} did not start from {image}: {reason}");
                    result = result.and(Err(StartError(words)));
                }
            }
        }
        result
    }

    /// Removes the containers and the network.
    pub async fn stop(self) {
        // What cannot be removed now carries the label, and the next start's sweep removes it.
        join_all(
            self.running
                .into_iter()
                .map(|(_, container)| container.rm()),
        )
        .await;
        self.network.remove().await;
    }

    /// Whether there is a container of the part `name`.
    pub fn have(&self, name: &str) -> bool {
        self.container(name).is_ok()
    }

    /// Sends `signal` to the part `name`.
    pub async fn signal(&self, name: &str, signal: &str) -> Result<(), String> {
        engine::signal(&self.engine, self.container(name)?.id(), signal)
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

    /// All that the part `name` printed, if it has ended.
    pub async fn printed(&self, name: &str) -> Option<Vec<String>> {
        self.exit(name).await?;
        let container = self.container(name).ok()?;
        let mut printed = container.stdout_to_vec().await.ok()?;
        printed.extend(container.stderr_to_vec().await.ok()?);
        let printed = String::from_utf8_lossy(&printed);
        Some(printed.lines().map(str::to_owned).collect())
    }

    /// Starts the part `name`, which has ended, again: under the name and the port that it had.
    pub async fn restart(&self, name: &str) -> Result<(), String> {
        let started = self.container(name)?.start().await;
        started.map_err(|error| format!("failed to start {name} again: {}", root_cause(&error)))
    }

    fn container(&self, name: &str) -> Result<&ContainerAsync<GenericImage>, String> {
        let found = self.running.iter().find(|(part, _)| *part == name);
        found
            .map(|(_, container)| container)
            .ok_or_else(|| format!("there is no {name}"))
    }

    /// A container of this run: named, labelled, on the run's network, its port published on loopback only.
    fn request(&self, image: &ImageName, program: &Program) -> ContainerRequest<GenericImage> {
        let (log, name) = (self.log.clone(), program.part.name());
        let Ports { inside, outside } = program.ports;
        let request = GenericImage::new(&image.repository, &image.tag)
            .with_exposed_port(inside.tcp())
            .with_container_name(format!("{}-{name}", self.run))
            .with_network(&self.run)
            .with_label(owner::LABEL, owner::this_process())
            .with_host(THIS_MACHINE, Host::HostGateway)
            .with_cmd(&program.arguments)
            .with_log_consumer(move |frame: &LogFrame| {
                let (LogFrame::StdOut(bytes) | LogFrame::StdErr(bytes)) = frame;
                for line in String::from_utf8_lossy(bytes).lines() {
                    log.push(name, line);
                }
            })
            // Published IPv4 and IPv6 ports differ, and one's may be another's: loopback IPv4 alone is unambiguous. Which
            // port it is is said here, because the engine would choose another one each time the container starts.
            .with_host_config_modifier(move |host| {
                let loopback = PortBinding {
                    host_ip: Some(Ipv4Addr::LOCALHOST.to_string()),
                    host_port: Some(outside.to_string()),
                };
                host.publish_all_ports = Some(false);
                host.port_bindings = Some(HashMap::from([(
                    format!("{inside}/tcp"),
                    Some(vec![loopback]),
                )]));
            });
        let variables = program.environment.iter();
        variables.fold(request, |request, (name, value)| {
            request.with_env_var(name, value)
        })
    }
}

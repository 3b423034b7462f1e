//! Parts in containers: with `engine`, the only place that knows testcontainers.
//!
//! Everything started here carries the owner's label. A run that ends, however it fails, takes its containers and
//! its network with it; what a killed run left is removed by the next start.

use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::sync::Arc;

use futures_util::future::join_all;
use testcontainers::bollard::models::PortBinding;
use testcontainers::core::logs::LogFrame;
use testcontainers::core::{Host, IntoContainerPort};
use testcontainers::runners::AsyncRunner;
use testcontainers::{ContainerAsync, ContainerRequest, GenericImage, ImageExt};

use super::engine::{self, Network};
use super::log::Log;
use super::plan::THIS_MACHINE;
use super::programs::{Ports, Program};
use super::{Exit, StartError, Usage, owner, root_cause};
use crate::profile::ImageName;

/// The containers of one system. Dropping them inside a runtime removes them; [`stop`](Self::stop) waits for it, and removes
/// the network after its last system.
pub(super) struct Containers {
    network: Arc<Network>,
    run: String,
    log: Log,
    running: Vec<(&'static str, ContainerAsync<GenericImage>)>,
}

impl Containers {
    /// None yet, on this network; their names will begin with `run`, and their output go to `log`.
    pub async fn new(network: &Arc<Network>, run: &str, log: &Log) -> Result<Self, StartError> {
        network.enter().await?;
        Ok(Self {
            network: Arc::clone(network),
            run: run.to_owned(),
            log: log.clone(),
            running: Vec::new(),
        })
    }

    /// Starts these programs, all at once, in the places of those of their names that have ended; they are not ready yet.
    pub async fn start(&mut self, programs: &[(&ImageName, &Program)]) -> Result<(), StartError> {
        for (_, program) in programs {
            let former = |(name, _): &(&str, _)| *name == program.part.name();
            if let Some(index) = self.running.iter().position(former) {
                // If it stays, the start fails for its name and says so.
                let _ = self.running.swap_remove(index).1.rm().await;
            }
        }
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
                    engine::remove_named(self.network.engine(), &format!("{}-{name}", self.run))
                        .await;
                    let reason = root_cause(&error);
                    let words = format!("{name} did not start from {image}: {reason}");
                    result = result.and(Err(StartError(words)));
                }
            }
        }
        result
    }

    /// Removes the containers, and the network if nobody else is on it.
    pub async fn stop(self) {
        // What cannot be removed now carries the label, and the next start's sweep removes it.
        join_all(
            self.running
                .into_iter()
                .map(|(_, container)| container.rm()),
        )
        .await;
        self.network.leave().await;
    }

    /// Whether there is a container of the part `name`.
    pub fn have(&self, name: &str) -> bool {
        self.container(name).is_ok()
    }

    /// Sends `signal` to the part `name`.
    pub async fn signal(&self, name: &str, signal: &str) -> Result<(), String> {
        engine::signal(self.network.engine(), self.container(name)?.id(), signal)
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

    /// What the part `name` has used so far, as the engine counts it.
    pub async fn usage(&self, name: &str) -> Result<Usage, String> {
        engine::usage(self.network.engine(), self.container(name)?.id())
            .await
            .map_err(|error| format!("the engine does not say what {name} uses: {error}"))
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
            .with_network(self.network.name())
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

#[cfg(test)]
mod tests {
    use std::fs;

    use testcontainers::bollard::query_parameters::{
        ListContainersOptionsBuilder, ListNetworksOptionsBuilder,
    };

    use super::super::{EXIT_DEADLINE, Part, Settings, Stock, System, binaries};
    use super::*;
    use crate::profile::Profile;

    /// The websocket service from `image`, the gateway as a command.
    fn profile(image: &str, gateway: &str) -> Profile {
        let reference = crate::data::checkout()
            .unwrap()
            .join("harness/profiles/reference.toml");
        let text = fs::read_to_string(reference)
            .unwrap()
            .replace("\n[websocket]\n", &format!("\n[websocket]\n{image}\n"))
            .replace(
                "\n[gateway]\n",
                &format!("\n[gateway]\ncommand = [\"{gateway}\"]\n"),
            );
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("p.toml");
        fs::write(&path, text).unwrap();
        let mut profile = Profile::of_file(&path).unwrap();
        // The temporary one is gone when the command runs.
        profile.folder = crate::data::checkout().unwrap().to_owned();
        profile
    }

    async fn start(image: &str, gateway: &str) -> Result<System, StartError> {
        let stock = Stock::prepare(profile(image, gateway), None, &|_| {}).await?;
        System::start(&stock, &Settings::default()).await
    }

    /// What this process has in the engine: containers and networks.
    async fn left(engine: &engine::Engine) -> usize {
        let label = format!("{}={}", owner::LABEL, owner::this_process());
        let ours = HashMap::from([("label", vec![label])]);
        let containers = ListContainersOptionsBuilder::default().all(true);
        let containers = containers.filters(&ours).build();
        let networks = ListNetworksOptionsBuilder::default().filters(&ours).build();
        let containers = engine.list_containers(Some(containers)).await.unwrap();
        let networks = engine.list_networks(Some(networks)).await.unwrap();
        containers.len() + networks.len()
    }

    #[tokio::test]
    async fn an_image_beside_a_command_has_its_faults_and_leaves_nothing() {
        let engine = match engine::connect().await {
            Ok(engine) => engine,
            Err(error) => return println!("skipped: no container engine answers ({error})"),
        };
        let binaries = binaries::build(false, &|_| {}).await.unwrap();
        let gateway = binaries.api_gateway.display().to_string();
        let name = Part::WebsocketService.name();
        let image = engine::own_image(&engine, name, &binaries.websocket_service).await;
        let image = format!("image = \"{}\"", image.unwrap());

        let no_program = format!("{image}\narguments = [\"/nothing\"]");
        let error = start(&no_program, &gateway).await.err().unwrap();
        assert!(error.0.contains("/nothing: no such file"), "{error}");
        assert_eq!(left(&engine).await, 0);

        let system = start(&image, &gateway).await.unwrap();
        assert_eq!(
            left(&engine).await,
            3,
            "redis, the websocket service, a network"
        );
        let redis = redis::Client::open(system.redis().unwrap().url()).unwrap();
        system.kill(Part::Redis).await.unwrap();
        assert!(redis.get_multiplexed_async_connection().await.is_err());
        system.start_part(Part::Redis).await.unwrap();
        let answers = async {
            while redis.get_multiplexed_async_connection().await.is_err() {
                tokio::task::yield_now().await;
            }
        };
        let answers = tokio::time::timeout(EXIT_DEADLINE, answers).await;
        answers.expect("redis answers where it was");
        let second = Part::SecondWebsocketService;
        // And once more, as each round of a run does.
        for _ in 0..2 {
            system.start_second_without("JWT_SECRET_KEY").await.unwrap();
            let ended = system.until_exit(second, EXIT_DEADLINE).await;
            assert_eq!(ended.unwrap().status, Some(2));
        }
        system
            .until_printed(second, "JWT_SECRET_KEY")
            .await
            .unwrap();
        for part in [Part::WebsocketService, Part::ApiGateway] {
            system.terminate(part).await.unwrap();
            assert_eq!(
                system.until_exit(part, EXIT_DEADLINE).await.unwrap().status,
                Some(0),
                "{part}"
            );
        }
        system.stop().await;
        assert_eq!(left(&engine).await, 0);
    }
}

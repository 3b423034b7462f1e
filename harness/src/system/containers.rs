//! Parts in containers: the only place that knows testcontainers.
//!
//! Everything started here carries the owner's label. A run that ends, however it fails, takes its containers and
//! its network with it; what a killed run left is removed by the next start.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::join_all;
use testcontainers::bollard::models::{NetworkCreateRequest, PortBinding};
use testcontainers::bollard::query_parameters::{
    CreateImageOptionsBuilder, ListContainersOptionsBuilder, ListImagesOptionsBuilder,
    ListNetworksOptionsBuilder, RemoveContainerOptionsBuilder, RemoveImageOptions,
};
use testcontainers::bollard::{Docker, body_full};
use testcontainers::core::logs::LogFrame;
use testcontainers::core::{Host, IntoContainerPort};
use testcontainers::runners::AsyncRunner;
use testcontainers::{ContainerAsync, ContainerRequest, GenericImage, ImageExt};
use tokio::time::timeout;

use super::binaries::Binaries;
use super::log::Log;
use super::{Program, StartError, Surroundings, image, owner, redis_package, root_cause};

/// The public image that is used where it is present or can be pulled.
const REDIS_IMAGE: (&str, &str) = ("redis", "7-alpine");
/// The names of images that the harness makes begin with this.
const OWN_IMAGES: &str = "notification-contracts";
/// The longest silence of a pull before it is given up.
const PULL_SILENCE: Duration = Duration::from_secs(5);
const ENGINE_DEADLINE: Duration = Duration::from_secs(2);
const REDIS_PORT: u16 = 6379;
const WEBSOCKET_PORT: u16 = 8080;
const GATEWAY_PORT: u16 = 4001;

/// The running parts. Dropping them inside a runtime removes the containers; [`stop`](Self::stop) removes all.
pub(super) struct Containers {
    pub redis: SocketAddr,
    pub websocket: SocketAddr,
    pub gateway: SocketAddr,
    containers: Vec<(&'static str, ContainerAsync<GenericImage>)>,
    network: Network,
}

/// The engine, if one answers.
pub(super) async fn engine() -> Result<Docker, String> {
    let docker = Docker::connect_with_defaults().map_err(|error| root_cause(&error))?;
    match timeout(ENGINE_DEADLINE, docker.ping()).await {
        Ok(Ok(_)) => Ok(docker),
        Ok(Err(error)) => Err(root_cause(&error)),
        Err(_) => Err(format!("no answer in {} s", ENGINE_DEADLINE.as_secs())),
    }
}

/// Starts Redis and the programs of `plan`, all at once; they are not ready yet.
pub(super) async fn start(
    binaries: &Binaries,
    plan: impl Fn(&Surroundings) -> [Program; 2],
    log: &Log,
    say: &(dyn Fn(&str) + Sync),
) -> Result<Containers, StartError> {
    let docker = engine().await.map_err(StartError)?;
    sweep(&docker).await;
    let (redis_image, websocket_image, gateway_image) = tokio::try_join!(
        redis_image(&docker, say),
        own_image(
            &docker,
            "websocket-service",
            &binaries.websocket_service,
            "/service",
            None
        ),
        own_image(
            &docker,
            "api-gateway",
            &binaries.api_gateway,
            "/service",
            None
        ),
    )?;

    let run = format!("{OWN_IMAGES}-{}", uuid::Uuid::new_v4().simple());
    let network = Network::create(&docker, &run).await?;
    let redis_name = format!("{run}-redis");
    let programs = plan(&Surroundings {
        redis_url: format!("redis://{redis_name}:{REDIS_PORT}"),
        standin_host: "host.docker.internal".to_owned(),
        websocket_port: WEBSOCKET_PORT,
        gateway_port: GATEWAY_PORT,
    });
    let [websocket, gateway] = programs;
    let redis = request(&redis_image, "redis", REDIS_PORT, &run, log).with_cmd([
        "redis-server",
        "--save",
        "",
        "--appendonly",
        "no",
        "--protected-mode",
        "no",
    ]);
    let service = |program: &Program, image: &(String, String)| {
        let mut request = request(image, program.name, program.port, &run, log)
            .with_cmd(["/service"])
            .with_host("host.docker.internal", Host::HostGateway);
        for (name, value) in &program.environment {
            request = request.with_env_var(name, value);
        }
        request
    };
    let (redis, websocket, gateway) = tokio::join!(
        launch("redis", redis, REDIS_PORT),
        launch(
            websocket.name,
            service(&websocket, &websocket_image),
            websocket.port
        ),
        launch(
            gateway.name,
            service(&gateway, &gateway_image),
            gateway.port
        ),
    );
    let mut containers = Vec::new();
    let mut addresses = Vec::new();
    let mut failed = None;
    for launched in [redis, websocket, gateway] {
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
        remove_by_filter(&docker, "name", &run).await;
        network.remove().await;
        return Err(error);
    }
    Ok(Containers {
        redis: addresses[0],
        websocket: addresses[1],
        gateway: addresses[2],
        containers,
        network,
    })
}

impl Containers {
    /// Removes the containers and the network.
    pub async fn stop(self) {
        remove(self.containers).await;
        self.network.remove().await;
    }

    /// How the part `name` ended, if it did.
    pub async fn ended(&self, name: &str) -> Option<String> {
        let (_, container) = self.containers.iter().find(|(part, _)| *part == name)?;
        match container.is_running().await {
            Ok(true) => None,
            Ok(false) => Some(match container.exit_code().await {
                Ok(Some(code)) => format!("exited with status {code}"),
                _ => "exited".to_owned(),
            }),
            Err(error) => Some(format!("is gone: {error}")),
        }
    }
}

/// A container of this run: named, labelled, on the run's network, its port published on loopback only.
fn request(
    (name, tag): &(String, String),
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

/// The public Redis image where it is or can be had, else one made from the distribution's package.
async fn redis_image(
    docker: &Docker,
    say: &(dyn Fn(&str) + Sync),
) -> Result<(String, String), StartError> {
    let (name, tag) = REDIS_IMAGE;
    let public = (name.to_owned(), tag.to_owned());
    if docker.inspect_image(&format!("{name}:{tag}")).await.is_ok() {
        return Ok(public);
    }
    // An image made before saves the wait for a pull that is known to fail.
    let made = format!("{OWN_IMAGES}/redis:package");
    if docker.inspect_image(&made).await.is_ok() {
        return Ok((format!("{OWN_IMAGES}/redis"), "package".to_owned()));
    }
    match pull(docker, name, tag).await {
        Ok(()) => Ok(public),
        Err(reason) => {
            say(&format!(
                "{name}:{tag} cannot be pulled ({reason}): making a Redis image from the distribution's package"
            ));
            let redis = redis_package::provide(say).await?;
            let root = image::pack(
                &redis.program,
                "/usr/bin/redis-server",
                redis.libraries.as_deref(),
            )
            .await?;
            import(docker, "redis", "package", root.archive).await?;
            Ok((format!("{OWN_IMAGES}/redis"), "package".to_owned()))
        }
    }
}

/// Pulls an image; gives up when the engine reports nothing for [`PULL_SILENCE`].
async fn pull(docker: &Docker, name: &str, tag: &str) -> Result<(), String> {
    let options = CreateImageOptionsBuilder::default()
        .from_image(name)
        .tag(tag)
        .build();
    let mut progress = std::pin::pin!(docker.create_image(Some(options), None, None));
    loop {
        match timeout(PULL_SILENCE, progress.next()).await {
            Ok(Some(Ok(_))) => {}
            Ok(Some(Err(error))) => return Err(brief(&root_cause(&error))),
            Ok(None) => return Ok(()),
            Err(_) => return Err(format!("no progress for {} s", PULL_SILENCE.as_secs())),
        }
    }
}

/// The part of an engine's message after its last colon that is followed by a blank.
fn brief(message: &str) -> String {
    message
        .rsplit(": ")
        .next()
        .unwrap_or(message)
        .trim()
        .to_owned()
}

/// An image with `program` as `path`, made when there is none with the same content.
async fn own_image(
    docker: &Docker,
    name: &'static str,
    program: &Path,
    path: &str,
    libraries: Option<&Path>,
) -> Result<(String, String), StartError> {
    let root = image::pack(program, path, libraries).await?;
    let repository = format!("{OWN_IMAGES}/{name}");
    if docker
        .inspect_image(&format!("{repository}:{}", root.tag))
        .await
        .is_err()
    {
        import(docker, name, &root.tag, root.archive).await?;
        remove_other_tags(docker, &repository, &root.tag).await;
    }
    Ok((repository, root.tag))
}

async fn import(
    docker: &Docker,
    name: &str,
    tag: &str,
    archive: Vec<u8>,
) -> Result<(), StartError> {
    let options = CreateImageOptionsBuilder::default()
        .from_src("-")
        .repo(&format!("{OWN_IMAGES}/{name}"))
        .tag(tag)
        .build();
    let mut progress =
        std::pin::pin!(docker.create_image(Some(options), Some(body_full(archive.into())), None));
    while let Some(step) = progress.next().await {
        step.map_err(|error| {
            StartError(format!(
                "failed to import the image of {name}: {}",
                root_cause(&error)
            ))
        })?;
    }
    Ok(())
}

/// Removes images of earlier builds; the engine keeps those that a container uses.
async fn remove_other_tags(docker: &Docker, repository: &str, tag: &str) {
    let filters = HashMap::from([("reference", vec![repository])]);
    let options = ListImagesOptionsBuilder::default()
        .filters(&filters)
        .build();
    let images = docker.list_images(Some(options)).await.unwrap_or_default();
    let current = format!("{repository}:{tag}");
    for other in images.iter().flat_map(|image| &image.repo_tags) {
        if *other != current {
            let _ = docker
                .remove_image(other, None::<RemoveImageOptions>, None)
                .await;
        }
    }
}

/// Removes what runs left whose owner is gone.
async fn sweep(docker: &Docker) {
    let filters = HashMap::from([("label", vec![owner::LABEL])]);
    let options = ListContainersOptionsBuilder::default()
        .all(true)
        .filters(&filters)
        .build();
    for container in docker
        .list_containers(Some(options))
        .await
        .unwrap_or_default()
    {
        let owner = container
            .labels
            .as_ref()
            .and_then(|labels| labels.get(owner::LABEL));
        if let (Some(id), Some(owner)) = (&container.id, owner)
            && owner::is_gone(owner)
        {
            remove_container(docker, id).await;
        }
    }
    let options = ListNetworksOptionsBuilder::default()
        .filters(&filters)
        .build();
    for network in docker
        .list_networks(Some(options))
        .await
        .unwrap_or_default()
    {
        let owner = network
            .labels
            .as_ref()
            .and_then(|labels| labels.get(owner::LABEL));
        if let (Some(id), Some(owner)) = (&network.id, owner)
            && owner::is_gone(owner)
        {
            let _ = docker.remove_network(id).await;
        }
    }
}

async fn remove_by_filter(docker: &Docker, key: &str, value: &str) {
    let filters = HashMap::from([(key, vec![value])]);
    let options = ListContainersOptionsBuilder::default()
        .all(true)
        .filters(&filters)
        .build();
    for container in docker
        .list_containers(Some(options))
        .await
        .unwrap_or_default()
    {
        if let Some(id) = &container.id {
            remove_container(docker, id).await;
        }
    }
}

async fn remove_container(docker: &Docker, id: &str) {
    let options = RemoveContainerOptionsBuilder::default()
        .force(true)
        .v(true)
        .build();
    let _ = docker.remove_container(id, Some(options)).await;
}

/// A network that is removed with the run.
struct Network {
    docker: Docker,
    name: String,
}

impl Network {
    async fn create(docker: &Docker, name: &str) -> Result<Self, StartError> {
        let labels = HashMap::from([(owner::LABEL.to_owned(), owner::this_process())]);
        docker
            .create_network(NetworkCreateRequest {
                name: name.to_owned(),
                labels: Some(labels),
                ..Default::default()
            })
            .await
            .map_err(|error| {
                StartError(format!(
                    "failed to create a network: {}",
                    root_cause(&error)
                ))
            })?;
        Ok(Self {
            docker: docker.clone(),
            name: name.to_owned(),
        })
    }

    async fn remove(self) {
        let _ = self.docker.remove_network(&self.name).await;
    }
}

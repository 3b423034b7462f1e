//! What is asked of the container engine itself: images, networks, and what earlier runs left.

use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::path::Path;
use std::time::Duration;

use futures_util::StreamExt;
use testcontainers::bollard::errors::Error;
use testcontainers::bollard::models::NetworkCreateRequest;
use testcontainers::bollard::query_parameters::{
    CreateImageOptionsBuilder, KillContainerOptionsBuilder, ListContainersOptionsBuilder,
    ListImagesOptionsBuilder, ListNetworksOptionsBuilder, RemoveContainerOptionsBuilder,
    RemoveImageOptions, StatsOptionsBuilder,
};
use testcontainers::bollard::{Docker, body_full};
use tokio::sync::Mutex;
use tokio::time::timeout;

use super::{StartError, Usage, image, owner, redis_package, root_cause};
use crate::profile::ImageName;

/// A container engine that answers.
pub(super) type Engine = Docker;

/// The names of images, containers and networks that the harness makes begin with this.
pub(super) const OWN: &str = "notification-contracts";
/// The public image that is used where it is present or can be pulled.
const REDIS_IMAGE: (&str, &str) = ("redis", "7-alpine");
/// The longest silence of a pull before it is given up, where there is another way.
const SHORT_SILENCE: Duration = Duration::from_secs(5);
/// The same where there is none.
const LONG_SILENCE: Duration = Duration::from_secs(30);
const ENGINE_DEADLINE: Duration = Duration::from_secs(2);

/// The engine, if one answers.
pub(super) async fn connect() -> Result<Engine, String> {
    let docker = Docker::connect_with_defaults().map_err(|error| root_cause(&error))?;
    match timeout(ENGINE_DEADLINE, docker.ping()).await {
        Ok(Ok(_)) => Ok(docker),
        Ok(Err(error)) => Err(root_cause(&error)),
        Err(_) => Err(format!("no answer in {} s", ENGINE_DEADLINE.as_secs())),
    }
}

/// Removes what runs left whose owner is gone.
pub(super) async fn sweep(docker: &Engine) {
    let ours = HashMap::from([("label", vec![owner::LABEL])]);
    let gone = |labels: &Option<HashMap<String, String>>| {
        let owner = labels.as_ref().and_then(|labels| labels.get(owner::LABEL));
        owner.is_some_and(|owner| owner::is_gone(owner))
    };
    remove_containers(docker, &ours, |labels| gone(labels)).await;
    let options = ListNetworksOptionsBuilder::default().filters(&ours).build();
    let networks = docker
        .list_networks(Some(options))
        .await
        .unwrap_or_default();
    for network in networks.iter().filter(|network| gone(&network.labels)) {
        if let Some(id) = &network.id {
            let _ = docker.remove_network(id).await;
        }
    }
}

/// This machine's address that containers of any network reach, as they do `host.docker.internal`.
pub(super) async fn gateway(docker: &Engine) -> Result<Ipv4Addr, StartError> {
    let trouble = |words: String| {
        StartError(format!(
            "the address at which containers find this machine is not known: {words}"
        ))
    };
    let network = docker.inspect_network("bridge", None).await;
    let network = network.map_err(|error| trouble(root_cause(&error)))?;
    let configurations = network
        .ipam
        .and_then(|ipam| ipam.config)
        .unwrap_or_default();
    let mut gateways = configurations.into_iter().filter_map(|configuration| {
        let gateway = configuration
            .gateway
            .and_then(|gateway| gateway.parse().ok());
        // Some engines do not say it as long as no container is on that network; it is the first address.
        gateway.or_else(|| {
            let network: Ipv4Addr = configuration.subnet?.split('/').next()?.parse().ok()?;
            Some(Ipv4Addr::from(u32::from(network) + 1))
        })
    });
    gateways
        .next()
        .ok_or_else(|| trouble("the engine's own network has no addresses".to_owned()))
}

/// Sends `signal` to the container `id`; does nothing to one that has ended.
pub(super) async fn signal(docker: &Engine, id: &str, signal: &str) -> Result<(), String> {
    let options = KillContainerOptionsBuilder::default()
        .signal(signal)
        .build();
    match docker.kill_container(id, Some(options)).await {
        // 409: it is not running.
        Err(Error::DockerResponseServerError {
            status_code: 409, ..
        })
        | Ok(()) => Ok(()),
        Err(error) => Err(root_cause(&error)),
    }
}

/// What the container has used so far: its memory without the files that the kernel keeps for it and could drop.
pub(super) async fn usage(docker: &Engine, id: &str) -> Result<Usage, String> {
    let options = StatsOptionsBuilder::new().stream(false).one_shot(true);
    let mut answers = std::pin::pin!(docker.stats(id, Some(options.build())));
    let answer = match timeout(ENGINE_DEADLINE, answers.next()).await {
        Ok(Some(Ok(answer))) => answer,
        Ok(Some(Err(error))) => return Err(root_cause(&error)),
        Ok(None) | Err(_) => return Err("no answer".to_owned()),
    };
    let of_cpu = answer.cpu_stats.and_then(|cpu| cpu.cpu_usage);
    let cpu = of_cpu.and_then(|cpu| cpu.total_usage).unwrap_or(0);
    let memory = answer.memory_stats.unwrap_or_default();
    let used = memory.usage.unwrap_or(0);
    if cpu == 0 || used == 0 {
        return Err("it counts nothing".to_owned());
    }
    let statistics = memory.stats.unwrap_or_default();
    // By the first version of control groups and by the second.
    let files = ["total_inactive_file", "inactive_file"];
    let files = files.iter().find_map(|name| statistics.get(*name));
    Ok(Usage {
        cpu: Duration::from_nanos(cpu),
        memory: used.saturating_sub(*files.unwrap_or(&0)),
    })
}

/// Removes all containers whose name contains `name`.
pub(super) async fn remove_named(docker: &Engine, name: &str) {
    remove_containers(docker, &HashMap::from([("name", vec![name])]), |_| true).await;
}

/// Removes the containers that pass the engine's `filters` and, by their labels, `wanted`. What cannot be removed now is
/// tried again by the next start's sweep.
async fn remove_containers(
    docker: &Engine,
    filters: &HashMap<&str, Vec<&str>>,
    wanted: impl Fn(&Option<HashMap<String, String>>) -> bool,
) {
    let options = ListContainersOptionsBuilder::default()
        .all(true)
        .filters(filters)
        .build();
    let containers = docker
        .list_containers(Some(options))
        .await
        .unwrap_or_default();
    for container in containers
        .iter()
        .filter(|container| wanted(&container.labels))
    {
        if let Some(id) = &container.id {
            let force = RemoveContainerOptionsBuilder::default()
                .force(true)
                .v(true)
                .build();
            let _ = docker.remove_container(id, Some(force)).await;
        }
    }
}

/// Pulls the image `name`, of `part`, if the engine does not have it.
pub(super) async fn provide(
    docker: &Engine,
    part: &str,
    name: &ImageName,
) -> Result<(), StartError> {
    if has(docker, name).await {
        return Ok(());
    }
    pull(docker, name, LONG_SILENCE).await.map_err(|reason| {
        StartError(format!(
            "the engine has no image {name} for {part} and cannot pull it ({reason}): build it with that name, or \
             `docker load` it"
        ))
    })
}

/// The public Redis image where it is or can be had, else one made from the distribution's package.
pub(super) async fn redis_image(
    docker: &Engine,
    say: &(dyn Fn(&str) + Sync),
) -> Result<ImageName, StartError> {
    let public = image_name(REDIS_IMAGE.0, REDIS_IMAGE.1);
    // An image made before saves the wait for a pull that is known to fail.
    let made = image_name(&format!("{OWN}/redis"), "package");
    for present in [&public, &made] {
        if has(docker, present).await {
            return Ok(present.clone());
        }
    }
    let Err(reason) = pull(docker, &public, SHORT_SILENCE).await else {
        return Ok(public);
    };
    say(&format!(
        "{public} cannot be pulled ({}): making a Redis image from the distribution's package",
        brief(&reason)
    ));
    let redis = redis_package::provide(say).await?;
    let path = "/usr/bin/redis-server";
    let root = image::pack(&redis.path, path, redis.libraries.as_deref()).await?;
    import(docker, &made, path, root.archive).await?;
    Ok(made)
}

async fn has(docker: &Engine, name: &ImageName) -> bool {
    docker.inspect_image(&name.to_string()).await.is_ok()
}

fn image_name(repository: &str, tag: &str) -> ImageName {
    ImageName {
        repository: repository.to_owned(),
        tag: tag.to_owned(),
    }
}

/// Pulls an image; gives up when the engine reports nothing for as long as `silence`.
async fn pull(docker: &Engine, name: &ImageName, silence: Duration) -> Result<(), String> {
    let options = CreateImageOptionsBuilder::default()
        .from_image(&name.repository)
        .tag(&name.tag)
        .build();
    let mut progress = std::pin::pin!(docker.create_image(Some(options), None, None));
    loop {
        match timeout(silence, progress.next()).await {
            Ok(Some(Ok(_))) => {}
            Ok(Some(Err(error))) => return Err(root_cause(&error)),
            Ok(None) => return Ok(()),
            Err(_) => return Err(format!("no progress for {} s", silence.as_secs())),
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

/// An image that runs `program`, made when there is none with the same content.
pub(super) async fn own_image(
    docker: &Engine,
    name: &'static str,
    program: &Path,
) -> Result<ImageName, StartError> {
    let path = format!("/{name}");
    let root = image::pack(program, &path, None).await?;
    let image = image_name(&format!("{OWN}/{name}"), &root.tag);
    if !has(docker, &image).await {
        import(docker, &image, &path, root.archive).await?;
        remove_other_tags(docker, &image).await;
    }
    Ok(image)
}

/// Makes the image `name` of a root file system; `program` is what it runs.
async fn import(
    docker: &Engine,
    name: &ImageName,
    program: &str,
    archive: Vec<u8>,
) -> Result<(), StartError> {
    let options = CreateImageOptionsBuilder::default()
        .from_src("-")
        .repo(&name.repository)
        .tag(&name.tag)
        .changes(vec![format!("CMD [\"{program}\"]")])
        .build();
    let mut progress =
        std::pin::pin!(docker.create_image(Some(options), Some(body_full(archive.into())), None));
    while let Some(step) = progress.next().await {
        step.map_err(|error| {
            StartError(format!(
                "failed to import the image {name}: {}",
                root_cause(&error)
            ))
        })?;
    }
    Ok(())
}

/// Removes images of earlier builds; the engine keeps those that a container uses.
async fn remove_other_tags(docker: &Engine, name: &ImageName) {
    let filters = HashMap::from([("reference", vec![name.repository.as_str()])]);
    let options = ListImagesOptionsBuilder::default()
        .filters(&filters)
        .build();
    let images = docker.list_images(Some(options)).await.unwrap_or_default();
    let current = name.to_string();
    for other in images.iter().flat_map(|image| &image.repo_tags) {
        if *other != current {
            let _ = docker
                .remove_image(other, None::<RemoveImageOptions>, None)
                .await;
        }
    }
}

/// The network of all containers of a run: there while a system uses it. Making one for each system would keep the engine
/// busy for longer than a container does.
pub(super) struct Network {
    docker: Engine,
    name: String,
    /// How many systems use it.
    users: Mutex<usize>,
}

impl Network {
    /// One that is not there yet.
    pub fn of(docker: &Engine) -> Self {
        Self {
            docker: docker.clone(),
            name: unique_name(),
            users: Mutex::new(0),
        }
    }

    /// The engine that has it.
    pub fn engine(&self) -> &Engine {
        &self.docker
    }

    /// What it is called.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Makes it for its first user. Whoever has entered has to [`leave`](Self::leave).
    pub async fn enter(&self) -> Result<(), StartError> {
        let mut users = self.users.lock().await;
        if *users == 0 {
            let request = NetworkCreateRequest {
                name: self.name.clone(),
                labels: Some(HashMap::from([(
                    owner::LABEL.to_owned(),
                    owner::this_process(),
                )])),
                ..Default::default()
            };
            self.docker.create_network(request).await.map_err(|error| {
                StartError(format!(
                    "failed to create a network: {}",
                    root_cause(&error)
                ))
            })?;
        }
        *users += 1;
        Ok(())
    }

    /// Removes it after its last user, whose containers must have gone.
    pub async fn leave(&self) {
        let mut users = self.users.lock().await;
        *users -= 1;
        if *users == 0 {
            let _ = self.docker.remove_network(&self.name).await;
        }
    }
}

/// A name for what nobody else has, begun as all of the harness's are.
pub(super) fn unique_name() -> String {
    format!("{OWN}-{}", uuid::Uuid::new_v4().simple())
}

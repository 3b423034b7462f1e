//! What is asked of the container engine itself: images, networks, and what earlier runs left.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use futures_util::StreamExt;
use testcontainers::bollard::errors::Error;
use testcontainers::bollard::models::NetworkCreateRequest;
use testcontainers::bollard::query_parameters::{
    CreateImageOptionsBuilder, KillContainerOptionsBuilder, ListContainersOptionsBuilder,
    ListImagesOptionsBuilder, ListNetworksOptionsBuilder, RemoveContainerOptionsBuilder,
    RemoveImageOptions,
};
use testcontainers::bollard::{Docker, body_full};
use tokio::time::timeout;

use super::{StartError, image, owner, redis_package, root_cause};

/// The names of images, containers and networks that the harness makes begin with this.
pub(super) const OWN: &str = "notification-contracts";
/// The public image that is used where it is present or can be pulled.
const REDIS_IMAGE: (&str, &str) = ("redis", "7-alpine");
/// The longest silence of a pull before it is given up.
const PULL_SILENCE: Duration = Duration::from_secs(5);
const ENGINE_DEADLINE: Duration = Duration::from_secs(2);

/// An image's name and tag.
pub(super) type Image = (String, String);

/// The engine, if one answers.
pub(super) async fn connect() -> Result<Docker, String> {
    let docker = Docker::connect_with_defaults().map_err(|error| root_cause(&error))?;
    match timeout(ENGINE_DEADLINE, docker.ping()).await {
        Ok(Ok(_)) => Ok(docker),
        Ok(Err(error)) => Err(root_cause(&error)),
        Err(_) => Err(format!("no answer in {} s", ENGINE_DEADLINE.as_secs())),
    }
}

/// Removes what runs left whose owner is gone.
pub(super) async fn sweep(docker: &Docker) {
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

/// Sends `signal` to the container `id`; does nothing to one that has ended.
pub(super) async fn signal(docker: &Docker, id: &str, signal: &str) -> Result<(), String> {
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

/// Removes all containers whose name contains `name`.
pub(super) async fn remove_named(docker: &Docker, name: &str) {
    remove_containers(docker, &HashMap::from([("name", vec![name])]), |_| true).await;
}

/// Removes the containers that pass the engine's `filters` and, by their labels, `wanted`. What cannot be removed now is
/// tried again by the next start's sweep.
async fn remove_containers(
    docker: &Docker,
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

/// The public Redis image where it is or can be had, else one made from the distribution's package.
pub(super) async fn redis_image(
    docker: &Docker,
    say: &(dyn Fn(&str) + Sync),
) -> Result<Image, StartError> {
    let (name, tag) = REDIS_IMAGE;
    let public = (name.to_owned(), tag.to_owned());
    if docker.inspect_image(&format!("{name}:{tag}")).await.is_ok() {
        return Ok(public);
    }
    // An image made before saves the wait for a pull that is known to fail.
    let made = format!("{OWN}/redis:package");
    if docker.inspect_image(&made).await.is_ok() {
        return Ok((format!("{OWN}/redis"), "package".to_owned()));
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
            Ok((format!("{OWN}/redis"), "package".to_owned()))
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
pub(super) async fn own_image(
    docker: &Docker,
    name: &'static str,
    program: &Path,
    path: &str,
    libraries: Option<&Path>,
) -> Result<Image, StartError> {
    let root = image::pack(program, path, libraries).await?;
    let repository = format!("{OWN}/{name}");
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
        .repo(&format!("{OWN}/{name}"))
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

/// A network that is removed with the run.
pub(super) struct Network {
    docker: Docker,
    name: String,
}

impl Network {
    pub async fn create(docker: &Docker, name: &str) -> Result<Self, StartError> {
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

    pub async fn remove(self) {
        let _ = self.docker.remove_network(&self.name).await;
    }
}

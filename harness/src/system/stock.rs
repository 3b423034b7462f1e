//! What systems are started from: made once, for any number of them.

use std::net::Ipv4Addr;
use std::sync::Arc;

use tokio::sync::OnceCell;

use super::binaries::{self, Binaries};
use super::engine::{self, Engine, Network};
use super::programs::{Executable, OwnProgram, Supply};
use super::{Part, Runtime, StartError, redis_package};
use crate::profile::{Profile, Service, Source};
use crate::proxy::Proxy;

/// The services and Redis, ready to be started.
pub struct Stock {
    profile: Profile,
    /// Where there is an engine.
    network: Option<Arc<Network>>,
    redis: Option<Supply>,
    websocket: Option<Supply>,
    gateway: Option<Supply>,
}

/// Where a stock is made.
struct Workshop<'a> {
    profile: &'a Profile,
    /// Where the suite's own parts will run, if they are to run in containers.
    engine: Option<&'a Engine>,
    binaries: OnceCell<Binaries>,
    say: &'a (dyn Fn(&str) + Sync),
}

impl Stock {
    /// Makes ready what `profile` needs. Its images and the suite's own parts run in containers, commands as child processes.
    /// `runtime` is where the own parts run; without one it is where the profile says, if an engine answers.
    /// `say` gets a line for what a person should know.
    pub async fn prepare(
        profile: Profile,
        runtime: Option<Runtime>,
        say: &(dyn Fn(&str) + Sync),
    ) -> Result<Self, StartError> {
        let engine = engine(&profile, runtime, say).await?;
        if let Some(engine) = &engine {
            engine::sweep(engine).await;
        }
        let workshop = Workshop {
            profile: &profile,
            engine: engine.as_ref(),
            binaries: OnceCell::new(),
            say,
        };
        let (redis, websocket, gateway) = tokio::try_join!(
            workshop.supply(Part::Redis, profile.redis.as_ref()),
            workshop.supply(Part::WebsocketService, profile.websocket.as_ref()),
            workshop.supply(Part::ApiGateway, profile.gateway.as_ref()),
        )?;
        Ok(Self {
            network: engine.as_ref().map(|engine| Arc::new(Network::of(engine))),
            profile,
            redis,
            websocket,
            gateway,
        })
    }

    /// What they are.
    pub fn profile(&self) -> &Profile {
        &self.profile
    }

    /// Where the suite's own parts run.
    pub fn runtime(&self) -> Runtime {
        match self.network {
            Some(_) => Runtime::Containers,
            None => Runtime::Processes,
        }
    }

    /// Where all parts run: `in containers: redis, websocket-service; as processes: api-gateway`.
    pub fn places(&self) -> String {
        let (mut containers, mut processes, mut elsewhere) = (vec![], vec![], vec![]);
        for (part, service) in [
            (Part::Redis, self.profile.redis.as_ref()),
            (Part::WebsocketService, self.profile.websocket.as_ref()),
            (Part::ApiGateway, self.profile.gateway.as_ref()),
        ] {
            match self.supply(part) {
                Some(Supply::Image(_)) => containers.push(part.name()),
                Some(Supply::Executable(_)) => processes.push(part.name()),
                None if service.is_some() => elsewhere.push(part.name()),
                None => {}
            }
        }
        let places = [
            ("in containers", containers),
            ("as processes", processes),
            ("elsewhere", elsewhere),
        ];
        let occupied = places.iter().filter(|(_, parts)| !parts.is_empty());
        let words = occupied.map(|(place, parts)| format!("{place}: {}", parts.join(", ")));
        words.collect::<Vec<_>>().join("; ")
    }

    /// The image that `part` is started from, if it runs in a container.
    pub fn image(&self, part: Part) -> Option<String> {
        Some(self.supply(part)?.image()?.to_string())
    }

    /// A proxy that the services reach, wherever they run.
    pub(super) async fn proxy(&self) -> Result<Proxy, StartError> {
        let services = [Part::WebsocketService, Part::ApiGateway];
        // A container reaches this machine through the engine's gateway, not through its loopback.
        let host = match services.iter().any(|part| self.image(*part).is_some()) {
            true => Ipv4Addr::UNSPECIFIED,
            false => Ipv4Addr::LOCALHOST,
        };
        let started = Proxy::start(host.into()).await;
        started.map_err(|error| StartError(format!("a proxy cannot listen: {error}")))
    }

    /// Where servers on this machine are found by services, wherever those run, and by each other.
    pub(super) async fn host(&self) -> Result<Ipv4Addr, StartError> {
        match &self.network {
            Some(network) => engine::gateway(network.engine()).await,
            None => Ok(Ipv4Addr::LOCALHOST),
        }
    }

    /// The network of its containers, where there is an engine.
    pub(super) fn network(&self) -> Option<&Arc<Network>> {
        self.network.as_ref()
    }

    /// What `part` is started from; nothing where it is left out, or somebody else's.
    pub(super) fn supply(&self, part: Part) -> Option<&Supply> {
        match part {
            Part::Redis | Part::SecondRedis => self.redis.as_ref(),
            Part::WebsocketService | Part::SecondWebsocketService | Part::WebsocketReplica(_) => {
                self.websocket.as_ref()
            }
            Part::ApiGateway | Part::GatewayReplica(_) => self.gateway.as_ref(),
        }
    }
}

/// The engine, where some part is to run in a container.
async fn engine(
    profile: &Profile,
    chosen: Option<Runtime>,
    say: &(dyn Fn(&str) + Sync),
) -> Result<Option<Engine>, StartError> {
    if chosen.unwrap_or(profile.runtime()) == Runtime::Processes {
        return Ok(None);
    }
    let error = match engine::connect().await {
        Ok(engine) => return Ok(Some(engine)),
        Err(error) => format!("no container engine answers ({error})"),
    };
    match (profile.first_image(), chosen) {
        (Some(section), _) => Err(StartError(format!(
            "{error}, and [{section}] is an image: start one, or start the part with `command`"
        ))),
        (None, Some(_)) => Err(StartError(format!(
            "{error}; start one, or use --runtime processes"
        ))),
        (None, None) => {
            say(&format!("{error}: the system runs as processes"));
            Ok(None)
        }
    }
}

impl Workshop<'_> {
    async fn supply(
        &self,
        part: Part,
        service: Option<&Service>,
    ) -> Result<Option<Supply>, StartError> {
        let Some(service) = service else {
            return Ok(None);
        };
        Ok(match (&service.source, self.engine) {
            (Source::Url(_), _) => None,
            (Source::Command(_), _) => Some(Supply::Executable(Executable::Command {
                folder: self.profile.folder.clone(),
            })),
            (Source::Image(image), Some(engine)) => {
                engine::provide(engine, part.name(), &image.name).await?;
                Some(Supply::Image(image.name.clone()))
            }
            (Source::Image(image), None) => {
                let words = format!("{part} is the image {}, which is no process", image.name);
                return Err(StartError(words));
            }
            (Source::Own, Some(engine)) => Some(Supply::Image(match part {
                Part::Redis => engine::redis_image(engine, self.say).await?,
                _ => {
                    let program = self.own(part).await?;
                    engine::own_image(engine, part.name(), &program.path).await?
                }
            })),
            (Source::Own, None) => Some(Supply::Executable(Executable::Own(self.own(part).await?))),
        })
    }

    /// The suite's own program for `part`.
    async fn own(&self, part: Part) -> Result<OwnProgram, StartError> {
        let build = || binaries::build(self.profile.optimized, self.say);
        let path = match part {
            Part::Redis | Part::SecondRedis => return redis_package::provide(self.say).await,
            Part::WebsocketService | Part::SecondWebsocketService | Part::WebsocketReplica(_) => {
                &self
                    .binaries
                    .get_or_try_init(build)
                    .await?
                    .websocket_service
            }
            Part::ApiGateway | Part::GatewayReplica(_) => {
                &self.binaries.get_or_try_init(build).await?.api_gateway
            }
        };
        Ok(OwnProgram {
            path: path.clone(),
            libraries: None,
        })
    }
}

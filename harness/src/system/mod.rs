//! A running system: Redis, a websocket service, an API gateway and the stand-ins behind it.
//!
//! - `run`: the systems of one run, and what a signal does to them
//! - `stock`: what systems are started from
//! - `plan`: what a system will be: where each part listens, and what it is told of the others
//! - `programs`: one part as it is started
//! - `part`: one part of a running system: ended, killed, started again
//! - `good_token`: whether the gateway takes the tokens of the profile
//! - `containers`: parts in containers, through testcontainers
//! - `engine`: what is asked of the container engine itself: images, networks, remains
//! - `processes`: parts as child processes
//! - `replicas`: several of a service, behind a balancer
//! - `children`: child processes that do not outlive this one
//! - `chromium`: a headless browser as one of them
//! - `binaries`: the services' programs, built by cargo
//! - `image`: an image from a program and its libraries
//! - `redis_package`: a real Redis from the operating system's package
//! - `redis_server`: that Redis alone
//! - `ensemble`: Redis as more than one server: a cluster, or a master with a replica and sentinels
//! - `owner`: who owns what was started, so that a dead run's remains can be told from a living run's
//! - `log`: what the parts printed, kept for a scenario that fails
//! - `usage`: the processor time and the memory that a part takes

mod binaries;
mod children;
mod chromium;
mod containers;
mod engine;
mod ensemble;
mod good_token;
mod image;
mod log;
mod owner;
mod part;
mod plan;
mod processes;
mod programs;
mod redis_package;
mod redis_server;
mod replicas;
mod run;
mod stock;
mod usage;

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::time::{Instant, sleep, timeout};

use crate::backplane::Servers;
use crate::endpoint::{Endpoint, Stream};
use crate::http::{Call, Http, NoReply};
use crate::profile::{Capability, Profile, Ready, Service, template};
use crate::proxy::Proxy;
use crate::scenario::{Failure, Outcome};
use crate::standin::StandIns;
use crate::token::{Issuer, Key};
pub(crate) use children::Guardian;
pub use chromium::Chromium;
pub(crate) use ensemble::{Ensemble, LAST, SERVICE};
use log::Log;
pub use log::Mark;
use part::Parts;
pub use part::{EXIT_DEADLINE, Exit, Part};
use plan::{Plan, RedisPlan};
pub use programs::{ORIGIN, Settings, Topology};
pub use redis_server::{RedisServer, StoppedRedis};
use replicas::balancer;
pub use run::Run;
pub use stock::Stock;
pub use usage::Usage;

/// How long a system may take from its first process to its last ready check.
const START_DEADLINE: Duration = Duration::from_secs(60);
/// How often a ready check is asked while a part starts. Readiness has no event that every implementation sends.
const READY_INTERVAL: Duration = Duration::from_millis(10);
/// How long an answer to a ready check may take.
const READY_DEADLINE: Duration = Duration::from_secs(5);
/// How long an engine may take to close a connection that no container accepts: by then a new one has been refused.
const CLOSE_PATIENCE: Duration = Duration::from_millis(200);

/// Where the suite's own parts run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Runtime {
    /// In containers, on a network of their own.
    Containers,
    /// As child processes, on loopback ports.
    Processes,
}

/// Why no system came up. Not a verdict on the contract.
#[derive(Debug, thiserror::Error)]
#[error("the system did not start: {0}")]
pub struct StartError(pub String);

/// A running system. [`stop`](System::stop) takes it down and waits; a drop only asks for it.
#[must_use = "dropping a system takes it down"]
pub struct System {
    /// The websocket service as this process reaches it, unless it is left out.
    pub websocket: Option<Endpoint>,
    /// The API gateway as this process reaches it, unless it is left out.
    pub gateway: Option<Endpoint>,
    /// The services behind the gateway.
    pub standins: StandIns,
    /// Who signs the tokens that both services take for good.
    pub issuer: Issuer,
    /// The password that a Redis asks for that the harness started.
    pub redis_password: String,
    /// The services that cannot be used, and why.
    pub trouble: BTreeMap<Capability, String>,
    redis: Option<Endpoint>,
    redis_pair: Option<RedisPair>,
    /// Where each part is that the harness starts.
    addresses: Vec<(Part, SocketAddr)>,
    profile: Profile,
    log: Log,
    parts: tokio::sync::Mutex<Option<Parts>>,
    redis_proxy: Option<Arc<Proxy>>,
    /// What stands before a service that there are several of: it goes with the system.
    _balancers: [Option<Proxy>; 2],
    ensemble: Option<Arc<Ensemble>>,
    /// Whether backend services publish with `SPUBLISH`.
    pub(crate) sharded: bool,
}

/// Two Redis servers, the first one and a spare one.
#[derive(Clone, Debug)]
pub struct RedisPair {
    /// The first one as this process reaches it.
    pub first: Endpoint,
    /// The spare one as this process reaches it.
    pub spare: Endpoint,
    /// Where this process reaches each, and the services through a proxy.
    pub addresses: [SocketAddr; 2],
    /// Where each finds the other: host and port of the first, and of the second.
    pub among_equals: [(String, u16); 2],
}

impl System {
    /// Starts the system of `stock`, with `settings` besides the usual ones.
    pub async fn start(stock: &Stock, settings: &Settings) -> Result<Self, StartError> {
        let profile = stock.profile();
        let redis_password = secret();
        let issuer = Issuer {
            name: profile.issuer.clone(),
            audience: profile.audience.clone(),
            algorithm: profile.algorithm,
            key: profile.key.clone().unwrap_or_else(|| Key::Secret(secret())),
        };
        let log = Log::default();
        let standins = match &profile.standins {
            Some(fixed) => StandIns::start(fixed.host, fixed.ports()).await?,
            // A container reaches this machine through the engine's gateway, not through its loopback.
            None if stock.image(Part::ApiGateway).is_some() => {
                StandIns::start([0, 0, 0, 0].into(), [0; 4]).await?
            }
            None => StandIns::start([127, 0, 0, 1].into(), [0; 4]).await?,
        };
        let redis_proxy = match settings.is_redis_behind_proxy() {
            true => Some(Arc::new(stock.proxy().await?)),
            false => None,
        };
        let proxy = redis_proxy.as_deref();
        let ensemble = match settings.topology() {
            Some(topology) => {
                let host = stock.host().await?;
                let started = Ensemble::start(topology, host, &redis_password, &log);
                Some(Arc::new(started.await?))
            }
            None => None,
        };
        let url = ensemble.as_ref().map(|ensemble| ensemble.url());
        let redis = RedisPlan {
            password: &redis_password,
            proxy,
            url,
        };
        let plan = Plan::new(stock, &standins, &issuer, redis, settings)?;
        if let (Some(proxy), Some(redis)) = (proxy, plan.address(Part::Redis)) {
            proxy.forward_to([redis]);
        }
        let websocket_balancer = balancer(&plan, Part::WebsocketService, settings).await?;
        let gateway_balancer = balancer(&plan, Part::ApiGateway, settings).await?;
        let reached = |single: &Option<Endpoint>, balancer: &Option<Proxy>| match balancer {
            Some(balancer) => Some(Endpoint::loopback(balancer.port())),
            None => single.clone(),
        };
        let system = Self {
            websocket: reached(&plan.websocket, &websocket_balancer),
            gateway: reached(&plan.gateway, &gateway_balancer),
            standins,
            issuer,
            redis_password,
            trouble: BTreeMap::new(),
            redis: plan.redis.clone(),
            redis_pair: RedisPair::of(&plan),
            addresses: plan.addresses(),
            profile: profile.clone(),
            parts: tokio::sync::Mutex::new(Some(Parts::start(stock, plan, &log).await?)),
            log,
            redis_proxy,
            _balancers: [websocket_balancer, gateway_balancer],
            ensemble,
            sharded: settings.is_sharded() || profile.sharded,
        };
        system.until_ready().await
    }

    /// Redis as this process reaches it, if it does.
    pub fn redis(&self) -> Option<&Endpoint> {
        self.redis.as_ref()
    }

    /// What the system was started from.
    pub fn profile(&self) -> &Profile {
        &self.profile
    }

    /// What stands between the services and Redis, if the settings ask for it.
    pub fn redis_proxy(&self) -> Option<Arc<Proxy>> {
        self.redis_proxy.clone()
    }

    /// Redis, where it is more than one server.
    pub(crate) fn ensemble(&self) -> Option<&Arc<Ensemble>> {
        self.ensemble.as_ref()
    }

    /// Whether Redis is more than one server, whoever started it.
    pub(crate) fn has_several_servers(&self) -> bool {
        let several = |redis: &Endpoint| Servers::of_url(redis.url()).is_some();
        self.ensemble.is_some() || self.redis.as_ref().is_some_and(several)
    }

    /// The first Redis and the spare one, where the harness starts Redis.
    pub fn redis_pair(&self) -> Option<&RedisPair> {
        self.redis_pair.as_ref()
    }

    /// Whether this is the reference system, whole.
    pub fn is_reference(&self) -> bool {
        self.profile.is_reference()
    }

    /// Where `part` is reached. A scenario that asks for one that is left out should have said that it needs it.
    pub fn endpoint(&self, part: Part) -> Outcome<Endpoint> {
        let endpoint = match part {
            Part::WebsocketService => self.websocket.clone(),
            Part::ApiGateway => self.gateway.clone(),
            Part::SecondWebsocketService | Part::WebsocketReplica(_) | Part::GatewayReplica(_) => {
                self.address(part).ok().map(Endpoint::http)
            }
            Part::Redis | Part::SecondRedis => None,
        };
        let words = || format!("{part} is not in the profile: the scenario should say its needs");
        endpoint.ok_or_else(|| Failure::Bug(words()))
    }

    /// Where `part` listens, which the harness starts: for what is done to the network before it.
    pub(crate) fn address(&self, part: Part) -> Outcome<SocketAddr> {
        let found = self.addresses.iter().find(|(other, _)| *other == part);
        let words = || format!("{part} is somebody else's: the scenario should say its needs");
        found
            .map(|(_, address)| *address)
            .ok_or_else(|| Failure::Bug(words()))
    }

    /// Whether the harness starts `part`: one of somebody else's runs already.
    pub fn starts(&self, part: Part) -> bool {
        self.service(part)
            .is_some_and(|service| service.url().is_none())
    }

    /// What the profile says of `part`.
    fn service(&self, part: Part) -> Option<&Service> {
        match part {
            Part::Redis | Part::SecondRedis => self.profile.redis.as_ref(),
            Part::WebsocketService | Part::SecondWebsocketService | Part::WebsocketReplica(_) => {
                self.profile.websocket.as_ref()
            }
            Part::ApiGateway | Part::GatewayReplica(_) => self.profile.gateway.as_ref(),
        }
    }

    /// The channel that backend services publish to for the user with this id (contract, Backplane).
    pub fn channel(&self, user_id: &str) -> String {
        template::fill(&self.profile.channel, &[("user_id", user_id.to_owned())])
    }

    /// Takes everything down and returns when it is gone. A second call does nothing.
    pub async fn stop(&self) {
        // Held until everything is gone: whoever stops it a second time waits as long.
        let mut parts = self.parts.lock().await;
        if let Some(parts) = parts.take() {
            parts.stop().await;
        }
        if let Some(ensemble) = &self.ensemble {
            ensemble.stop().await;
        }
    }

    /// The present end of the parts' output.
    pub fn log_mark(&self) -> Mark {
        self.log.mark()
    }

    /// The last lines that `part` printed; nothing of one that somebody else started.
    pub fn log_tail(&self, part: Part) -> String {
        match self.starts(part) {
            true => self.log.tail(part.name()),
            false => String::new(),
        }
    }

    /// All that `part` has printed, once a line contains `words`; the error is the same if none does in time.
    pub async fn until_printed(&self, part: Part, words: &str) -> Result<Vec<String>, Vec<String>> {
        self.log.until(part.name(), words).await
    }

    /// What the parts printed since `mark`: the lines that contain one of `words`, or the last few where none does.
    pub fn log_since(&self, mark: &Mark, words: &[String]) -> String {
        self.log.since(mark, words)
    }

    /// Waits until `part`, which has just been started, answers, whatever it says.
    pub(crate) async fn until_answering(&self, part: Part) -> Result<(), String> {
        let (Some(service), Ok(endpoint)) = (self.service(part), self.endpoint_past_balancer(part))
        else {
            return Err(format!("there is no {part}"));
        };
        let http = Http::new()?;
        let deadline = Instant::now() + START_DEADLINE;
        while !answers(&service.ready, &endpoint, &http).await {
            if let Some(exit) = self.exit(part).await {
                return Err(format!("{part} {exit}\n{}", self.last_words(part).await));
            }
            if Instant::now() > deadline {
                let seconds = START_DEADLINE.as_secs();
                let printed = self.last_words(part).await;
                return Err(format!(
                    "{part} does not answer after {seconds} s\n{printed}"
                ));
            }
            sleep(READY_INTERVAL).await;
        }
        Ok(())
    }

    async fn until_ready(mut self) -> Result<Self, StartError> {
        let deadline = Instant::now() + START_DEADLINE;
        let readiness = match Http::new() {
            Ok(http) => tokio::join!(
                self.until_all_usable(Part::WebsocketService, &http, deadline),
                async {
                    self.until_all_usable(Part::ApiGateway, &http, deadline)
                        .await?;
                    self.until_token_taken(&http).await
                },
            ),
            Err(error) => {
                self.stop().await;
                return Err(StartError(error));
            }
        };
        let trouble = [
            (Capability::Websocket, readiness.0),
            (Capability::Gateway, readiness.1),
        ];
        for (service, ready) in trouble {
            if let Err(StartError(words)) = ready {
                self.trouble.insert(service, words);
            }
        }
        match self.nothing_to_use(&self.trouble) {
            None => Ok(self),
            Some(words) => {
                self.stop().await;
                Err(StartError(words))
            }
        }
    }

    /// Why no service can be used, if `trouble` says so of all that the profile has: there is nothing to play on.
    pub fn nothing_to_use(&self, trouble: &BTreeMap<Capability, String>) -> Option<String> {
        let services = [
            (Capability::Websocket, self.websocket.is_some()),
            (Capability::Gateway, self.gateway.is_some()),
        ];
        let usable =
            |(service, there): &(Capability, bool)| *there && !trouble.contains_key(service);
        if services.iter().any(usable) {
            return None;
        }
        let words: Vec<&str> = trouble.values().map(String::as_str).collect();
        Some(words.join("\n"))
    }

    /// Waits until `part` is ready, if there is one. One that somebody else started has to be at once.
    async fn until_usable(
        &self,
        part: Part,
        http: &Http,
        deadline: Instant,
    ) -> Result<(), StartError> {
        let (Some(service), Ok(endpoint)) = (self.service(part), self.endpoint_past_balancer(part))
        else {
            return Ok(());
        };
        loop {
            let Err(trouble) = ready(&service.ready, &endpoint, http).await else {
                return Ok(());
            };
            if service.url().is_some() {
                return Err(StartError(format!(
                    "{part} cannot be used: {}; check `url` and `ready` in {}",
                    endpoint.explain(trouble).await,
                    self.profile.file
                )));
            }
            if let Some(exit) = self.exit(part).await {
                return Err(StartError(format!(
                    "{part} {exit}\n{}",
                    self.last_words(part).await
                )));
            }
            if Instant::now() > deadline {
                let place = self.port_in_container(part).await.map(|port| {
                    format!("; in its container it must listen on port {port} of every address")
                });
                return Err(StartError(format!(
                    "{part} was not ready after {} s: {trouble}{}\n{}",
                    START_DEADLINE.as_secs(),
                    place.unwrap_or_default(),
                    self.last_words(part).await
                )));
            }
            sleep(READY_INTERVAL).await;
        }
    }
}

/// Whether a part answers at all.
async fn answers(ready: &Ready, endpoint: &Endpoint, http: &Http) -> bool {
    match ready {
        Ready::Tcp => endpoint.connect().await.is_ok(),
        Ready::Path(path) => {
            let answer = timeout(READY_DEADLINE, http.send(&Call::get(path), endpoint)).await;
            matches!(answer, Ok(Ok(_)))
        }
    }
}

/// Whether a part can be used, or what it did instead.
async fn ready(ready: &Ready, endpoint: &Endpoint, http: &Http) -> Result<(), String> {
    match ready {
        Ready::Tcp => match endpoint.connect().await {
            Ok(stream) => match stays_open(stream).await {
                true => Ok(()),
                false => Err(format!("{endpoint} accepts a connection and closes it")),
            },
            Err(error) => Err(error.to_string()),
        },
        Ready::Path(path) => {
            let get = Call::get(path);
            let got = match timeout(READY_DEADLINE, http.send(&get, endpoint)).await {
                Ok(Ok(reply)) if reply.status == 200 => return Ok(()),
                Ok(Ok(reply)) => format!("status {}", reply.status),
                Ok(Err(NoReply::Unreachable(words))) => return Err(words),
                Ok(Err(NoReply::Unanswered(words))) => format!("no HTTP response: {words}"),
                Ok(Err(NoReply::Unsendable(words))) => words,
                Err(_) => format!("no answer in {} s", READY_DEADLINE.as_secs()),
            };
            Err(format!(
                "GET {endpoint}{path} should answer 200 and gave {got}"
            ))
        }
    }
}

/// Whether a connection is more than an engine's, which accepts one for a container where nobody listens yet and then
/// closes it.
async fn stays_open(mut stream: Stream) -> bool {
    match timeout(CLOSE_PATIENCE, stream.read(&mut [0])).await {
        Ok(Ok(read)) => read > 0,
        Ok(Err(_)) => false,
        // A server waits for the client to speak first.
        Err(_) => true,
    }
}

impl RedisPair {
    fn of(plan: &Plan) -> Option<Self> {
        let (first, second) = (Part::Redis, Part::SecondRedis);
        Some(Self {
            first: plan.redis.clone()?,
            spare: plan.spare_redis.clone()?,
            addresses: [plan.address(first)?, plan.address(second)?],
            among_equals: [
                plan.address_among_equals(first)?,
                plan.address_among_equals(second)?,
            ],
        })
    }
}

impl FromStr for Runtime {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "containers" => Ok(Self::Containers),
            "processes" => Ok(Self::Processes),
            other => Err(format!("no runtime {other:?}: containers or processes")),
        }
    }
}

impl Runtime {
    /// What `HARNESS_RUNTIME` says; nothing when it is not set, or empty.
    pub fn from_environment() -> Result<Option<Self>, String> {
        match std::env::var("HARNESS_RUNTIME") {
            Ok(text) if !text.is_empty() => text
                .parse()
                .map(Some)
                .map_err(|error| format!("HARNESS_RUNTIME: {error}")),
            _ => Ok(None),
        }
    }
}

impl fmt::Display for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Containers => "containers",
            Self::Processes => "processes",
        })
    }
}

/// The innermost message of an error chain: what went wrong, without who wrapped it.
pub(crate) fn root_cause(error: &(dyn std::error::Error + 'static)) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

/// A secret that nobody else has and every URL can hold.
fn secret() -> String {
    uuid::Uuid::new_v4().simple().to_string()
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn a_connection_that_is_closed_at_once_is_nobodys_readiness() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = Endpoint::http(listener.local_addr().unwrap());
        let http = Http::new().unwrap();
        let server = async {
            drop(listener.accept().await.unwrap());
            listener.accept().await.unwrap()
        };
        let client = async {
            let first = ready(&Ready::Tcp, &endpoint, &http).await;
            (first, ready(&Ready::Tcp, &endpoint, &http).await)
        };
        let (_held, (closed, open)) = tokio::join!(server, client);
        let words = format!("{endpoint} accepts a connection and closes it");
        assert_eq!((closed, open), (Err(words), Ok(())));
    }
}

//! One part of a running system: ended, killed, started again, whatever the runtime.

use std::fmt;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::sync::{MappedMutexGuard, MutexGuard};
use tokio::time::{Instant, sleep};

use super::children::Children;
use super::containers::Containers;
use super::log::Log;
use super::plan::Plan;
use super::programs::{Program, Supply};
use super::{READY_INTERVAL, StartError, Stock, System, Usage, processes};

/// How long a part may take to end once it is told to (contract, Shutdown).
pub const EXIT_DEADLINE: Duration = Duration::from_secs(10);

/// A part of a system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Redis.
    Redis,
    /// The websocket service.
    WebsocketService,
    /// The API gateway.
    ApiGateway,
    /// A websocket service that a scenario starts besides.
    SecondWebsocketService,
    /// A Redis that a scenario starts besides.
    SecondRedis,
    /// Another of several websocket services, which a scenario's settings or the profile ask for: the second is number 2.
    WebsocketReplica(u8),
    /// Another of several gateways, which the profile asks for.
    GatewayReplica(u8),
}

const WEBSOCKET_REPLICAS: [&str; 8] = [
    "websocket-service-2",
    "websocket-service-3",
    "websocket-service-4",
    "websocket-service-5",
    "websocket-service-6",
    "websocket-service-7",
    "websocket-service-8",
    "websocket-service-9",
];
const GATEWAY_REPLICAS: [&str; 8] = [
    "api-gateway-2",
    "api-gateway-3",
    "api-gateway-4",
    "api-gateway-5",
    "api-gateway-6",
    "api-gateway-7",
    "api-gateway-8",
    "api-gateway-9",
];

/// How a part ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exit {
    /// Its exit status; none when a signal ended it, or nobody knows.
    pub status: Option<i64>,
}

/// The parts of one system that it has started, each in its place.
pub(super) struct Parts {
    /// All that it can start.
    programs: Vec<Program>,
    containers: Option<Containers>,
    children: Children,
    caution: Option<String>,
    /// Whether one of them was sent a signal, or started later.
    touched: bool,
}

impl Part {
    /// What logs and messages call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Redis => "redis",
            Self::WebsocketService => "websocket-service",
            Self::ApiGateway => "api-gateway",
            Self::SecondWebsocketService => "second-websocket-service",
            Self::SecondRedis => "second-redis",
            Self::WebsocketReplica(number) => replica(number, &WEBSOCKET_REPLICAS),
            Self::GatewayReplica(number) => replica(number, &GATEWAY_REPLICAS),
        }
    }

    /// The others of `replicas` that are one behind a balancer.
    pub(super) fn others(self, replicas: u8) -> impl Iterator<Item = Self> {
        let other = match self {
            Self::ApiGateway => Self::GatewayReplica,
            _ => Self::WebsocketReplica,
        };
        (2..=replicas).map(other)
    }

    /// Whether it is `first`, or another of those that are one with it.
    pub(super) fn is_one_of(self, first: Self) -> bool {
        match (first, self) {
            (Self::WebsocketService, Self::WebsocketReplica(_)) => true,
            (Self::ApiGateway, Self::GatewayReplica(_)) => true,
            _ => self == first,
        }
    }
}

/// The name of the replica with this number.
fn replica(number: u8, names: &[&'static str; 8]) -> &'static str {
    // A profile has at most nine, and the first is called by its service's name.
    names[usize::from(number.clamp(2, 9) - 2)]
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.status {
            Some(status) => write!(f, "ended with exit status {status}"),
            None => f.write_str("ended without an exit status"),
        }
    }
}

/// Faults. Each holds the parts while it is at work, so that the system is never taken down half-way through one.
impl System {
    /// Sends SIGTERM to `part`.
    pub async fn terminate(&self, part: Part) -> Result<(), String> {
        self.parts().await?.signal(part, "SIGTERM").await
    }

    /// Kills `part`: it has no time to say goodbye.
    pub async fn kill(&self, part: Part) -> Result<(), String> {
        self.parts().await?.signal(part, "SIGKILL").await?;
        match self.until_exit(part, EXIT_DEADLINE).await {
            Some(_) => Ok(()),
            None => Err(format!("{part} was killed and still runs")),
        }
    }

    /// Stops `part` where it is: it keeps its connections and does nothing, until [`resume`](Self::resume).
    pub async fn pause(&self, part: Part) -> Result<(), String> {
        self.parts().await?.signal(part, "SIGSTOP").await
    }

    /// Lets `part`, which was paused, go on.
    pub async fn resume(&self, part: Part) -> Result<(), String> {
        self.parts().await?.signal(part, "SIGCONT").await
    }

    /// Starts `part`, which has ended, where it was; it is not ready yet, and a Redis is empty.
    pub async fn start_part(&self, part: Part) -> Result<(), String> {
        self.parts().await?.start_part(part).await
    }

    /// Starts a second websocket service, like the first one but without the variable `absent`.
    pub async fn start_second_without(&self, absent: &str) -> Result<(), String> {
        self.parts().await?.start_second_without(absent).await
    }

    /// Whether it is one Redis and a websocket service to which nothing was done since they started, but by clients and by
    /// commands that Redis forgets: then it can be used as if it had just been started.
    pub(crate) async fn is_as_started(&self) -> bool {
        let parts = self.parts().await;
        let untouched = parts.is_ok_and(|parts| !parts.touched);
        // What stands between the parts, or behind a gateway, can have been told to fail.
        untouched && self.ensemble.is_none() && self.redis_proxy.is_none() && self.gateway.is_none()
    }

    /// How `part` ended, if it did.
    pub async fn exit(&self, part: Part) -> Option<Exit> {
        self.parts().await.ok()?.exit(part).await
    }

    /// How `part` ended, once it has; none when it still runs after `patience`.
    pub async fn until_exit(&self, part: Part, patience: Duration) -> Option<Exit> {
        let deadline = Instant::now() + patience;
        loop {
            // Asked again and again, and not waited for: the parts must not be held meanwhile.
            let exit = self.exit(part).await;
            if exit.is_some() || Instant::now() > deadline {
                return exit;
            }
            sleep(READY_INTERVAL).await;
        }
    }

    /// What `part` has used so far. The error says why that is not ours to see.
    pub fn usage(&self, part: Part) -> BoxFuture<'_, Result<Usage, String>> {
        async move {
            if !self.starts(part) {
                return Err(format!("{part} is somebody else's"));
            }
            self.parts().await?.usage(part).await
        }
        .boxed()
    }

    /// What is known to be in the way of `part`, and the last lines that it printed: for a system that does not come up.
    /// Nothing of one that somebody else started.
    pub(crate) async fn last_words(&self, part: Part) -> String {
        match self.parts().await {
            Ok(parts) if self.starts(part) => parts.last_words(part, &self.log).await,
            _ => self.log_tail(part),
        }
    }

    /// Where `part` must listen in its container; nothing for one that has none.
    pub(super) async fn port_in_container(&self, part: Part) -> Option<u16> {
        let parts = self.parts().await.ok()?;
        let program = parts.program(part).ok()?;
        program.supply.image().map(|_| program.ports.inside)
    }

    async fn parts(&self) -> Result<MappedMutexGuard<'_, Parts>, String> {
        MutexGuard::try_map(self.parts.lock().await, Option::as_mut)
            .map_err(|_| "the system has been taken down".to_owned())
    }
}

impl Parts {
    /// Starts the programs of `plan`, all at once; they are not ready yet.
    pub async fn start(stock: &Stock, plan: Plan, log: &Log) -> Result<Self, StartError> {
        let in_container = |program: &Program| program.supply.image().is_some();
        let containers = match stock.network() {
            Some(network) if plan.programs.iter().any(in_container) => {
                Some(Containers::new(network, &plan.run, log).await?)
            }
            _ => None,
        };
        let mut parts = Self {
            programs: Vec::new(),
            containers,
            children: Children::new(log),
            caution: plan.caution,
            touched: false,
        };
        match parts.launch(&plan.programs).await {
            Ok(()) => {
                parts.programs = plan.programs;
                parts.programs.extend(plan.spares);
                Ok(parts)
            }
            Err(error) => {
                parts.stop().await;
                Err(error)
            }
        }
    }

    /// Takes everything down and returns when it is gone.
    pub async fn stop(self) {
        self.children.stop().await;
        if let Some(containers) = self.containers {
            containers.stop().await;
        }
    }

    async fn launch(&mut self, programs: &[Program]) -> Result<(), StartError> {
        let mut in_containers = Vec::new();
        for program in programs {
            let name = program.part.name();
            match &program.supply {
                Supply::Image(image) => in_containers.push((image, program)),
                Supply::Executable(executable) => {
                    let command = processes::command(executable, program);
                    let spawned = self.children.spawn(name, command).await;
                    spawned.map_err(|error| {
                        let path = processes::path(executable, program);
                        let path = path.display();
                        StartError(format!("failed to run {name}: {path}: {error}"))
                    })?;
                }
            }
        }
        match &mut self.containers {
            Some(containers) => containers.start(&in_containers).await,
            None => Ok(()),
        }
    }

    /// Why `part` may not find Redis, if that may be, and what it printed last.
    async fn last_words(&self, part: Part, log: &Log) -> String {
        let Some(containers) = self.containers_with(part) else {
            return log.tail(part.name());
        };
        // Of one that has ended, the last lines may still be on their way to the log; the engine has them.
        if let Some(lines) = containers.printed(part.name()).await {
            log.replace(part.name(), lines);
        }
        let caution = self.caution.as_ref().map(|caution| format!("{caution}\n"));
        caution.unwrap_or_default() + &log.tail(part.name())
    }

    async fn signal(&mut self, part: Part, signal: &str) -> Result<(), String> {
        self.touched = true;
        let name = part.name();
        match self.containers_with(part) {
            Some(containers) => containers.signal(name, signal).await,
            None => self
                .children
                .signal(name, signal)
                .await
                .map_err(|error| format!("failed to send {signal} to {name}: {error}")),
        }
    }

    async fn exit(&mut self, part: Part) -> Option<Exit> {
        match self.containers_with(part) {
            Some(containers) => containers.exit(part.name()).await,
            None => self.children.exit(part.name()),
        }
    }

    async fn usage(&self, part: Part) -> Result<Usage, String> {
        match self.containers_with(part) {
            Some(containers) => containers.usage(part.name()).await,
            None => match self.children.id(part.name()) {
                Some(pid) => Usage::of_processes(pid).map_err(|error| format!("{part}: {error}")),
                None => Err(format!("{part} has ended")),
            },
        }
    }

    /// Starts `part`, which has ended or never ran.
    async fn start_part(&mut self, part: Part) -> Result<(), String> {
        self.touched = true;
        if let Some(containers) = self.containers_with(part) {
            return containers.restart(part.name()).await;
        }
        let program = self.program(part)?.clone();
        self.launch(&[program]).await.map_err(|error| error.0)
    }

    async fn start_second_without(&mut self, absent: &str) -> Result<(), String> {
        self.touched = true;
        let second = self.program(Part::SecondWebsocketService)?.without(absent);
        self.launch(&[second]).await.map_err(|error| error.0)
    }

    /// The containers, if `part` is one of them.
    fn containers_with(&self, part: Part) -> Option<&Containers> {
        self.containers
            .as_ref()
            .filter(|containers| containers.have(part.name()))
    }

    fn program(&self, part: Part) -> Result<&Program, String> {
        let found = self.programs.iter().find(|program| program.part == part);
        found.ok_or_else(|| format!("{part} is somebody else's"))
    }
}

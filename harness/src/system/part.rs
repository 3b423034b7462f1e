//! One part of a running system: ended, killed, started again, whatever the runtime.

use std::fmt;
use std::net::SocketAddr;
use std::sync::PoisonError;
use std::time::Duration;

use tokio::sync::{MappedMutexGuard, MutexGuard};
use tokio::time::{Instant, sleep};

use super::log::Log;
use super::stock::Kind;
use super::{
    Addresses, Program, READY_INTERVAL, StartError, Stock, Surroundings, System, containers,
    processes,
};
use crate::endpoint::Endpoint;

/// How long a part may take to end once it is told to (contract, Shutdown).
pub(crate) const EXIT_DEADLINE: Duration = Duration::from_secs(10);

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
}

/// How a part ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exit {
    /// Its exit status; none when a signal ended it, or nobody knows.
    pub status: Option<i64>,
}

/// The parts of one system on its runtime.
pub(super) enum Parts {
    Containers(containers::Containers),
    Processes(processes::Processes),
}

impl Part {
    /// What logs and messages call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Redis => "redis",
            Self::WebsocketService => "websocket-service",
            Self::ApiGateway => "api-gateway",
            Self::SecondWebsocketService => "second-websocket-service",
        }
    }
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
        match self.until_exit(part).await {
            Some(_) => Ok(()),
            None => Err(format!("{part} was killed and still runs")),
        }
    }

    /// Starts Redis, empty, where the services look for it.
    pub async fn start_redis(&self) -> Result<(), String> {
        if let Some(address) = self.parts().await?.start_redis().await? {
            let redis = Endpoint::redis(address, Some(&self.redis_password));
            *self.redis.lock().unwrap_or_else(PoisonError::into_inner) = Some(redis);
        }
        Ok(())
    }

    /// Starts a second websocket service, like the first one but without the variable `absent`.
    pub async fn start_second_without(&self, absent: &str) -> Result<(), String> {
        self.parts().await?.start_second_without(absent).await
    }

    /// How `part` ended, if it did.
    pub async fn exit(&self, part: Part) -> Option<Exit> {
        self.parts().await.ok()?.exit(part).await
    }

    /// How `part` ended, once it has; none when it runs still after the ten seconds that the contract gives it.
    pub async fn until_exit(&self, part: Part) -> Option<Exit> {
        let deadline = Instant::now() + EXIT_DEADLINE;
        loop {
            // Asked again and again, and not waited for: the parts must not be held meanwhile.
            let exit = self.exit(part).await;
            if exit.is_some() || Instant::now() > deadline {
                return exit;
            }
            sleep(READY_INTERVAL).await;
        }
    }

    async fn parts(&self) -> Result<MappedMutexGuard<'_, Parts>, String> {
        MutexGuard::try_map(self.parts.lock().await, Option::as_mut)
            .map_err(|_| "the system has been taken down".to_owned())
    }
}

impl Parts {
    /// Starts Redis and the programs of `plan`, all at once; they are not ready yet.
    pub async fn start(
        stock: &Stock,
        plan: impl Fn(&Surroundings) -> [Option<Program>; 2],
        redis_password: &str,
        log: &Log,
    ) -> Result<(Addresses, Self), StartError> {
        Ok(match &stock.kind {
            Kind::Containers(images) => {
                let (addresses, containers) =
                    containers::start(images, plan, redis_password, log).await?;
                (addresses, Self::Containers(containers))
            }
            Kind::Processes(executables) => {
                let (addresses, processes) =
                    processes::start(executables, &stock.profile, plan, redis_password, log)
                        .await?;
                (addresses, Self::Processes(processes))
            }
        })
    }

    /// Takes everything down and returns when it is gone.
    pub async fn stop(self) {
        match self {
            Self::Containers(containers) => containers.stop().await,
            Self::Processes(processes) => processes.stop().await,
        }
    }

    async fn signal(&mut self, part: Part, signal: &str) -> Result<(), String> {
        match self {
            Self::Containers(containers) => containers.signal(part.name(), signal).await,
            Self::Processes(processes) => processes.signal(part.name(), signal).await,
        }
    }

    async fn exit(&mut self, part: Part) -> Option<Exit> {
        match self {
            Self::Containers(containers) => containers.exit(part.name()).await,
            Self::Processes(processes) => processes.exit(part.name()),
        }
    }

    /// Starts Redis again; says where it is if that is not where it was.
    async fn start_redis(&mut self) -> Result<Option<SocketAddr>, String> {
        match self {
            Self::Containers(containers) => containers.start_redis().await.map(Some),
            Self::Processes(processes) => processes.start_redis().await.map(|()| None),
        }
    }

    async fn start_second_without(&mut self, absent: &str) -> Result<(), String> {
        match self {
            Self::Containers(containers) => containers.start_second_without(absent).await,
            Self::Processes(processes) => processes.start_second_without(absent).await,
        }
    }
}

//! A running system: Redis, a websocket service, an API gateway and the stand-ins behind it.
//!
//! - `containers`: parts in containers, through testcontainers
//! - `engine`: what is asked of the container engine itself: images, networks, remains
//! - `processes`: the same parts as child processes
//! - `children`: child processes that do not outlive this one
//! - `binaries`: the services' programs, built by cargo
//! - `image`: an image from a program and its libraries
//! - `redis_package`: a real Redis from the operating system's package
//! - `redis_server`: that Redis alone
//! - `owner`: who owns what was started, so that a dead run's remains can be told from a living run's
//! - `log`: what the parts printed, kept for a scenario that fails

mod binaries;
mod children;
mod containers;
mod engine;
mod image;
mod log;
mod owner;
mod processes;
mod redis_package;
mod redis_server;

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::str::FromStr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Mutex, oneshot, watch};
use tokio::time::{Instant, sleep, timeout};

use crate::standin::StandIns;
use log::Log;
pub use log::Mark;
pub use redis_server::{RedisServer, StoppedRedis};

/// How long a system may take from its first process to its last ready check.
const START_DEADLINE: Duration = Duration::from_secs(60);
/// How often a ready check is asked while a part starts. Readiness has no event that every implementation sends.
const READY_INTERVAL: Duration = Duration::from_millis(15);

/// Where the parts run.
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
    /// Redis as this process reaches it: `redis://host:port`.
    pub redis_url: String,
    /// The websocket service as this process reaches it.
    pub websocket: SocketAddr,
    /// The API gateway as this process reaches it.
    pub gateway: SocketAddr,
    /// The services behind the gateway.
    pub standins: StandIns,
    /// The secret that both services check tokens with.
    pub jwt_secret: String,
    /// Where the parts run.
    pub runtime: Runtime,
    log: Log,
    parts: Mutex<Option<Parts>>,
}

/// What a part needs to know of the others, as it sees them from where it runs.
struct Surroundings {
    redis_url: String,
    standin_host: String,
    websocket_port: u16,
    gateway_port: u16,
}

/// One program with its environment.
struct Program {
    name: &'static str,
    environment: Vec<(String, String)>,
    port: u16,
}

/// The parts as this process reaches them.
struct Addresses {
    redis: SocketAddr,
    websocket: SocketAddr,
    gateway: SocketAddr,
}

enum Parts {
    Containers(containers::Containers),
    Processes(processes::Processes),
}

impl System {
    /// Starts the reference system on `runtime`: containers where an engine answers and nothing was chosen.
    /// `say` gets a line for what a person should know.
    pub async fn start(
        runtime: Option<Runtime>,
        say: &(dyn Fn(&str) + Sync),
    ) -> Result<Self, StartError> {
        let runtime = match runtime {
            Some(Runtime::Containers) => {
                engine::connect().await.map_err(|error| {
                    StartError(format!(
                        "no container engine answers ({error}); start one, or use --runtime processes"
                    ))
                })?;
                Runtime::Containers
            }
            Some(Runtime::Processes) => Runtime::Processes,
            None => match engine::connect().await {
                Ok(_) => Runtime::Containers,
                Err(error) => {
                    say(&format!(
                        "no container engine answers ({error}): the system runs as processes"
                    ));
                    Runtime::Processes
                }
            },
        };
        let jwt_secret = uuid::Uuid::new_v4().to_string();
        let log = Log::default();
        let binaries = binaries::build(say).await?;
        // A container reaches this machine through the engine's gateway, not through its loopback.
        let standins = StandIns::start(match runtime {
            Runtime::Containers => [0, 0, 0, 0],
            Runtime::Processes => [127, 0, 0, 1],
        })
        .await?;
        let plan = |surroundings: &Surroundings| programs(surroundings, &standins, &jwt_secret);
        let (addresses, parts) = match runtime {
            Runtime::Containers => {
                let (addresses, parts) = containers::start(&binaries, plan, &log, say).await?;
                (addresses, Parts::Containers(parts))
            }
            Runtime::Processes => {
                let (addresses, parts) = processes::start(&binaries, plan, &log, say).await?;
                (addresses, Parts::Processes(parts))
            }
        };
        let system = Self {
            redis_url: format!("redis://{}", addresses.redis),
            websocket: addresses.websocket,
            gateway: addresses.gateway,
            standins,
            jwt_secret,
            runtime,
            log,
            parts: Mutex::new(Some(parts)),
        };
        system.until_ready().await
    }

    /// Takes everything down and returns when it is gone. A second call does nothing.
    pub async fn stop(&self) {
        match self.parts.lock().await.take() {
            Some(Parts::Containers(containers)) => containers.stop().await,
            Some(Parts::Processes(processes)) => processes.stop().await,
            None => {}
        }
    }

    /// The present end of the parts' output.
    pub fn log_mark(&self) -> Mark {
        self.log.mark()
    }

    /// The last lines that `part` printed.
    pub fn log_tail(&self, part: &str) -> String {
        self.log.tail(part)
    }

    /// What the parts printed since `mark`: the lines that contain one of `words`, or the last few where none does.
    pub fn log_since(&self, mark: &Mark, words: &[String]) -> String {
        self.log.since(mark, words)
    }

    async fn until_ready(self) -> Result<Self, StartError> {
        let deadline = Instant::now() + START_DEADLINE;
        let checks = async {
            let http = reqwest::Client::builder()
                .no_proxy()
                .build()
                .map_err(|error| StartError(format!("no HTTP client: {error}")))?;
            let websocket = format!("http://{}/healthz/redis", self.websocket);
            let gateway = format!("http://{}/healthz", self.gateway);
            tokio::try_join!(
                self.until_answers("websocket-service", &http, &websocket, deadline),
                self.until_answers("api-gateway", &http, &gateway, deadline),
            )
        };
        match checks.await {
            Ok(_) => Ok(self),
            Err(error) => {
                self.stop().await;
                Err(error)
            }
        }
    }

    async fn until_answers(
        &self,
        part: &str,
        http: &reqwest::Client,
        url: &str,
        deadline: Instant,
    ) -> Result<(), StartError> {
        loop {
            let answer = match http.get(url).timeout(Duration::from_secs(2)).send().await {
                Ok(response) if response.status().is_success() => return Ok(()),
                Ok(response) => format!("status {}", response.status()),
                Err(error) => root_cause(&error),
            };
            if let Some(ended) = self.ended(part).await {
                return Err(StartError(format!(
                    "{part} {ended}\n{}",
                    self.log.tail(part)
                )));
            }
            if Instant::now() > deadline {
                return Err(StartError(format!(
                    "{part} was not ready after {} s: GET {url} gave {answer}\n{}",
                    START_DEADLINE.as_secs(),
                    self.log.tail(part)
                )));
            }
            sleep(READY_INTERVAL).await;
        }
    }

    /// How `part` ended, if it did.
    async fn ended(&self, part: &str) -> Option<String> {
        match self.parts.lock().await.as_mut()? {
            Parts::Containers(containers) => containers.ended(part).await,
            Parts::Processes(processes) => processes.ended(part),
        }
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

/// The reference services' programs: the one place that knows how they are configured.
fn programs(surroundings: &Surroundings, standins: &StandIns, jwt_secret: &str) -> [Program; 2] {
    let pairs = |pairs: &[(&str, String)]| -> Vec<(String, String)> {
        pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.clone()))
            .collect()
    };
    let downstream = |port: u16| format!("http://{}:{port}", surroundings.standin_host);
    let websocket = pairs(&[
        ("WEBSOCKET_PORT", surroundings.websocket_port.to_string()),
        ("REDIS_URL", surroundings.redis_url.clone()),
        ("JWT_SECRET_KEY", jwt_secret.to_owned()),
        ("ENVIRONMENT", "contract-test".to_owned()),
    ]);
    let gateway = pairs(&[
        ("API_GATEWAY_PORT", surroundings.gateway_port.to_string()),
        ("API_GATEWAY_REDIS_URL", surroundings.redis_url.clone()),
        ("API_GATEWAY_JWT_SECRET_KEY", jwt_secret.to_owned()),
        ("API_GATEWAY_ENVIRONMENT", "contract-test".to_owned()),
        (
            "API_GATEWAY_RESULT_AGGREGATOR_URL",
            downstream(standins.aggregator.port()),
        ),
        (
            "API_GATEWAY_FILE_SERVICE_URL",
            downstream(standins.files.port()),
        ),
        (
            "API_GATEWAY_CMS_API_URL",
            downstream(standins.classes.port()),
        ),
        (
            "API_GATEWAY_BATCH_ORCHESTRATOR_URL",
            downstream(standins.orchestrator.port()),
        ),
    ]);
    [
        Program {
            name: "websocket-service",
            environment: websocket,
            port: surroundings.websocket_port,
        },
        Program {
            name: "api-gateway",
            environment: gateway,
            port: surroundings.gateway_port,
        },
    ]
}

/// The innermost message of an error chain: what went wrong, without who wrapped it.
pub(crate) fn root_cause(error: &(dyn std::error::Error + 'static)) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

/// What a signal does to a run: it takes down the system, then ends the process.
#[derive(Clone)]
pub struct Interruption {
    signalled: watch::Receiver<bool>,
    status: Arc<OnceLock<u8>>,
}

/// From now on SIGINT, SIGTERM and SIGHUP take down the system that is sent to the returned sender, then end this
/// process with 128 + the signal's number. A signal that comes while the system starts waits for it: what is half
/// started cannot be taken down.
pub fn stop_on_signal() -> io::Result<(oneshot::Sender<Arc<System>>, Interruption)> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hangup = signal(SignalKind::hangup())?;
    let (sender, system) = oneshot::channel::<Arc<System>>();
    let (interrupted, signalled) = watch::channel(false);
    let status = Arc::new(OnceLock::new());
    let known = Arc::clone(&status);
    tokio::spawn(async move {
        let of_signal = tokio::select! {
            _ = interrupt.recv() => 130,
            _ = terminate.recv() => 143,
            _ = hangup.recv() => 129,
        };
        interrupted.send_replace(true);
        if let Ok(Ok(system)) = timeout(START_DEADLINE, system).await {
            system.stop().await;
        }
        std::process::exit(known.get().map_or(of_signal, |status| i32::from(*status)));
    });
    Ok((sender, Interruption { signalled, status }))
}

impl Interruption {
    /// From now on a signal ends the process with `status`: the run is over and its verdict known.
    pub fn verdict_is(&self, status: u8) {
        // A second verdict would be a mistake; the first stays.
        let _ = self.status.set(status);
    }

    /// Waits for a signal, in vain if none comes. What happens after it is no verdict on the contract.
    pub async fn wait(&self) {
        let mut changes = self.signalled.clone();
        if changes.wait_for(|interrupted| *interrupted).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

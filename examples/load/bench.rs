//! Everything that runs: Redis, the relay, the service, and who listens to them.

use std::collections::HashMap;
use std::env;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use harness::system::RedisServer;
use redis::AsyncConnectionConfig;
use redis::aio::MultiplexedConnection;
use tokio::net::TcpStream;
use tokio::process::Command;
use tokio::time::{sleep, timeout};

use super::audience::Audience;
use super::process::{self, Process};
use super::publisher::Publisher;
use super::target::{Target, Wire};

/// Everything that runs.
pub struct Bench {
    server: RedisServer,
    redis: MultiplexedConnection,
    /// The backend of all of them.
    pub publisher: Publisher,
    /// Redis itself.
    pub subscriber: Target,
    /// The yardstick.
    pub relay: (Target, Process),
    /// What is measured.
    pub service: (Target, Process),
}

/// The users with one connection.
pub const USERS: u64 = 1000;
/// The users with several, numbered behind them.
pub const FAN_OUT_USERS: u64 = 200;
/// How many those have.
pub const FAN_OUT_CONNECTIONS: u64 = 5;

/// How long a part may take to start, or to let go of its connections.
const DEADLINE: Duration = Duration::from_secs(10);

impl Bench {
    /// Starts everything and waits until it can be measured.
    pub async fn start() -> io::Result<Self> {
        let program = service_program().await?;
        let server = RedisServer::start().await.map_err(io::Error::other)?;
        let url = server.url().to_owned();
        let address: SocketAddr = url
            .trim_start_matches("redis://")
            .parse()
            .map_err(io::Error::other)?;
        let client = redis::Client::open(&*url).map_err(io::Error::other)?;
        // The machine is busy while this one waits.
        let patient = AsyncConnectionConfig::new().set_response_timeout(Some(DEADLINE));
        let redis = client
            .get_multiplexed_async_connection_with_config(&patient)
            .await
            .map_err(io::Error::other)?;
        let subscriber = Target {
            address,
            prefix: "bare",
            wire: Wire::Redis,
        };
        let relay = Target {
            address: process::free_address()?,
            prefix: "raw",
            wire: Wire::Raw,
        };
        let arguments = [
            "relay".into(),
            address.to_string(),
            relay.address.to_string(),
        ];
        let relay_process =
            Process::start(&env::current_exe()?, &arguments, &HashMap::new()).await?;
        until_open(&relay).await?;
        let secret = "the load generator's";
        let service = Target {
            address: process::free_address()?,
            prefix: "ws",
            wire: Wire::WebSocket(secret.into()),
        };
        let environment = HashMap::from([
            ("REDIS_URL", url),
            ("WEBSOCKET_PORT", service.address.port().to_string()),
            ("JWT_SECRET_KEY", secret.to_owned()),
        ]);
        let service_process = Process::start(&program, &[], &environment).await?;
        until_open(&service).await?;
        let mut bench = Self {
            publisher: Publisher::connect(address).await?,
            server,
            redis,
            subscriber,
            relay: (relay, relay_process),
            service: (service, service_process),
        };
        // It is ready when it is connected to Redis, too.
        let deadline = Instant::now() + DEADLINE;
        let service = bench.service.0.clone();
        loop {
            let _open = service.open(&service.greeting(0)).await?;
            if bench.subscribed(&service, 0).await? {
                break;
            }
            if Instant::now() > deadline {
                return Err(io::Error::other("the service does not reach redis"));
            }
            sleep(Duration::from_millis(20)).await;
        }
        Ok(bench)
    }

    /// Everybody that messages are delivered to: of the bare subscriber, the relay and the service.
    pub async fn audiences(&mut self, began: Instant) -> io::Result<[Audience; 3]> {
        let mut audiences = [0, 1, 2].map(|_| Audience::new(began));
        let greeting: Vec<u8> = (0..USERS)
            .flat_map(|user| self.subscriber.greeting(user))
            .collect();
        let stream = self.subscriber.open(&greeting).await?;
        audiences[0].add(stream, Wire::Redis, 0..USERS);
        for (index, target) in [(1, &self.relay.0), (2, &self.service.0)] {
            for user in 0..USERS + FAN_OUT_USERS {
                let connections = if user < USERS { 1 } else { FAN_OUT_CONNECTIONS };
                for _ in 0..connections {
                    let stream = target.open(&target.greeting(user)).await?;
                    audiences[index].add(stream, target.wire.clone(), [user]);
                }
            }
        }
        for (target, last) in [
            (self.subscriber.clone(), USERS - 1),
            (self.relay.0.clone(), USERS + FAN_OUT_USERS - 1),
        ] {
            let deadline = Instant::now() + DEADLINE;
            while !self.subscribed(&target, last).await? {
                if Instant::now() > deadline {
                    return Err(io::Error::other(format!("no subscription: {target:?}")));
                }
                sleep(Duration::from_millis(10)).await;
            }
        }
        Ok(audiences)
    }

    async fn subscribed(&mut self, target: &Target, user: u64) -> io::Result<bool> {
        let (_, subscribers): (String, u64) = redis::cmd("PUBSUB")
            .arg("NUMSUB")
            .arg(target.channel(user))
            .query_async(&mut self.redis)
            .await
            .map_err(io::Error::other)?;
        Ok(subscribers > 0)
    }

    /// Waits until `target` has given up all its subscriptions.
    pub async fn until_nobody(&mut self, target: &Target) -> io::Result<()> {
        let gone = async {
            loop {
                let channels: Vec<String> = redis::cmd("PUBSUB")
                    .arg("CHANNELS")
                    .arg(format!("{}:*", target.prefix))
                    .query_async(&mut self.redis)
                    .await
                    .map_err(io::Error::other)?;
                if channels.is_empty() {
                    return Ok(());
                }
                sleep(Duration::from_millis(20)).await;
            }
        };
        let late = || io::Error::other("subscriptions are left of connections that are gone");
        timeout(DEADLINE, gone).await.map_err(|_| late())?
    }

    /// Ends everything and waits until it is gone.
    pub async fn stop(self) {
        self.relay.1.stop().await;
        self.service.1.stop().await;
        self.server.stop().await;
    }
}

/// The service, built like this program and beside it.
async fn service_program() -> io::Result<PathBuf> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .args([
            "build",
            "--release",
            "--quiet",
            "--bin",
            "websocket-service",
        ])
        .status()
        .await?;
    let own = env::current_exe()?;
    let directory = own.parent().and_then(|examples| examples.parent());
    let program = directory.map(|directory| directory.join("websocket-service"));
    program
        .filter(|program| status.success() && program.exists())
        .ok_or_else(|| io::Error::other("websocket-service is not built"))
}

async fn until_open(target: &Target) -> io::Result<()> {
    let deadline = Instant::now() + DEADLINE;
    while let Err(error) = TcpStream::connect(target.address).await {
        if Instant::now() > deadline {
            return Err(error);
        }
        sleep(Duration::from_millis(10)).await;
    }
    Ok(())
}

//! The websocket service: a pure router from users' Redis channels to their browsers' sockets.
//!
//! - [`settings`]: what the environment tells
//! - [`listen`]: from a listening socket to open WebSockets
//! - [`routes`]: which path answers what
//! - [`handshake`]: the opening handshake
//! - [`admission`]: who is let in: token, quota, confirmed subscription
//! - [`connection`], [`session`]: one open WebSocket, and what it is for
//! - [`notifications`]: the session of a user who is let in
//! - [`decoder`], [`utf8`], [`frame`], [`close`]: the protocol's bytes, in and out, without I/O
//! - [`quota`]: how many connections a user has on all services together
//! - [`outbox`], [`queue`]: what waits to be sent to one connection
//! - [`subscriptions`]: who is to receive what
//! - [`backplane`], [`link`], [`redis`], [`resp`]: the connections to Redis that feed them
//! - [`demotion`], `sentinel`, `cluster`, `slot`, `bus`: which Redis to rely on, and when no longer
//! - [`health`], [`metrics`]: how it is doing
//!
//! A published message goes `backplane` → `subscriptions` → `outbox` → socket, encoded once and never parsed: past
//! `connection` where that has nothing to write, through it where it has.

use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::info;

use self::admission::Admission;
use self::backplane::Backplane;
use self::health::Health;
use self::metrics::Metrics;
use self::routes::Routes;
pub use self::settings::Settings;
use self::subscriptions::Subscriptions;

pub mod admission;
pub mod backplane;
mod bus;
pub mod close;
mod cluster;
pub mod connection;
pub mod decoder;
pub mod demotion;
pub mod frame;
pub mod handshake;
pub mod health;
pub mod link;
pub mod listen;
pub mod metrics;
pub mod notifications;
pub mod outbox;
pub mod queue;
pub mod quota;
pub mod redis;
pub mod resp;
pub mod routes;
mod sentinel;
pub mod session;
pub mod settings;
mod slot;
pub mod subscriptions;
pub mod utf8;

/// How long it may take in the end to free the places of those who were connected.
const FREED: Duration = Duration::from_secs(1);

/// Serves on `listener` until `shutdown`; then closes every connection with 1001 and returns within ten seconds.
pub async fn run(listener: TcpListener, settings: Settings, shutdown: CancellationToken) {
    let metrics = Arc::new(Metrics::new());
    let subscriptions = Arc::new(Subscriptions::new(
        &settings.channel_prefix,
        settings.connections_per_user,
        settings.queue,
    ));
    let backplane = Backplane {
        health_interval: settings.redis_health_interval,
        subscriptions: subscriptions.clone(),
        metrics: metrics.clone(),
    };
    // Off unless somebody sets it: it costs a question to Redis for each connection.
    let (quota, worker) = match settings.global_limit {
        Some(limit) => {
            let (quota, worker) = quota::of(limit, settings.redis.clone());
            (Some(quota), Some(tokio::spawn(worker.run())))
        }
        None => (None, None),
    };
    let (targets, who_answers) = watch::channel(Vec::new());
    let routes = Routes {
        origins: settings.origins,
        admission: Admission {
            verifier: settings.verifier,
            subscriptions: subscriptions.clone(),
            quota,
            metrics: metrics.clone(),
        },
        health: Health::new(
            who_answers,
            metrics.clone(),
            settings.connections_per_user,
            settings.environment,
        ),
        metrics,
    };
    let serve = listen::serve(listener, routes, settings.rules, shutdown.clone());
    let stop = async {
        shutdown.cancelled().await;
        info!("shutting down: every connection is told to close");
        subscriptions.stop();
        std::future::pending().await
    };
    tokio::select! {
        biased; // sessions are told to close before they are waited for
        () = stop => {}
        () = serve => {}
        () = backplane.run(settings.redis, settings.words, targets) => {}
    }
    if let Some(worker) = worker {
        // The places of those who were connected, for the services that they go to now.
        let _ = timeout(FREED, worker).await;
    }
}

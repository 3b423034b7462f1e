//! The API gateway: HTTP only, in front of the services that keep batches, files and classes.
//!
//! Outside in, as a request passes through:
//! - [`settings`]: what the environment decides
//! - `server`: connections, and how they end
//! - `routes`: which path leads where
//! - `exchange`: what every request gets: a correlation id, a log line, its place in metrics and traces
//! - `caller`, `rate_limit`: who asks, and whether too often
//! - `status`, `pipelines`, `files`, `classes`, `health`: one route each
//! - [`path`], `headers`: what of a request may be passed on
//! - `downstream`, `upload`: calls to the services behind, each with its deadlines
//! - [`error`]: the one shape of every error
//! - `metrics`: what is counted
//!
//! Absent on purpose: any route that upgrades a connection, TLS, retries (only the client knows whether to repeat),
//! caches, and headers about the client's address.

mod caller;
mod classes;
mod correlation;
mod downstream;
pub mod error;
mod exchange;
mod files;
mod headers;
mod health;
mod metrics;
pub mod path;
mod pipelines;
mod rate_limit;
mod routes;
mod server;
pub mod settings;
mod status;
mod upload;

#[cfg(test)]
mod tests;

use std::io;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tracing::info;

use rate_limit::{Limiter, RedisLimiter};
use settings::Settings;

/// Serves HTTP on `listener` until `shutdown` is cancelled and every connection has ended, at the latest after the
/// shutdown deadline of `settings`.
///
/// Fails when `listener` has no address or the clients of the services behind cannot be made.
pub async fn run(
    listener: TcpListener,
    settings: Settings,
    shutdown: CancellationToken,
) -> io::Result<()> {
    let limiter = RedisLimiter::new(settings.redis.clone(), settings.redis_deadline);
    serve(listener, settings, Arc::new(limiter), shutdown).await
}

async fn serve(
    listener: TcpListener,
    settings: Settings,
    limiter: Arc<dyn Limiter>,
    shutdown: CancellationToken,
) -> io::Result<()> {
    info!(
        version = env!("CARGO_PKG_VERSION"),
        address = %listener.local_addr()?,
        settings = ?settings,
        "the API gateway listens"
    );
    let deadlines = settings.deadlines;
    let gateway = routes::Gateway::new(settings, limiter).map_err(io::Error::other)?;
    server::serve(listener, routes::router(gateway), deadlines, shutdown).await;
    info!("the API gateway has stopped");
    Ok(())
}

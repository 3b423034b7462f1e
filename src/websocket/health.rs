//! Whether the service, its connections and Redis are well.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::try_join_all;
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};
use tracing::warn;

use super::backplane::Targets;
use super::metrics::Metrics;
use super::redis::RedisError;

/// What the health routes look at.
pub struct Health {
    redis: Targets,
    metrics: Arc<Metrics>,
    connections_per_user: usize,
    environment: String,
    started: Instant,
    checks: Semaphore,
}

/// How long Redis may take to answer a health check.
const REDIS_DEADLINE: Duration = Duration::from_secs(1);

/// How many connections health checks may have to Redis at once.
const REDIS_CHECKS: usize = 4;

impl Health {
    /// The health of a service that starts now.
    pub fn new(
        redis: Targets,
        metrics: Arc<Metrics>,
        connections_per_user: usize,
        environment: String,
    ) -> Self {
        Self {
            redis,
            metrics,
            connections_per_user,
            environment,
            started: Instant::now(),
            checks: Semaphore::new(REDIS_CHECKS),
        }
    }

    /// The answer of `/healthz`: the process is there.
    pub fn service(&self) -> Value {
        json!({
            "service": "websocket_service",
            "status": "healthy",
            "message": "websocket service is running",
            "environment": self.environment,
            "timestamp": Timestamp::now().to_string(),
            "uptime_seconds": self.started.elapsed().as_secs_f64(),
        })
    }

    /// The answer of `/healthz/websocket`: how many connections there are.
    pub fn connections(&self) -> Value {
        json!({
            "service": "websocket_manager",
            "status": "healthy",
            "total_connections": self.metrics.active(),
            "max_connections_per_user": self.connections_per_user,
        })
    }

    /// The answer of `/healthz/redis`: asks Redis now, each that has to answer on a connection of its own, and waits a second
    /// at most.
    pub async fn redis(&self) -> Result<Value, Value> {
        let check = async {
            // Never closed: acquiring cannot fail.
            let _permit = self.checks.acquire().await;
            let targets = self.redis.borrow().clone();
            let connecting = targets.iter().map(|redis| redis.connect(REDIS_DEADLINE));
            let connected = try_join_all(connecting).await?;
            match connected.is_empty() {
                true => Err(RedisError::Nowhere),
                false => Ok(()),
            }
        };
        let unresponsive = Err(RedisError::Unresponsive(REDIS_DEADLINE));
        match timeout(REDIS_DEADLINE, check).await.unwrap_or(unresponsive) {
            Ok(()) => Ok(answer("healthy", "redis answers")),
            Err(error) => {
                warn!(%error, "redis is not healthy");
                Err(answer("unhealthy", summary(&error)))
            }
        }
    }
}

fn answer(status: &str, message: &str) -> Value {
    json!({
        "service": "redis",
        "status": status,
        "message": message,
        "timestamp": Timestamp::now().to_string(),
    })
}

/// What may be told about `error` to anybody: the details are in the log.
fn summary(error: &RedisError) -> &'static str {
    match error {
        RedisError::Io(_) | RedisError::Closed | RedisError::Unasked(_) => "redis is not reachable",
        RedisError::Nowhere => "nobody says where redis is",
        RedisError::Unresponsive(_) => "redis did not answer in time",
        RedisError::Refused(_) => "redis refuses to serve",
        RedisError::Replica | RedisError::Superseded => "redis is a replica",
        RedisError::Apart => "the nodes of redis lost touch",
        RedisError::Malformed(_) => "what answers is not redis",
    }
}

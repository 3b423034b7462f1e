//! What operators ask: is it alive, and what has it done.

use std::sync::Arc;
use std::time::Instant;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header;
use serde_json::{Value, json};

use super::error::{ApiError, Code};
use super::routes::Gateway;

/// What `/healthz` tells about this process.
pub struct Health {
    environment: String,
    started: Instant,
}

impl Health {
    /// A process that starts now.
    pub fn new(environment: String) -> Self {
        Self {
            environment,
            started: Instant::now(),
        }
    }
}

/// `GET /healthz`: 200 as long as the gateway serves. The services behind have checks of their own; asking them here
/// would take every replica out of rotation at once when one of them fails.
pub async fn report(State(gateway): State<Arc<Gateway>>) -> Json<Value> {
    let health = &gateway.health;
    Json(json!({
        "service": "api_gateway",
        "status": "healthy",
        "message": "the API gateway serves requests",
        "environment": health.environment,
        "timestamp": jiff::Timestamp::now().to_string(),
        "uptime_seconds": health.started.elapsed().as_secs_f64(),
    }))
}

/// `GET /metrics`: the Prometheus text format.
pub async fn metrics(State(gateway): State<Arc<Gateway>>) -> Result<Response, ApiError> {
    let text = gateway
        .metrics
        .text()
        .map_err(|_| ApiError::new(Code::InternalError, "the metrics cannot be written"))?;
    Ok(([(header::CONTENT_TYPE, prometheus::TEXT_FORMAT)], text).into_response())
}

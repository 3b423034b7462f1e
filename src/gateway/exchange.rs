//! What every request gets, whichever way it goes: a correlation id, a log line, its place in metrics and traces, and
//! the error shape.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use tracing::{Instrument, info, info_span};

use super::correlation::{self, CorrelationId};
use super::error::ApiError;
use super::metrics::Metrics;
use super::routes;
use crate::telemetry;

/// The outermost layer.
pub async fn record(
    State(metrics): State<Arc<Metrics>>,
    mut request: Request,
    next: Next,
) -> Response {
    let id = CorrelationId::taken_or_made(request.headers());
    request.extensions_mut().insert(id.clone());
    let matched = request.extensions().get::<MatchedPath>();
    let endpoint = routes::endpoint(matched.map(MatchedPath::as_str));
    let trace = telemetry::request(request.method(), endpoint, request.headers(), id.as_str());
    let span = info_span!("request", correlation_id = id.as_str());

    let exchange = metrics.begin(request.method(), endpoint);
    let begun = Instant::now();
    async {
        let method = request.method().clone();
        let (mut response, code) = ApiError::rendered(next.run(request).await, &id);
        response
            .headers_mut()
            .insert(correlation::HEADER, id.to_header());
        let status = response.status().as_u16();
        exchange.end(status, code);
        telemetry::answered(&trace, response.status(), code.map(|code| code.as_str()));
        info!(
            %method,
            endpoint,
            status,
            error = code.map(|code| code.as_str()),
            duration_ms = begun.elapsed().as_secs_f64() * 1000.0,
            "request answered"
        );
        response
    }
    .instrument(span)
    .instrument(trace.clone())
    .await
}

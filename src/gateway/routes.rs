//! Which path leads where.

use std::error::Error;
use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::{MethodRouter, get, post};
use http::{Method, header};
use tower_http::cors::CorsLayer;

use super::downstream::{Client, Downstream};
use super::error::{ApiError, Code};
use super::health::Health;
use super::metrics::Metrics;
use super::rate_limit::{self, Budget, Limiter};
use super::settings::{Deadlines, Rates, Settings, Sizes};
use super::{caller, classes, correlation, exchange, files, health, pipelines, status};
use crate::auth::Verifier;

const HEALTH: &str = "/healthz";
const METRICS: &str = "/metrics";
const STATUS: &str = "/v1/batches/{batch_id}/status";
const PIPELINES: &str = "/v1/batches/{batch_id}/pipelines";
const FILES: &str = "/v1/files/batch";
const CLASSES_ROOT: &str = "/v1/classes/";
const CLASSES: &str = "/v1/classes/{*path}";

/// What the routes share.
pub struct Gateway {
    pub verifier: Verifier,
    pub aggregator: Downstream,
    pub files: Downstream,
    pub classes: Downstream,
    pub orchestrator: Downstream,
    pub limiter: Arc<dyn Limiter>,
    pub rates: Rates,
    pub deadlines: Deadlines,
    pub sizes: Sizes,
    pub metrics: Arc<Metrics>,
    pub health: Health,
    cors: CorsLayer,
}

impl Gateway {
    /// A gateway that has made no connection yet.
    pub fn new(
        settings: Settings,
        limiter: Arc<dyn Limiter>,
    ) -> Result<Self, Box<dyn Error + Send + Sync>> {
        let metrics = Arc::new(Metrics::new()?);
        let client = Client::new(settings.deadlines, settings.sizes, metrics.clone())?;
        let cors = CorsLayer::new()
            .allow_origin(settings.cors_origins)
            .allow_credentials(true)
            .allow_methods([Method::GET, Method::POST, Method::PUT, Method::DELETE])
            .allow_headers([
                header::AUTHORIZATION,
                header::CONTENT_TYPE,
                correlation::HEADER,
            ])
            .expose_headers([correlation::HEADER, header::RETRY_AFTER]);
        let urls = settings.downstreams;
        Ok(Self {
            verifier: settings.verifier,
            aggregator: client.to("aggregator", urls.aggregator),
            files: client.to("files", urls.files),
            classes: client.to("classes", urls.classes),
            orchestrator: client.to("orchestrator", urls.orchestrator),
            limiter,
            rates: settings.rates,
            deadlines: settings.deadlines,
            sizes: settings.sizes,
            metrics,
            health: Health::new(settings.environment),
            cors,
        })
    }
}

/// Every route with its layers; the last layer named is the first that a request meets.
pub fn router(gateway: Gateway) -> Router {
    let gateway = Arc::new(gateway);
    let limited = |budget: Budget, route: MethodRouter<Arc<Gateway>>| {
        route
            .route_layer(from_fn_with_state(
                (gateway.clone(), budget),
                rate_limit::take,
            ))
            .route_layer(from_fn_with_state(gateway.clone(), caller::authenticate))
    };
    let classes = || {
        get(classes::pass)
            .post(classes::pass)
            .put(classes::pass)
            .delete(classes::pass)
    };
    Router::new()
        .route(STATUS, limited(Budget::Default, get(status::read)))
        .route(
            PIPELINES,
            limited(Budget::Pipelines, post(pipelines::request)),
        )
        .route(FILES, limited(Budget::Files, post(files::upload)))
        .route(CLASSES_ROOT, limited(Budget::Default, classes()))
        .route(CLASSES, limited(Budget::Default, classes()))
        .route(HEALTH, get(health::report))
        .route(METRICS, get(health::metrics))
        .fallback(|| async { ApiError::new(Code::RouteNotFound, "there is no such route") })
        .method_not_allowed_fallback(|| async {
            ApiError::new(
                Code::MethodNotAllowed,
                "this route does not take this method; `Allow` names those it takes",
            )
        })
        .layer(gateway.cors.clone())
        .layer(from_fn_with_state(
            gateway.metrics.clone(),
            exchange::record,
        ))
        .with_state(gateway)
}

/// The word for a route in metrics and logs: its template as the contract writes it.
pub fn endpoint(matched: Option<&str>) -> &'static str {
    match matched {
        Some(HEALTH) => HEALTH,
        Some(METRICS) => METRICS,
        Some(STATUS) => STATUS,
        Some(PIPELINES) => PIPELINES,
        Some(FILES) => FILES,
        Some(CLASSES_ROOT | CLASSES) => "/v1/classes/{path}",
        _ => "unknown",
    }
}

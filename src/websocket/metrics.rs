//! What the service counts. Labels come from small fixed sets; none of them names a user.

use std::sync::Arc;

use prometheus::{
    Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, Opts, Registry, TextEncoder,
};
use tokio::time::Instant;

use crate::auth::Refusal;

/// The service's metrics, one set per service.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    /// Upgrades by what became of them.
    connections: IntCounterVec,
    active: IntGauge,
    tokens: IntCounterVec,
    duration: Histogram,
    /// Messages written to sockets, a message once for each connection.
    pub sent: IntCounter,
    /// Messages published that no text frame can carry.
    pub not_text: IntCounter,
    /// Messages queued for connections that read too slowly.
    pub too_slow: IntCounter,
    /// Messages queued for connections that went away before.
    pub gone: IntCounter,
}

/// What became of an upgrade.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The connection is open.
    Accepted,
    /// The token was refused.
    Unauthenticated,
    /// The user has too many connections.
    Quota,
    /// Redis is away.
    Unavailable,
    /// The browser's page is from an origin that is not allowed.
    Origin,
}

/// One open connection: it is counted until this is dropped.
#[derive(Debug)]
#[must_use = "dropping it counts the connection as closed"]
pub struct Active {
    metrics: Arc<Metrics>,
    since: Instant,
}

impl Metrics {
    /// Every metric at zero, each with all its labels.
    pub fn new() -> Self {
        let counters = |name: &str, help: &str, label: &str, values: &[&str]| {
            let counters = IntCounterVec::new(Opts::new(name, help), &[label])
                .expect("metric names are valid");
            for value in values {
                counters.with_label_values(&[value]);
            }
            counters
        };
        let connections = counters(
            "websocket_connections_total",
            "Upgrades by outcome.",
            "status",
            &Outcome::ALL.map(Outcome::label),
        );
        let tokens = counters(
            "jwt_validation_total",
            "Tokens checked, by result.",
            "result",
            &["success"],
        );
        let failed = counters(
            "websocket_messages_failed_total",
            "Messages that a connection did not get, by reason.",
            "error_type",
            &[],
        );
        let sent = IntCounter::new(
            "websocket_messages_sent_total",
            "Messages written to connections.",
        )
        .expect("metric names are valid");
        let active = IntGauge::new("websocket_active_connections", "Open connections.")
            .expect("metric names are valid");
        let duration = Histogram::with_opts(
            HistogramOpts::new(
                "websocket_connection_duration_seconds",
                "How long connections were open.",
            )
            .buckets(vec![0.1, 1.0, 10.0, 60.0, 300.0, 1800.0, 3600.0, 14_400.0]),
        )
        .expect("buckets are in order");
        let metrics = Self {
            registry: Registry::new(),
            not_text: failed.with_label_values(&["invalid_utf8"]),
            too_slow: failed.with_label_values(&["slow_consumer"]),
            gone: failed.with_label_values(&["connection_lost"]),
            connections,
            active,
            tokens,
            duration,
            sent,
        };
        let collectors: [Box<dyn prometheus::core::Collector>; 6] = [
            Box::new(metrics.connections.clone()),
            Box::new(metrics.active.clone()),
            Box::new(metrics.sent.clone()),
            Box::new(failed),
            Box::new(metrics.tokens.clone()),
            Box::new(metrics.duration.clone()),
        ];
        for collector in collectors {
            metrics
                .registry
                .register(collector)
                .expect("metric names differ");
        }
        metrics
    }

    /// Counts an upgrade.
    pub fn upgrade(&self, outcome: Outcome) {
        self.connections.with_label_values(&[outcome.label()]).inc();
    }

    /// Counts a token that was checked.
    pub fn token(&self, refusal: Option<Refusal>) {
        let result = refusal.map_or("success", Refusal::label);
        self.tokens.with_label_values(&[result]).inc();
    }

    /// Counts a connection as open.
    pub fn open(self: &Arc<Self>) -> Active {
        self.active.inc();
        Active {
            metrics: self.clone(),
            since: Instant::now(),
        }
    }

    /// How many connections are open.
    pub fn active(&self) -> i64 {
        self.active.get()
    }

    /// All metrics in Prometheus' text format, version 0.0.4.
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Only a metric family without a name or without metrics could fail, and there is none.
        let _ = TextEncoder::new().encode_utf8(&self.registry.gather(), &mut text);
        text
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Outcome {
    const ALL: [Self; 5] = [
        Self::Accepted,
        Self::Unauthenticated,
        Self::Quota,
        Self::Unavailable,
        Self::Origin,
    ];

    fn label(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Unauthenticated => "unauthenticated",
            Self::Quota => "quota_exceeded",
            Self::Unavailable => "unavailable",
            Self::Origin => "origin_refused",
        }
    }
}

impl Drop for Active {
    fn drop(&mut self) {
        self.metrics.active.dec();
        self.metrics
            .duration
            .observe(self.since.elapsed().as_secs_f64());
    }
}

//! What is counted. Labels come from closed sets: no path, no user and no method that a client could invent.

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::Method;
use prometheus::{
    HistogramOpts, HistogramVec, IntCounter, IntCounterVec, Opts, Registry, TextEncoder,
};

use super::error::Code;

/// The counters of one gateway.
pub struct Metrics {
    registry: Registry,
    requests: IntCounterVec,
    durations: HistogramVec,
    errors: IntCounterVec,
    downstream_calls: IntCounterVec,
    downstream_durations: HistogramVec,
    unlimited: IntCounter,
}

/// A request that is not answered yet. Dropped without [`end`](Self::end), it counts as one whose client went away.
#[must_use = "dropping it says that the client went away"]
pub struct Exchange {
    metrics: Arc<Metrics>,
    method: &'static str,
    endpoint: &'static str,
    begun: Instant,
    ended: bool,
}

impl Metrics {
    /// Counters at zero, in a registry of their own.
    pub fn new() -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        let counters = |name: &str, help: &str, labels: &[&str]| {
            let counters = IntCounterVec::new(Opts::new(name, help), labels)?;
            registry.register(Box::new(counters.clone()))?;
            Ok::<_, prometheus::Error>(counters)
        };
        let histograms = |name: &str, help: &str, labels: &[&str]| {
            let histograms = HistogramVec::new(HistogramOpts::new(name, help), labels)?;
            registry.register(Box::new(histograms.clone()))?;
            Ok::<_, prometheus::Error>(histograms)
        };
        let requests = counters(
            "gateway_http_requests_total",
            "Requests by route template and status; 499 where the client went away first",
            &["method", "endpoint", "http_status"],
        )?;
        let durations = histograms(
            "gateway_http_request_duration_seconds",
            "Time until the head of the answer, by route template",
            &["method", "endpoint"],
        )?;
        let errors = counters(
            "gateway_api_errors_total",
            "Errors that the gateway answered with, by route template and code",
            &["endpoint", "error_type"],
        )?;
        let downstream_calls = counters(
            "gateway_downstream_service_calls_total",
            "Calls to services behind, by status or by what failed",
            &["service", "outcome"],
        )?;
        let downstream_durations = histograms(
            "gateway_downstream_service_call_duration_seconds",
            "Time until the head of a downstream's answer, or until it failed",
            &["service"],
        )?;
        let unlimited = IntCounter::new(
            "gateway_rate_limit_unavailable_total",
            "Requests that passed without a limit because Redis was away",
        )?;
        registry.register(Box::new(unlimited.clone()))?;
        // A family without members is not shown: one at zero makes the first scrape name it.
        requests.with_label_values(&["GET", "/metrics", "200"]);
        Ok(Self {
            registry,
            requests,
            durations,
            errors,
            downstream_calls,
            downstream_durations,
            unlimited,
        })
    }

    /// Everything in the Prometheus text format.
    pub fn text(&self) -> Result<String, prometheus::Error> {
        TextEncoder::new().encode_to_string(&self.registry.gather())
    }

    /// A request begins.
    pub fn begin(self: Arc<Self>, method: &Method, endpoint: &'static str) -> Exchange {
        Exchange {
            metrics: self,
            method: known(method),
            endpoint,
            begun: Instant::now(),
            ended: false,
        }
    }

    /// A call to `service` has answered with a status or failed with a word.
    pub fn downstream(&self, service: &str, outcome: &str, duration: Duration) {
        self.downstream_calls
            .with_label_values(&[service, outcome])
            .inc();
        self.downstream_durations
            .with_label_values(&[service])
            .observe(duration.as_secs_f64());
    }

    /// A request passed because the limiter had no answer.
    pub fn unlimited(&self) {
        self.unlimited.inc();
    }
}

impl Exchange {
    /// The request is answered with `status`, and with an error of the gateway's own if there is a `code`.
    pub fn end(mut self, status: u16, code: Option<Code>) {
        self.ended = true;
        self.count(&status.to_string());
        if let Some(code) = code {
            self.metrics
                .errors
                .with_label_values(&[self.endpoint, code.as_str()])
                .inc();
        }
    }

    fn count(&self, status: &str) {
        self.metrics
            .requests
            .with_label_values(&[self.method, self.endpoint, status])
            .inc();
        self.metrics
            .durations
            .with_label_values(&[self.method, self.endpoint])
            .observe(self.begun.elapsed().as_secs_f64());
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        if !self.ended {
            self.count("499");
        }
    }
}

fn known(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

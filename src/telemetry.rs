//! Logs as JSON lines on standard output, and traces for a collector.
//!
//! Traces need the cargo feature `otlp` and a collector: `OTEL_EXPORTER_OTLP_ENDPOINT`, or the same name behind the
//! service's prefix, which wins. Without either nothing is sent, and neither `traceparent` nor `tracestate` is read or
//! written. With both, finished spans go to `{endpoint}/v1/traces` (OTLP over HTTP, protobuf), in batches and from a
//! thread of their own: a collector that is away or slow costs spans, never a request.
//!
//! What is exported is the spans that this module makes, with the fields that it names, and nothing else: whatever a
//! log line or another span holds, no token, no user and no path gets into a trace.
//!
//! Absent on purpose: spans of open WebSockets, which last for hours, and of messages, of which there are many; events
//! in spans, because the logs have them; logs and metrics over OTLP; TLS to the collector.

#[cfg_attr(not(feature = "otlp"), path = "telemetry/no_otlp.rs")]
mod otlp;

use http::{HeaderMap, Method, StatusCode};
use tracing::field::Empty;
use tracing::{Span, trace_span};
use tracing_subscriber::EnvFilter;

use crate::settings::Environment;

/// What is logged, and where traces go.
pub struct Settings {
    filter: EnvFilter,
    collector: Option<otlp::Collector>,
}

/// What runs beside a service as long as it does.
#[must_use = "dropping it ends the traces: the last spans are sent, which takes at most a second"]
pub struct Telemetry {
    _exporter: Option<otlp::Exporter>,
}

impl Settings {
    /// Reads, each behind `prefix`, `LOG_LEVEL` (a level, or directives as `tracing` knows them; `info`) and
    /// `OTEL_EXPORTER_OTLP_ENDPOINT` (an `http://` URL; none), the latter without `prefix` as well.
    ///
    /// A level finer than `info` is for this crate alone: libraries' own lines quote what they send, secrets included.
    ///
    /// In traces the service is called `service`, unless `OTEL_SERVICE_NAME` has another name. The other standard
    /// variables about samplers, batches, timeouts, headers and resources are heeded as the OpenTelemetry SDK does.
    pub fn from_environment(environment: &mut Environment, prefix: &str, service: &str) -> Self {
        Self {
            filter: filter(environment, prefix),
            collector: otlp::Collector::from_environment(environment, prefix, service),
        }
    }
}

/// Starts to log and, where there is a collector, to trace. To be called once.
pub fn start(settings: Settings) -> Telemetry {
    let exporter = match settings.collector {
        Some(collector) => otlp::start(settings.filter, collector),
        None => {
            log(settings.filter);
            None
        }
    };
    Telemetry {
        _exporter: exporter,
    }
}

/// The span of a request to this service, in the trace that `headers` name, if any. `route` is a template.
///
/// Like every span of this module it is for traces: in logs it shows at the level trace only.
pub fn request(method: &Method, route: &str, headers: &HeaderMap, correlation_id: &str) -> Span {
    let method = known(method);
    let span = trace_span!(
        "request",
        otel.name = format!("{method} {route}"),
        otel.kind = "server",
        otel.status_code = Empty,
        http.request.method = method,
        http.route = route,
        http.response.status_code = Empty,
        "error.type" = Empty,
        correlation_id,
    );
    otlp::adopt(&span, headers);
    span
}

/// The span of a request by this service to `service`, whose `headers` will name it.
pub fn call(method: &Method, service: &str, headers: &mut HeaderMap) -> Span {
    let method = known(method);
    let span = trace_span!(
        "call",
        otel.name = format!("{method} {service}"),
        otel.kind = "client",
        otel.status_code = Empty,
        http.request.method = method,
        peer.service = service,
        http.response.status_code = Empty,
        "error.type" = Empty,
    );
    otlp::propagate(&span, headers);
    span
}

/// Notes in `span` what was answered, and the word for what went wrong, if anything did.
pub fn answered(span: &Span, status: StatusCode, error: Option<&str>) {
    span.record("http.response.status_code", i64::from(status.as_u16()));
    if let Some(error) = error {
        span.record("error.type", error);
    }
    // A client's mistake is no error of the server that says so.
    if status.is_server_error() {
        span.record("otel.status_code", "ERROR");
    }
}

/// Notes in `span` the word for why there is no answer.
pub fn failed(span: &Span, error: &str) {
    span.record("error.type", error);
    span.record("otel.status_code", "ERROR");
}

/// Sends what `filter` lets through to standard output, one JSON object a line, and nothing anywhere else.
fn log(filter: EnvFilter) {
    tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_env_filter(filter)
        .init();
}

fn filter(environment: &mut Environment, prefix: &str) -> EnvFilter {
    let name = format!("{prefix}LOG_LEVEL");
    let level = environment.text(&name, "info").to_ascii_lowercase();
    let directives = match level.as_str() {
        "warning" => "warn".to_owned(),
        "debug" | "trace" => format!("info,{}={level}", env!("CARGO_CRATE_NAME")),
        _ => level.clone(),
    };
    EnvFilter::try_new(&directives).unwrap_or_else(|_| {
        environment.reject(&name, &level, "a level: error, warn, info, debug or trace");
        EnvFilter::new("info")
    })
}

/// The methods of RFC 9110 and 5789; a client could invent any number of others.
fn known(method: &Method) -> &str {
    match *method {
        Method::GET
        | Method::HEAD
        | Method::POST
        | Method::PUT
        | Method::PATCH
        | Method::DELETE
        | Method::OPTIONS
        | Method::CONNECT
        | Method::TRACE => method.as_str(),
        _ => "_OTHER",
    }
}

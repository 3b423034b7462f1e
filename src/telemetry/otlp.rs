//! Spans on their way to a collector: OTLP over HTTP.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http::HeaderMap;
use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::trace::{TraceContextExt, TracerProvider};
use opentelemetry::{Context, KeyValue};
use opentelemetry_http::{HeaderExtractor, HeaderInjector};
use opentelemetry_otlp::{ExporterBuildError, Protocol, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{SdkTracerProvider, SpanData, SpanExporter};
use reqwest::Url;
use tracing::{Metadata, Span, info, warn};
use tracing_opentelemetry::{OpenTelemetryLayer, OpenTelemetrySpanExt};
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, registry};

use crate::settings::Environment;

const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";

/// How long the last spans may take at the end.
const FLUSH_DEADLINE: Duration = Duration::from_secs(1);

/// Where spans go, and in whose name.
pub struct Collector {
    endpoint: Url,
    service: String,
}

/// Sends spans from a thread of its own until it is dropped, and then what is left of them.
pub struct Exporter(SdkTracerProvider);

impl Collector {
    pub fn from_environment(
        environment: &mut Environment,
        prefix: &str,
        service: &str,
    ) -> Option<Self> {
        let service = environment.text("OTEL_SERVICE_NAME", service);
        let names = [format!("{prefix}{ENDPOINT}"), ENDPOINT.to_owned()];
        let (name, value) = names.into_iter().find_map(|name| {
            let value = environment.text(&name, "");
            (!value.is_empty()).then_some((name, value))
        })?;
        let endpoint = endpoint(&value);
        if endpoint.is_none() {
            let expected = "an http:// URL without user, query and fragment";
            environment.reject(&name, "(hidden)", expected); // it may hold a password
        }
        Some(Self {
            endpoint: endpoint?,
            service,
        })
    }

    fn connect(&self) -> Result<SdkTracerProvider, ExporterBuildError> {
        let base = self.endpoint.as_str().trim_end_matches('/');
        let exporter = opentelemetry_otlp::SpanExporter::builder()
            .with_http()
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(format!("{base}/v1/traces"))
            .build()?;
        let version = KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
        let resource = Resource::builder()
            .with_service_name(self.service.clone())
            .with_attribute(version)
            .build();
        Ok(SdkTracerProvider::builder()
            .with_batch_exporter(Reporting::new(exporter))
            .with_resource(resource)
            .build())
    }
}

pub fn start(filter: EnvFilter, collector: Collector) -> Option<Exporter> {
    let provider = match collector.connect() {
        Ok(provider) => provider,
        Err(error) => {
            super::log(filter);
            warn!(%error, "no traces are sent");
            return None;
        }
    };
    let logs = tracing_subscriber::fmt::layer().json().flatten_event(true);
    let traces = OpenTelemetryLayer::new(provider.tracer(env!("CARGO_PKG_NAME")))
        .with_context_activation(false)
        .with_level(false)
        .with_location(false)
        .with_target(false)
        .with_threads(false)
        .with_tracked_inactivity(false);
    registry()
        .with(logs.with_filter(filter))
        .with(traces.with_filter(filter_fn(is_for_traces)))
        .init();
    info!(endpoint = %collector.endpoint, service = collector.service, "traces are sent");
    Some(Exporter(provider))
}

/// Makes `span`, which must be new, a part of the trace that `headers` name.
pub fn adopt(span: &Span, headers: &HeaderMap) {
    let parent = TraceContextPropagator::new()
        .extract_with_context(&Context::new(), &HeaderExtractor(headers));
    // It fails for a span that is not exported, which has no parent to miss.
    let _ = span.set_parent(parent);
}

/// Names `span` in `headers`, in the place of whatever they named. Does nothing for a span that is not exported.
pub fn propagate(span: &Span, headers: &mut HeaderMap) {
    let context = span.context();
    if !context.span().span_context().is_valid() {
        return;
    }
    TraceContextPropagator::new().inject_context(&context, &mut HeaderInjector(headers));
    if headers.get("tracestate").is_some_and(|it| it.is_empty()) {
        headers.remove("tracestate");
    }
}

impl Drop for Exporter {
    fn drop(&mut self) {
        if let Err(error) = self.0.shutdown_with_timeout(FLUSH_DEADLINE) {
            warn!(%error, "failed to send the last traces");
        }
    }
}

/// An exporter that logs when it begins to fail, and when it no longer does.
struct Reporting<E> {
    exporter: E,
    failing: AtomicBool,
}

impl<E> Reporting<E> {
    fn new(exporter: E) -> Self {
        Self {
            exporter,
            failing: AtomicBool::new(false),
        }
    }
}

impl<E> fmt::Debug for Reporting<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reporting").finish_non_exhaustive()
    }
}

impl<E: SpanExporter> SpanExporter for Reporting<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = batch.len();
        let exported = self.exporter.export(batch).await;
        let failed = self.failing.swap(exported.is_err(), Ordering::Relaxed);
        match &exported {
            Err(error) if !failed => warn!(%error, spans, "failed to send traces"),
            Ok(()) if failed => info!("traces are sent again"),
            _ => {}
        }
        exported
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.exporter.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}

/// Whether it is one of the spans that [`super`] makes.
fn is_for_traces(metadata: &Metadata<'_>) -> bool {
    metadata.is_span() && metadata.target() == "notification_services::telemetry"
}

fn endpoint(value: &str) -> Option<Url> {
    Url::parse(value).ok().filter(|url| {
        url.scheme() == "http"
            && url.has_host()
            && url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none()
    })
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};
    use std::sync::{Arc, Mutex};

    use futures_util::FutureExt;
    use opentelemetry_sdk::error::OTelSdkError;
    use rstest::rstest;

    use super::*;

    const GATEWAYS: &str = "API_GATEWAY_OTEL_EXPORTER_OTLP_ENDPOINT";

    fn read(variables: &[(&str, &str)]) -> Result<Option<Collector>, Vec<String>> {
        let mut environment: Environment = variables
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        let collector =
            Collector::from_environment(&mut environment, "API_GATEWAY_", "api_gateway");
        environment
            .finish(Some(collector))
            .map_err(|error| error.problems)
    }

    #[rstest]
    #[case::none(&[], None)]
    #[case::standard_name(&[(ENDPOINT, "http://all:4318")], Some("http://all:4318/"))]
    #[case::own_name(&[(GATEWAYS, "http://own:4318/x/")], Some("http://own:4318/x/"))]
    #[case::own_name_wins(
        &[(ENDPOINT, "http://all:4318"), (GATEWAYS, "http://own:4318")],
        Some("http://own:4318/")
    )]
    fn a_service_may_have_a_collector_of_its_own(
        #[case] variables: &[(&str, &str)],
        #[case] expected: Option<&str>,
    ) {
        let collector = read(variables).unwrap();
        let endpoint = collector.map(|collector| collector.endpoint.to_string());
        assert_eq!(endpoint.as_deref(), expected);
    }

    #[rstest]
    #[case::the_services_own(&[(ENDPOINT, "http://all")], "api_gateway")]
    #[case::another(&[(ENDPOINT, "http://all"), ("OTEL_SERVICE_NAME", "edge")], "edge")]
    fn a_service_has_a_name_in_traces(#[case] variables: &[(&str, &str)], #[case] name: &str) {
        assert_eq!(read(variables).unwrap().unwrap().service, name);
    }

    #[rstest]
    #[case::no_url("collector:4318")]
    #[case::tls("https://collector:4318")]
    #[case::password("http://me:hunter2@collector")]
    #[case::query("http://collector?key=hunter2")]
    #[case::fragment("http://collector#hunter2")]
    fn a_bad_endpoint_is_named_and_not_shown(#[case] value: &str) {
        let expected = "=(hidden): expected an http:// URL without user, query and fragment";
        let problems = read(&[(GATEWAYS, value)]).err().unwrap();
        assert_eq!(problems, [format!("{GATEWAYS}{expected}")]);
    }

    /// Fails where it is told to.
    #[derive(Debug)]
    struct Scripted(Mutex<Vec<bool>>);

    impl SpanExporter for Scripted {
        async fn export(&self, _: Vec<SpanData>) -> OTelSdkResult {
            if self.0.lock().unwrap().remove(0) {
                Ok(())
            } else {
                Err(OTelSdkError::InternalFailure("gone".to_owned()))
            }
        }
    }

    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl Write for Log {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_collector_that_stays_away_is_one_line() {
        let log = Log::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_writer(move || writer.clone())
            .with_ansi(false)
            .without_time()
            .with_target(false)
            .finish();
        let answers = vec![true, false, false, true, true, false];
        let exporter = Reporting::new(Scripted(Mutex::new(answers.clone())));
        tracing::subscriber::with_default(subscriber, || {
            for _ in &answers {
                let _ = exporter.export(Vec::new()).now_or_never().unwrap();
            }
        });
        let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
        let failed = " WARN failed to send traces error=Operation failed: gone spans=0";
        let lines: Vec<&str> = log.lines().collect();
        assert_eq!(lines, [failed, " INFO traces are sent again", failed]);
    }
}

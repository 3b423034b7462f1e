//! What stands in for the exporter in a build without the feature `otlp`: logs, and no traces.

use std::convert::Infallible;

use http::HeaderMap;
use tracing::{Span, warn};
use tracing_subscriber::EnvFilter;

use crate::settings::Environment;

/// The name of a variable that asks for what this build cannot do.
pub struct Collector(String);

/// There is none.
pub type Exporter = Infallible;

impl Collector {
    /// Only looks whether there is one: the variable may be meant for others on the same machine.
    pub fn from_environment(environment: &mut Environment, prefix: &str, _: &str) -> Option<Self> {
        [prefix, ""]
            .map(|prefix| format!("{prefix}OTEL_EXPORTER_OTLP_ENDPOINT"))
            .into_iter()
            .find(|name| !environment.text(name, "").is_empty())
            .map(Self)
    }
}

pub fn start(filter: EnvFilter, Collector(variable): Collector) -> Option<Exporter> {
    super::log(filter);
    warn!(variable, "no traces are sent: this build is without `otlp`");
    None
}

pub fn adopt(_: &Span, _: &HeaderMap) {}

pub fn propagate(_: &Span, _: &mut HeaderMap) {}

//! Logs as JSON lines on standard output.

use tracing_subscriber::EnvFilter;

use crate::settings::Environment;

/// Reads `LOG_LEVEL` behind `prefix`: a level, or directives as `tracing` knows them. The default is `info`.
///
/// A level finer than `info` is for this crate alone: libraries' own lines quote what they send, secrets included.
pub fn filter_from_environment(environment: &mut Environment, prefix: &str) -> EnvFilter {
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

/// Sends what `filter` lets through to standard output, one JSON object a line. To be called once.
pub fn start(filter: EnvFilter) {
    tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_env_filter(filter)
        .init();
}

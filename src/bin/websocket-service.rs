//! The websocket service as a process: settings from the environment, logs on standard output.

use std::io::ErrorKind;
use std::process::ExitCode;

use notification_services::settings::Environment;
use notification_services::websocket::{self, Settings};
use notification_services::{listener, shutdown, telemetry};
use tracing::info;

/// One thread: what limits the service is the system's sockets, and a second thread gained little in measurements.
/// More cores serve more replicas.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let mut environment = Environment::of_process();
    let telemetry =
        telemetry::Settings::from_environment(&mut environment, "", "websocket_service");
    let settings = Settings::from_environment(&mut environment);
    let settings = match environment.finish(settings) {
        Ok(settings) => settings,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::from(2);
        }
    };
    let _telemetry = telemetry::start(telemetry);

    let listener = match listener::on_port(settings.port) {
        Ok(listener) => listener,
        Err(error) => {
            let reason = match error.kind() {
                ErrorKind::AddrInUse => "address already in use".to_owned(),
                _ => error.to_string(),
            };
            eprintln!(
                "failed to listen on port {}: {reason} (set WEBSOCKET_PORT to a free port)",
                settings.port
            );
            return ExitCode::FAILURE;
        }
    };
    let shutdown = match shutdown::on_signal() {
        Ok(shutdown) => shutdown,
        Err(error) => {
            eprintln!("failed to handle SIGTERM and SIGINT: {error}");
            return ExitCode::FAILURE;
        }
    };
    info!(
        version = env!("CARGO_PKG_VERSION"),
        address = listener.local_addr().ok().map(tracing::field::display),
        settings = ?settings,
        "websocket service started"
    );
    websocket::run(listener, settings, shutdown).await;
    info!("websocket service ended");
    ExitCode::SUCCESS
}

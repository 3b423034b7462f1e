//! The API gateway: reads the environment and serves until it is told to end.
//!
//! Exits with 0 after SIGTERM or SIGINT, with 2 when the configuration is not usable and with 1 when it cannot serve.

use std::io;
use std::process::ExitCode;

use notification_services::gateway::{self, settings};
use notification_services::settings::Environment;
use notification_services::{listener, shutdown, telemetry};

fn main() -> ExitCode {
    let mut environment = Environment::of_process();
    let telemetry =
        telemetry::Settings::from_environment(&mut environment, settings::PREFIX, "api_gateway");
    let settings = settings::Settings::from_environment(&mut environment);
    let settings = match environment.finish(settings) {
        Ok(settings) => settings,
        Err(error) => {
            eprintln!("api-gateway: {error}");
            return ExitCode::from(2);
        }
    };
    let _telemetry = telemetry::start(telemetry);
    match serve(settings) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("api-gateway: {error}");
            ExitCode::FAILURE
        }
    }
}

fn serve(settings: settings::Settings) -> io::Result<()> {
    let runtime = tokio::runtime::Runtime::new()?;
    let served = runtime.block_on(async {
        let shutdown = shutdown::on_signal()?;
        let port = settings.port;
        let listener = listener::on_port(port).map_err(|error| {
            let name = settings::PREFIX;
            io::Error::new(
                error.kind(),
                format!("failed to listen on port {port} ({name}PORT): {error}"),
            )
        })?;
        gateway::run(listener, settings, shutdown).await
    });
    // A name that is still being looked up must not keep the process.
    runtime.shutdown_background();
    served
}

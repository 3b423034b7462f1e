//! `cargo play`: the reference system at stable addresses, for a frontend to develop against, and a page to play with it.
//!
//! - `door`: stable ports
//! - `forward`: from a stable port to where a part of the system is now; it can hold a user's bytes back
//! - `playground`: the running system as the page's buttons see it
//! - `faults`: Redis killed, the service stopped, a client that reads too slowly
//! - `backplane`: publishing as backend services do
//! - `backend`: what is behind the gateway: it answers from fixtures and publishes what follows
//! - `notifications`: the contract's fixtures, by name
//! - `pipeline`: what is published while a pipeline runs
//! - `script`: fixtures published again and again
//! - `server`: the page, and the routes that it calls

mod backend;
mod backplane;
mod door;
mod faults;
mod forward;
mod notifications;
mod pipeline;
mod playground;
mod script;
mod server;

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use harness::fixture::FixtureError;
use harness::profile::Profile;
use harness::runner::Theatre;
use harness::system::{Runtime, StartError};
use harness::token::Key;

use crate::Status;
use crate::verify::{block_on, runtime, usage};
use backend::Backend;
use door::Door;
use notifications::Notifications;
use playground::{Addresses, Playground};
use script::Script;

/// What every token of the playground is signed with. It is no secret: it is here so that a frontend's own tokens are
/// good, today and tomorrow.
const SECRET: &str = "development-secret-of-the-playground";

/// Where development servers usually are: Next.js and others, Vite's preview, Angular, Vite, and those that take 8000
/// or 8080.
const ORIGIN_PORTS: [u16; 6] = [3000, 4173, 4200, 5173, 8000, 8080];

/// Start the reference system at stable addresses, with a page to connect, publish and break things: what a frontend
/// develops against.
#[derive(Args)]
#[command(after_help = "\
Examples:
  cargo play                                the page is at http://localhost:4100
  cargo play --script examples/play.toml    fixtures arrive again and again, without a hand on the page
  cargo play --runtime processes            without a container engine
  cargo play --origin http://localhost:9000 a development server at an unusual port

Everything listens on this machine only, and the secret is always the same. Ctrl-C takes everything down.

Exit status:
  0             ended by a signal while it was up
  2             the system did not start, or a port is in use
  3             wrong use: an unknown option, a script that cannot be read
  129, 130, 143 ended by a signal before it was up")]
pub struct Arguments {
    /// The page's port
    #[arg(long, default_value_t = 4100)]
    port: u16,

    /// The websocket service's port
    #[arg(long, value_name = "PORT", default_value_t = 8080)]
    websocket_port: u16,

    /// The API gateway's port
    #[arg(long, value_name = "PORT", default_value_t = 4001)]
    gateway_port: u16,

    /// Let browsers come from this origin too; those of the usual development servers may anyway
    #[arg(long, value_name = "URL")]
    origin: Vec<String>,

    /// Publish the fixtures that this file lists, in a loop; examples/play.toml documents every key
    #[arg(long, value_name = "FILE")]
    script: Option<PathBuf>,

    /// Where the system runs: containers, or processes [default: containers where an engine answers]
    /// [env: HARNESS_RUNTIME]
    #[arg(long, value_name = "RUNTIME")]
    runtime: Option<Runtime>,
}

/// What is known before anything starts.
struct Plan {
    profile: Profile,
    runtime: Option<Runtime>,
    notifications: Arc<Notifications>,
    backend: Backend,
    script: Option<Script>,
}

pub fn run(arguments: &Arguments) -> Status {
    match plan(arguments) {
        Ok(plan) => block_on(play(arguments, plan)).unwrap_or_else(|status| status),
        Err(message) => usage(&message),
    }
}

fn plan(arguments: &Arguments) -> Result<Plan, String> {
    let words = |error: FixtureError| error.to_string();
    let notifications = Arc::new(Notifications::read().map_err(words)?);
    let script = arguments.script.as_deref();
    let script = script.map(|path| Script::of_file(path, &notifications));
    let mut profile = Profile::reference().map_err(words)?;
    profile.key = Some(Key::Secret(SECRET.to_owned()));
    for origin in &arguments.origin {
        check_origin(origin)?;
    }
    Ok(Plan {
        profile,
        runtime: runtime(arguments.runtime)?,
        backend: Backend::new(Arc::clone(&notifications)).map_err(words)?,
        notifications,
        script: script.transpose().map_err(words)?,
    })
}

/// A browser names an origin in exactly one form (RFC 6454, section 6.2): another one would never match.
fn check_origin(origin: &str) -> Result<(), String> {
    let parsed = reqwest::Url::parse(origin).map(|url| url.origin());
    match parsed {
        Ok(parsed) if parsed.ascii_serialization() == origin => Ok(()),
        Ok(parsed) if parsed.is_tuple() => Err(format!(
            "--origin {origin}: an origin is scheme, host and port alone; did you mean {}?",
            parsed.ascii_serialization()
        )),
        _ => Err(format!(
            "--origin {origin}: is no origin, as http://localhost:9000 is"
        )),
    }
}

/// Starts everything and keeps it up until a signal comes, which ends this process.
async fn play(arguments: &Arguments, mut plan: Plan) -> Result<Status, StartError> {
    // First the ports: one that is in use should not be told after a minute.
    let page = Door::open("the page", arguments.port, "--port").await?;
    let (name, port) = ("the websocket service", arguments.websocket_port);
    let websocket = Door::open(name, port, "--websocket-port").await?;
    let gateway = Door::open("the API gateway", arguments.gateway_port, "--gateway-port").await?;
    let addresses = Addresses {
        page: page.port(),
        websocket: websocket.port(),
        gateway: gateway.port(),
    };
    let origins = origins(addresses.page, &arguments.origin);
    allow(&mut plan.profile, &origins);

    eprintln!("starting redis, the websocket service and the gateway");
    let say = |line: &str| eprintln!("{line}");
    let theatre = Theatre::open(plan.profile, plan.runtime, &say).await?;
    let system = Arc::clone(theatre.system().await?);
    plan.backend.stand_in(&system);
    let doors = [websocket, gateway];
    let playground = Playground::open(
        (system, theatre.runtime()),
        addresses,
        origins,
        plan.notifications,
        doors,
    )?;
    let playground = Arc::new(playground);
    server::serve(page, &playground);
    if let Some(script) = plan.script {
        println!("{script}");
        playground.play(script);
    }
    println!("{playground}");
    theatre.keep(Status::Kept as u8).await;
    Ok(Status::Kept)
}

/// The origins that a browser may come from: the page's, those of development servers, and `others`.
fn origins(page: u16, others: &[String]) -> Vec<String> {
    let ports = [page].into_iter().chain(ORIGIN_PORTS);
    let mut origins: Vec<String> = ports
        .flat_map(|port| ["localhost", "127.0.0.1"].map(|host| format!("http://{host}:{port}")))
        .chain(others.iter().cloned())
        .collect();
    let mut seen = std::collections::BTreeSet::new();
    origins.retain(|origin| seen.insert(origin.clone()));
    origins
}

/// Lets browsers from `origins` talk to both services.
fn allow(profile: &mut Profile, origins: &[String]) {
    let services = [
        (&mut profile.websocket, "CORS_ORIGINS"),
        (&mut profile.gateway, "API_GATEWAY_CORS_ORIGINS"),
    ];
    for (service, variable) in services {
        if let Some(service) = service {
            let list = origins.join(",");
            service.environment.insert(variable.to_owned(), list);
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::whole("http://localhost:9000", None)]
    #[case::with_a_path(
        "http://localhost:9000/app",
        Some("did you mean http://localhost:9000?")
    )]
    #[case::without_a_scheme("localhost:9000", Some("is no origin"))]
    #[case::any("*", Some("is no origin"))]
    fn an_origin_is_as_a_browser_sends_it(#[case] origin: &str, #[case] problem: Option<&str>) {
        let found = check_origin(origin).err();
        assert_eq!(found.is_some(), problem.is_some(), "{found:?}");
        assert!(
            found
                .unwrap_or_default()
                .contains(problem.unwrap_or_default())
        );
    }

    #[test]
    fn no_origin_is_listed_twice() {
        let origins = origins(3000, &["http://localhost:5173".to_owned()]);
        assert_eq!(origins.len(), 2 * ORIGIN_PORTS.len());
        assert_eq!(origins[0], "http://localhost:3000");
    }
}

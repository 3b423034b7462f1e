//! The front door for `cargo test`: one trial a scenario, names and filters as everywhere.

use std::process::ExitCode;
use std::sync::Arc;

use libtest_mimic::{Arguments, Completion, Failed, Trial};

use crate::fixture::FixtureError;
use crate::profile::Profile;
use crate::report;
use crate::runner::Theatre;
use crate::scenario::Scenario;
use crate::system::{Runtime, StartError};

/// Exit status when the system did not start.
const NOT_STARTED: u8 = 2;
/// Exit status when a fixture cannot be read, or the runtime is none.
const USAGE: u8 = 3;

/// Plays `scenarios` as the tests of this binary, on one system that is gone when this returns.
///
/// `HARNESS_RUNTIME` chooses where the system runs: `containers` or `processes`.
#[expect(clippy::print_stderr, reason = "this is a program's front door")]
pub fn main(scenarios: Result<Vec<Scenario>, FixtureError>) -> ExitCode {
    let arguments = Arguments::from_args();
    let scenarios = match scenarios {
        Ok(scenarios) => scenarios,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::from(USAGE);
        }
    };
    let profile = match Profile::reference() {
        Ok(profile) => profile,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::from(USAGE);
        }
    };
    let mut running = filtered(&arguments, &scenarios);
    running.retain(|scenario| scenario.lacking(&profile).is_none());
    if arguments.list || running.is_empty() {
        let trials = scenarios.into_iter().map(|scenario| {
            let lack = scenario.lacking(&profile);
            Trial::ignorable_test(scenario.id, || Ok(completion(lack)))
        });
        return libtest_mimic::run(&arguments, trials.collect()).exit_code();
    }
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return not_started(&format!("no tokio runtime: {error}")),
    };
    let chosen = match Runtime::from_environment() {
        Ok(chosen) => chosen,
        Err(message) => {
            eprintln!("{message}");
            return ExitCode::from(USAGE);
        }
    };
    let lacks: Vec<_> = scenarios.iter().map(|s| s.lacking(&profile)).collect();
    let opened = runtime.block_on(async {
        let theatre = Theatre::open(profile, chosen, &|line| eprintln!("{line}")).await?;
        theatre.prepare(&running).await?;
        Ok::<_, StartError>(theatre)
    });
    let theatre = match opened {
        Ok(theatre) => Arc::new(theatre),
        Err(failure) => return not_started(&failure.to_string()),
    };
    let trials = scenarios
        .into_iter()
        .zip(lacks)
        .map(|(scenario, lack)| {
            let (theatre, handle) = (Arc::clone(&theatre), runtime.handle().clone());
            Trial::ignorable_test(scenario.id.clone(), move || {
                if lack.is_some() {
                    return Ok(completion(lack));
                }
                let verdict = handle.block_on(theatre.play(&scenario));
                match verdict.result {
                    Ok(()) => Ok(Completion::Completed),
                    Err(_) => Err(Failed::from(report::failure(&verdict))),
                }
            })
        })
        .collect();
    let conclusion = libtest_mimic::run(&arguments, trials);
    runtime.block_on(theatre.stop());
    conclusion.exit_code()
}

/// How a trial ends that is not played: ignored, where this machine lacks what it needs, with the reason.
fn completion(lack: Option<String>) -> Completion {
    lack.map_or(Completion::Completed, Completion::ignored_with)
}

/// The scenarios that pass the filters: without one there is nothing to start a system for.
fn filtered(arguments: &Arguments, scenarios: &[Scenario]) -> Vec<Scenario> {
    let matches = |filter: &str, id: &str| {
        if arguments.exact {
            filter == id
        } else {
            id.contains(filter)
        }
    };
    let passes = |scenario: &&Scenario| {
        let id = scenario.id.as_str();
        arguments.filter.as_ref().is_none_or(|f| matches(f, id))
            && !arguments.skip.iter().any(|skip| matches(skip, id))
    };
    scenarios.iter().filter(passes).cloned().collect()
}

#[expect(clippy::print_stderr, reason = "this is a program's front door")]
fn not_started(message: &str) -> ExitCode {
    eprintln!("{message}");
    ExitCode::from(NOT_STARTED)
}

//! `cargo contracts coverage`: what of the contract the scenarios exercise, and what never.

use clap::Args;
use harness::coverage::Coverage;
use harness::profile::Profile;
use harness::report;
use harness::runner::Theatre;
use harness::snapshot;
use harness::system::Runtime;

use crate::{Status, scenarios, verify};

/// Play every scenario and show which promises, messages, closes, routes and statuses they exercise
#[derive(Args)]
#[command(after_help = "\
Exit status:
  0  every promise has a scenario, every message is delivered, every close is seen
  1  one is not: it is named; or a scenario failed, or a reviewed flow has no scenario
  2  the system did not start
  3  wrong use, or a document that cannot be read")]
pub struct Arguments {
    /// Where the system runs: containers, or processes [default: containers where an engine answers]
    /// [env: HARNESS_RUNTIME]
    #[arg(long, value_name = "RUNTIME")]
    runtime: Option<Runtime>,
}

pub fn run(arguments: &Arguments) -> Status {
    let (contract, scenarios) = match (harness::contract::contract(), scenarios::all()) {
        (Ok(contract), Ok(scenarios)) => (contract, scenarios),
        (Err(error), _) | (_, Err(error)) => return verify::usage(&error.to_string()),
    };
    let chosen = match verify::runtime(arguments.runtime) {
        Ok(chosen) => chosen,
        Err(message) => return verify::usage(&message),
    };
    let profile = match Profile::reference() {
        Ok(profile) => profile,
        Err(error) => return verify::usage(&error.to_string()),
    };
    let played = verify::block_on(async {
        let theatre = Theatre::open(profile, chosen, &|line| eprintln!("{line}")).await?;
        theatre.prepare(&scenarios).await?;
        let verdicts = verify::play_once(&theatre, &scenarios).await;
        theatre.stop().await;
        Ok(verdicts)
    });
    let verdicts = match played {
        Ok(verdicts) => verdicts,
        Err(status) => return status,
    };
    let coverage = Coverage::of(contract, &verdicts);
    println!("\n{}", coverage.text());
    for verdict in verdicts.iter().filter(|verdict| verdict.result.is_err()) {
        println!("─── {}", report::failure(verdict));
    }
    let mut gaps = coverage.gaps();
    let orphans = snapshot::orphans(&scenarios);
    gaps.extend(
        orphans
            .iter()
            .map(|id| format!("no scenario plays the reviewed flow {id}")),
    );
    for gap in &gaps {
        println!("{gap}");
    }
    println!("{}", coverage.summary());
    match verify::status(&verdicts) {
        Status::Kept if !gaps.is_empty() => Status::Broken,
        status => status,
    }
}

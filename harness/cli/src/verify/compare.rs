//! `cargo verify compare`: the same scenarios on two systems, and what a client notices who moves from one to the other.

use std::path::PathBuf;

use clap::Args;
use harness::comparison::{self, Comparison, Meaning};
use harness::profile::Profile;
use harness::runner::Theatre;
use harness::scenario::Scenario;
use harness::system::{Run, Runtime, StartError};
use harness::verdict::{Skipped, Verdict};

use super::{block_on, play_once, playable, runtime, usage};
use crate::{Status, scenarios};

/// Play the same scenarios on two systems and show what a client notices who moves from the old one to the new one
#[derive(Args)]
#[command(after_help = "\
Examples:
  cargo verify compare --old old.toml --new new.toml
  cargo verify compare --old old.toml --new new.toml --gateway-only    the regression proof of a gateway
  cargo verify compare --old old.toml --new new.toml notifications/events

The old system may still speak the legacy endpoint: path = \"/ws/v1/status/{user_id}\" and token_in = \"header\".
Statuses, header fields, JSON by member, messages and closes are compared; words for people (x-wording in the contract)
may be others. What is more than before is allowed; what is gone or another is not, unless the old system broke the contract.

Exit status:
  0  clients lose nothing, and the new system keeps the contract
  1  something is gone or another, or the new system breaks the contract
  2  a system did not start, or could not be reached
  3  wrong use
  4  a bug in the harness or in a scenario")]
pub struct Arguments {
    /// The profile of the system that clients know
    #[arg(long, value_name = "FILE")]
    old: PathBuf,

    /// The profile of the system that they are to move to
    #[arg(long, value_name = "FILE")]
    new: PathBuf,

    /// Compare the two gateways by their HTTP interactions alone
    #[arg(long)]
    gateway_only: bool,

    /// Where a system's own parts run: containers, or processes [default: containers where an engine answers]
    /// [env: HARNESS_RUNTIME]
    #[arg(long, value_name = "RUNTIME")]
    runtime: Option<Runtime>,

    /// Play only scenarios whose id contains one of these
    #[arg(value_name = "FILTER")]
    filters: Vec<String>,
}

/// One of the two systems, played.
type Side = (Vec<Verdict>, Vec<Skipped>);

pub fn run(arguments: &Arguments) -> Status {
    let selected = match selected(arguments) {
        Ok(selected) => selected,
        Err(message) => return usage(&message),
    };
    let profiles = (
        Profile::of_file(&arguments.old),
        Profile::of_file(&arguments.new),
    );
    let (old, new) = match profiles {
        (Ok(old), Ok(new)) => (old, new),
        (Err(error), _) | (_, Err(error)) => return usage(&error.to_string()),
    };
    let chosen = match runtime(arguments.runtime) {
        Ok(chosen) => chosen,
        Err(message) => return usage(&message),
    };
    let names = (old.file.clone(), new.file.clone());
    let compared = block_on(async {
        let run = Run::begin()
            .map_err(|error| StartError(format!("no signal can be handled: {error}")))?;
        let old = side("old", old, &selected, chosen, &run).await?;
        let new = side("new", new, &selected, chosen, &run).await?;
        Ok((old, new))
    });
    let (old, new) = match compared {
        Ok(sides) => sides,
        Err(status) => return status,
    };
    if old.0.is_empty() || new.0.is_empty() {
        return usage("one of the systems can be asked nothing: there is nothing to compare");
    }
    let comparison = Comparison::of((&old.0, &old.1), (&new.0, &new.1));
    print!("{}", comparison::text(&comparison, &names.0, &names.1));
    status(&comparison)
}

fn selected(arguments: &Arguments) -> Result<Vec<Scenario>, String> {
    let all = scenarios::all().map_err(|error| error.to_string())?;
    let mut selected = scenarios::select(all, &arguments.filters)?;
    if arguments.gateway_only {
        selected.retain(|scenario| scenario.area() == "gateway" && !scenario.needs_websocket());
    }
    match selected.is_empty() {
        true => Err("there is nothing to play".to_owned()),
        false => Ok(selected),
    }
}

/// Plays what one system can be asked, and takes it down.
async fn side(
    name: &str,
    profile: Profile,
    scenarios: &[Scenario],
    chosen: Option<Runtime>,
    run: &Run,
) -> Result<Side, StartError> {
    let (playing, skipped) = playable(scenarios.to_vec(), &profile);
    let count = playing.len();
    eprintln!("the {name} system, {}: {count} scenarios", profile.file);
    let theatre = Theatre::open_in(run.clone(), profile, chosen, &|line| eprintln!("{line}"));
    let theatre = theatre.await?;
    let verdicts = match theatre.prepare(&playing).await {
        Ok(()) => play_once(&theatre, &playing).await,
        Err(StartError(words)) => return Err(StartError(format!("the {name} one: {words}"))),
    };
    theatre.stop().await;
    Ok((verdicts, skipped))
}

fn status(comparison: &Comparison) -> Status {
    let any = |meaning| comparison.count(meaning) > 0;
    if any(Meaning::Broken) || any(Meaning::Changed) {
        Status::Broken
    } else if any(Meaning::Unknown) {
        Status::NotStarted
    } else {
        Status::Kept
    }
}

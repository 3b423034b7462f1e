//! `cargo verify`: plays scenarios against a system and says whether the contract is kept.

use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::time::Instant;

use clap::Args;
use futures_util::{StreamExt, stream};
use harness::coverage::Coverage;
use harness::profile::Profile;
use harness::report;
use harness::runner::{OWN_AT_ONCE, Theatre, Verdict};
use harness::scenario::{Failure, Scenario};
use harness::snapshot;
use harness::system::{Runtime, StartError};

use crate::{Status, scenarios};

/// How many scenarios are played at the same time.
const AT_ONCE: usize = 8;

/// Start Redis and both services, play every scenario against them from outside, and say whether the contract is kept.
#[derive(Args)]
#[command(after_help = "\
Examples:
  cargo verify                              everything, in containers where an engine answers
  cargo verify gateway/status               the scenarios whose id contains gateway/status
  cargo verify --runtime processes          without a container engine
  cargo verify --keep notifications/events  look at the running system afterwards
  cargo verify --system my.toml             your own services; harness/profiles/reference.toml documents every key

A scenario passes when every message is accounted for and its flow is the reviewed one in snapshots/.
Flows of the reference system that differ are left for `cargo review`. A scenario that needs what the system lacks is
skipped, with the reason; skipped is never counted as passed.

Exit status:
  0  every scenario kept the contract
  1  the contract is broken, or a flow is not the reviewed one, or waits for review
  2  the system did not start, or could not be reached
  3  wrong use: an unknown option, a filter that matches nothing, a fixture or profile that cannot be read, nothing but
     scenarios to skip
  4  a bug in the harness or in a scenario")]
pub struct Arguments {
    /// Play only scenarios whose id contains one of these
    #[arg(value_name = "FILTER")]
    filters: Vec<String>,

    /// Print the ids and titles of the scenarios and stop
    #[arg(long)]
    list: bool,

    /// Where the system runs: containers, or processes [default: containers where an engine answers]
    /// [env: HARNESS_RUNTIME]
    #[arg(long, value_name = "RUNTIME")]
    runtime: Option<Runtime>,

    /// What to verify: a system profile [default: harness/profiles/reference.toml]
    #[arg(long, value_name = "FILE")]
    system: Option<PathBuf>,

    /// Check the profile, say what it leaves out, and stop
    #[arg(long)]
    check_profile: bool,

    /// Leave the system up after the run, print its URLs, and wait for Ctrl-C
    #[arg(long)]
    keep: bool,
}

pub fn run(arguments: &Arguments) -> Status {
    let all = match scenarios::all() {
        Ok(all) => all,
        Err(error) => return usage(&error.to_string()),
    };
    let selected = match scenarios::select(all, &arguments.filters) {
        Ok(selected) => selected,
        Err(message) => return usage(&message),
    };
    if arguments.list {
        list(&selected);
        return Status::Kept;
    }
    let profile = match &arguments.system {
        Some(path) => Profile::of_file(path),
        None => Profile::reference(),
    };
    let profile = match profile {
        Ok(profile) => profile,
        Err(error) => return usage(&error.to_string()),
    };
    let chosen = match runtime(arguments.runtime) {
        Ok(Some(Runtime::Containers)) if !profile.is_reference() => {
            return usage("containers are for the whole reference system: use --runtime processes");
        }
        Ok(chosen) => chosen,
        Err(message) => return usage(&message),
    };
    let (selected, skipped) = playable(selected, &profile);
    if arguments.check_profile {
        println!("{}: nothing is wrong with it", profile.file);
        println!("{} scenarios can be played{skipped}", selected.len());
        return Status::Kept;
    }
    if selected.is_empty() {
        return usage(&format!("there is nothing to play{skipped}"));
    }
    block_on(async { Ok(verify(arguments, profile, chosen, &selected, &skipped).await) })
        .unwrap_or_else(|status| status)
}

/// The scenarios that the system of `profile` can be asked to prove, and why it cannot be asked for the others.
fn playable(scenarios: Vec<Scenario>, profile: &Profile) -> (Vec<Scenario>, report::Skipped) {
    let (mut playable, mut skipped) = (Vec::new(), report::Skipped::default());
    for scenario in scenarios {
        match scenario.lacking(profile) {
            Some(reason) => skipped.add(reason),
            None => playable.push(scenario),
        }
    }
    (playable, skipped)
}

/// The runtime that was chosen, on the command line or in the environment; none where the harness is to choose.
pub(crate) fn runtime(argument: Option<Runtime>) -> Result<Option<Runtime>, String> {
    argument.map_or_else(Runtime::from_environment, |runtime| Ok(Some(runtime)))
}

/// Runs `work` to its end; a system that does not start is told and is its status.
pub(crate) fn block_on<T>(work: impl Future<Output = Result<T, StartError>>) -> Result<T, Status> {
    let runtime = tokio::runtime::Runtime::new().map_err(|error| {
        eprintln!("harness bug: no tokio runtime: {error}");
        Status::HarnessBug
    })?;
    runtime.block_on(work).map_err(|error| {
        eprintln!("{error}");
        Status::NotStarted
    })
}

async fn verify(
    arguments: &Arguments,
    profile: Profile,
    chosen: Option<Runtime>,
    selected: &[Scenario],
    skipped: &report::Skipped,
) -> Status {
    let began = Instant::now();
    let parts: Vec<&str> = profile.parts().map(|(name, _)| name).collect();
    eprintln!(
        "starting or reaching {} of {}",
        parts.join(", "),
        profile.file
    );
    let opened = async {
        let theatre = Theatre::open(profile, chosen, &|line| eprintln!("{line}")).await?;
        theatre.prepare(selected).await?;
        Ok::<_, StartError>(theatre)
    };
    let theatre = match opened.await {
        Ok(theatre) => theatre,
        Err(error) => return not_started(&error),
    };
    let count = selected.len();
    eprintln!(
        "up in {} after {:.1} s; playing {count} scenario{}",
        theatre.runtime(),
        began.elapsed().as_secs_f64(),
        if count == 1 { "" } else { "s" }
    );
    let verdicts = play(&theatre, selected).await;

    for verdict in verdicts.iter().filter(|verdict| verdict.result.is_err()) {
        println!("\n─── {}", report::failure(verdict));
    }
    println!();
    print!("{}", report::summary(&verdicts, skipped));
    let mut status = status(&verdicts);
    if arguments.filters.is_empty() && skipped.is_empty() {
        if let Ok(contract) = harness::contract::contract() {
            let coverage = Coverage::of(contract, &verdicts);
            println!(
                "exercised: {} (`cargo contracts coverage`)",
                coverage.summary()
            );
        }
        let orphans = snapshot::orphans(selected);
        for id in &orphans {
            println!("snapshots/{id}.snap is of no scenario: delete it, or bring its fixture back");
        }
        if !orphans.is_empty() && matches!(status, Status::Kept) {
            status = Status::Broken;
        }
    }
    if arguments.keep {
        let system = match theatre.system().await {
            Ok(system) => system,
            Err(error) => return not_started(&error),
        };
        println!("\nthe system is up:");
        if let Some(endpoint) = &system.websocket {
            println!("  websocket service  {endpoint}");
        }
        if let Some(endpoint) = &system.gateway {
            println!("  api gateway        {endpoint}");
        }
        if let Some(redis) = system.redis() {
            println!("  redis              {}", redis.url());
        }
        if let Some(secret) = system.issuer.secret() {
            println!("  JWT secret         {secret}");
        }
        println!("Ctrl-C takes it down");
        theatre.keep(status as u8).await;
    }
    theatre.stop().await;
    status
}

/// Plays the scenarios, several at a time, with a word about each as it ends. Those on systems of their own wait for
/// their turn beside the others, not in their way.
pub(crate) async fn play(theatre: &Theatre, selected: &[Scenario]) -> Vec<Verdict> {
    let terminal = io::stderr().is_terminal();
    let several = |own: bool, at_once: usize| {
        let of_kind = move |scenario: &&Scenario| scenario.own_system.is_some() == own;
        stream::iter(selected.iter().filter(of_kind))
            .map(|scenario| theatre.play(scenario))
            .buffer_unordered(at_once)
    };
    let mut playing = stream::select(several(true, OWN_AT_ONCE), several(false, AT_ONCE));
    let mut verdicts = Vec::new();
    while let Some(verdict) = playing.next().await {
        let word = match verdict.result.as_ref().map_err(|broken| &broken.failure) {
            Ok(()) => "kept  ",
            Err(Failure::Broken(_)) => "BROKEN",
            Err(Failure::Unreviewed(_)) => "REVIEW",
            Err(Failure::System(_)) => "SYSTEM",
            Err(Failure::Bug(_)) => "BUG   ",
        };
        let progress = format!("[{:>3}/{}]", verdicts.len() + 1, selected.len());
        if terminal && verdict.result.is_ok() {
            // The line is written over: only what is broken stays on the screen.
            eprint!("\r\x1b[2K{progress} {word} {}", verdict.id);
        } else if terminal {
            eprintln!("\r\x1b[2K{progress} {word} {}", verdict.id);
        } else {
            eprintln!("{progress} {word} {}", verdict.id);
        }
        let _ = io::stderr().flush();
        verdicts.push(verdict);
    }
    if terminal {
        eprint!("\r\x1b[2K");
    }
    verdicts.sort_by(|a, b| a.id.cmp(&b.id));
    verdicts
}

pub(crate) fn status(verdicts: &[Verdict]) -> Status {
    let failures = || {
        verdicts
            .iter()
            .filter_map(|v| v.result.as_ref().err())
            .map(|b| &b.failure)
    };
    if failures().any(|failure| matches!(failure, Failure::Bug(_))) {
        Status::HarnessBug
    } else if failures().any(|f| matches!(f, Failure::Broken(_) | Failure::Unreviewed(_))) {
        Status::Broken
    } else if failures().next().is_some() {
        Status::NotStarted
    } else {
        Status::Kept
    }
}

fn list(selected: &[Scenario]) {
    let width = selected
        .iter()
        .map(|scenario| scenario.id.len())
        .max()
        .unwrap_or(0);
    let lines: String = selected
        .iter()
        .map(|scenario| format!("{:width$}  {}\n", scenario.id, scenario.title))
        .collect();
    // Whoever reads it may have seen enough: `| head`.
    let _ = io::stdout().write_all(lines.as_bytes());
}

fn not_started(error: &StartError) -> Status {
    eprintln!("{error}");
    Status::NotStarted
}

pub(crate) fn usage(message: &str) -> Status {
    eprintln!("{message}");
    Status::Usage
}

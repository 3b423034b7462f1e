//! `cargo verify`: plays scenarios against a system and says whether the contract is kept.
//!
//! - `compare`: two systems compared by what their clients notice
//! - `selftest`: whether the suite notices what a saboteur does to a healthy system
//! - `init`: a profile written
//! - `load`: a load put on a system
//! - `rounds`: the scenarios played, in which order and how often
//! - `output`: the results printed and written
//! - `timings`: where a run's time went
//! - `report`: the report made again

mod compare;
mod init;
mod load;
mod output;
mod report;
mod rounds;
mod selftest;
mod timings;

pub(crate) use report::recorded;

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::{Args, Subcommand};
use contract::Contract;
use harness::contract::contract;
use harness::coverage::Coverage;
use harness::data::{PROGRAM, data};
use harness::partition::Partition;
use harness::profile::Profile;
use harness::report::Format;
use harness::results::{Results, Subject};
use harness::runner::Theatre;
use harness::scenario::{Failure, Scenario};
use harness::snapshot;
use harness::system::{Runtime, StartError, System};
use harness::verdict::{Broken, Reason, Skipped, Verdict};

use crate::{Status, scenarios};
pub(crate) use rounds::play_once;
use rounds::{Order, Played, play};
use timings::Timings;

/// Start Redis and both services, play every scenario against them from outside, and say whether the contract is kept.
#[derive(Args)]
#[command(args_conflicts_with_subcommands = true, disable_help_subcommand = true)]
#[command(after_help = "\
Examples:
  cargo verify                              everything, in containers where an engine answers
  cargo verify gateway/status               the scenarios whose id contains gateway/status
  cargo verify --runtime processes          without a container engine
  cargo verify --keep notifications/events  look at the running system afterwards
  cargo verify init                         write a profile for your own services, after four questions
  cargo verify --system my.toml             your own services
  cargo verify compare --old old.toml --new new.toml
  cargo verify selftest                     does the suite notice when a promise is broken?
  cargo verify --only-promise delivery.in-order
  cargo verify --repeat 20                  is a result the same every time, in any order?
  cargo verify --partition 1/4              the first quarter, beside three other machines
  cargo verify -- init                      the scenarios whose id contains init

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
    #[command(subcommand)]
    command: Option<Command>,

    /// Play only scenarios whose id contains one of these
    #[arg(value_name = "FILTER")]
    filters: Vec<String>,

    /// Print the ids and titles of the scenarios and stop
    #[arg(long)]
    list: bool,

    /// Where the suite's own parts run: containers, or processes [default: containers where an engine answers]
    /// [env: HARNESS_RUNTIME]
    #[arg(long, value_name = "RUNTIME")]
    runtime: Option<Runtime>,

    /// What to verify: a system profile [default: the reference system, in a checkout]
    #[arg(long, value_name = "FILE")]
    system: Option<PathBuf>,

    /// Check the profile, say what it leaves out, and stop
    #[arg(long)]
    check_profile: bool,

    /// Play only scenarios that prove this promise, by its id; may be given several times
    #[arg(long, value_name = "ID")]
    only_promise: Vec<String>,

    /// Stop at the first failure; what was not played then is not reached
    #[arg(long)]
    fail_fast: bool,

    /// Play the scenarios in an order that follows from this number [default: the listed order]
    #[arg(long, value_name = "NUMBER")]
    seed: Option<u64>,

    /// Play everything this many times, each time in another order; what failed in some rounds only is flaky
    #[arg(long, value_name = "TIMES", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    repeat: u32,

    /// What to print: text, json, junit, markdown, html, or github (text with annotations, and a job summary)
    #[arg(long, value_name = "FORMAT", default_value_t = Format::Text)]
    format: Format,

    /// Where report.html, results.json, junit.xml and summary.md are written [default: target/verify of the checkout]
    #[arg(long, value_name = "DIR")]
    report: Option<PathBuf>,

    /// Play one part of the scenarios, as in 1/4, and leave the others to other machines
    #[arg(long, value_name = "PART/PARTS")]
    partition: Option<Partition>,

    /// Say at the end where the time went
    #[arg(long)]
    timings: bool,
    /// Compare the contract and the reviewed flows with another version, for the report: a git revision, or a folder with a
    /// contract
    #[arg(long, value_name = "REVISION|FOLDER")]
    base: Option<String>,

    /// Leave the system up after the run, print its URLs, and wait for Ctrl-C
    #[arg(long)]
    keep: bool,
}

#[derive(Subcommand)]
enum Command {
    Compare(Box<compare::Arguments>),
    Selftest(Box<selftest::Arguments>),
    Init(Box<init::Arguments>),
    Report(Box<report::Arguments>),
    Load(Box<load::Arguments>),
}

pub fn run(arguments: &Arguments) -> Status {
    match &arguments.command {
        Some(Command::Compare(arguments)) => return compare::run(arguments),
        Some(Command::Selftest(arguments)) => return selftest::run(arguments),
        Some(Command::Init(arguments)) => return init::run(arguments),
        Some(Command::Report(arguments)) => return report::run(arguments),
        Some(Command::Load(arguments)) => return load::run(arguments),
        None => {}
    }
    let (contract, all) = match (contract(), scenarios::all()) {
        (Ok(contract), Ok(all)) => (contract, all),
        (Err(error), _) | (_, Err(error)) => return usage(&error.to_string()),
    };
    let selected = scenarios::select(all, &arguments.filters)
        .and_then(|selected| scenarios::proving(selected, &arguments.only_promise));
    let selected = match selected {
        Ok(selected) => selected,
        Err(message) => return usage(&message),
    };
    let selected = match arguments.partition {
        Some(partition) => partition.take(selected),
        None => selected,
    };
    if arguments.list {
        list(&selected);
        return Status::Kept;
    }
    let profile = match profile(arguments.system.as_deref()) {
        Ok(profile) => profile,
        Err(message) => return usage(&message),
    };
    if let Some(message) = unknown_variable(&profile) {
        return usage(&message);
    }
    let chosen = match runtime(arguments.runtime) {
        Ok(chosen) => chosen,
        Err(message) => return usage(&message),
    };
    if let Some(reason) = chosen.and_then(|runtime| profile.refuses(runtime)) {
        return usage(&reason);
    }
    let (selected, skipped) = playable(selected, &profile);
    if arguments.check_profile {
        println!("{}: nothing is wrong with it", profile.file);
        println!("{} scenarios can be played", selected.len());
        print!("{}", reasons(&skipped));
        return Status::Kept;
    }
    if selected.is_empty() {
        return usage(format!("there is nothing to play\n{}", reasons(&skipped)).trim_end());
    }
    let verified = verify(arguments, contract, profile, chosen, &selected, skipped);
    block_on(async { Ok(verified.await) }).unwrap_or_else(|status| status)
}

/// What to say of a profile that lacks a variable which no scenario sets.
fn unknown_variable(profile: &Profile) -> Option<String> {
    let all = scenarios::all().ok()?;
    let set: BTreeSet<&str> = (all.iter())
        .filter_map(|scenario| scenario.own_system.as_ref())
        .flat_map(|settings| settings.variables())
        .collect();
    let unknown = profile
        .lacking_variables()
        .find(|name| !set.contains(name))?;
    let known: Vec<&str> = set.iter().copied().collect();
    Some(format!(
        "{}: lacks: no scenario sets {unknown}; those that are set are {}",
        profile.file,
        known.join(", ")
    ))
}

/// The scenarios that the system of `profile` can be asked to prove, and why it cannot be asked for the others.
fn playable(scenarios: Vec<Scenario>, profile: &Profile) -> (Vec<Scenario>, Vec<Skipped>) {
    let (mut playable, mut skipped) = (Vec::new(), Vec::new());
    for scenario in scenarios {
        match scenario.lacking(profile) {
            Some(reason) => skipped.push(Skipped::of(&scenario, Reason::Lacking(reason))),
            None => playable.push(scenario),
        }
    }
    (playable, skipped)
}

/// A line for each reason why scenarios are skipped.
fn reasons(skipped: &[Skipped]) -> String {
    let mut reasons: Vec<String> = skipped.iter().map(|s| s.reason.to_string()).collect();
    reasons.sort();
    let groups = reasons.chunk_by(|one, next| one == next);
    groups
        .map(|group| format!("{} skipped: {}\n", group.len(), group[0]))
        .collect()
}

/// The profile in `file`, or the reference system's.
fn profile(file: Option<&Path>) -> Result<Profile, String> {
    file.map_or_else(Profile::reference, Profile::of_file)
        .map_err(|error| error.to_string())
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
    contract: &Contract,
    profile: Profile,
    chosen: Option<Runtime>,
    selected: &[Scenario],
    skipped: Vec<Skipped>,
) -> Status {
    let order = Order::new(arguments.seed, arguments.repeat);
    let mut subject = Subject {
        profile: profile.file.clone(),
        rounds: order.rounds(),
        seed: order.seed(),
        partition: arguments.partition,
        reviewed: profile.is_reference(),
        ..Subject::default()
    };
    let whole = skipped.is_empty()
        && arguments.filters.is_empty()
        && arguments.only_promise.is_empty()
        && arguments.partition.is_none();
    let began = Instant::now();
    let parts: Vec<&str> = profile.parts().map(|(name, _)| name).collect();
    let (parts, file) = (parts.join(", "), &profile.file);
    eprintln!("starting or reaching {parts} of {file}");
    eprintln!("{}", data());
    let opened = async {
        let theatre = Theatre::open(profile, chosen, &|line| eprintln!("{line}")).await?;
        let prepared = began.elapsed();
        theatre.prepare(selected).await?;
        Ok::<_, StartError>((theatre, prepared))
    };
    let (theatre, prepared) = match opened.await {
        Ok(opened) => opened,
        Err(error) => {
            let verdicts = selected.iter().map(|scenario| unreached(scenario, &error));
            let results = results(arguments, contract, subject, verdicts.collect(), skipped);
            if let Err(message) = output::not_started(arguments, &results) {
                eprintln!("{message}");
            }
            return not_started(&error);
        }
    };
    subject.runtime = theatre.runtime().to_string();
    let count = selected.len();
    let up = began.elapsed();
    eprintln!(
        "up after {:.1} s ({}); playing {count} scenario{}{order}",
        up.as_secs_f64(),
        theatre.places(),
        if count == 1 { "" } else { "s" }
    );
    let Played { verdicts, unplayed } = play(&theatre, selected, order, arguments.fail_fast).await;
    let played = began.elapsed();
    let stopped = unplayed.iter().map(|s| Skipped::of(s, Reason::FailFast));
    let skipped = skipped.into_iter().chain(stopped).collect();
    let mut status = status(&verdicts);
    let results = results(arguments, contract, subject, verdicts, skipped);
    if let Err(message) = output::finished(arguments, &results) {
        eprintln!("{message}");
        status = Status::Usage;
    }
    if arguments.timings {
        let timings = Timings {
            prepared,
            started: up - prepared,
            played: played - up,
            reported: began.elapsed() - played,
        };
        eprint!("{}", timings.text(selected, &results.verdicts));
    }
    if whole {
        status = whole_contract(contract, &results, selected, status);
    }
    if arguments.keep {
        match theatre.system().await {
            Ok(system) => say_where(system),
            Err(error) => return not_started(&error),
        }
        theatre.keep(status as u8).await;
    }
    theatre.stop().await;
    status
}

/// The results as far as the run was asked for them: what was not asked is told only where it is broken.
fn results(
    arguments: &Arguments,
    contract: &Contract,
    subject: Subject,
    verdicts: Vec<Verdict>,
    skipped: Vec<Skipped>,
) -> Results {
    let mut results = Results::of(subject, verdicts, skipped, contract);
    if !arguments.only_promise.is_empty() {
        results.only(&arguments.only_promise);
    }
    results
}

fn unreached(scenario: &Scenario, error: &StartError) -> Verdict {
    let broken = Broken::unreached(Failure::System(error.to_string()));
    Verdict::of(scenario, String::new(), Err(broken))
}

/// What only a run of everything can tell: how much of the contract was exercised, and reviewed flows of no scenario.
fn whole_contract(
    contract: &Contract,
    results: &Results,
    selected: &[Scenario],
    status: Status,
) -> Status {
    let coverage = Coverage::of(contract, &results.verdicts).summary();
    eprintln!("exercised: {coverage} (`{PROGRAM} contracts coverage`)");
    let orphans = snapshot::orphans(selected);
    for id in &orphans {
        eprintln!("snapshots/{id}.snap is of no scenario: delete it, or bring its fixture back");
    }
    match status {
        Status::Kept if !orphans.is_empty() => Status::Broken,
        status => status,
    }
}

fn say_where(system: &System) {
    eprintln!("\nthe system is up:");
    if let Some(endpoint) = &system.websocket {
        eprintln!("  websocket service  {endpoint}");
    }
    if let Some(endpoint) = &system.gateway {
        eprintln!("  api gateway        {endpoint}");
    }
    if let Some(redis) = system.redis() {
        eprintln!("  redis              {}", redis.url());
    }
    if let Some(secret) = system.issuer.secret() {
        eprintln!("  JWT secret         {secret}");
    }
    eprintln!("Ctrl-C takes it down");
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

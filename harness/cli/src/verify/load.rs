//! `cargo verify load`: a load on a system, and what it costs beside baselines in the same run.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, ValueEnum};
use harness::profile::Profile;
use harness::system::{Runtime, StartError};
use load::live::{self, Live};
use load::report::{Report, Role};
use load::run::{Program, Trouble};
use load::text::text;
use load::threshold::Thresholds;
use load::workload::{CONNECTIONS, Pace, Workload};

use super::output::{folder, print};
use super::report::page_again;
use super::{block_on, profile, runtime, usage};
use crate::Status;

/// Put a load on a system, account for every message, and say what it costs beside baselines in the same run
#[derive(Args)]
#[command(after_help = "\
Examples:
  cargo verify load                                      what is usual, on the reference service: less than a minute
  cargo verify load --system my.toml --rate 2000         your own service: 2,000 messages a second, to 1,000 users in turn
  cargo verify load --connections 10000 --rate max --baseline none
  cargo verify load --users 200 --per-user 5 --burst 50 --rate max
  cargo verify load --system new.toml --compare old.toml by turns, with ratios
  cargo verify load --thresholds examples/thresholds.toml

Without an option that says what load there is, five workloads are played: idle, spread, backlog, fan-out and paced. With
one, it is a workload of its own, called custom.
The systems and the baselines have their turns in each of several rounds; a ratio is the median of the rounds' ratios.
At a rate, a latency counts from when the message was due. At the maximum there is none: messages wait for one another.

Exit status:
  0  every message is accounted for, and every threshold met
  1  messages were lost silently, duplicated, reordered, leaked or damaged, or a threshold is missed
  2  a system did not start, could not be reached, or does not let this load on
  3  wrong use
  4  a bug in the harness")]
pub struct Arguments {
    /// What the load is put on: a system profile [default: the reference system, in a checkout]
    #[arg(long, value_name = "FILE")]
    system: Option<PathBuf>,

    /// Another one, which has its turns in the same run; any number of them
    #[arg(long, value_name = "FILE")]
    compare: Vec<PathBuf>,

    /// Where a system's own parts run: containers, or processes [default: processes, unless a part is an image]
    /// [env: HARNESS_RUNTIME]
    #[arg(long, value_name = "RUNTIME")]
    runtime: Option<Runtime>,

    /// How many connections there are [default: 1000, or what --users and --per-user make]
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..))]
    connections: Option<u32>,

    /// How many users there are [default: one for each connection]
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..))]
    users: Option<u32>,

    /// How many connections each user has [default: 1]
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..))]
    per_user: Option<u32>,

    /// How many messages are published a second, or max: as many as are delivered [default: 1000]
    #[arg(long, value_name = "NUMBER|max", value_parser = pace)]
    rate: Option<Pace>,

    /// How long a message is, in bytes [default: 300]
    #[arg(long, value_name = "BYTES")]
    payload: Option<usize>,

    /// How many users get a message at the same moment [default: 1]
    #[arg(long, value_name = "USERS", value_parser = clap::value_parser!(u32).range(1..))]
    fan_out: Option<u32>,

    /// How many messages a user gets one after the other at that moment [default: 1]
    #[arg(long, value_name = "MESSAGES", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    burst: Option<u32>,

    /// Over how many seconds the connections are opened, evenly [default: as soon as they can]
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    ramp: Option<Duration>,

    /// For how many seconds messages are published to each system and each baseline, all rounds together [default: 5]
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    duration: Option<Duration>,

    /// In how many rounds [default: 5]
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..=1000))]
    rounds: Option<u32>,

    /// What has its turns besides: direct (a bare Redis subscriber), raw-relay, or none [default: both]
    #[arg(long, value_name = "BASELINE")]
    baseline: Vec<Baseline>,

    /// What the load must show, as a TOML file
    #[arg(long, value_name = "FILE")]
    thresholds: Option<PathBuf>,

    /// What to print: text, or json
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: Format,

    /// Where load.json is written [default: target/verify of the checkout]
    #[arg(long, value_name = "DIR")]
    report: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Baseline {
    Direct,
    RawRelay,
    None,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Json,
}

pub fn run(arguments: &Arguments) -> Status {
    let program = match program(arguments) {
        Ok(program) => program,
        Err(message) => return usage(&message),
    };
    let live = Live::default();
    let played = block_on(async {
        let telling = tokio::spawn(live.clone().tell());
        let played = load::run::play(program, &live, &|line| eprintln!("{line}")).await;
        telling.abort();
        live::clear();
        match played {
            Err(Trouble::System(words)) => Err(StartError(words)),
            other => Ok(other),
        }
    });
    let report = match played {
        Ok(Ok(report)) => report,
        Ok(Err(trouble)) => return usage(&trouble.to_string()),
        Err(status) => return status,
    };
    match written(arguments, &report) {
        Ok(()) if report.kept => Status::Kept,
        Ok(()) => Status::Broken,
        Err(message) => usage(&message),
    }
}

fn program(arguments: &Arguments) -> Result<Program, String> {
    let system = profile(arguments.system.as_deref())?;
    let others = arguments.compare.iter().map(|file| profile(Some(file)));
    let others: Vec<Profile> = others.collect::<Result<_, _>>()?;
    let chosen = runtime(arguments.runtime)?;
    for profile in std::iter::once(&system).chain(&others) {
        if let Some(reason) = chosen.and_then(|runtime| profile.refuses(runtime)) {
            return Err(reason);
        }
    }
    let workloads = workloads(arguments)?;
    let thresholds = arguments
        .thresholds
        .as_deref()
        .map(Thresholds::of_file)
        .transpose()?;
    let baselines = baselines(&arguments.baseline)?;
    if let Some(thresholds) = &thresholds {
        let names: Vec<&str> = workloads
            .iter()
            .map(|workload| workload.name.as_str())
            .collect();
        if let Some(problem) = thresholds.problem(&names) {
            return Err(problem);
        }
        for role in thresholds.baselines() {
            let (there, option) = match role {
                Role::Compared => (others.len() == 1, "one --compare FILE"),
                _ => (baselines.contains(&role), "--baseline"),
            };
            if !there {
                let name = role.name();
                return Err(format!(
                    "a threshold is about {name}, which this run lacks: say so with {option}"
                ));
            }
        }
    }
    Ok(Program {
        system,
        others,
        runtime: chosen,
        workloads,
        baselines,
        thresholds,
    })
}

/// The usual ones, or the one that the options describe.
fn workloads(arguments: &Arguments) -> Result<Vec<Workload>, String> {
    let Arguments {
        connections,
        users,
        per_user,
        rate,
        payload,
        fan_out,
        burst,
        ramp,
        duration,
        rounds,
        ..
    } = arguments;
    let nobody_says = [connections, users, per_user, fan_out, burst, rounds]
        .iter()
        .all(|o| o.is_none())
        && (rate.is_none() && payload.is_none() && ramp.is_none() && duration.is_none());
    if nobody_says {
        return Ok(Workload::usual());
    }
    let (users, per_user) = crowd(*connections, *users, *per_user)?;
    let usual = Workload::paced();
    let pace = rate.unwrap_or(usual.pace);
    let workload = Workload {
        name: "custom".to_owned(),
        users,
        per_user,
        ramp: ramp.unwrap_or(usual.ramp),
        pace,
        burst: burst.unwrap_or(usual.burst),
        fan_out: fan_out.unwrap_or(usual.fan_out),
        payload: payload.unwrap_or(usual.payload),
        duration: duration.unwrap_or(usual.duration),
        rounds: rounds.unwrap_or(usual.rounds),
        ..usual
    };
    match workload.problem() {
        Some(problem) => Err(problem),
        None => Ok(vec![workload.described()]),
    }
}

/// How many users there are, and how many connections each of them has.
fn crowd(
    connections: Option<u32>,
    users: Option<u32>,
    per_user: Option<u32>,
) -> Result<(u32, u32), String> {
    let (connections, users, per_user) = match (connections, users, per_user) {
        (Some(connections), Some(users), Some(per_user)) => (connections, users, per_user),
        (None, Some(users), per_user) => return Ok((users, per_user.unwrap_or(1))),
        (connections, None, per_user) => {
            let (connections, per_user) =
                (connections.unwrap_or(CONNECTIONS), per_user.unwrap_or(1));
            (connections, connections / per_user, per_user)
        }
        (Some(connections), Some(users), None) => (connections, users, connections / users),
    };
    match users.checked_mul(per_user) {
        Some(product) if product == connections && product > 0 => Ok((users, per_user)),
        _ => Err(format!(
            "--connections {connections} is not {users} users with {per_user} connections each: leave one of --connections, \
             --users and --per-user out, or let the first be the product of the others"
        )),
    }
}

fn baselines(chosen: &[Baseline]) -> Result<Vec<Role>, String> {
    if chosen.is_empty() {
        return Ok(vec![Role::Direct, Role::RawRelay]);
    }
    if chosen.contains(&Baseline::None) && chosen.len() > 1 {
        return Err("--baseline none is given beside another: leave one of them out".to_owned());
    }
    let role = |baseline: &Baseline| match baseline {
        Baseline::Direct => Some(Role::Direct),
        Baseline::RawRelay => Some(Role::RawRelay),
        Baseline::None => None,
    };
    let mut roles: Vec<Role> = chosen.iter().filter_map(role).collect();
    roles.dedup();
    Ok(roles)
}

/// Prints the report and writes `load.json`.
fn written(arguments: &Arguments, report: &Report) -> Result<(), String> {
    let json = serde_json::to_string_pretty(report)
        .map_err(|error| format!("the report cannot be written: {error}"))?;
    match arguments.format {
        Format::Text => print(&text(report)),
        Format::Json => print(&format!("{json}\n")),
    }
    let Some(folder) = folder(arguments.report.clone()) else {
        return Ok(());
    };
    let path = folder.join("load.json");
    let write = |path: &Path| {
        fs::create_dir_all(&folder)?;
        fs::write(path, json)
    };
    write(&path)
        .map_err(|error| format!("the report cannot be written: {}: {error}", path.display()))?;
    let page = page_again(&folder)?;
    if arguments.format == Format::Text {
        print(&format!("report: {}\n", path.display()));
        if let Some(page) = page {
            print(&format!(
                "and, beside the last run: {}#load\n",
                page.display()
            ));
        }
    }
    Ok(())
}

fn pace(text: &str) -> Result<Pace, String> {
    if text == "max" {
        return Ok(Pace::Maximum);
    }
    match text.parse::<f64>() {
        Ok(rate) if rate.is_finite() && rate > 0.0 => Ok(Pace::PerSecond(rate)),
        _ => Err("it is a number of messages a second, or max".to_owned()),
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    match text.parse::<f64>() {
        Ok(seconds) if (0.0..=86_400.0).contains(&seconds) => Ok(Duration::from_secs_f64(seconds)),
        _ => Err("it is a number of seconds, at most a day".to_owned()),
    }
}

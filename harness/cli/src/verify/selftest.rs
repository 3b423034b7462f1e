//! `cargo verify selftest`: whether the suite notices what a saboteur does to a healthy system.

use std::cell::Cell;
use std::future::ready;
use std::io::{self, Write};
use std::path::PathBuf;
use std::pin::pin;
use std::time::Instant;

use clap::Args;
use contract::Contract;
use futures_util::{StreamExt, stream};
use harness::contract::contract;
use harness::profile::{Capability, Profile};
use harness::runner::Theatre;
use harness::saboteur::{self, Sabotage};
use harness::scenario::Scenario;
use harness::selftest::{Noticed, Trial, concerned, counts, has_bug, list, table};
use harness::system::{Runtime, StartError};
use harness::verdict::Verdict;

use super::rounds::{Order, Played, play};
use super::{block_on, playable, profile, runtime, status, usage};
use crate::{Status, scenarios};

/// How many sabotages are tried at the same time: each is bound to stages of its own, and mostly waits.
const AT_ONCE: usize = 24;
/// How many scenarios of one sabotage are played at the same time on the shared system.
const SCENARIOS_AT_ONCE: usize = 4;

/// Break the promises of a healthy system, one at a time, and show which scenario noticed
#[derive(Args)]
#[command(after_help = "\
Examples:
  cargo verify selftest                       every sabotage, and the healthy system 20 times
  cargo verify selftest --list                the sabotages, the promises that they break, and what they do
  cargo verify selftest duplicate --repeats 1
  cargo verify selftest --system my.toml      your own services, which must be healthy

A saboteur stands between the suite and the system, and has a line to Redis of its own. While one promise is broken the
scenarios that prove it are played, until one of them fails under that very promise. With nothing broken everything
has to be kept, every time. What the system cannot be asked to prove is skipped, with the reason; scenarios in a browser
are left out.

Exit status:
  0  every sabotage was noticed, and the healthy system failed nowhere
  1  a sabotage survived or was noticed under another promise only, or the healthy system failed
  2  the system did not start, or could not be reached
  3  wrong use: a name that matches no sabotage, nothing but sabotages to skip
  4  a bug in the harness or in a scenario")]
pub struct Arguments {
    /// Try only sabotages whose name contains one of these
    #[arg(value_name = "NAME")]
    names: Vec<String>,

    /// Print the sabotages and stop
    #[arg(long)]
    list: bool,

    /// How often everything is played on the healthy system
    #[arg(long, value_name = "TIMES", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    repeats: u32,

    /// Where the system runs: containers, or processes [default: containers where an engine answers]
    /// [env: HARNESS_RUNTIME]
    #[arg(long, value_name = "RUNTIME")]
    runtime: Option<Runtime>,

    /// What to sabotage: a system profile [default: harness/profiles/reference.toml]
    #[arg(long, value_name = "FILE")]
    system: Option<PathBuf>,
}

pub fn run(arguments: &Arguments) -> Status {
    let (contract, all) = match (contract(), scenarios::all()) {
        (Ok(contract), Ok(all)) => (contract, all),
        (Err(error), _) | (_, Err(error)) => return usage(&error.to_string()),
    };
    let sabotages = match saboteur::select(&arguments.names) {
        Ok(sabotages) => sabotages,
        Err(message) => return usage(&message),
    };
    if arguments.list {
        // Whoever reads it may have seen enough: `| head`.
        let _ = io::stdout().write_all(list(&sabotages).as_bytes());
        return Status::Kept;
    }
    let profile = match profile(arguments.system.as_deref()) {
        Ok(profile) => profile,
        Err(message) => return usage(&message),
    };
    let chosen = match runtime(arguments.runtime) {
        Ok(chosen) => chosen,
        Err(message) => return usage(&message),
    };
    if let Some(reason) = chosen.and_then(|runtime| profile.refuses(runtime)) {
        return usage(&reason);
    }
    let (able, skipped) = split(sabotages, &all, &profile);
    if able.is_empty() {
        return usage(&format!("there is nothing to try\n{}", table(&skipped)));
    }
    let (mut scenarios, _) = playable(all, &profile);
    // They prove in a browser what others prove without one, and hundreds of browsers take too long.
    scenarios.retain(|scenario| !scenario.all_needs().contains(&Capability::Browser));
    let tested = async {
        let theatre = Theatre::open(profile, chosen, &|line| eprintln!("{line}")).await?;
        let theatre = theatre.behind_a_saboteur();
        let tested = test(&theatre, arguments.repeats, contract, &able, &scenarios).await;
        theatre.stop().await;
        tested
    };
    let (healthy, mut trials, bug) = match block_on(tested) {
        Ok(tested) => tested,
        Err(status) => return status,
    };
    trials.extend(skipped);
    trials.sort_by_key(|trial| saboteur::all().position(|other| other == trial.sabotage));
    let whole = arguments.names.is_empty();
    let missing = if whole {
        saboteur::missing(contract)
    } else {
        Vec::new()
    };
    report(arguments.repeats, &healthy, &trials, &missing);
    let failed = counts(&trials)[1] > 0 || !missing.is_empty();
    match status(&healthy) {
        _ if bug => Status::HarnessBug,
        Status::Kept if failed => Status::Broken,
        status => status,
    }
}

/// The sabotages that scenarios of a system with this profile can notice, and why the others are skipped.
fn split(
    sabotages: Vec<&'static Sabotage>,
    scenarios: &[Scenario],
    profile: &Profile,
) -> (Vec<&'static Sabotage>, Vec<Trial>) {
    let (mut able, mut skipped) = (Vec::new(), Vec::new());
    for sabotage in sabotages {
        let concerned = concerned(scenarios, sabotage);
        let mut lacking: Vec<Option<String>> = concerned
            .iter()
            .map(|scenario| scenario.lacking(profile))
            .collect();
        match lacking.iter().all(Option::is_some) {
            true if !lacking.is_empty() => {
                let reason = lacking.swap_remove(0).unwrap_or_default();
                skipped.push(Trial::skipped(sabotage, reason));
            }
            _ => able.push(sabotage),
        }
    }
    (able, skipped)
}

type Tested = (Vec<Verdict>, Vec<Trial>, bool);

/// Plays what concerns `sabotages`: first while nothing is broken, then while each is at work.
async fn test(
    theatre: &Theatre,
    repeats: u32,
    contract: &Contract,
    sabotages: &[&'static Sabotage],
    scenarios: &[Scenario],
) -> Result<Tested, StartError> {
    let concern = |scenario: &&Scenario| {
        let breaks =
            |sabotage: &&Sabotage| scenario.promises.iter().any(|id| id == sabotage.promise);
        sabotages.iter().copied().any(|sabotage| breaks(&sabotage))
    };
    let playing: Vec<Scenario> = scenarios.iter().filter(concern).cloned().collect();
    theatre.prepare(&playing).await?;
    let began = Instant::now();
    let count = playing.len();
    eprintln!("a saboteur who does nothing stands before a healthy system: {count} scenarios");
    let Played { verdicts, .. } = play(theatre, &playing, Order::new(None, repeats), false).await;
    eprintln!(
        "the healthy system took {:.1} s",
        began.elapsed().as_secs_f64()
    );

    // What fails when nothing is broken can notice nothing.
    let failed = |scenario: &Scenario| {
        let mut failed = verdicts.iter().filter(|verdict| verdict.result.is_err());
        failed.any(|verdict| verdict.id == scenario.id)
    };
    let sound: Vec<Scenario> = scenarios
        .iter()
        .filter(|scenario| !failed(scenario))
        .cloned()
        .collect();
    let began = Instant::now();
    let mut waiting = sabotages.to_vec();
    // What needs systems of its own takes longest, so it begins first.
    waiting.sort_by_key(|sabotage| {
        concerned(scenarios, sabotage)
            .iter()
            .any(|scenario| scenario.own_system.is_none())
    });
    let (mut trials, mut bug) = (Vec::new(), false);
    let mut trying = stream::iter(waiting)
        .map(async |sabotage| {
            let first = attempt(theatre, contract, sabotage, &sound).await;
            match first.0.noticed {
                // A system in trouble is no verdict; twice in a row it is told.
                Noticed::Unreached(_) => attempt(theatre, contract, sabotage, &sound).await,
                _ => first,
            }
        })
        .buffer_unordered(AT_ONCE);
    while let Some((trial, has_bug)) = trying.next().await {
        bug |= has_bug;
        let word = match trial.noticed {
            Noticed::By(_) => "noticed ",
            Noticed::Survived(_) => "SURVIVED",
            Noticed::UnderAnother(_) => "ANOTHER ",
            Noticed::Skipped(_) => "skipped ",
            Noticed::Unreached(_) => "SYSTEM  ",
        };
        trials.push(trial);
        let (done, all) = (trials.len(), sabotages.len());
        let name = trials.last().map_or("", |trial| trial.sabotage.name);
        eprintln!("[{done:>3}/{all}] {word} {name}");
    }
    eprintln!("the sabotages took {:.1} s", began.elapsed().as_secs_f64());
    Ok((verdicts, trials, bug))
}

/// Plays the scenarios that prove the promise of `sabotage` while it is broken, until one notices: those on the shared system
/// first, then those on systems of their own. Says whether the harness itself failed, too.
async fn attempt(
    theatre: &Theatre,
    contract: &Contract,
    sabotage: &'static Sabotage,
    scenarios: &[Scenario],
) -> (Trial, bool) {
    let concerned = concerned(scenarios, sabotage);
    let (own, shared): (Vec<&Scenario>, Vec<&Scenario>) = concerned
        .into_iter()
        .partition(|scenario| scenario.own_system.is_some());
    let mut verdicts: Vec<Verdict> = Vec::new();
    for (scenarios, at_once) in [(shared, SCENARIOS_AT_ONCE), (own, 1)] {
        let noticed = Cell::new(false);
        let played = stream::iter(scenarios)
            .take_while(|_| ready(!noticed.get()))
            .map(|scenario| theatre.play_sabotaged(sabotage, scenario))
            .buffer_unordered(at_once);
        let mut played = pin!(played);
        while let Some(verdict) = played.next().await {
            verdicts.push(verdict);
            verdicts.sort_by(|a, b| a.id.cmp(&b.id));
            let trial = Trial::of(sabotage, verdicts.clone(), contract);
            noticed.set(matches!(trial.noticed, Noticed::By(_)));
        }
        if noticed.get() {
            break;
        }
    }
    let bug = has_bug(&verdicts);
    (Trial::of(sabotage, verdicts, contract), bug)
}

fn report(repeats: u32, healthy: &[Verdict], trials: &[Trial], missing: &[&str]) {
    let mut text = format!("\n{}\n", table(trials));
    for promise in missing {
        text.push_str(&format!("no sabotage breaks {promise}\n"));
    }
    let failing: Vec<&Verdict> = healthy.iter().filter(|v| v.result.is_err()).collect();
    for verdict in &failing {
        if let Err(broken) = &verdict.result {
            let (id, times) = (&verdict.id, verdict.failed);
            text.push_str(&format!(
                "the healthy system failed {id} in {times} of {} rounds: {}\n",
                verdict.rounds, broken.failure
            ));
        }
    }
    if failing.is_empty() {
        let count = healthy.len();
        text.push_str(&format!(
            "the healthy system kept {count} scenarios, {repeats} times each\n"
        ));
    }
    let [passed, failed, skipped] = counts(trials);
    let failed = failed + failing.len() + missing.len();
    text.push_str(&format!("{passed} passed, {failed} failed"));
    if skipped > 0 {
        text.push_str(&format!(", {skipped} skipped"));
    }
    println!("{text}");
}

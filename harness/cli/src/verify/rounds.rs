//! The scenarios played: several at a time, in which order, and how often.

use std::fmt;
use std::io::{self, IsTerminal, Write};

use futures_util::{StreamExt, stream};
use harness::runner::{OWN_AT_ONCE, Theatre};
use harness::scenario::{Failure, Scenario};
use harness::verdict::{Verdict, merged};

/// How many scenarios are played at the same time.
pub const AT_ONCE: usize = 8;

/// In which order the scenarios are played, and how often.
#[derive(Clone)]
pub struct Order {
    seed: Option<u64>,
    rounds: u32,
}

/// What a run played.
pub struct Played {
    /// The verdicts over all rounds, by id.
    pub verdicts: Vec<Verdict>,
    /// What was not played, for the run ended at a failure.
    pub unplayed: Vec<Scenario>,
}

impl Order {
    /// The listed order, once; with a `seed`, or over several rounds, another one each time.
    pub fn new(seed: Option<u64>, rounds: u32) -> Self {
        let several = (rounds > 1).then(|| u64::from(fastrand::u32(..)));
        Self {
            seed: seed.or(several),
            rounds,
        }
    }

    /// How often everything is played.
    pub fn rounds(&self) -> usize {
        self.rounds as usize
    }

    /// What the order follows from: with it a run plays in the same order again.
    pub fn seed(&self) -> Option<u64> {
        self.seed
    }

    /// The scenarios of each round.
    fn of(&self, scenarios: &[Scenario]) -> impl Iterator<Item = Vec<Scenario>> {
        let mut random = self.seed.map(fastrand::Rng::with_seed);
        (0..self.rounds).map(move |_| {
            let mut round = scenarios.to_vec();
            if let Some(random) = &mut random {
                random.shuffle(&mut round);
            }
            round
        })
    }
}

impl fmt::Display for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.rounds > 1 {
            write!(f, " {} times", self.rounds)?;
        }
        match self.seed {
            Some(seed) => write!(f, " in an order from --seed {seed}"),
            None => Ok(()),
        }
    }
}

/// Plays `scenarios` in their order, with a word about each as it ends.
pub async fn play(
    theatre: &Theatre,
    scenarios: &[Scenario],
    order: Order,
    fail_fast: bool,
) -> Played {
    let mut verdicts = Vec::new();
    for (number, round) in order.of(scenarios).enumerate() {
        if order.rounds > 1 {
            eprintln!("round {} of {}", number + 1, order.rounds);
        }
        verdicts.extend(play_round(theatre, &round, fail_fast).await);
        if fail_fast && verdicts.iter().any(|verdict| verdict.result.is_err()) {
            break;
        }
    }
    let played = |scenario: &&Scenario| verdicts.iter().any(|v| v.id == scenario.id);
    let unplayed = scenarios.iter().filter(|scenario| !played(scenario));
    Played {
        unplayed: unplayed.cloned().collect(),
        verdicts: merged(verdicts),
    }
}

/// Plays `scenarios` once, to the end.
pub(crate) async fn play_once(theatre: &Theatre, scenarios: &[Scenario]) -> Vec<Verdict> {
    merged(play_round(theatre, scenarios, false).await)
}

/// Plays several scenarios at a time. Those on systems of their own wait for their turn beside the others, not in their
/// way; first of them come those with several Redis, which take longest, lest a run waits for one of them in the end.
async fn play_round(theatre: &Theatre, scenarios: &[Scenario], fail_fast: bool) -> Vec<Verdict> {
    let (mut own, shared): (Vec<&Scenario>, Vec<&Scenario>) = scenarios
        .iter()
        .partition(|scenario| scenario.own_system.is_some());
    own.sort_by_key(|scenario| {
        let settings = scenario.own_system.as_ref();
        settings.and_then(|own| own.topology()).is_none()
    });
    let several = |scenarios: Vec<_>, at_once| {
        stream::iter(scenarios)
            .map(|scenario| theatre.play(scenario))
            .buffer_unordered(at_once)
    };
    let mut playing = stream::select(several(own, OWN_AT_ONCE), several(shared, AT_ONCE));
    let mut progress = Progress::of(scenarios.len());
    let mut verdicts = Vec::new();
    while let Some(verdict) = playing.next().await {
        progress.say(&verdict);
        let failed = verdict.result.is_err();
        verdicts.push(verdict);
        if failed && fail_fast {
            break;
        }
    }
    progress.end();
    verdicts
}

/// A word about each scenario on standard error. On a terminal only what failed stays.
struct Progress {
    all: usize,
    done: usize,
    terminal: bool,
}

impl Progress {
    fn of(all: usize) -> Self {
        Self {
            all,
            done: 0,
            terminal: io::stderr().is_terminal(),
        }
    }

    fn say(&mut self, verdict: &Verdict) {
        let word = match verdict.result.as_ref().map_err(|broken| &broken.failure) {
            Ok(()) => "kept  ",
            Err(Failure::Broken(_)) => "BROKEN",
            Err(Failure::Unreviewed(_)) => "REVIEW",
            Err(Failure::System(_)) => "SYSTEM",
            Err(Failure::Bug(_)) => "BUG   ",
        };
        self.done += 1;
        let line = format!("[{:>3}/{}] {word} {}", self.done, self.all, verdict.id);
        match (self.terminal, verdict.result.is_ok()) {
            // The line is written over.
            (true, true) => eprint!("\r\x1b[2K{line}"),
            (true, false) => eprintln!("\r\x1b[2K{line}"),
            (false, _) => eprintln!("{line}"),
        }
        let _ = io::stderr().flush();
    }

    fn end(&self) {
        if self.terminal {
            eprint!("\r\x1b[2K");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(order: &Order) -> Vec<Vec<String>> {
        let scenario = |id: usize| Scenario::new(format!("{id:02}"), "", |_| async { Ok(()) });
        let scenarios: Vec<Scenario> = (0..20).map(scenario).collect();
        let ids = |round: Vec<Scenario>| round.into_iter().map(|s| s.id).collect();
        order.of(&scenarios).map(ids).collect()
    }

    #[test]
    fn a_seed_gives_the_same_orders_again_and_each_round_another_one() {
        let (one, again) = (Order::new(Some(7), 3), Order::new(Some(7), 3));
        let rounds = ids(&one);
        assert_eq!(rounds, ids(&again));
        assert_ne!(rounds[0], rounds[1]);
        let mut sorted = rounds[1].clone();
        sorted.sort();
        assert_eq!(sorted, ids(&Order::new(None, 1))[0]);
    }

    #[test]
    fn several_rounds_have_a_seed_that_can_be_told() {
        assert_eq!(Order::new(None, 1).to_string(), "");
        let order = Order::new(None, 5);
        let seed = order.seed().unwrap();
        assert_eq!(
            order.to_string(),
            format!(" 5 times in an order from --seed {seed}")
        );
    }
}

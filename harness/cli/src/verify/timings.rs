//! Where a run's time went, for people: no verdict depends on it.

use std::time::Duration;

use harness::runner::OWN_AT_ONCE;
use harness::scenario::Scenario;
use harness::verdict::Verdict;

use super::rounds::AT_ONCE;

/// How many of the scenarios that took longest are told.
const SLOWEST: usize = 10;

/// How long each phase of a run took.
pub struct Timings {
    /// Images and programs made ready.
    pub prepared: Duration,
    /// The system that scenarios share, started and found to serve.
    pub started: Duration,
    /// From the first scenario's beginning to the last one's end.
    pub played: Duration,
    /// Promises judged, and the report written.
    pub reported: Duration,
}

impl Timings {
    /// A table of the phases, and of the scenarios among `verdicts` that took longest.
    pub fn text(&self, scenarios: &[Scenario], verdicts: &[Verdict]) -> String {
        let own = |verdict: &&Verdict| {
            let found = scenarios.iter().find(|scenario| scenario.id == verdict.id);
            found.is_some_and(|scenario| scenario.own_system.is_some())
        };
        let (owners, sharers): (Vec<&Verdict>, Vec<&Verdict>) = verdicts.iter().partition(own);
        let whole = self.prepared + self.started + self.played + self.reported;
        let mut text = String::from("\n  seconds  where the time went\n");
        let mut line = |took: Duration, words: &str| {
            text += &format!("{:>9.2}  {words}\n", took.as_secs_f64());
        };
        line(self.prepared, "images and programs made ready");
        line(self.started, "the shared system started");
        line(
            self.played,
            "scenarios played, of which (several at a time)",
        );
        line(
            sum(&sharers, |verdict| verdict.took),
            &format!(
                "    {} on the shared system, {AT_ONCE} at a time",
                plays(&sharers)
            ),
        );
        let starting = sum(&owners, |verdict| verdict.starting);
        line(
            starting,
            &format!(
                "    systems for the {} that have one to themselves, started and ended, {OWN_AT_ONCE} at a time",
                plays(&owners)
            ),
        );
        line(
            sum(&owners, |verdict| verdict.took).saturating_sub(starting),
            "    and the scenarios on these",
        );
        line(self.reported, "promises judged and the report written");
        line(whole, "together");
        let mut slowest: Vec<&Verdict> = verdicts.iter().collect();
        slowest.sort_by_key(|verdict| std::cmp::Reverse(verdict.took));
        text += "\n  seconds  the scenarios that took longest, with the start of a system of their own\n";
        for verdict in slowest.into_iter().take(SLOWEST) {
            text += &format!("{:>9.2}  {}\n", verdict.took.as_secs_f64(), verdict.id);
        }
        text
    }
}

fn sum(verdicts: &[&Verdict], of: fn(&Verdict) -> Duration) -> Duration {
    verdicts.iter().map(|verdict| of(verdict)).sum()
}

fn plays(verdicts: &[&Verdict]) -> usize {
    verdicts.iter().map(|verdict| verdict.rounds).sum()
}

#[cfg(test)]
mod tests {
    use harness::system::Settings;

    use super::*;

    #[test]
    fn every_phase_has_a_line_and_the_slowest_come_first() {
        let scenario = |id: &str| Scenario::new(id, "a sentence", |_| async { Ok(()) });
        let scenarios = [
            scenario("a/shared"),
            scenario("b/own").on_own_system(Settings::default()),
        ];
        let verdict = |at: usize, took: u64, starting: u64| Verdict {
            took: Duration::from_millis(took),
            starting: Duration::from_millis(starting),
            ..Verdict::of(&scenarios[at], String::new(), Ok(()))
        };
        let verdicts = [verdict(0, 40, 0), verdict(1, 900, 600)];
        let timings = Timings {
            prepared: Duration::from_millis(250),
            started: Duration::from_millis(150),
            played: Duration::from_millis(910),
            reported: Duration::from_millis(20),
        };
        let said = "
  seconds  where the time went
     0.25  images and programs made ready
     0.15  the shared system started
     0.91  scenarios played, of which (several at a time)
     0.04      1 on the shared system, 8 at a time
     0.60      systems for the 1 that have one to themselves, started and ended, 6 at a time
     0.30      and the scenarios on these
     0.02  promises judged and the report written
     1.33  together

  seconds  the scenarios that took longest, with the start of a system of their own
     0.90  b/own
     0.04  a/shared
";
        assert_eq!(timings.text(&scenarios, &verdicts), said);
    }
}

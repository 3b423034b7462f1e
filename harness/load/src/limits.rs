//! Figures that are the generator's own limit, or the machine's: told, so that nobody takes them for the service's.

use super::report::{Measured, Played};
use super::workload::Pace;

/// From this share of a core on, a thread may be what limits a rate.
const BUSY: f64 = 0.9;
/// From this share of all processors on, everybody who works limits everybody else.
const MACHINE_BUSY: f64 = 0.95;
/// A publisher that is so much later than this part of a latency is what is measured.
const LATE: f64 = 0.5;

/// A sentence for each.
pub fn of(played: &[Played]) -> Vec<String> {
    (played.iter())
        .flat_map(|played| {
            played
                .targets
                .iter()
                .flat_map(|target| of_target(played, target))
        })
        .collect()
}

fn of_target(played: &Played, target: &Measured) -> Vec<String> {
    let (workload, name) = (&played.name, &target.name);
    let generator = &target.generator;
    let mut limits = Vec::new();
    let threads = [
        ("reads", generator.reader_core),
        ("publishes", generator.publisher_core),
    ];
    for (what, share) in threads.into_iter().filter(|(_, share)| *share >= BUSY) {
        limits.push(format!(
            "{workload}, {name}: the generator's thread that {what} used {:.0} % of a core, so that the rate may be its own limit",
            100.0 * share
        ));
    }
    if let Some(busy) = generator.machine_busy.filter(|busy| *busy >= MACHINE_BUSY)
        && played.pace == Pace::Maximum
    {
        limits.push(format!(
            "{workload}, {name}: this machine was busy to {:.0} %, with {:.0} % of a core for the generator, so that the rate is \
             that of everybody on it together",
            100.0 * busy,
            100.0 * generator.cores
        ));
    }
    if let (Some(late), Some(p99)) = (generator.late_p99_us, target.figures.p99_us)
        && late >= LATE * p99
    {
        limits.push(format!(
            "{workload}, {name}: the generator published {:.0} µs late at its p99, and latencies count from when a message was \
             due: that is {:.0} % of the p99",
            late,
            100.0 * late / p99
        ));
    }
    limits
}

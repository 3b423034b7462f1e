//! What was measured in one turn, in one round, or altogether, and the figures that follow from it.

use std::ops::AddAssign;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

use super::book::histogram;

/// What happened in a turn of one target, or in several.
#[derive(Clone, Debug)]
pub struct Turn {
    /// How many messages arrived, on all connections together.
    pub deliveries: u64,
    /// From the first publication to the last delivery.
    pub time: Duration,
    /// The target's processor time; none where it is not ours to see.
    pub cpu: Option<Duration>,
    /// The processor time of the thread that read.
    pub reader: Duration,
    /// The processor time of the thread that published.
    pub publisher: Duration,
    /// The processor time of the whole generator.
    pub generator: Duration,
    /// How long this machine's processors were busy, and how long they were at all.
    pub machine: (Duration, Duration),
    /// From when a message was due until it was there, in nanoseconds; empty in a closed loop.
    pub latencies: Histogram<u64>,
    /// How much later than it was due a message was published, in nanoseconds.
    pub lateness: Histogram<u64>,
}

/// Figures of one target, each where it can be told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Figures {
    /// Handshakes a second, from the first connection's begin to the last one's end.
    pub opened_per_second: Option<f64>,
    /// The processor time of a handshake, in microseconds, with one message to each user.
    pub cpu_us_per_connection: Option<f64>,
    /// What a connection takes of the memory, in KiB.
    pub memory_kib_per_connection: Option<f64>,
    /// Messages that arrived a second, on all connections together.
    pub deliveries_per_second: Option<f64>,
    /// The target's processor time for 100,000 deliveries, in seconds.
    pub cpu_seconds_per_100000_deliveries: Option<f64>,
    /// Of so many of a hundred messages, none took longer, in microseconds.
    pub p50_us: Option<f64>,
    /// See `p50_us`.
    pub p90_us: Option<f64>,
    /// See `p50_us`.
    pub p99_us: Option<f64>,
    /// See `p50_us`.
    pub p99_9_us: Option<f64>,
    /// The slowest message, in microseconds.
    pub max_us: Option<f64>,
}

/// What the generator used meanwhile, each as a share of one core.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Generator {
    /// The whole program.
    pub cores: f64,
    /// The thread that reads.
    pub reader_core: f64,
    /// The thread that publishes.
    pub publisher_core: f64,
    /// Of a hundred messages, 99 were published at most so much later than they were due, in microseconds.
    pub late_p99_us: Option<f64>,
    /// The share of all of this machine's processors that was busy with whatever.
    pub machine_busy: Option<f64>,
}

/// So many messages took at most so long, and longer than those before.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Bar {
    /// In microseconds.
    pub up_to_us: f64,
    /// How many.
    pub count: u64,
}

/// The steps of a histogram that is shown: so many for each doubling.
const STEPS: i32 = 4;

impl Default for Turn {
    fn default() -> Self {
        Self {
            deliveries: 0,
            time: Duration::ZERO,
            cpu: Some(Duration::ZERO),
            reader: Duration::ZERO,
            publisher: Duration::ZERO,
            generator: Duration::ZERO,
            machine: (Duration::ZERO, Duration::ZERO),
            latencies: histogram(),
            lateness: histogram(),
        }
    }
}

impl AddAssign<&Turn> for Turn {
    fn add_assign(&mut self, other: &Self) {
        self.deliveries += other.deliveries;
        self.time += other.time;
        self.cpu = self.cpu.zip(other.cpu).map(|(own, other)| own + other);
        self.reader += other.reader;
        self.publisher += other.publisher;
        self.generator += other.generator;
        self.machine.0 += other.machine.0;
        self.machine.1 += other.machine.1;
        // All have the same bounds: none refuses another.
        let _ = self.latencies.add(&other.latencies);
        let _ = self.lateness.add(&other.lateness);
    }
}

impl Turn {
    /// Its figures: those of traffic.
    pub fn figures(&self) -> Figures {
        let any = self.deliveries > 0;
        let per_delivery = |cpu: Duration| 100_000.0 * cpu.as_secs_f64() / self.deliveries as f64;
        Figures {
            deliveries_per_second: any.then(|| self.deliveries as f64 / self.time.as_secs_f64()),
            cpu_seconds_per_100000_deliveries: self.cpu.filter(|_| any).map(per_delivery),
            p50_us: quantile(&self.latencies, 0.5),
            p90_us: quantile(&self.latencies, 0.9),
            p99_us: quantile(&self.latencies, 0.99),
            p99_9_us: quantile(&self.latencies, 0.999),
            max_us: quantile(&self.latencies, 1.0),
            ..Figures::default()
        }
    }

    /// What the generator used.
    pub fn generator(&self) -> Generator {
        let share = |cpu: Duration| match self.time.is_zero() {
            true => 0.0,
            false => cpu.as_secs_f64() / self.time.as_secs_f64(),
        };
        let (busy, all) = self.machine;
        Generator {
            cores: share(self.generator),
            reader_core: share(self.reader),
            publisher_core: share(self.publisher),
            late_p99_us: quantile(&self.lateness, 0.99),
            machine_busy: (!all.is_zero()).then(|| busy.as_secs_f64() / all.as_secs_f64()),
        }
    }

    /// How long messages took, in bars that widen as times grow: four for each doubling.
    pub fn bars(&self) -> Vec<Bar> {
        let mut bars: Vec<(i32, u64)> = Vec::new();
        for value in self.latencies.iter_recorded() {
            let micros = value.value_iterated_to() as f64 / 1000.0;
            let step = (micros.max(1.0).log2() * f64::from(STEPS)).ceil() as i32;
            match bars.last_mut() {
                Some((last, count)) if *last == step => *count += value.count_at_value(),
                _ => bars.push((step, value.count_at_value())),
            }
        }
        let up_to = |step: i32| (f64::from(step) / f64::from(STEPS)).exp2();
        let bar = |(step, count)| Bar {
            up_to_us: up_to(step),
            count,
        };
        bars.into_iter().map(bar).collect()
    }
}

/// In microseconds.
fn quantile(histogram: &Histogram<u64>, part: f64) -> Option<f64> {
    (!histogram.is_empty()).then(|| histogram.value_at_quantile(part) as f64 / 1000.0)
}

/// The middle one, or the mean of the two in the middle; none of nothing.
pub fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() % 2 {
        1 => Some(values[middle]),
        _ => Some((values.get(middle.checked_sub(1)?)? + values.get(middle)?) / 2.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_follow_from_what_was_counted() {
        let mut turn = Turn {
            deliveries: 2000,
            time: Duration::from_millis(500),
            cpu: Some(Duration::from_millis(10)),
            reader: Duration::from_millis(450),
            ..Turn::default()
        };
        for micros in 1..=1000 {
            turn.latencies.record(micros * 1000).unwrap();
        }
        let mut sum = Turn::default();
        sum += &turn;
        sum += &turn;
        let figures = sum.figures();
        assert_eq!(figures.deliveries_per_second, Some(4000.0));
        assert_eq!(figures.cpu_seconds_per_100000_deliveries, Some(0.5));
        let near = |value: Option<f64>, expected: f64| {
            let value = value.unwrap();
            assert!(
                (value - expected).abs() <= expected / 1000.0,
                "{value} {expected}"
            );
        };
        near(figures.p50_us, 500.0);
        near(figures.p99_us, 990.0);
        near(figures.max_us, 1000.0);
        assert_eq!(sum.generator().reader_core, 0.9);
        assert_eq!(sum.bars().iter().map(|bar| bar.count).sum::<u64>(), 2000);
        assert!(sum.bars().is_sorted_by(|a, b| a.up_to_us < b.up_to_us));
    }

    #[test]
    fn what_nobody_measured_has_no_figure() {
        let unseen = Turn {
            cpu: None,
            ..Turn::default()
        };
        assert_eq!(unseen.figures(), Figures::default());
    }

    #[test]
    fn a_median_is_the_middle() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(vec![4.0, 1.0]), Some(2.5));
        assert_eq!(median(vec![]), None);
    }
}

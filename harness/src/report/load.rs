//! A load that was put on a system, as the page shows it beside a run: what `load.json` says (`harness/schemas/load.json`), with
//! its histograms as bars.

use std::collections::BTreeMap;

use serde::Deserialize;

/// What `load.json` has and the page shows.
#[derive(Clone, Debug, Deserialize)]
pub struct Load {
    /// When it was measured (RFC 3339).
    pub measured_at: String,
    /// Whether every message is accounted for and every threshold met.
    pub kept: bool,
    /// What was played.
    pub workloads: Vec<Workload>,
    /// What was demanded.
    pub thresholds: Vec<Threshold>,
    /// Figures that are the generator's own limit, or the machine's.
    pub limits: Vec<String>,
}

/// A workload and what it showed.
#[derive(Clone, Debug, Deserialize)]
pub struct Workload {
    /// What threshold files call it.
    pub name: String,
    /// What it is.
    pub title: String,
    /// Connections of each system.
    pub connections: u64,
    /// The length of a message.
    pub payload_bytes: u64,
    /// Whether it was played to its end.
    pub complete: bool,
    /// The systems first.
    pub targets: Vec<Target>,
}

/// A system or a baseline.
#[derive(Clone, Debug, Deserialize)]
pub struct Target {
    /// What people call it.
    pub name: String,
    /// What was measured, by name; none where it was not.
    pub figures: BTreeMap<String, Option<f64>>,
    /// How many messages took how long.
    pub histogram: Vec<Bar>,
    /// What became of every message.
    pub account: BTreeMap<String, u64>,
}

/// So many messages took at most so long, and longer than those before.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Bar {
    up_to_us: f64,
    count: u64,
}

/// A rule, judged.
#[derive(Clone, Debug, Deserialize)]
pub struct Threshold {
    /// The workload.
    pub workload: String,
    /// The rule.
    pub rule: String,
    /// What came instead of its limit.
    pub value: Option<f64>,
    /// Whether it is met.
    pub met: bool,
}

/// A bar as it is drawn, in a picture of [`WIDTH`] by [`HEIGHT`].
#[derive(Clone, Debug, PartialEq)]
pub struct Drawn {
    /// Its left edge.
    pub x: f64,
    /// Its upper edge.
    pub y: f64,
    /// How wide it is.
    pub width: f64,
    /// How high it is.
    pub height: f64,
    /// What it stands for.
    pub words: String,
}

/// What a histogram's picture measures.
pub const WIDTH: f64 = 480.0;
/// See [`WIDTH`].
pub const HEIGHT: f64 = 96.0;

/// The figures that are told, with what people call them.
const FIGURES: [(&str, &str); 10] = [
    ("opened_per_second", "connections opened/s"),
    ("cpu_us_per_connection", "CPU of a connection's begin, µs"),
    ("memory_kib_per_connection", "memory per connection, KiB"),
    ("deliveries_per_second", "deliveries/s"),
    (
        "cpu_seconds_per_100000_deliveries",
        "CPU s per 100,000 deliveries",
    ),
    ("p50_us", "p50, µs"),
    ("p90_us", "p90, µs"),
    ("p99_us", "p99, µs"),
    ("p99_9_us", "p99.9, µs"),
    ("max_us", "slowest, µs"),
];

/// The counts of an account, with what people call them.
const COUNTS: [(&str, &str); 7] = [
    ("delivered", "delivered once"),
    ("lost_silently", "lost silently"),
    ("lost_with_notice", "lost with notice"),
    ("duplicated", "duplicated"),
    ("reordered", "reordered"),
    ("leaked", "leaked"),
    ("damaged", "damaged"),
];

impl Load {
    /// What `text`, the text of a `load.json`, says. The error says what it is instead.
    pub fn read(text: &str) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Head {
            format: String,
            version: u32,
        }
        let expected =
            |error: serde_json::Error| format!("expected the load.json of a load: {error}");
        let head: Head = serde_json::from_str(text).map_err(expected)?;
        if (head.format.as_str(), head.version) != ("notification-contracts/load", 1) {
            return Err(format!(
                "expected \"notification-contracts/load\", version 1; it is {:?}, version {}: put the load on again",
                head.format, head.version
            ));
        }
        serde_json::from_str(text).map_err(expected)
    }
}

impl Workload {
    /// The figures that any target has, each with one value for each target.
    pub fn rows(&self) -> Vec<(&'static str, Vec<String>)> {
        let figures = FIGURES.iter().map(|(name, title)| {
            let of = |target: &Target| target.figures.get(*name).copied().flatten();
            (*title, self.targets.iter().map(of).collect::<Vec<_>>())
        });
        let told = figures.filter(|(_, values)| values.iter().any(Option::is_some));
        let counts = COUNTS.iter().map(|(name, title)| {
            let of = |target: &Target| {
                target
                    .account
                    .get(*name)
                    .map_or(String::new(), u64::to_string)
            };
            (*title, self.targets.iter().map(of).collect::<Vec<_>>())
        });
        told.map(|(title, values)| {
            let cells = values
                .into_iter()
                .map(|value| value.map_or(String::new(), short));
            (title, cells.collect())
        })
        .chain(counts)
        .collect()
    }

    /// How long messages to `target` took, as bars on the scale of all targets of this workload; nothing where no time was
    /// measured. The scale is logarithmic, and its ends are in the words.
    pub fn drawn(&self, target: &Target) -> Option<(String, Vec<Drawn>)> {
        let step = |bar: &Bar| (4.0 * bar.up_to_us.log2()).round();
        let all = self.targets.iter().flat_map(|target| &target.histogram);
        let (first, last) = all
            .map(step)
            .fold((f64::MAX, f64::MIN), |(first, last), step| {
                (first.min(step), last.max(step))
            });
        let highest = target.histogram.iter().map(|bar| bar.count).max()?;
        let width = WIDTH / (last - first + 1.0);
        let bars = target.histogram.iter().map(|bar| {
            let height = (HEIGHT * bar.count as f64 / highest as f64).max(1.0);
            Drawn {
                x: width * (step(bar) - first),
                y: HEIGHT - height,
                width: (width - 1.0).max(0.5),
                height,
                words: format!("{} in at most {} µs", bar.count, short(bar.up_to_us)),
            }
        });
        let end = |step: f64| short((step / 4.0).exp2());
        let words = format!(
            "how long messages took, from {} to {} µs, each step a fifth longer than the one before",
            end(first - 1.0),
            end(last)
        );
        Some((words, bars.collect()))
    }
}

impl Threshold {
    /// What came, in words.
    pub fn came(&self) -> String {
        self.value.map_or("not measured".to_owned(), short)
    }
}

/// Three digits, or all that stand before the point.
pub fn short(value: f64) -> String {
    match value {
        0.0 => "0".to_owned(),
        100.0.. => format!("{value:.0}"),
        10.0.. => format!("{value:.1}"),
        1.0.. => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// The load.json of a workload with a system and a baseline.
    pub const TEXT: &str = r#"{
        "format": "notification-contracts/load", "version": 1, "measured_at": "2026-01-02T03:04:05Z", "kept": false,
        "workloads": [{
            "name": "paced", "title": "<b>1,000</b> messages/s", "connections": 10, "payload_bytes": 300, "complete": true,
            "targets": [
                {"name": "my.toml", "figures": {"p99_us": 226.3, "max_us": null}, "account": {"delivered": 30, "lost_silently": 1},
                 "histogram": [{"up_to_us": 107.63, "count": 20}, {"up_to_us": 215.27, "count": 10}]},
                {"name": "direct", "figures": {"p99_us": 64.0}, "account": {"delivered": 31},
                 "histogram": [{"up_to_us": 64.0, "count": 31}]}
            ]
        }],
        "thresholds": [{"workload": "paced", "rule": "loss = 0", "value": 1, "met": false}],
        "limits": ["paced, my.toml: the generator published late"]
    }"#;

    #[test]
    fn figures_and_counts_stand_beside_each_other() {
        let load = Load::read(TEXT).unwrap();
        let rows = load.workloads[0].rows();
        assert_eq!(
            rows[0],
            ("p99, µs", vec!["226".to_owned(), "64.0".to_owned()])
        );
        assert_eq!(
            rows[1],
            ("delivered once", vec!["30".to_owned(), "31".to_owned()])
        );
        assert_eq!(
            rows[2],
            ("lost silently", vec!["1".to_owned(), String::new()])
        );
    }

    #[test]
    fn histograms_are_drawn_on_one_scale() {
        let load = Load::read(TEXT).unwrap();
        let workload = &load.workloads[0];
        let (words, own) = workload.drawn(&workload.targets[0]).unwrap();
        let (_, direct) = workload.drawn(&workload.targets[1]).unwrap();
        assert!(
            words.starts_with("how long messages took, from 53.8 to 215 µs"),
            "{words}"
        );
        assert_eq!(direct[0].x, 0.0);
        assert!(direct[0].x < own[0].x && own[0].x < own[1].x && own[1].x < WIDTH);
        assert_eq!(
            (own[0].y, own[0].height, own[1].height),
            (0.0, HEIGHT, HEIGHT / 2.0)
        );
        assert_eq!(own[1].words, "10 in at most 215 µs");
    }

    #[test]
    fn another_file_is_told_apart() {
        assert!(
            Load::read("{}")
                .unwrap_err()
                .starts_with("expected the load.json of a load")
        );
        let newer = TEXT.replace("\"version\": 1", "\"version\": 2");
        assert!(
            Load::read(&newer)
                .unwrap_err()
                .ends_with("version 2: put the load on again")
        );
    }
}

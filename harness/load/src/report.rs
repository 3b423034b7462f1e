//! What a run found, as a program reads it: `load.json` (harness/schemas/load.json).

use std::collections::BTreeMap;

use serde::Serialize;

use super::account::Balance;
use super::figures::{Bar, Figures, Generator, median};
use super::metric::Metric;
use super::threshold::Judged;
use super::workload::{Pace, Workload};

/// A run's results.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// What it is.
    pub format: &'static str,
    /// Which of it. A field that is added leaves it as it is; one that goes, or means something else, raises it.
    pub version: u32,
    /// When the run began (RFC 3339).
    pub measured_at: String,
    /// Where the suite's own parts ran.
    pub runtime: String,
    /// One after the other.
    pub workloads: Vec<Played>,
    /// What was demanded, and whether it is met.
    pub thresholds: Vec<Judged>,
    /// Figures that are the generator's or the machine's own limit, in sentences.
    pub limits: Vec<String>,
    /// Whether every message is accounted for and every threshold met.
    pub kept: bool,
}

/// A workload and what it showed.
#[derive(Clone, Debug, Serialize)]
pub struct Played {
    /// What threshold files call it.
    pub name: String,
    /// What it is.
    pub title: String,
    /// Connections of each system.
    pub connections: u32,
    /// Users of each system.
    pub users: u32,
    /// Connections of each user.
    pub connections_per_user: u32,
    /// How often messages were published.
    pub pace: Pace,
    /// Messages one after the other to a user.
    pub burst: u32,
    /// Users at the same time.
    pub fan_out: u32,
    /// The length of a message.
    pub payload_bytes: usize,
    /// For how long messages were published to each target.
    pub seconds: f64,
    /// Whether it was played to its end; it is not where something did not arrive.
    pub complete: bool,
    /// The systems first.
    pub targets: Vec<Measured>,
    /// The first system beside each other target.
    pub ratios: Vec<Ratio>,
}

/// What a target is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// The system that is measured.
    System,
    /// One that it is compared with.
    Compared,
    /// A bare Redis subscriber.
    Direct,
    /// The raw relay.
    RawRelay,
}

/// A target and what was measured of it.
#[derive(Clone, Debug, Serialize)]
pub struct Measured {
    /// The profile's file, or the baseline's name.
    pub name: String,
    /// What it is.
    pub role: Role,
    /// Altogether.
    pub figures: Figures,
    /// In each round.
    pub rounds: Vec<Figures>,
    /// How long messages took.
    pub histogram: Vec<Bar>,
    /// What became of every message.
    pub account: Balance,
    /// How many connections ended before they were left, by the server's close code; `none` where it gave none.
    pub ended: BTreeMap<String, u64>,
    /// What the generator used.
    pub generator: Generator,
    /// Why its processor time and memory are not told.
    pub unseen: Option<String>,
}

/// A figure of the first system beside another target's.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Ratio {
    /// The figure's name.
    pub metric: &'static str,
    /// What the other target is.
    pub beside: Role,
    /// Its name.
    pub name: String,
    /// The median of the rounds' ratios.
    pub value: f64,
}

impl Role {
    /// What threshold files and tables call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::Compared => "compared",
            Self::Direct => "direct",
            Self::RawRelay => "raw-relay",
        }
    }
}

impl Played {
    /// What these targets showed.
    pub fn of(workload: &Workload, targets: Vec<Measured>, complete: bool) -> Self {
        let ratios = (targets.first().into_iter())
            .flat_map(|system| targets[1..].iter().map(move |other| (system, other)))
            .flat_map(|(system, other)| {
                Metric::ALL.into_iter().filter_map(move |metric| {
                    Some(Ratio {
                        metric: metric.name(),
                        beside: other.role,
                        name: other.name.clone(),
                        value: ratio(metric, system, other)?,
                    })
                })
            });
        Self {
            name: workload.name.clone(),
            title: workload.title.clone(),
            connections: workload.connections(),
            users: workload.users,
            connections_per_user: workload.per_user,
            pace: workload.pace,
            burst: workload.burst,
            fan_out: workload.fan_out,
            payload_bytes: workload.payload,
            seconds: workload.duration.as_secs_f64(),
            complete,
            ratios: ratios.collect(),
            targets,
        }
    }

    /// The target that is `role`, if there is one.
    pub fn target(&self, role: Role) -> Option<&Measured> {
        self.targets.iter().find(|target| target.role == role)
    }

    /// Whether every system's messages are accounted for.
    pub fn is_clean(&self) -> bool {
        self.targets.iter().all(|target| target.account.is_clean())
    }
}

/// The median of the rounds' ratios; none of what is counted, or where one was not measured.
pub fn ratio(metric: Metric, system: &Measured, other: &Measured) -> Option<f64> {
    if metric.is_count() {
        return None;
    }
    let rounds = metric
        .of_rounds(system)
        .into_iter()
        .zip(metric.of_rounds(other));
    median(rounds.map(|(own, other)| own / other).collect()).filter(|ratio| ratio.is_finite())
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::super::figures::Turn;
    use super::*;

    fn measured(role: Role) -> Measured {
        Measured {
            name: role.name().to_owned(),
            role,
            figures: Turn::default().figures(),
            rounds: vec![Figures::default()],
            histogram: vec![Bar {
                up_to_us: 100.0,
                count: 1,
            }],
            account: Balance::default(),
            ended: BTreeMap::from([("1011".to_owned(), 2), ("none".to_owned(), 1)]),
            generator: Generator::default(),
            unseen: Some("it is somebody else's".to_owned()),
        }
    }

    #[test]
    fn every_report_is_as_the_schema_says() {
        let targets = || [Role::System, Role::Compared, Role::Direct, Role::RawRelay].map(measured);
        let played = |workload| Played::of(workload, targets().to_vec(), false);
        let report = Report {
            format: "notification-contracts/load",
            version: 1,
            measured_at: "2026-01-02T03:04:05Z".to_owned(),
            runtime: "processes".to_owned(),
            workloads: Workload::usual().iter().map(played).collect(),
            thresholds: vec![Judged {
                workload: "paced".to_owned(),
                rule: "p99 < 2 × direct".to_owned(),
                value: None,
                figures: [Some(1.0), None],
                met: false,
            }],
            limits: vec!["its own".to_owned()],
            kept: false,
        };
        let document = serde_json::to_value(&report).unwrap();
        let schema: Value = serde_json::from_str(include_str!("../../schemas/load.json")).unwrap();
        let validator = jsonschema::draft202012::new(&schema).unwrap();
        let errors: Vec<String> = (validator.iter_errors(&document))
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        assert_eq!(errors, [""; 0]);
    }

    #[test]
    fn a_ratio_is_the_median_of_the_rounds_ratios() {
        let of_rounds = |role, p99: [f64; 3]| Measured {
            rounds: (p99.iter())
                .map(|p99| Figures {
                    p99_us: Some(*p99),
                    ..Figures::default()
                })
                .collect(),
            ..measured(role)
        };
        let system = of_rounds(Role::System, [2.0, 90.0, 30.0]);
        let other = of_rounds(Role::Direct, [1.0, 10.0, 10.0]);
        assert_eq!(ratio(Metric::P99, &system, &other), Some(3.0));
        assert_eq!(ratio(Metric::P50, &system, &other), None);
        assert_eq!(ratio(Metric::Loss, &system, &other), None);
    }
}

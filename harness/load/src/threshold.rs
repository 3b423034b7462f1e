//! Threshold files: what a load must show to be good enough.
//!
//! A rule compares a figure with a baseline's of the same run, `p99 < 2 × direct`, or is about something that is the same
//! on any machine, `loss = 0`.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};
use toml::Spanned;

use super::metric::Metric;
use super::report::{Measured, Played, Role, ratio};

/// The rules of a file.
#[derive(Clone, Debug)]
pub struct Thresholds {
    file: String,
    rules: Vec<Rule>,
}

/// One rule.
#[derive(Clone, Debug)]
struct Rule {
    line: usize,
    text: String,
    /// Which workload it is about; each that measures the figure where it does not say.
    workload: Option<String>,
    metric: Metric,
    operator: Operator,
    limit: Limit,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Limit {
    Number(f64),
    Times(f64, Role),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Less,
    AtMost,
    Equal,
    AtLeast,
    More,
}

/// A rule applied to a workload.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Judged {
    /// The workload.
    pub workload: String,
    /// The rule.
    pub rule: String,
    /// What came instead of the limit: a number, or the median of the rounds' ratios; none where it was not measured.
    pub value: Option<f64>,
    /// What it comes from: the figure of the system, and the baseline's.
    pub figures: [Option<f64>; 2],
    /// Whether the rule is kept.
    pub met: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    require: Vec<Spanned<String>>,
    #[serde(default)]
    workload: BTreeMap<String, Section>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Section {
    require: Vec<Spanned<String>>,
}

/// The longer ones first: each is looked for at the same place.
const OPERATORS: [(&str, Operator); 7] = [
    ("<=", Operator::AtMost),
    (">=", Operator::AtLeast),
    ("≤", Operator::AtMost),
    ("≥", Operator::AtLeast),
    ("<", Operator::Less),
    (">", Operator::More),
    ("=", Operator::Equal),
];
const BASELINES: [Role; 3] = [Role::Direct, Role::RawRelay, Role::Compared];
const EXAMPLE: &str = "a rule is as in \"p99 < 2 × direct\" or \"loss = 0\"";

impl Thresholds {
    /// Those in the file `path`.
    pub fn of_file(path: &Path) -> Result<Self, String> {
        let file = path.display().to_string();
        let text = fs::read_to_string(path).map_err(|error| format!("{file}: {error}"))?;
        Self::parse(&file, &text)
    }

    /// Those in `text`, which is called `file`.
    pub fn parse(file: &str, text: &str) -> Result<Self, String> {
        let line = |at: usize| 1 + text.get(..at).unwrap_or_default().matches('\n').count();
        let parsed: File = toml::from_str(text).map_err(|error| {
            let at = error
                .span()
                .map_or(String::new(), |span| format!(":{}", line(span.start)));
            format!("{file}{at}: {}", error.message())
        })?;
        let of_all = parsed.require.into_iter().map(|rule| (None, rule));
        let of_one = parsed.workload.into_iter().flat_map(|(name, section)| {
            section
                .require
                .into_iter()
                .map(move |rule| (Some(name.clone()), rule))
        });
        let rules: Vec<Rule> = of_all
            .chain(of_one)
            .map(|(workload, rule)| {
                let line = line(rule.span().start);
                let text = rule.into_inner();
                let parsed = parse(&text);
                let (metric, operator, limit) =
                    parsed.map_err(|problem| format!("{file}:{line}: {text:?}: {problem}"))?;
                Ok(Rule {
                    line,
                    text,
                    workload,
                    metric,
                    operator,
                    limit,
                })
            })
            .collect::<Result<_, String>>()?;
        if rules.is_empty() {
            return Err(format!(
                "{file}: requires nothing: {EXAMPLE}, in a list `require`"
            ));
        }
        Ok(Self {
            file: file.to_owned(),
            rules,
        })
    }

    /// The baselines that a run needs for them.
    pub fn baselines(&self) -> impl Iterator<Item = Role> {
        self.rules.iter().filter_map(|rule| match rule.limit {
            Limit::Times(_, role) => Some(role),
            Limit::Number(_) => None,
        })
    }

    /// What cannot be judged in a run of these workloads, if anything: no rule may be kept because nobody looked.
    pub fn problem(&self, workloads: &[&str]) -> Option<String> {
        let unknown = self.rules.iter().find_map(|rule| {
            let name = rule.workload.as_deref()?;
            (!workloads.contains(&name)).then_some((rule, name))
        });
        let (rule, name) = unknown?;
        Some(format!(
            "{}:{}: this run has no workload {name:?}: it has {}",
            self.file,
            rule.line,
            workloads.join(", ")
        ))
    }

    /// Every rule, applied to what was played; the error names one about something that was not measured.
    pub fn judge(&self, played: &[Played]) -> Result<Vec<Judged>, String> {
        let mut judged = Vec::new();
        for rule in &self.rules {
            let of_rule: Vec<Judged> = (played.iter())
                .filter(|played| {
                    rule.workload
                        .as_ref()
                        .is_none_or(|name| *name == played.name)
                })
                .filter_map(|played| rule.judge(played))
                .collect();
            if of_rule.is_empty() {
                let workloads: Vec<&str> =
                    played.iter().map(|played| played.name.as_str()).collect();
                return Err(format!(
                    "{}:{}: {:?}: nothing of it is measured in {}: {}",
                    self.file,
                    rule.line,
                    rule.text,
                    workloads.join(", "),
                    rule.why_not_measured()
                ));
            }
            judged.extend(of_rule);
        }
        Ok(judged)
    }
}

impl Rule {
    /// Nothing where the workload does not measure what it is about.
    fn judge(&self, played: &Played) -> Option<Judged> {
        let system = played.target(Role::System)?;
        let own = self.metric.of(system);
        let (value, other, limit) = match self.limit {
            Limit::Number(limit) => (own, None, limit),
            Limit::Times(limit, role) => {
                let other = played.target(role)?;
                (
                    ratio(self.metric, system, other),
                    self.metric.of(other),
                    limit,
                )
            }
        };
        let judged = |value, met| Judged {
            workload: played.name.clone(),
            rule: self.text.clone(),
            value,
            figures: [own, other],
            met,
        };
        match value {
            Some(value) => Some(judged(Some(value), self.operator.holds(value, limit))),
            // What should have been measured was not: something did not arrive.
            None if !played.complete && self.could_be_measured(system) => Some(judged(None, false)),
            None => None,
        }
    }

    fn could_be_measured(&self, system: &Measured) -> bool {
        !matches!(
            self.metric,
            Metric::CpuPerDelivery | Metric::MemoryPerConnection
        ) || system.unseen.is_none()
    }

    fn why_not_measured(&self) -> &'static str {
        match (self.metric, self.limit) {
            (Metric::CpuPerDelivery, Limit::Times(_, Role::Direct)) => {
                "the bare subscriber is the generator itself, so that its processor time is no baseline; raw-relay is one"
            }
            (Metric::P50 | Metric::P90 | Metric::P99 | Metric::P999 | Metric::Max, _) => {
                "latencies are of messages that are published at a --rate"
            }
            (
                Metric::CpuPerDelivery | Metric::CpuPerConnection | Metric::MemoryPerConnection,
                _,
            ) => "processor time and memory are those of a service that is started here",
            _ => "the run lacks the baseline",
        }
    }
}

impl Operator {
    fn holds(self, value: f64, limit: f64) -> bool {
        match self {
            Self::Less => value < limit,
            Self::AtMost => value <= limit,
            Self::Equal => value == limit,
            Self::AtLeast => value >= limit,
            Self::More => value > limit,
        }
    }
}

fn parse(text: &str) -> Result<(Metric, Operator, Limit), String> {
    let found = OPERATORS
        .iter()
        .filter_map(|(sign, operator)| Some((text.find(sign)?, sign, operator)));
    // The first in the text; of those at the same place, the longest.
    let (at, sign, operator) = found
        .min_by_key(|(at, sign, _)| (*at, usize::MAX - sign.len()))
        .ok_or_else(|| format!("it compares nothing: {EXAMPLE}"))?;
    let metric: Metric = text[..at].trim().parse()?;
    let limit = limit(metric, text[at + sign.len()..].trim())?;
    if *operator == Operator::Equal && !metric.is_count() {
        return Err("a figure that is measured is never exactly another: take < or >".to_owned());
    }
    Ok((metric, *operator, limit))
}

fn limit(metric: Metric, text: &str) -> Result<Limit, String> {
    let end = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    let number = match digits {
        "" => None,
        digits => {
            let number: Result<f64, _> = digits.parse();
            Some(number.map_err(|_| format!("{digits:?} is no number"))?)
        }
    };
    let rest = rest.trim();
    let name = rest.strip_prefix(['×', '*', 'x']).map(str::trim);
    match (number, name, rest) {
        (Some(number), None, "") if metric.is_count() => Ok(Limit::Number(number)),
        (Some(number), None, "KiB") if metric == Metric::MemoryPerConnection => {
            Ok(Limit::Number(number))
        }
        (Some(times), Some(name), _) => Ok(Limit::Times(times, role(metric, name)?)),
        (None, None, name) if name.starts_with(|c: char| c.is_ascii_alphabetic()) => {
            Ok(Limit::Times(1.0, role(metric, name)?))
        }
        (Some(_), None, unit) if metric.is_count() => Err(format!(
            "{} is a number of messages, and those have no {unit:?}",
            metric.name()
        )),
        (Some(_), None, _) if metric == Metric::MemoryPerConnection => {
            Err("memory is told in KiB, as in \"memory_per_connection < 16 KiB\"".to_owned())
        }
        (Some(_), None, _) => Err(format!(
            "a {} that is right on one machine is wrong on another, and on the same one when it is busy: compare it with a \
             baseline of the same run, as in \"{} < 2 × direct\"; baselines are {}",
            metric.name(),
            metric.name(),
            names()
        )),
        _ => Err(format!("{text:?} is no limit: {EXAMPLE}")),
    }
}

fn role(metric: Metric, name: &str) -> Result<Role, String> {
    if metric.is_count() {
        return Err(format!(
            "a baseline loses nothing, so that no multiple of it is a limit: \"{} = 0\"",
            metric.name()
        ));
    }
    let found = BASELINES.into_iter().find(|role| role.name() == name);
    found.ok_or_else(|| format!("there is no baseline {name:?}: there are {}", names()))
}

fn names() -> String {
    BASELINES.map(Role::name).join(", ")
}

#[cfg(test)]
mod tests;

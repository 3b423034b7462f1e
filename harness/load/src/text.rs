//! What a run found, for people.

use harness::report::load::short;

use super::metric::Metric;
use super::report::{Measured, Played, Report, Role, ratio};
use super::threshold::Judged;

/// The whole report.
pub fn text(report: &Report) -> String {
    let mut text = String::new();
    for played in &report.workloads {
        text.push_str(&workload(played));
        text.push('\n');
    }
    for limit in &report.limits {
        text.push_str(&format!("limit: {limit}\n"));
    }
    for judged in &report.thresholds {
        text.push_str(&threshold(judged));
    }
    text.push_str(
        match (report.kept, report.workloads.iter().all(Played::is_clean)) {
            (true, _) => "every message is accounted for\n",
            (false, true) => "every message is accounted for, and a threshold is missed\n",
            (false, false) => {
                "BROKEN: messages were lost, duplicated, reordered, leaked or damaged\n"
            }
        },
    );
    text
}

fn workload(played: &Played) -> String {
    let Played {
        name,
        title,
        connections,
        payload_bytes,
        ..
    } = played;
    let mut text =
        format!("{name}: {title} ({connections} connections, {payload_bytes} bytes)\n\n");
    if !played.complete {
        text.push_str("It was not played to its end: something did not arrive in 10 s.\n\n");
    }
    text.push_str(&table(&rows(played)));
    text.push('\n');
    for target in &played.targets {
        text.push_str(&account(target));
    }
    text
}

/// A line for each figure that was measured of any target, with the first system's beside each other one.
fn rows(played: &Played) -> Vec<Vec<String>> {
    let [system, others @ ..] = &played.targets[..] else {
        return Vec::new();
    };
    let mut head = vec![String::new(), system.name.clone()];
    for other in others {
        head.extend([other.name.clone(), "ratio".to_owned()]);
    }
    let mut rows = vec![head];
    for metric in Metric::ALL.into_iter().filter(|metric| !metric.is_count()) {
        let values = played.targets.iter().map(|target| metric.of(target));
        if values.clone().all(|value| value.is_none()) {
            continue;
        }
        let cell = |value: Option<f64>| value.map_or(String::new(), short);
        let mut row = vec![metric.title().to_owned(), cell(metric.of(system))];
        for other in others {
            row.extend([
                cell(metric.of(other)),
                ratio(metric, system, other).map_or(String::new(), |ratio| format!("{ratio:.2}")),
            ]);
        }
        rows.push(row);
    }
    let mut cores = vec!["the generator's cores".to_owned()];
    for (index, target) in played.targets.iter().enumerate() {
        cores.push(format!("{:.0} %", 100.0 * target.generator.cores));
        cores.extend((index > 0).then(String::new));
    }
    if played
        .targets
        .iter()
        .any(|target| target.generator.cores > 0.0)
    {
        rows.push(cores);
    }
    rows
}

fn account(target: &Measured) -> String {
    let mut text = format!("{}: {}", target.name, target.account.totals());
    if target.account.damaged > 0 {
        text.push_str(&format!(", {} damaged", target.account.damaged));
    }
    for (code, count) in &target.ended {
        let how = match code.as_str() {
            "none" => "without a close code".to_owned(),
            code => format!("with {code}"),
        };
        text.push_str(&format!("; {count} connections ended {how}"));
    }
    text.push('\n');
    if let (Some(why), Role::System | Role::Compared) = (&target.unseen, target.role) {
        let name = &target.name;
        text.push_str(&format!(
            "{name}: processor time and memory are not ours to see: {why}\n"
        ));
    }
    text
}

fn threshold(judged: &Judged) -> String {
    let word = if judged.met { "met" } else { "MISSED" };
    let value = judged.value.map_or("not measured".to_owned(), short);
    let figures = match judged.figures {
        [Some(own), Some(other)] => format!(" ({} beside {})", short(own), short(other)),
        _ => String::new(),
    };
    format!(
        "{word}: {}: {}: it is {value}{figures}\n",
        judged.workload, judged.rule
    )
}

/// A table in Markdown, aligned.
fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.first().map_or(0, Vec::len);
    let widths: Vec<usize> = (0..columns)
        .map(|column| {
            rows.iter()
                .map(|row| row[column].chars().count())
                .max()
                .unwrap_or(0)
        })
        .collect();
    let mut text = String::new();
    for (number, row) in rows.iter().enumerate() {
        let cells: Vec<String> = (row.iter().zip(&widths).enumerate())
            .map(|(column, (cell, width))| match column {
                0 => format!("{cell:width$}"),
                _ => format!("{cell:>width$}"),
            })
            .collect();
        text.push_str(&format!("| {} |\n", cells.join(" | ")));
        if number == 0 {
            let rule = |(column, width): (usize, &usize)| match column {
                0 => "-".repeat(width + 2),
                _ => "-".repeat(width + 1) + ":",
            };
            let rules: Vec<String> = widths.iter().enumerate().map(rule).collect();
            text.push_str(&format!("|{}|\n", rules.join("|")));
        }
    }
    text
}

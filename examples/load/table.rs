//! What is printed: medians over the rounds, beside what was aimed at.

/// One line of the table.
pub struct Row {
    measure: String,
    unit: &'static str,
    /// By round: the service, and what it is compared with.
    service: Vec<f64>,
    beside: Vec<f64>,
    beside_name: &'static str,
    target: Target,
    own_share: Vec<f64>,
}

/// What is aimed at.
#[derive(Clone, Copy, Debug)]
pub enum Target {
    /// The median of the rounds' ratios, at most.
    Ratio(f64),
    /// The value, at most.
    AtMost(f64),
    /// The value, at least.
    AtLeast(f64),
    /// Nothing: it explains another line.
    None,
}

/// From this share of a core on, the load generator may be what limits a rate.
const BUSY: f64 = 0.9;

impl Row {
    /// No rounds yet.
    pub fn new(
        measure: impl Into<String>,
        unit: &'static str,
        beside_name: &'static str,
        target: Target,
    ) -> Self {
        Self {
            measure: measure.into(),
            unit,
            service: Vec::new(),
            beside: Vec::new(),
            beside_name,
            target,
            own_share: Vec::new(),
        }
    }

    /// One round: the service's value, the value beside it, and the generator's share of a core meanwhile (zero where it does
    /// not matter).
    pub fn round(&mut self, service: f64, beside: f64, own_share: f64) {
        self.service.push(service);
        self.beside.push(beside);
        self.own_share.push(own_share);
    }

    /// Whether the target is met; nothing without one.
    pub fn met(&self) -> Option<bool> {
        let value = median(&self.service);
        match self.target {
            Target::Ratio(most) => Some(self.ratio() <= most),
            Target::AtMost(most) => Some(value <= most),
            Target::AtLeast(least) => Some(value >= least),
            Target::None => None,
        }
    }

    /// The measure, if the generator used so much of a core that it may be what was measured.
    pub fn limited_by_generator(&self) -> Option<&str> {
        (median(&self.own_share) >= BUSY).then_some(&self.measure)
    }

    fn ratio(&self) -> f64 {
        let rounds = self.service.iter().zip(&self.beside);
        median(
            &rounds
                .map(|(service, beside)| service / beside)
                .collect::<Vec<_>>(),
        )
    }

    fn cells(&self) -> [String; 8] {
        let (beside, ratio) = if self.beside_name.is_empty() {
            Default::default()
        } else {
            let beside = format!("{} {}", short(median(&self.beside)), self.beside_name);
            (beside, format!("{:.2}", self.ratio()))
        };
        let target = match self.target {
            Target::Ratio(most) => format!("≤ {most} ×"),
            Target::AtMost(most) => format!("≤ {most}"),
            Target::AtLeast(least) => format!("≥ {least}"),
            Target::None => String::new(),
        };
        let verdict = match self.met() {
            Some(true) => "met",
            Some(false) => "missed",
            None => "",
        };
        let share = match median(&self.own_share) {
            0.0 => String::new(),
            share => format!("{:.0} %", 100.0 * share),
        };
        [
            self.measure.clone(),
            self.unit.to_owned(),
            short(median(&self.service)),
            beside,
            ratio,
            target,
            verdict.to_owned(),
            share,
        ]
    }
}

/// The rows as a table in Markdown, aligned.
pub fn table(rows: &[Row]) -> String {
    let head = [
        "",
        "",
        "service",
        "beside",
        "ratio",
        "target",
        "",
        "load's core",
    ];
    let mut lines = vec![head.map(str::to_owned)];
    lines.extend(rows.iter().map(Row::cells));
    let widths: Vec<usize> = (0..head.len())
        .map(|column| lines.iter().map(|line| line[column].chars().count()).max())
        .map(Option::unwrap_or_default)
        .collect();
    let mut text = String::new();
    for (number, line) in lines.iter().enumerate() {
        let cells = line.iter().zip(&widths);
        let cells: Vec<String> = cells
            .map(|(cell, width)| format!("{cell:width$}"))
            .collect();
        text.push_str(&format!("| {} |\n", cells.join(" | ")));
        if number == 0 {
            let rules: Vec<String> = widths.iter().map(|width| "-".repeat(width + 2)).collect();
            text.push_str(&format!("|{}|\n", rules.join("|")));
        }
    }
    text
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match (sorted.len() / 2, sorted.len() % 2) {
        (_, _) if sorted.is_empty() => f64::NAN,
        (middle, 1) => sorted[middle],
        (middle, _) => (sorted[middle - 1] + sorted[middle]) / 2.0,
    }
}

fn short(value: f64) -> String {
    match value {
        100.0.. => format!("{value:.0}"),
        10.0.. => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

//! The figures by their names, as people write them in threshold files and read them in tables.

use std::str::FromStr;

use super::report::Measured;

/// A figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Metric {
    /// Messages that were lost although nothing told their client.
    Loss,
    /// Messages that were lost with notice.
    LossWithNotice,
    /// Messages that came more than once.
    Duplicates,
    /// Messages that came after a later one.
    Reordering,
    /// Messages that came to another user.
    Leaks,
    /// Messages that came with other bytes.
    Damage,
    /// See `Figures::opened_per_second`.
    OpenedPerSecond,
    /// See `Figures::cpu_us_per_connection`.
    CpuPerConnection,
    /// See `Figures::memory_kib_per_connection`.
    MemoryPerConnection,
    /// See `Figures::deliveries_per_second`.
    DeliveriesPerSecond,
    /// See `Figures::cpu_seconds_per_100000_deliveries`.
    CpuPerDelivery,
    /// See `Figures::p50_us`.
    P50,
    /// See `Figures::p50_us`.
    P90,
    /// See `Figures::p50_us`.
    P99,
    /// See `Figures::p50_us`.
    P999,
    /// See `Figures::max_us`.
    Max,
}

impl Metric {
    /// All of them, in the order of a table.
    pub const ALL: [Self; 16] = [
        Self::OpenedPerSecond,
        Self::CpuPerConnection,
        Self::MemoryPerConnection,
        Self::DeliveriesPerSecond,
        Self::CpuPerDelivery,
        Self::P50,
        Self::P90,
        Self::P99,
        Self::P999,
        Self::Max,
        Self::Loss,
        Self::LossWithNotice,
        Self::Duplicates,
        Self::Reordering,
        Self::Leaks,
        Self::Damage,
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Loss => "loss",
            Self::LossWithNotice => "loss_with_notice",
            Self::Duplicates => "duplicates",
            Self::Reordering => "reordering",
            Self::Leaks => "leaks",
            Self::Damage => "damage",
            Self::OpenedPerSecond => "opened_per_second",
            Self::CpuPerConnection => "cpu_per_connection",
            Self::MemoryPerConnection => "memory_per_connection",
            Self::DeliveriesPerSecond => "deliveries_per_second",
            Self::CpuPerDelivery => "cpu_per_delivery",
            Self::P50 => "p50",
            Self::P90 => "p90",
            Self::P99 => "p99",
            Self::P999 => "p99.9",
            Self::Max => "max",
        }
    }

    /// What a table calls it, with its unit.
    pub fn title(self) -> &'static str {
        match self {
            Self::OpenedPerSecond => "connections opened/s",
            Self::CpuPerConnection => "CPU of a connection's begin, µs",
            Self::MemoryPerConnection => "memory per connection, KiB",
            Self::DeliveriesPerSecond => "deliveries/s",
            Self::CpuPerDelivery => "CPU s per 100,000 deliveries",
            Self::P50 => "p50, µs",
            Self::P90 => "p90, µs",
            Self::P99 => "p99, µs",
            Self::P999 => "p99.9, µs",
            Self::Max => "slowest, µs",
            other => other.name(),
        }
    }

    /// Whether it counts messages: a number of those is the same on any machine.
    pub fn is_count(self) -> bool {
        matches!(
            self,
            Self::Loss
                | Self::LossWithNotice
                | Self::Duplicates
                | Self::Reordering
                | Self::Leaks
                | Self::Damage
        )
    }

    /// Its value altogether; none where it was not measured.
    pub fn of(self, measured: &Measured) -> Option<f64> {
        let account = &measured.account;
        let count = match self {
            Self::Loss => account.lost_silently,
            Self::LossWithNotice => account.lost_with_notice,
            Self::Duplicates => account.duplicated,
            Self::Reordering => account.reordered,
            Self::Leaks => account.leaked,
            Self::Damage => account.damaged,
            _ => return self.of_figures(&measured.figures),
        };
        Some(count as f64)
    }

    /// Its values in the rounds, where each has one; else the one that there is.
    pub fn of_rounds(self, measured: &Measured) -> Vec<f64> {
        let rounds: Vec<f64> = (measured.rounds.iter())
            .filter_map(|figures| self.of_figures(figures))
            .collect();
        match rounds.is_empty() {
            true => self.of(measured).into_iter().collect(),
            false => rounds,
        }
    }

    fn of_figures(self, figures: &super::figures::Figures) -> Option<f64> {
        match self {
            Self::OpenedPerSecond => figures.opened_per_second,
            Self::CpuPerConnection => figures.cpu_us_per_connection,
            Self::MemoryPerConnection => figures.memory_kib_per_connection,
            Self::DeliveriesPerSecond => figures.deliveries_per_second,
            Self::CpuPerDelivery => figures.cpu_seconds_per_100000_deliveries,
            Self::P50 => figures.p50_us,
            Self::P90 => figures.p90_us,
            Self::P99 => figures.p99_us,
            Self::P999 => figures.p99_9_us,
            Self::Max => figures.max_us,
            _ => None,
        }
    }
}

impl FromStr for Metric {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|metric| metric.name() == name);
        found.ok_or_else(|| {
            let names = Self::ALL.map(Self::name);
            let near = names.iter().max_by(|a, b| {
                let near = |other: &str| strsim::jaro_winkler(name, other);
                near(a).total_cmp(&near(b))
            });
            format!(
                "there is no figure {name:?}; did you mean {}? There are {}",
                near.unwrap_or(&""),
                names.join(", ")
            )
        })
    }
}

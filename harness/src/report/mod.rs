//! A run's results for people and for programs; every format is made from the same [`Results`].
//!
//! - `scenario`: one scenario that failed, with its evidence
//! - `text`: a run for a terminal
//! - `json`: a run for programs; `harness/schemas/results.json` describes it
//! - `junit`: a run for CI servers
//! - `markdown`: a run for a job summary or a pull request
//! - `github`: annotations for GitHub Actions

mod github;
mod json;
mod junit;
mod markdown;
mod scenario;
mod text;

use std::fmt;
use std::str::FromStr;

pub use scenario::failure;

use crate::results::Results;

/// A format of the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// For a terminal.
    Text,
    /// For programs.
    Json,
    /// For CI servers.
    Junit,
    /// For a job summary.
    Markdown,
    /// The text, and annotations for GitHub Actions.
    Github,
}

impl Format {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Text,
        Self::Json,
        Self::Junit,
        Self::Markdown,
        Self::Github,
    ];

    /// Those that are files of their own, with the files' names.
    pub const FILES: [(Self, &str); 3] = [
        (Self::Json, "results.json"),
        (Self::Junit, "junit.xml"),
        (Self::Markdown, "summary.md"),
    ];

    /// `results` in this format.
    pub fn of(self, results: &Results) -> String {
        match self {
            Self::Text => text::text(results),
            Self::Json => json::text(results),
            Self::Junit => junit::text(results),
            Self::Markdown => markdown::text(results),
            Self::Github => format!("{}{}", github::annotations(results), text::text(results)),
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Text => "text",
            Self::Json => "json",
            Self::Junit => "junit",
            Self::Markdown => "markdown",
            Self::Github => "github",
        })
    }
}

impl FromStr for Format {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|f| f.to_string() == text);
        found.ok_or_else(|| {
            let names = Self::ALL.map(|format| format.to_string());
            format!("no format {text:?}: one of {}", names.join(", "))
        })
    }
}

//! A run's results for people and for programs.
//!
//! Made of the [`Results`] themselves:
//! - `scenario`: one scenario that failed, with its evidence
//! - `text`: a run for a terminal
//! - `junit`: a run for CI servers
//! - `github`: annotations for GitHub Actions
//! - [`document`]: a run for programs; `harness/schemas/results.json` describes it
//!
//! Made of the document alone, so that they can be made again of a file:
//! - [`page`](fn@page): a page for a browser
//! - [`markdown`](fn@markdown): a summary for a job or a pull request
//!
//! - [`merged`](fn@merged): the parts of a run that was divided over machines, as one
//!
//! What those stand on:
//! - [`reference`](mod@reference): what readers look up in the contract
//! - [`base`]: what the run is compared with
//! - `difference`, `values`: two flows compared by what they mean
//! - `actors`: who stands in a drawing of a flow
//! - [`load`]: a load that was put on a system, beside the run
//! - `mermaid`: a flow as a diagram that GitHub draws

mod actors;
pub mod base;
mod difference;
pub mod document;
mod github;
mod junit;
pub mod load;
mod markdown;
mod merged;
mod mermaid;
mod page;
pub mod reference;
mod scenario;
mod text;
mod values;

use std::fmt;
use std::str::FromStr;

pub use markdown::text as markdown;
pub use merged::merged;
pub use page::{page, review_page};
pub use scenario::failure;

use document::Document;

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
    /// For a browser.
    Html,
}

impl Format {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Text,
        Self::Json,
        Self::Junit,
        Self::Markdown,
        Self::Github,
        Self::Html,
    ];

    /// Those that are files of their own, with the files' names.
    pub const FILES: [(Self, &str); 4] = [
        (Self::Html, "report.html"),
        (Self::Json, "results.json"),
        (Self::Junit, "junit.xml"),
        (Self::Markdown, "summary.md"),
    ];

    /// `results`, whose document is `document`, in this format.
    pub fn of(self, results: &Results, document: &Document) -> String {
        match self {
            Self::Text => text::text(results),
            Self::Json => document.text(),
            Self::Junit => junit::text(results),
            Self::Markdown => markdown(document),
            Self::Html => page(document),
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
            Self::Html => "html",
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

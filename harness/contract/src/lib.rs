//! The contract as data, and what can be told from it. Everything here is a pure function of files' texts.
//!
//! - `diff`: what changed between two contracts, and for whom it breaks
//! - `files`: the texts of a contract's folder, from a disk or from a git revision
//! - `document`: one YAML or JSON document, with the line and column of everything in it
//! - `reference`: what a `$ref` stands for, across documents
//! - `model`: the contract as the suite sees it: messages, closes, routes, promises
//! - `check`: whether the documents are what they should be
//! - `migration`: the guide for clients that move from the former WebSocket
//! - `rules`: what travels, held against the contract
//! - `types`: TypeScript for the clients
//! - `outline`: a schema in words

pub mod check;
pub mod diff;
pub mod document;
pub mod files;
pub mod migration;
pub mod model;
pub mod outline;
pub mod reference;
pub mod rules;
pub mod types;

pub use document::{Document, Problem};
pub use files::Files;
pub use model::Contract;
pub use rules::{Rules, Violation};

/// The one of `known` that `word` was probably meant to be.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known
        .into_iter()
        .map(|name| (strsim::jaro_winkler(word, name), name))
        .filter(|(likeness, _)| *likeness > 0.7)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| name)
}

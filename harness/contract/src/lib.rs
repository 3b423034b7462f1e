//! The contract as data, and what can be told from it. Everything here is a pure function of files' texts.
//!
//! - `files`: the texts of a contract's folder, from a disk or from a git revision
//! - `document`: one YAML or JSON document, with the line and column of everything in it
//! - `reference`: what a `$ref` stands for, across documents
//! - `model`: the contract as the suite sees it: messages, closes, routes, promises

pub mod document;
pub mod files;
pub mod model;
pub mod reference;

pub use document::{Document, Problem};
pub use files::Files;
pub use model::Contract;

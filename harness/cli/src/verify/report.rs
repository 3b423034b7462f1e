//! `cargo verify report`: the report of a run made again, of its results.json.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;
use contract::Files;
use harness::data::{checkout, data};
use harness::report;
use harness::report::base::Base;
use harness::report::document::Document;

use super::output;
use crate::contracts::diff::findings;
use crate::{Status, verify};

/// Make the report of a run again, of its results.json
#[derive(Args)]
#[command(after_help = "\
Examples:
  cargo verify report --base main              report.html and summary.md again, compared with main
  cargo verify report --base main --markdown   for a comment at a pull request

Exit status:
  0  the report was made, whatever it says
  3  wrong use: no results.json, one of another version, or a base that is not there")]
pub struct Arguments {
    /// The folder with results.json, in which report.html and summary.md are written [default: target/verify of the
    /// checkout]
    #[arg(long, value_name = "DIR")]
    from: Option<PathBuf>,

    /// Compare the contract and the reviewed flows with another version: a git revision, or a folder with a contract
    /// [default: what the run was compared with]
    #[arg(long, value_name = "REVISION|FOLDER")]
    base: Option<String>,

    /// Print the summary for a pull request, and write nothing
    #[arg(long)]
    markdown: bool,
}

pub fn run(arguments: &Arguments) -> Status {
    let usual = || checkout().map(|checkout| checkout.join("target/verify"));
    let Some(folder) = arguments.from.clone().or_else(usual) else {
        return verify::usage("--from DIR says where the results.json of a run is");
    };
    let document = match read(&folder, arguments.base.as_deref()) {
        Ok(document) => document,
        Err(message) => return verify::usage(&message),
    };
    if arguments.markdown {
        output::print(&report::markdown(&document));
        return Status::Kept;
    }
    let files = [
        ("report.html", report::page(&document)),
        ("summary.md", report::markdown(&document)),
    ];
    for (name, text) in files {
        let path = folder.join(name);
        if let Err(error) = fs::write(&path, text) {
            let path = path.display();
            return verify::usage(&format!("{path} cannot be written: {error}"));
        }
        output::print(&format!("{}\n", path.display()));
    }
    Status::Kept
}

/// The results in `folder`, compared with `base` if there is one.
fn read(folder: &Path, base: Option<&str>) -> Result<Document, String> {
    let path = folder.join("results.json");
    let of_file = |problem: String| format!("{}: {problem}", path.display());
    let text = fs::read_to_string(&path).map_err(|error| {
        of_file(format!(
            "expected the results of a run, which `cargo verify` writes: {error}"
        ))
    })?;
    let mut document = Document::read(&text).map_err(of_file)?;
    compare(&mut document, base)?;
    Ok(document)
}

/// Compares `document` with the version called `base`, if there is one.
pub fn compare(document: &mut Document, base: Option<&str>) -> Result<(), String> {
    let Some(name) = base else {
        return Ok(());
    };
    let findings = findings(name, None)?;
    let flows = flows_at(name)?;
    document.base = Some(Base::of(name, &findings, flows.as_ref(), document)?);
    Ok(())
}

/// The snapshots at the revision called `base`, by scenario; none where it is a folder, which has a contract only.
fn flows_at(base: &str) -> Result<Option<BTreeMap<String, String>>, String> {
    let folder = data().folder().map(|folder| folder.join("snapshots"));
    let Some(folder) = folder.filter(|_| !Path::new(base).is_dir()) else {
        return Ok(None);
    };
    let files = Files::at_revision_where(&folder, base, |name| name.ends_with(".snap"));
    let Files(files) = files.map_err(|problem| format!("--base: {problem}"))?;
    let by_id = files.into_iter().filter_map(|(name, text)| {
        let id = name.strip_suffix(".snap")?;
        Some((id.to_owned(), text))
    });
    Ok(Some(by_id.collect()))
}

//! `cargo verify report`: the report of a run made again, of its results.json.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use clap::Args;
use contract::Files;
use harness::data::data;
use harness::report;
use harness::report::base::Base;
use harness::report::document::Document;
use harness::report::load::Load;

use super::output;
use crate::contracts::diff::findings;
use crate::{Status, verify};

/// Make the report of a run again, of its results.json
#[derive(Args)]
#[command(after_help = "\
Examples:
  cargo verify report --base main              report.html and summary.md again, compared with main
  cargo verify report --base main --markdown   for a comment at a pull request
  cargo verify report --merge one two three four
                                               one report of a run that was divided with --partition 1/4 and so on

Exit status:
  0  the report was made, whatever it says; with --merge: and every scenario kept the contract
  1  with --merge: the contract is broken, or a flow is not the reviewed one, or waits for review
  2  with --merge: a scenario was not reached
  3  wrong use: no results.json, one of another version, a base that is not there, or a part that is missing
  4  with --merge: a bug in the harness or in a scenario")]
pub struct Arguments {
    /// The folder with results.json, in which report.html and summary.md are written [default: target/verify of the
    /// checkout]
    #[arg(long, value_name = "DIR")]
    from: Option<PathBuf>,

    /// Merge the results in these folders, the parts of one run, into one that is written with the report
    #[arg(long, value_name = "DIR", num_args = 1..)]
    merge: Vec<PathBuf>,

    /// Compare the contract and the reviewed flows with another version: a git revision, or a folder with a contract
    /// [default: what the run was compared with]
    #[arg(long, value_name = "REVISION|FOLDER")]
    base: Option<String>,

    /// Print the summary for a pull request, and write nothing
    #[arg(long)]
    markdown: bool,
}

pub fn run(arguments: &Arguments) -> Status {
    let folder = match folder(arguments.from.clone()) {
        Ok(folder) => folder,
        Err(message) => return verify::usage(&message),
    };
    let read = match arguments.merge.as_slice() {
        [] => read(&folder),
        parts => merge(parts),
    };
    let base = arguments.base.as_deref();
    let compared = read.and_then(|mut document| compare(&mut document, base).map(|()| document));
    let mut document = match compared {
        Ok(document) => document,
        Err(message) => return verify::usage(&message),
    };
    document.load = load_in(&folder);
    let status = match arguments.merge.is_empty() {
        true => Status::Kept,
        false => status(&document),
    };
    if arguments.markdown {
        output::print(&report::markdown(&document));
        return status;
    }
    let mut files = vec![
        ("report.html", report::page(&document)),
        ("summary.md", report::markdown(&document)),
    ];
    if !arguments.merge.is_empty() {
        files.push(("results.json", document.text()));
        if let Err(error) = fs::create_dir_all(&folder) {
            return verify::usage(&format!("{} cannot be made: {error}", folder.display()));
        }
    }
    for (name, text) in files {
        let path = folder.join(name);
        if let Err(error) = fs::write(&path, text) {
            let path = path.display();
            return verify::usage(&format!("{path} cannot be written: {error}"));
        }
        output::print(&format!("{}\n", path.display()));
    }
    status
}

/// The results in `folders`, parts of one run, as one.
fn merge(folders: &[PathBuf]) -> Result<Document, String> {
    let parts: Result<Vec<_>, _> = folders.iter().map(|folder| read(folder)).collect();
    report::merged(parts?).map_err(|problem| format!("--merge: {problem}"))
}

/// What the run would have ended with.
fn status(document: &Document) -> Status {
    let any = |verdicts: &[&str]| {
        let found = |verdict: &String| verdicts.contains(&verdict.as_str());
        document
            .scenarios
            .iter()
            .any(|scenario| found(&scenario.verdict))
    };
    if any(&["harness-bug"]) {
        Status::HarnessBug
    } else if any(&["broken", "to-be-reviewed"]) {
        Status::Broken
    } else if any(&["not-reached"]) {
        Status::NotStarted
    } else {
        Status::Kept
    }
}

/// The results in the folder `from`, or where a run writes them by itself.
pub fn recorded(from: Option<PathBuf>) -> Result<Document, String> {
    read(&folder(from)?)
}

fn folder(from: Option<PathBuf>) -> Result<PathBuf, String> {
    let words = "--from DIR says where the results.json of a run is";
    output::folder(from).ok_or_else(|| words.to_owned())
}

/// The results in `folder`.
fn read(folder: &Path) -> Result<Document, String> {
    let path = folder.join("results.json");
    let of_file = |problem: String| format!("{}: {problem}", path.display());
    let text = fs::read_to_string(&path).map_err(|error| {
        of_file(format!(
            "expected the results of a run, which `cargo verify` writes: {error}"
        ))
    })?;
    Document::read(&text).map_err(of_file)
}

/// The load whose results lie in `folder`, if there is one, or why they cannot be shown.
pub fn load_in(folder: &Path) -> Option<Result<Load, String>> {
    match fs::read_to_string(folder.join("load.json")) {
        Ok(text) => Some(Load::read(&text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => Some(Err(error.to_string())),
    }
}

/// Makes the page of the run in `folder` again, if there is one; where it is.
pub fn page_again(folder: &Path) -> Result<Option<PathBuf>, String> {
    if !folder.join("results.json").exists() {
        return Ok(None);
    }
    let page = folder.join("report.html");
    let mut document = read(folder)?;
    document.load = load_in(folder);
    fs::write(&page, report::page(&document))
        .map_err(|error| format!("{} cannot be written: {error}", page.display()))?;
    Ok(Some(page))
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

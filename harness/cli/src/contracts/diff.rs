//! `cargo contracts diff`: what changed since another version of the contract, and for whom it breaks.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use contract::diff::{Finding, Side, Verdict, diff, json, markdown, text};
use contract::{Contract, Files, Problem};
use harness::data::data;

use crate::Status;

/// Say what changed since another version of the contract, and for whom it breaks
#[derive(Args)]
#[command(after_help = "\
Examples:
  cargo contracts diff --base main               this working tree against main
  cargo contracts diff --base v1.2 --format markdown
  cargo contracts diff --base ../former/contracts

A difference is breaking where a client that kept the former contract fails, risky where that depends on the
client, and safe where no client notices.

Exit status:
  0  nothing is breaking
  1  something is
  3  wrong use: a base that is not there, or a document that cannot be read")]
pub struct Arguments {
    /// The former contract: a folder, or else a git revision of contracts/
    #[arg(long, value_name = "REVISION|FOLDER")]
    base: String,

    /// The contract that replaces it [default: contracts/ of this repository]
    #[arg(long, value_name = "FOLDER")]
    head: Option<PathBuf>,

    /// For a terminal, for a program, or for a pull request
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

#[derive(Clone, Copy, Default, ValueEnum)]
enum Format {
    #[default]
    Text,
    Json,
    Markdown,
}

/// A contract, and what its folder is called in places.
struct Version {
    contract: Contract,
    folder: String,
}

pub fn run(arguments: &Arguments) -> Status {
    let findings = match findings(&arguments.base, arguments.head.as_deref()) {
        Ok(findings) => findings,
        Err(message) => return unreadable(&message),
    };
    let report = match arguments.format {
        Format::Text => text(&findings),
        Format::Json => json(&findings),
        Format::Markdown => markdown(&findings),
    };
    // Whoever reads it may have seen enough: `| head`.
    let _ = io::stdout().write_all(report.as_bytes());
    match findings.iter().any(|f| f.verdict == Verdict::Breaking) {
        true => Status::Broken,
        false => Status::Kept,
    }
}

/// What changed since the contract that `base` names, a folder or a revision; in the contract in the folder `head`, or else
/// in the one that this run reads.
pub(crate) fn findings(base: &str, head: Option<&Path>) -> Result<Vec<Finding>, String> {
    let base = self::base(base).map_err(|problem| format!("--base: {problem}"))?;
    let head = match head {
        Some(folder) => of_folder(folder, &folder.display().to_string()),
        None => data()
            .contract()
            .and_then(|files| read(&files, "contracts")),
    };
    let head = head.map_err(|problem| problem.to_string())?;
    let mut findings = diff(&base.contract, &head.contract);
    for Finding { place, side, .. } in &mut findings {
        let version = match side {
            Side::Base => &base,
            Side::Head => &head,
        };
        *place = format!("{}/{place}", version.folder);
    }
    Ok(findings)
}

/// The contract that `base` names; the folder of a revision is called what `git show` calls it.
fn base(base: &str) -> Result<Version, Problem> {
    if Path::new(base).is_dir() {
        return of_folder(Path::new(base), base);
    }
    let Some(folder) = data().folder() else {
        let words = "is no folder, and git revisions are those of a checkout: --data FOLDER says where one is";
        return Err(Problem::new(base, words));
    };
    read(
        &Files::at_revision(&folder.join("contracts"), base)?,
        &format!("{base}:contracts"),
    )
}

fn of_folder(folder: &Path, name: &str) -> Result<Version, Problem> {
    read(&Files::of_folder(folder)?, name)
}

fn read(files: &Files, name: &str) -> Result<Version, Problem> {
    let folder = name.trim_end_matches('/').to_owned();
    match Contract::read(files) {
        Ok(contract) => Ok(Version { contract, folder }),
        Err(Problem { place, problem }) => Err(Problem::new(format!("{folder}/{place}"), problem)),
    }
}

/// The one message for what cannot be compared; it may be outside of the repository's own contract.
fn unreadable(message: &str) -> Status {
    eprintln!("{message}");
    Status::Usage
}

//! `cargo contracts diff`: what changed since another version of the contract, and for whom it breaks.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use contract::diff::{Finding, Side, Verdict, diff, json, markdown, text};
use contract::{Contract, Files, Problem};

use super::unreadable;
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

pub fn run(arguments: &Arguments) -> Status {
    let own = harness::workspace().join("contracts");
    let (base, base_name) = match base(&arguments.base, &own) {
        Ok(base) => base,
        Err(problem) => return unreadable(&problem),
    };
    let head_name = match &arguments.head {
        Some(folder) => folder.display().to_string(),
        None => "contracts".to_owned(),
    };
    let head = match Contract::of_folder(arguments.head.as_deref().unwrap_or(&own)) {
        Ok(head) => head,
        Err(problem) => return unreadable(&problem),
    };
    let mut findings = diff(&base, &head);
    for Finding { place, side, .. } in &mut findings {
        let folder = match side {
            Side::Base => &base_name,
            Side::Head => &head_name,
        };
        *place = format!("{}/{place}", folder.trim_end_matches('/'));
    }
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

/// The contract that `base` names, and what its folder is called in places: for a revision as in `git show`.
fn base(base: &str, own: &Path) -> Result<(Contract, String), Problem> {
    if Path::new(base).is_dir() {
        return Ok((Contract::of_folder(Path::new(base))?, base.to_owned()));
    }
    let in_base = |problem: Problem| Problem::new(format!("--base {base}"), problem.to_string());
    let contract = Contract::read(&Files::at_revision(own, base)?).map_err(in_base)?;
    Ok((contract, format!("{base}:contracts")))
}

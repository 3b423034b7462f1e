//! `cargo contracts check`: whether the documents are what they should be.

use clap::Args;
use contract::{Contract, Files, Problem};
use harness::data::data;

use super::generated::Generated;
use super::unreadable;
use crate::{Status, scenarios};

/// Say whether the documents are valid, references resolve, and every fixture is an example of them
#[derive(Args)]
#[command(after_help = "\
Exit status:
  0  nothing is wrong
  1  a schema or a fixture is of no use, or a file that is made from the contract is not up to date
  3  a document cannot be read, is not valid, or refers to nothing; a fixture is not as its schema says")]
pub struct Arguments {}

pub fn run(_: &Arguments) -> Status {
    let read = data()
        .contract()
        .and_then(|files| Ok((Contract::read(&files)?, files)));
    let (contract, files) = match read {
        Ok(read) => read,
        Err(problem) => return unreadable(&problem),
    };
    let findings = contract::check::check(&contract);
    for problem in findings.invalid.iter().chain(&findings.unused) {
        println!("contracts/{problem}");
    }
    if !findings.invalid.is_empty() {
        return Status::Usage;
    }
    let stale = match stale(&contract, &files) {
        Ok(stale) => stale,
        Err(problem) => return unreadable(&problem),
    };
    for problem in &stale {
        println!("contracts/{problem}");
    }
    if !findings.unused.is_empty() || !stale.is_empty() {
        return Status::Broken;
    }
    println!(
        "{} promises, {} messages, {} closes, {} routes: nothing is wrong with them",
        contract.promises.len(),
        contract.messages.len(),
        contract.closes.len(),
        contract.routes.len()
    );
    Status::Kept
}

/// What is not what it should be of that which is made from the contract.
fn stale(contract: &Contract, files: &Files) -> Result<Vec<Problem>, Problem> {
    let scenarios =
        scenarios::all().map_err(|error| Problem::new(error.place.clone(), error.problem))?;
    let generated = [
        Generated::types(contract)?,
        Generated::migration(files, &scenarios)?,
    ];
    Ok(generated.iter().filter_map(Generated::stale).collect())
}

//! `cargo contracts check`: whether the documents are what they should be.

use clap::Args;
use contract::Contract;

use super::unreadable;
use crate::Status;

/// Say whether the documents are valid, references resolve, and every fixture is an example of them
#[derive(Args)]
#[command(after_help = "\
Exit status:
  0  nothing is wrong
  1  something is of no use: a schema, a fixture
  3  a document cannot be read, is not valid, or refers to nothing; a fixture is not as its schema says")]
pub struct Arguments {}

pub fn run(_: &Arguments) -> Status {
    let contract = match Contract::of_folder(&harness::workspace().join("contracts")) {
        Ok(contract) => contract,
        Err(problem) => return unreadable(&problem),
    };
    let findings = contract::check::check(&contract);
    for problem in findings.invalid.iter().chain(&findings.unused) {
        println!("contracts/{problem}");
    }
    if !findings.invalid.is_empty() {
        return Status::Usage;
    }
    if !findings.unused.is_empty() {
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

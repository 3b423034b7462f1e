//! `cargo contracts check`: whether the documents are what they should be.

use clap::Args;
use contract::Contract;

use super::unreadable;
use crate::Status;

/// Say whether the documents are valid, references resolve, and every fixture is an example of them
#[derive(Args)]
pub struct Arguments {}

pub fn run(_: &Arguments) -> Status {
    let contract = match Contract::of_folder(&harness::workspace().join("contracts")) {
        Ok(contract) => contract,
        Err(problem) => return unreadable(&problem),
    };
    let problems = contract.documents.broken();
    for problem in &problems {
        eprintln!("contracts/{problem}");
    }
    if !problems.is_empty() {
        return Status::Usage;
    }
    println!(
        "{} promises, {} messages, {} closes, {} routes",
        contract.promises.len(),
        contract.messages.len(),
        contract.closes.len(),
        contract.routes.len()
    );
    Status::Kept
}

//! `cargo contracts types`: the TypeScript that frontends import.

use clap::Args;
use contract::Contract;
use harness::data::data;

use super::generated::Generated;
use super::unreadable;
use crate::Status;

/// Write contracts/typescript/notifications.ts: the types of the notifications and closes, and their guards
#[derive(Args)]
pub struct Arguments {
    /// Only say whether the file is up to date; exit with 1 if it is not
    #[arg(long)]
    check: bool,
}

pub fn run(arguments: &Arguments) -> Status {
    let contract = data().contract().and_then(|files| Contract::read(&files));
    match contract.and_then(|contract| Generated::types(&contract)) {
        Ok(types) => types.finish(arguments.check),
        Err(problem) => unreadable(&problem),
    }
}

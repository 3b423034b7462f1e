//! `cargo contracts types`: the TypeScript that frontends import.

use std::fs;

use clap::Args;
use contract::{Contract, types};

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
    let folder = harness::workspace().join("contracts");
    let typescript = Contract::of_folder(&folder).and_then(|contract| types::typescript(&contract));
    let typescript = match typescript {
        Ok(typescript) => typescript,
        Err(problem) => return unreadable(&problem),
    };
    let (file, name) = (
        folder.join(types::PATH),
        format!("contracts/{}", types::PATH),
    );
    // A file that cannot be read is as good as none: writing it says why.
    if fs::read_to_string(&file).is_ok_and(|written| written == typescript) {
        println!("{name} is up to date");
        return Status::Kept;
    }
    if arguments.check {
        eprintln!("{name} is not what the contract says: run `cargo contracts types`");
        return Status::Broken;
    }
    match fs::write(&file, typescript) {
        Ok(()) => {
            println!("{name} is written");
            Status::Kept
        }
        Err(error) => {
            eprintln!("{name} cannot be written: {error}");
            Status::Usage
        }
    }
}

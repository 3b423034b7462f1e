//! `cargo contracts`: what can be told from the contract without starting anything.

mod check;
mod types;

use clap::{Args, Subcommand};
use contract::Problem;

use crate::Status;

/// Check the contract's documents and make from them what others read.
#[derive(Args)]
#[command(after_help = "\
Exit status:
  0  nothing is wrong
  1  something is: it is named with file and line
  3  wrong use, or a document that cannot be read")]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Check(check::Arguments),
    Types(types::Arguments),
}

pub fn run(arguments: &Arguments) -> Status {
    match &arguments.command {
        Command::Check(arguments) => check::run(arguments),
        Command::Types(arguments) => types::run(arguments),
    }
}

/// The one message for a document that cannot be read.
fn unreadable(problem: &Problem) -> Status {
    eprintln!("{problem}");
    Status::Usage
}

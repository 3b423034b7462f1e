//! `cargo contracts`: what can be told from the contract without starting anything.

mod check;
mod coverage;
pub(crate) mod diff;
mod export;
mod generated;
mod import;
mod migration;
mod types;

use clap::{Args, Subcommand};
use contract::Problem;

use crate::Status;

/// Check the contract's documents and make from them what others read.
#[derive(Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Check(check::Arguments),
    Coverage(coverage::Arguments),
    Diff(diff::Arguments),
    Types(types::Arguments),
    Migration(migration::Arguments),
    Import(import::Arguments),
    Export(export::Arguments),
}

pub fn run(arguments: &Arguments) -> Status {
    match &arguments.command {
        Command::Check(arguments) => check::run(arguments),
        Command::Coverage(arguments) => coverage::run(arguments),
        Command::Diff(arguments) => diff::run(arguments),
        Command::Types(arguments) => types::run(arguments),
        Command::Migration(arguments) => migration::run(arguments),
        Command::Import(arguments) => import::run(arguments),
        Command::Export(arguments) => export::run(arguments),
    }
}

/// The one message for a document that cannot be read.
fn unreadable(problem: &Problem) -> Status {
    eprintln!("contracts/{problem}");
    Status::Usage
}

//! The command line: `cargo verify`, `cargo review`, `cargo play` and `cargo contracts`; where it stands alone,
//! `notifications verify`.

mod contracts;
mod play;
mod review;
mod scenarios;
mod verify;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use harness::data::{self, PROGRAM, data};

/// Contract tests for WebSocket notification systems.
#[derive(Parser)]
#[command(
    name = PROGRAM,
    bin_name = PROGRAM,
    version,
    propagate_version = true,
    disable_help_subcommand = true
)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,

    /// Read the contract and the reviewed flows here: contracts/ and snapshots/ of this folder [default: the checkout's, or
    /// those that are built in]
    #[arg(long, value_name = "FOLDER", env = "HARNESS_DATA", global = true)]
    data: Option<PathBuf>,
}

#[derive(Subcommand)]
enum Command {
    Verify(Box<verify::Arguments>),
    Review(review::Arguments),
    Play(play::Arguments),
    Contracts(contracts::Arguments),
}

/// What a run found, as an exit status.
#[derive(Clone, Copy)]
enum Status {
    Kept = 0,
    Broken = 1,
    NotStarted = 2,
    Usage = 3,
    HarnessBug = 4,
}

fn main() -> ExitCode {
    let parsed = named(CommandLine::command())
        .try_get_matches()
        .and_then(|matches| CommandLine::from_arg_matches(&matches));
    let command_line = match parsed {
        Ok(command_line) => command_line,
        Err(error) if error.kind() == ErrorKind::DisplayVersion => {
            println!("notifications {}", env!("CARGO_PKG_VERSION"));
            println!("{}", data());
            return Status::Kept.into();
        }
        Err(error) => {
            // Help is an answer; everything else is a wrong use.
            let status = if error.use_stderr() {
                Status::Usage
            } else {
                Status::Kept
            };
            let _ = error.print();
            return status.into();
        }
    };
    if let Some(folder) = &command_line.data
        && let Err(problem) = data::read_from(folder)
    {
        return verify::usage(&format!("--data: {problem}")).into();
    }
    if !data().is_there() {
        return verify::usage(
            "the checkout that this program was built in, and reads, is gone: `cargo standalone` builds one that needs none, \
             and --data FOLDER names another",
        )
        .into();
    }
    match command_line.command {
        Command::Verify(arguments) => verify::run(&arguments),
        Command::Review(arguments) => review::run(&arguments),
        Command::Play(arguments) => play::run(&arguments),
        Command::Contracts(arguments) => contracts::run(&arguments),
    }
    .into()
}

/// `command` with examples as people type them: they are written for cargo.
fn named(command: clap::Command) -> clap::Command {
    let typed = |help: String| help.replace("cargo ", &format!("{PROGRAM} "));
    match command.get_after_help().map(|help| typed(help.to_string())) {
        Some(help) => command.after_help(help),
        None => command,
    }
    .mut_subcommands(named)
}

/// The one message where something is to be written into the data that is built in.
fn no_folder() -> Status {
    verify::usage(
        "the contract is built into this program and cannot be changed: --data FOLDER says where a checkout of the project is",
    )
}

impl From<Status> for ExitCode {
    fn from(status: Status) -> Self {
        Self::from(status as u8)
    }
}

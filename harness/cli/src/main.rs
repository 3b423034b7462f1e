//! The command line: `cargo verify`, `cargo review`, `cargo play` and `cargo contracts`.

mod contracts;
mod play;
mod review;
mod scenarios;
mod verify;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Contract tests for WebSocket notification systems.
#[derive(Parser)]
#[command(name = "cargo", bin_name = "cargo", disable_help_subcommand = true)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Verify(verify::Arguments),
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
    let command_line = match CommandLine::try_parse() {
        Ok(command_line) => command_line,
        Err(error) => {
            // Help and version are answers; everything else is a wrong use.
            let status = if error.use_stderr() {
                Status::Usage
            } else {
                Status::Kept
            };
            let _ = error.print();
            return status.into();
        }
    };
    match command_line.command {
        Command::Verify(arguments) => verify::run(&arguments),
        Command::Review(arguments) => review::run(&arguments),
        Command::Play(arguments) => play::run(&arguments),
        Command::Contracts(arguments) => contracts::run(&arguments),
    }
    .into()
}

impl From<Status> for ExitCode {
    fn from(status: Status) -> Self {
        Self::from(status as u8)
    }
}

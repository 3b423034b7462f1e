//! `cargo contracts migration`: the guide for clients that move to the websocket service.

use clap::Args;
use harness::data::data;

use super::generated::Generated;
use super::unreadable;
use crate::{Status, scenarios, verify};

/// Write contracts/MIGRATION.md: what changes for clients of the gateway's former WebSocket, claim by claim with its proof
#[derive(Args)]
pub struct Arguments {
    /// Only say whether the file is up to date; exit with 1 if it is not
    #[arg(long)]
    check: bool,
}

pub fn run(arguments: &Arguments) -> Status {
    let scenarios = match scenarios::all() {
        Ok(scenarios) => scenarios,
        Err(error) => return verify::usage(&error.to_string()),
    };
    match data()
        .contract()
        .and_then(|files| Generated::migration(&files, &scenarios))
    {
        Ok(guide) => guide.finish(arguments.check),
        Err(problem) => unreadable(&problem),
    }
}

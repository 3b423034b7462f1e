//! One trial a scenario, on one system.

use std::process::ExitCode;

fn main() -> ExitCode {
    harness::libtest::main(scenarios_gateway::scenarios())
}

//! One trial a scenario, each on a system of its own.

use std::process::ExitCode;

fn main() -> ExitCode {
    harness::libtest::main(Ok(scenarios_resilience::scenarios()))
}

//! One trial a scenario; ignored, with the reason, where there is no Chromium.

use std::process::ExitCode;

fn main() -> ExitCode {
    harness::libtest::main(Ok(scenarios_browser::scenarios()))
}

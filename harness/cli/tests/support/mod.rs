//! `verify` as a program, on a profile that a test makes up.

use std::fs;
use std::process::Command;

/// How the program ended, and all that it said.
pub struct Verified {
    pub status: Option<i32>,
    pub said: String,
}

/// Verifies the system of `profile` with the scenarios of `filters`; `prepare` may change the command.
pub fn verify(
    profile: &str,
    filters: &[&str],
    prepare: impl FnOnce(&mut Command) -> &mut Command,
) -> Verified {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("my.toml");
    fs::write(&path, profile).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_notifications"));
    command.args(["verify", "--system"]).arg(&path);
    command.arg("--report").arg(folder.path()).args(filters);
    let output = prepare(&mut command).output().unwrap();
    let said = [output.stderr, output.stdout].concat();
    Verified {
        status: output.status.code(),
        said: String::from_utf8_lossy(&said).into_owned(),
    }
}

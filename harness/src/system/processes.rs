//! A part as a child process.

use std::ffi::OsStr;
use std::path::PathBuf;

use tokio::process::Command;

use super::programs::{Executable, OwnProgram, Program};
use crate::profile;

/// How `program` is started from `executable`.
pub(super) fn command(executable: &Executable, program: &Program) -> Command {
    let mut command = match executable {
        Executable::Own(own) => self::own(own, &program.arguments),
        Executable::Command { folder } => {
            let mut command = Command::new(path(executable, program));
            command
                .args(program.arguments.iter().skip(1))
                .current_dir(folder);
            command
        }
    };
    command.envs(program.environment.iter().cloned());
    command
}

/// One of the suite's own programs, without any variables of this process.
pub(super) fn own(
    program: &OwnProgram,
    arguments: impl IntoIterator<Item = impl AsRef<OsStr>>,
) -> Command {
    let mut command = Command::new(&program.path);
    command.env_clear().args(arguments);
    if let Some(libraries) = &program.libraries {
        command.env("LD_LIBRARY_PATH", libraries);
    }
    command
}

/// What is run.
pub(super) fn path(executable: &Executable, program: &Program) -> PathBuf {
    match executable {
        Executable::Own(own) => own.path.clone(),
        Executable::Command { folder } => {
            let name = program.arguments.first();
            profile::program(folder, name.map_or("", String::as_str))
        }
    }
}

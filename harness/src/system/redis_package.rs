//! A real Redis from the operating system's package: downloaded and unpacked without root, once.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use etcetera::BaseStrategy;
use tokio::process::Command;

use super::programs::OwnProgram;
use super::{StartError, owner};
use crate::data;

/// What the name of a directory begins with in which a package is being unpacked; its owner follows.
const WORK: &str = "redis-unpack ";

/// The Redis server of this machine, or else the package's, unpacked where it stays.
pub(super) async fn provide(say: &(dyn Fn(&str) + Sync)) -> Result<OwnProgram, StartError> {
    if let Some(program) = on_path("redis-server") {
        return Ok(OwnProgram {
            path: program,
            libraries: None,
        });
    }
    let home = home().map_err(StartError)?;
    if !home.join("usr/bin/redis-server").exists() {
        say("no redis-server here: unpacking the distribution's package (once)");
        unpack(&home).await.map_err(|reason| {
            StartError(format!(
                "no Redis to be had: no redis-server on the path, and {reason}; install redis-server"
            ))
        })?;
    }
    let libraries = library_directory(&home);
    Ok(OwnProgram {
        path: home.join("usr/bin/redis-server"),
        libraries,
    })
}

/// Where the package is unpacked: in the checkout, or in the user's cache. A place that others can write to as well would
/// not do, for what is there is run.
fn home() -> Result<PathBuf, String> {
    if let Some(checkout) = data::checkout() {
        return Ok(checkout.join("target/harness/redis"));
    }
    match etcetera::choose_base_strategy() {
        Ok(user) => Ok(user.cache_dir().join("notification-contracts/redis")),
        Err(_) => Err(
            "no Redis to be had: no redis-server on the path, and no home directory to unpack one in; install \
             redis-server, or set HOME"
                .to_owned(),
        ),
    }
}

/// Downloads and unpacks into a directory beside `home`, which appears whole or not at all.
async fn unpack(home: &Path) -> Result<(), String> {
    let parent = home.parent().unwrap_or(home);
    fs::create_dir_all(parent).map_err(|error| format!("{}: {error}", parent.display()))?;
    sweep(parent);
    let work = tempfile::Builder::new()
        .prefix(&format!("{WORK}{} ", owner::this_process()))
        .tempdir_in(parent)
        .map_err(|error| format!("{}: {error}", parent.display()))?;
    let at = |name: &str| work.path().join(name);
    for directory in [
        "state/lists/partial",
        "cache/archives/partial",
        "debs",
        "tree",
    ] {
        fs::create_dir_all(at(directory)).map_err(|error| error.to_string())?;
    }
    // Private state, so that neither root nor an up-to-date package list is needed.
    let options = [
        format!("Dir::State={}", at("state").display()),
        format!("Dir::State::Lists={}", at("state/lists").display()),
        format!("Dir::Cache={}", at("cache").display()),
        "APT::Sandbox::User=".to_owned(),
    ];
    let apt = |program: &str, words: &[&str]| {
        let mut command = Command::new(program);
        for option in &options {
            command.arg("-o").arg(option);
        }
        command
            .args(words)
            .current_dir(at("debs"))
            .env("LC_ALL", "C");
        command
    };
    run(apt("apt-get", &["update", "-q"])).await?;
    let listed = run(apt(
        "apt-cache",
        &["depends", "--no-recommends", "--no-suggests", "redis-tools"],
    ))
    .await?;
    // The server's program is in the tools' package; the C library is the system's own.
    let mut packages = vec!["redis-server", "redis-tools"];
    packages.extend(
        listed
            .lines()
            .filter_map(|line| line.trim().strip_prefix("Depends: "))
            .filter(|name| name.starts_with("lib") && *name != "libc6"),
    );
    let mut words = vec!["download", "-q"];
    words.extend(&packages);
    run(apt("apt-get", &words)).await?;
    for package in fs::read_dir(at("debs")).map_err(|error| error.to_string())? {
        let package = package.map_err(|error| error.to_string())?.path();
        let mut command = Command::new("dpkg-deb");
        command.arg("-x").arg(&package).arg(at("tree"));
        run(command).await?;
    }
    match fs::rename(at("tree"), home) {
        Ok(()) => Ok(()),
        // Another run was quicker: its tree is as good.
        Err(_) if home.join("usr/bin/redis-server").exists() => Ok(()),
        Err(error) => Err(format!("{}: {error}", home.display())),
    }
}

/// Removes the directories of runs that were killed while they unpacked.
fn sweep(parent: &Path) {
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.strip_prefix(WORK).is_some_and(owner::is_gone) {
            // What cannot be removed now is tried again by the next run that unpacks.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

async fn run(mut command: Command) -> Result<String, String> {
    let name = command
        .as_std()
        .get_program()
        .to_string_lossy()
        .into_owned();
    let output = command
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => format!("there is no {name} to download its package with"),
            _ => format!("{name} cannot be run: {error}"),
        })?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let messages = String::from_utf8_lossy(&output.stderr);
    let last = messages.trim().lines().last().unwrap_or("no message");
    Err(format!("{name} failed: {last}"))
}

/// The directory of `home` that holds the shared libraries, by the system's multiarch name.
fn library_directory(home: &Path) -> Option<PathBuf> {
    fs::read_dir(home.join("usr/lib"))
        .ok()?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| path.to_string_lossy().contains("-linux-"))
}

fn on_path(program: &str) -> Option<PathBuf> {
    std::env::split_paths(&std::env::var_os("PATH")?)
        .map(|directory| directory.join(program))
        .find(|path| path.is_file())
}

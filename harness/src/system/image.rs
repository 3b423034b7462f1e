//! The root file system of an image, from a program and the libraries that it is linked with.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use sha2::{Digest, Sha256};
use tokio::process::Command;

use super::StartError;

/// A tar archive to import as an image, and a tag that only the same content has.
pub(super) struct RootFs {
    pub archive: Vec<u8>,
    pub tag: String,
}

/// Packs `program` as `path` with its libraries, which the dynamic linker may also find in `libraries`.
pub(super) async fn pack(
    program: &Path,
    path: &str,
    libraries: Option<&Path>,
) -> Result<RootFs, StartError> {
    let linked = linked(program, libraries).await?;
    let (program, path) = (program.to_owned(), path.to_owned());
    tokio::task::spawn_blocking(move || archive(&program, &path, &linked))
        .await
        .map_err(|error| StartError(format!("packing an image ended early: {error}")))?
}

fn archive(program: &Path, path: &str, linked: &BTreeSet<PathBuf>) -> Result<RootFs, StartError> {
    let mut tar = tar::Builder::new(Vec::new());
    let mut add = |path: &str, content: &[u8], mode: u32| {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(mode);
        tar.append_data(&mut header, path.trim_start_matches('/'), content)
            .map_err(|error| StartError(format!("failed to pack {path}: {error}")))
    };
    // Without it, the resolver would not look into the hosts file that the engine writes.
    add("etc/nsswitch.conf", b"hosts: files dns\n", 0o644)?;
    add(path, &read(program)?, 0o755)?;
    for library in linked {
        let content = read(library)?;
        // The loader must be where the program says; libraries that the system lacks go where it looks.
        let name = library.file_name().unwrap_or_default().to_string_lossy();
        let place = if name.starts_with("ld-linux") {
            library.display().to_string()
        } else {
            format!("lib/{name}")
        };
        add(&place, &content, 0o755)?;
    }
    let archive = tar
        .into_inner()
        .map_err(|error| StartError(format!("failed to pack {path}: {error}")))?;
    let hash = Sha256::digest(&archive);
    let tag = hash
        .iter()
        .take(8)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    Ok(RootFs { archive, tag })
}

fn read(path: &Path) -> Result<Vec<u8>, StartError> {
    fs::read(path)
        .map_err(|error| StartError(format!("failed to read {}: {error}", path.display())))
}

/// The files that the dynamic linker loads for `program`, as ldd(1) lists them.
async fn linked(program: &Path, libraries: Option<&Path>) -> Result<BTreeSet<PathBuf>, StartError> {
    let mut command = Command::new("ldd");
    command.arg(program).env("LC_ALL", "C").stdin(Stdio::null());
    if let Some(libraries) = libraries {
        command.env("LD_LIBRARY_PATH", libraries);
    }
    let output = command
        .output()
        .await
        .map_err(|error| StartError(format!("failed to run ldd: {error}")))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if text.contains("not a dynamic executable") || text.contains("statically linked") {
        return Ok(BTreeSet::new());
    }
    if let Some(missing) = text.lines().find(|line| line.contains("not found")) {
        return Err(StartError(format!(
            "{} needs a library that is not here: {}",
            program.display(),
            missing.trim()
        )));
    }
    Ok(paths(&text))
}

/// The paths in ldd's output: `name => path (address)`, or for the loader `path (address)`.
fn paths(ldd: &str) -> BTreeSet<PathBuf> {
    ldd.lines()
        .filter_map(|line| {
            let path = match line.split_once("=>") {
                Some((_, path)) => path,
                None => line,
            };
            let path = path.trim().split(' ').next()?;
            path.starts_with('/').then(|| PathBuf::from(path))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ldd_names_libraries_and_the_loader() {
        let text = "\tlinux-vdso.so.1 (0x7ff)\n\
                    \tlibm.so.6 => /lib/x86_64-linux-gnu/libm.so.6 (0x7ff)\n\
                    \t/lib64/ld-linux-x86-64.so.2 (0x7ff)\n";
        let expected = [
            "/lib/x86_64-linux-gnu/libm.so.6",
            "/lib64/ld-linux-x86-64.so.2",
        ];
        assert_eq!(paths(text), expected.map(PathBuf::from).into());
    }

    #[test]
    fn the_same_content_has_the_same_tag() {
        let directory = tempfile::tempdir().unwrap();
        let program = directory.path().join("program");
        fs::write(&program, "content").unwrap();
        let none = BTreeSet::new();
        let first = archive(&program, "/svc", &none).unwrap();
        let second = archive(&program, "/svc", &none).unwrap();
        let other = archive(&program, "/other", &none).unwrap();
        assert_eq!(first.tag, second.tag);
        assert_ne!(first.tag, other.tag);
    }
}

//! With the feature `embedded`: lists the project's data in Rust, so that the compiler takes it into the program.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// What there is to read, below the workspace.
const DATA: [&str; 2] = ["contracts", "snapshots"];

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed=build.rs");
    if std::env::var_os("CARGO_FEATURE_EMBEDDED").is_none() {
        return Ok(());
    }
    let variable = |name: &str| {
        let words = format!("cargo sets no {name}");
        std::env::var_os(name)
            .map(PathBuf::from)
            .ok_or(io::Error::other(words))
    };
    let harness = variable("CARGO_MANIFEST_DIR")?;
    let workspace = harness.parent().unwrap_or(&harness);
    let mut files = Vec::new();
    for data in DATA {
        let path = workspace.join(data);
        // Of a folder, cargo looks at everything in it: a new file is noticed as well as a changed one.
        println!("cargo::rerun-if-changed={}", path.display());
        list(&path, &mut files)?;
    }
    files.sort();
    let entries: Vec<String> = files
        .iter()
        .filter_map(|file| {
            let name = file.strip_prefix(workspace).ok()?;
            let name = name.to_string_lossy().replace('\\', "/");
            Some(format!("    ({name:?}, include_str!({file:?})),\n"))
        })
        .collect();
    let text = format!("&[\n{}]\n", entries.concat());
    fs::write(variable("OUT_DIR")?.join("embedded.rs"), text)
}

fn list(path: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    if path.is_dir() {
        for entry in fs::read_dir(path)? {
            list(&entry?.path(), files)?;
        }
    } else if path.extension().is_none_or(|ending| ending != "new") {
        // A flow that waits for review is no data yet.
        files.push(path.to_owned());
    }
    Ok(())
}

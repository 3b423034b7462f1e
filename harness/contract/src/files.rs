//! The texts of a contract's folder, from a disk or from a git revision.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::document::Problem;

/// The text files of a folder, by their path below it, with `/`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Files(pub BTreeMap<String, String>);

/// What a contract consists of; other files of the folder are not read.
const KINDS: [&str; 4] = [".yaml", ".json", ".md", ".js"];

impl Files {
    /// These files, as far as a contract consists of them.
    pub fn of<'a>(files: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let files = files.into_iter().filter(|(name, _)| is_kind(name));
        Self(
            files
                .map(|(name, text)| (name.to_owned(), text.to_owned()))
                .collect(),
        )
    }

    /// The files below `folder`.
    pub fn of_folder(folder: &Path) -> Result<Self, Problem> {
        let mut files = BTreeMap::new();
        let mut folders = vec![folder.to_owned()];
        while let Some(current) = folders.pop() {
            let unreadable = |error: std::io::Error| {
                Problem::new(
                    current.display().to_string(),
                    format!("cannot be read: {error}"),
                )
            };
            for entry in fs::read_dir(&current).map_err(unreadable)? {
                let path = entry.map_err(unreadable)?.path();
                if path.is_dir() {
                    folders.push(path);
                    continue;
                }
                let Ok(below) = path.strip_prefix(folder) else {
                    continue;
                };
                let name = below.to_string_lossy().replace('\\', "/");
                if is_kind(&name) {
                    let text = fs::read_to_string(&path).map_err(|error| {
                        Problem::new(name.clone(), format!("cannot be read: {error}"))
                    })?;
                    files.insert(name, text);
                }
            }
        }
        Ok(Self(files))
    }

    /// The files below `folder`, a path inside the git repository around it, as they were at `revision`.
    pub fn at_revision(folder: &Path, revision: &str) -> Result<Self, Problem> {
        Self::at_revision_where(folder, revision, is_kind)
    }

    /// The same, of the files whose names are `wanted`, whatever they hold.
    pub fn at_revision_where(
        folder: &Path,
        revision: &str,
        wanted: impl Fn(&str) -> bool,
    ) -> Result<Self, Problem> {
        let git = |arguments: &[&str]| {
            let output = Command::new("git")
                .arg("-C")
                .arg(folder)
                .args(arguments)
                .output()
                .map_err(|error| Problem::new("git", format!("cannot be run: {error}")))?;
            if output.status.success() {
                Ok(output.stdout)
            } else {
                let words = String::from_utf8_lossy(&output.stderr);
                let words = words.lines().next().unwrap_or("git failed").trim();
                Err(Problem::new(revision, format!("cannot be read: {words}")))
            }
        };
        // A name that is an option is no revision.
        let commit = git(&[
            "rev-parse",
            "--verify",
            "--quiet",
            "--end-of-options",
            &format!("{revision}^{{commit}}"),
        ])
        .map_err(|_| {
            Problem::new(
                revision,
                "is no folder, and no revision that this repository has; one of another clone has to be fetched first",
            )
        })?;
        let commit = String::from_utf8_lossy(&commit).trim().to_owned();
        let listing = git(&["ls-tree", "-r", "-z", "--name-only", &commit, "."])?;
        let mut files = BTreeMap::new();
        for name in listing.split(|byte| *byte == 0) {
            let name = String::from_utf8_lossy(name);
            if wanted(&name) {
                let text = git(&["show", &format!("{commit}:./{name}")])?;
                files.insert(name.into_owned(), String::from_utf8_lossy(&text).into());
            }
        }
        if files.is_empty() {
            return Err(Problem::new(
                revision,
                format!("has no contract in {}", folder.display()),
            ));
        }
        Ok(Self(files))
    }
}

fn is_kind(name: &str) -> bool {
    KINDS.iter().any(|kind| name.ends_with(kind))
}

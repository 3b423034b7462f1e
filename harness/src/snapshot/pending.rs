//! Flows that wait to be reviewed, accepted and rejected as cargo-insta does it: by insta's own reader and writer.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use insta::Snapshot;
use sha2::{Digest, Sha256};

use crate::data::data;

/// What the file of a flow that waits is called, after the scenario's id.
const EXTENSION: &str = ".snap.new";

/// A flow that waits to be reviewed, as it was when it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pending {
    /// The scenario's id.
    pub id: String,
    /// The flow.
    pub flow: String,
    /// Names the file by what it says: it changes when the scenario is played again and does something else.
    pub digest: String,
    path: PathBuf,
}

/// Why a flow was neither accepted nor rejected.
#[derive(Debug, thiserror::Error)]
pub enum Unsettled {
    /// It is no longer what was read, or no longer there.
    #[error("{0} no longer waits with the flow that was shown")]
    Another(String),
    /// A file cannot be read, written or removed.
    #[error("{0}")]
    Failed(String),
}

/// The flows that wait, sorted by their ids; none where the data was built into the program.
pub fn pending() -> io::Result<Vec<Pending>> {
    match data().folder() {
        Some(folder) => pending_below(&folder.join("snapshots")),
        None => Ok(Vec::new()),
    }
}

fn pending_below(snapshots: &Path) -> io::Result<Vec<Pending>> {
    let mut found = Vec::new();
    let mut folders = vec![snapshots.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let below = path.strip_prefix(snapshots).unwrap_or(&path);
            if let Some(id) = below.to_string_lossy().strip_suffix(EXTENSION) {
                found.push(Pending::read(id, &path)?);
            }
        }
    }
    found.sort_by(|a, b| a.id.cmp(&b.id));
    Ok(found)
}

impl Pending {
    fn read(id: &str, path: &Path) -> io::Result<Self> {
        let text = fs::read_to_string(path)?;
        let flow = text.strip_prefix("---\n");
        let flow = flow.and_then(|rest| rest.split_once("\n---\n"));
        let digest = Sha256::digest(&text);
        Ok(Self {
            id: id.to_owned(),
            flow: flow.map_or("", |(_, flow)| flow).to_owned(),
            digest: digest.iter().map(|byte| format!("{byte:02x}")).collect(),
            path: path.to_owned(),
        })
    }

    /// Makes it the reviewed flow.
    pub fn accept(&self) -> Result<(), Unsettled> {
        self.still_waits()?;
        let failed = |error: Box<dyn std::error::Error>| self.failed(&error.to_string());
        let snapshot = Snapshot::from_file(&self.path).map_err(failed)?;
        // Not in insta's documentation, and what cargo-insta calls: without what only reviewers see.
        snapshot
            .save(&self.path.with_extension(""))
            .map_err(failed)?;
        self.remove()
    }

    /// Forgets it: the reviewed flow stays.
    pub fn reject(&self) -> Result<(), Unsettled> {
        self.still_waits()?;
        self.remove()
    }

    fn still_waits(&self) -> Result<(), Unsettled> {
        match Self::read(&self.id, &self.path) {
            Ok(now) if now == *self => Ok(()),
            Ok(_) => Err(Unsettled::Another(self.id.clone())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(Unsettled::Another(self.id.clone()))
            }
            Err(error) => Err(self.failed(&error.to_string())),
        }
    }

    fn remove(&self) -> Result<(), Unsettled> {
        fs::remove_file(&self.path).map_err(|error| self.failed(&error.to_string()))
    }

    fn failed(&self, problem: &str) -> Unsettled {
        Unsettled::Failed(format!("{}: {problem}", self.path.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As insta leaves it.
    const NEW: &str = "---\nsource: harness/src/snapshot.rs\nassertion_line: 121\n\
                       description: \"a teacher's message, and nobody else's\"\n\
                       input_file: contracts/fixtures/notifications/class_created.json\n---\n\
                       backend (publishes in Redis)\n  -> PUBLISH ws:<user:teacher>  #1 hello\n\n\
                       teacher/1 (WebSocket client)\n";
    /// As `cargo insta accept` (cargo-insta 1.49.0) made it of that, byte for byte.
    const ACCEPTED: &str = "---\nsource: harness/src/snapshot.rs\n\
                            description: \"a teacher's message, and nobody else's\"\n\
                            input_file: contracts/fixtures/notifications/class_created.json\n---\n\
                            backend (publishes in Redis)\n  -> PUBLISH ws:<user:teacher>  #1 hello\n\n\
                            teacher/1 (WebSocket client)\n";

    /// A folder of snapshots in which one waits beside what was reviewed.
    fn snapshots() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("area")).unwrap();
        fs::write(folder.path().join("area/name.snap"), "reviewed").unwrap();
        fs::write(folder.path().join("area/name.snap.new"), NEW).unwrap();
        folder
    }

    fn only(folder: &tempfile::TempDir) -> Pending {
        let mut all = pending_below(folder.path()).unwrap();
        assert_eq!(all.len(), 1);
        all.remove(0)
    }

    fn reviewed(folder: &tempfile::TempDir) -> String {
        fs::read_to_string(folder.path().join("area/name.snap")).unwrap()
    }

    #[test]
    fn what_is_accepted_is_written_as_cargo_insta_writes_it() {
        let folder = snapshots();
        let waits = only(&folder);
        assert_eq!(waits.id, "area/name");
        assert!(waits.flow.starts_with("backend (publishes in Redis)\n"));
        waits.accept().unwrap();
        assert_eq!(reviewed(&folder), ACCEPTED);
        assert_eq!(pending_below(folder.path()).unwrap(), []);
    }

    #[test]
    fn what_is_rejected_is_gone_and_the_reviewed_flow_stays() {
        let folder = snapshots();
        only(&folder).reject().unwrap();
        assert_eq!(reviewed(&folder), "reviewed");
        assert_eq!(pending_below(folder.path()).unwrap(), []);
    }

    #[test]
    fn a_flow_that_nobody_has_seen_is_neither_accepted_nor_rejected() {
        let folder = snapshots();
        let seen = only(&folder);
        let again = NEW.replace("#1 hello", "#1 bye");
        fs::write(folder.path().join("area/name.snap.new"), again).unwrap();
        for settled in [seen.accept(), seen.reject()] {
            let words = settled.unwrap_err().to_string();
            assert_eq!(
                words,
                "area/name no longer waits with the flow that was shown"
            );
        }
        assert_eq!(reviewed(&folder), "reviewed");
        assert_ne!(only(&folder).digest, seen.digest);
    }
}

//! The project's data, and the one door to it: the contract with its fixtures, and the reviewed flows.
//!
//! A build with the feature `embedded` has the data in itself, and needs no checkout. Every other build reads the checkout
//! that it was made in, as it is now: an edit is seen without a build. Either reads another folder when it is told to
//! ([`read_from`]).

use std::borrow::Cow;
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use contract::{Files, Problem};
use sha2::{Digest, Sha256};

/// What people type before a command's name.
pub const PROGRAM: &str = match CHECKOUT {
    Some(_) => "cargo",
    None => "notifications",
};

/// The folder of the harness, in a build that reads its checkout.
#[cfg(not(feature = "embedded"))]
const CHECKOUT: Option<&str> = Some(env!("CARGO_MANIFEST_DIR"));
#[cfg(feature = "embedded")]
const CHECKOUT: Option<&str> = None;

/// Every file by its path, sorted.
#[cfg(not(feature = "embedded"))]
const BUILT_IN: &[(&str, &str)] = &[];
#[cfg(feature = "embedded")]
const BUILT_IN: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/embedded.rs"));

/// What a folder with the data holds for certain.
const MARK: &str = "contracts/asyncapi.yaml";

static DATA: OnceLock<Data> = OnceLock::new();

/// The project's data. Paths in it are relative to the workspace, with `/`.
#[derive(Debug)]
pub struct Data {
    /// Where it is read from; none when it is that which was built in.
    folder: Option<PathBuf>,
}

/// The data of this run.
pub fn data() -> &'static Data {
    DATA.get_or_init(|| Data {
        folder: checkout().map(Path::to_owned),
    })
}

/// Lets this run read the data in `folder`. Comes before anything is read; fails if there is no data.
pub fn read_from(folder: &Path) -> Result<(), String> {
    let data = Data {
        folder: fs::canonicalize(folder).ok(),
    };
    if data.folder.is_none() || !data.is_there() {
        return Err(format!(
            "{} has no {MARK}: expected a folder with contracts/ and snapshots/, like a checkout of the project",
            folder.display()
        ));
    }
    DATA.set(data)
        .map_err(|data| format!("{data}: other data has been read already"))
}

/// The checkout of the project that this program was built in, unless it stands alone.
pub fn checkout() -> Option<&'static Path> {
    let harness = Path::new(CHECKOUT?);
    Some(harness.parent().unwrap_or(harness))
}

impl Data {
    /// Whether there is any. A program that reads its checkout may have outlived it, or been copied away from it.
    pub fn is_there(&self) -> bool {
        match &self.folder {
            Some(folder) => folder.join(MARK).is_file(),
            None => true,
        }
    }

    /// Where files can be written; none when the data is that which was built in.
    pub fn folder(&self) -> Option<&Path> {
        self.folder.as_deref()
    }

    /// The text of the file `path`.
    pub fn read(&self, path: &str) -> io::Result<Cow<'static, str>> {
        match &self.folder {
            Some(folder) => fs::read_to_string(folder.join(path)).map(Cow::Owned),
            None => match BUILT_IN.binary_search_by_key(&path, |(name, _)| name) {
                Ok(at) => Ok(Cow::Borrowed(BUILT_IN[at].1)),
                Err(_) => Err(io::ErrorKind::NotFound.into()),
            },
        }
    }

    /// The paths of all files below the folder `path`, sorted.
    pub fn list(&self, path: &str) -> io::Result<Vec<String>> {
        let mut found = Vec::new();
        match &self.folder {
            Some(folder) => {
                list(folder, path, &mut found)?;
                found.sort();
            }
            None => {
                let names = BUILT_IN.iter().map(|(name, _)| *name);
                let below = |name: &&str| {
                    name.strip_prefix(path)
                        .is_some_and(|rest| rest.starts_with('/'))
                };
                found.extend(names.filter(below).map(str::to_owned));
            }
        }
        Ok(found)
    }

    /// The files of the contract.
    pub fn contract(&self) -> Result<Files, Problem> {
        match &self.folder {
            Some(folder) => Files::of_folder(&folder.join("contracts")),
            None => Ok(Files::of(BUILT_IN.iter().filter_map(|(name, text)| {
                Some((name.strip_prefix("contracts/")?, *text))
            }))),
        }
    }

    /// Names the contract and its reviewed flows by what they say: data that is the same has the same.
    pub fn fingerprint(&self) -> Result<String, Problem> {
        let mut hash = Sha256::new();
        let mut add = |name: &str, text: &str| {
            for part in [name, text] {
                hash.update(part.len().to_le_bytes());
                hash.update(part);
            }
        };
        for (name, text) in self.contract()?.0 {
            add(&name, &text);
        }
        let unreadable = |error: io::Error| Problem::new("snapshots", error.to_string());
        for name in self.list("snapshots").map_err(unreadable)? {
            if name.ends_with(".snap") {
                add(&name, &self.read(&name).map_err(unreadable)?);
            }
        }
        let bytes = hash.finalize();
        Ok(bytes
            .iter()
            .take(6)
            .map(|byte| format!("{byte:02x}"))
            .collect())
    }
}

/// Which contract it is: `contract 0123456789ab, built in`.
impl fmt::Display for Data {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.fingerprint() {
            Ok(fingerprint) => write!(f, "contract {fingerprint}, ")?,
            Err(problem) => write!(f, "contract that cannot be read ({problem}), ")?,
        }
        match &self.folder {
            Some(folder) => write!(f, "in {}", folder.display()),
            None => f.write_str("built in"),
        }
    }
}

fn list(root: &Path, path: &str, found: &mut Vec<String>) -> io::Result<()> {
    for entry in fs::read_dir(root.join(path))? {
        let entry = entry?;
        let name = format!("{path}/{}", entry.file_name().to_string_lossy());
        if entry.path().is_dir() {
            list(root, &name, found)?;
        } else {
            found.push(name);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        folder
    }

    const CONTRACT: (&str, &str) = ("contracts/asyncapi.yaml", "asyncapi: 3.1.0");
    const FLOW: (&str, &str) = ("snapshots/area/it.snap", "---\n---\na flow");

    #[rstest]
    #[case::the_same(&[CONTRACT, FLOW], true)]
    #[case::a_flow_that_waits_for_review(&[CONTRACT, FLOW, ("snapshots/area/it.snap.new", "x")], true)]
    #[case::another_contract(&[("contracts/asyncapi.yaml", "asyncapi: 3.1.1"), FLOW], false)]
    #[case::another_flow(&[CONTRACT, ("snapshots/area/it.snap", "---\n---\nb flow")], false)]
    #[case::another_name(&[CONTRACT, ("snapshots/area/is.snap", "---\n---\na flow")], false)]
    fn data_is_known_by_what_it_says(#[case] files: &[(&str, &str)], #[case] same: bool) {
        let fingerprint = |files: &[(&str, &str)]| {
            let folder = folder(files);
            let data = Data {
                folder: Some(folder.path().to_owned()),
            };
            data.fingerprint().unwrap()
        };
        assert_eq!(fingerprint(&[CONTRACT, FLOW]) == fingerprint(files), same);
    }

    #[test]
    fn files_are_listed_with_their_folders_in_order() {
        let folder = folder(&[("a/c/1", ""), ("a/b", ""), ("d", "")]);
        let data = Data {
            folder: Some(folder.path().to_owned()),
        };
        assert_eq!(data.list("a").unwrap(), ["a/b", "a/c/1"]);
        assert!(data.list("e").is_err());
    }

    #[test]
    fn a_folder_without_a_contract_is_refused() {
        let folder = folder(&[FLOW]);
        let refused = read_from(folder.path()).unwrap_err();
        let words =
            "has no contracts/asyncapi.yaml: expected a folder with contracts/ and snapshots/";
        assert!(refused.contains(words), "{refused}");
    }
}

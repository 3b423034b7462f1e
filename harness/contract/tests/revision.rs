//! The contract of a git revision.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use contract::Files;

/// A repository with a contract in a folder below its root: one commit, and a change after it.
fn repository(name: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&root);
    let folder = root.join("below/contracts");
    fs::create_dir_all(folder.join("schemas")).unwrap();
    fs::write(root.join("outside.yaml"), "a: 1\n").unwrap();
    fs::write(folder.join("asyncapi.yaml"), "a: 1\n").unwrap();
    fs::write(folder.join("schemas/ä b.json"), "{}\n").unwrap();
    fs::write(folder.join("schemas/picture.png"), "not read").unwrap();
    git(&root, &["init", "--quiet"]);
    git(&root, &["add", "."]);
    git(&root, &["commit", "--quiet", "--message", "A contract"]);
    git(&root, &["tag", "former"]);
    fs::write(folder.join("asyncapi.yaml"), "a: 2\n").unwrap();
    folder
}

fn git(folder: &Path, arguments: &[&str]) {
    let status = Command::new("git")
        .arg("-C")
        .arg(folder)
        .args(["-c", "user.name=test", "-c", "user.email=test@localhost"])
        .args(arguments)
        .status()
        .unwrap();
    assert!(status.success(), "git {arguments:?}");
}

#[test]
fn a_revision_has_the_files_as_they_were() {
    let folder = repository("revision-files");
    let now = Files::of_folder(&folder).unwrap();
    let mut former = now.clone();
    former.0.insert("asyncapi.yaml".into(), "a: 1\n".into());
    for revision in ["former", "HEAD", "HEAD^{commit}"] {
        assert_eq!(Files::at_revision(&folder, revision).unwrap(), former);
    }
    assert_eq!(former.0.len(), 2);
}

#[test]
fn a_name_that_is_no_revision_is_one_sentence() {
    let folder = repository("revision-none");
    for name in ["nowhere", "--all", "", "HEAD:below"] {
        let problem = Files::at_revision(&folder, name).unwrap_err().to_string();
        let words = "is no folder, and no revision that this repository has";
        assert!(problem.contains(words), "{problem}");
        assert!(!problem.contains('\n'), "{problem}");
    }
}

//! `cargo contracts diff`, as a pull request's check runs it: by its exit status and what it prints.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use rstest::rstest;

const ASYNCAPI: &str = "x-promises: { a.b: It is so. }\n";

/// A folder of this test alone, with contracts in it.
fn folders(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&folder);
    for contract in ["kept", "broken", "unreadable", "empty"] {
        fs::create_dir_all(folder.join(contract)).unwrap();
    }
    fs::write(folder.join("kept/asyncapi.yaml"), ASYNCAPI).unwrap();
    fs::write(folder.join("broken/asyncapi.yaml"), "x-promises: {}\n").unwrap();
    fs::write(folder.join("unreadable/asyncapi.yaml"), "a: 1\n  b: 2\n").unwrap();
    folder
}

#[rstest]
#[case::same("kept", "kept", 0, "no difference that anybody would notice\n", "")]
#[case::more("broken", "kept", 0, "SAFE\n  promise a.b\n", "")]
#[case::less("kept", "broken", 1, "BREAKING\n  promise a.b\n", "")]
#[case::no_base(
    "nowhere",
    "kept",
    3,
    "",
    "--base: nowhere: is no folder, and no revision that"
)]
#[case::option(
    "--all",
    "kept",
    3,
    "",
    "--base: --all: is no folder, and no revision that"
)]
#[case::no_contract("empty", "kept", 3, "", "--base: empty/asyncapi.yaml: is missing")]
#[case::unreadable_base("unreadable", "kept", 3, "", "--base: unreadable/asyncapi.yaml:2:")]
#[case::unreadable_head("kept", "unreadable", 3, "", "unreadable/asyncapi.yaml:2:")]
#[case::no_head("kept", "nowhere", 3, "", "nowhere: cannot be read")]
fn the_exit_status_says_whether_it_breaks(
    #[case] base: &str,
    #[case] head: &str,
    #[case] status: i32,
    #[case] out: &str,
    #[case] err: &str,
) {
    let folder = folders(&format!("diff-{base}-{head}"));
    let output = Command::new(env!("CARGO_BIN_EXE_notifications"))
        .args(["contracts", "diff"])
        .arg(format!("--base={base}"))
        .arg(format!("--head={head}"))
        .current_dir(folder)
        .output()
        .unwrap();
    let (stdout, stderr) = (
        String::from_utf8(output.stdout).unwrap(),
        String::from_utf8(output.stderr).unwrap(),
    );
    assert_eq!(output.status.code(), Some(status), "{stdout}{stderr}");
    assert!(stdout.starts_with(out), "{stdout}");
    assert!(stderr.starts_with(err), "{stderr}");
    assert!(stderr.lines().count() <= 1, "one message, not {stderr}");
    assert!(status != 3 || stdout.is_empty(), "{stdout}");
}

//! `verify init` as a program: without a terminal, what is missing is told, and what is written can be verified.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use rstest::rstest;

fn verify(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_notifications"))
        .arg("verify")
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

#[rstest]
#[case::part(&[], "--websocket or --gateway is missing")]
#[case::redis(&["--gateway", "http://h", "--websocket", "command:x"], "--redis is missing")]
#[case::secret_of_a_gateway(&["--gateway", "http://h"], "--secret is missing")]
#[case::secret(&["--websocket", "ws://h", "--redis", "redis://h"], "--secret is missing")]
#[case::how(&["--websocket", "service.py"], "expected command:PROGRAM ARGUMENTS, image:NAME:TAG or url:")]
#[case::address(
    &["--websocket", "ws://h/ws", "--redis", "redis://h", "--secret", "s"],
    "no profile can say this: [websocket] url: has a path or a query"
)]
fn what_is_missing_or_wrong_is_told_with_status_3_and_nothing_is_written(
    #[case] arguments: &[&str],
    #[case] message: &str,
) {
    let folder = tempfile::tempdir().unwrap();
    let output = verify(folder.path(), &[&["init"], arguments].concat());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains(message), "{said}");
    assert_eq!(output.status.code(), Some(3));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn what_is_written_can_be_verified_and_is_replaced_only_by_force() {
    let folder = tempfile::tempdir().unwrap();
    let init = [
        "init",
        "--out",
        "my.toml",
        "--websocket",
        "command:./service",
    ];
    let output = verify(folder.path(), &init);
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        "my.toml is written: look into it, then `cargo verify --system my.toml`\n"
    );
    let checked = verify(folder.path(), &["--system", "my.toml", "--check-profile"]);
    assert_eq!(checked.status.code(), Some(0), "{checked:?}");

    std::fs::write(folder.path().join("my.toml"), "mine").unwrap();
    let output = verify(folder.path(), &init);
    assert_eq!(
        String::from_utf8_lossy(&output.stderr),
        "my.toml exists already: --force replaces it\n"
    );
    assert_eq!(output.status.code(), Some(3));
    let text = || std::fs::read_to_string(folder.path().join("my.toml")).unwrap();
    assert_eq!(text(), "mine");
    let output = verify(folder.path(), &[&init[..], &["--force"]].concat());
    assert_eq!(output.status.code(), Some(0));
    assert!(text().contains("[websocket]"));
}

#[test]
fn a_filter_may_be_called_like_the_command() {
    let folder = tempfile::tempdir().unwrap();
    let output = verify(folder.path(), &["--", "init"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        said.contains("no scenario's id contains \"init\""),
        "{said}"
    );
}

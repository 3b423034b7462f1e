//! The command line's answers to wrong use, and its exit statuses.

use std::process::{Command, Output};

use rstest::rstest;

fn notifications(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_notifications"))
        .args(arguments)
        .env_remove("HARNESS_RUNTIME")
        // No engine is there: what needs one must say so.
        .env("DOCKER_HOST", "unix:///nonexistent/engine.sock")
        .output()
        .unwrap()
}

#[rstest]
#[case::unknown_option(&["verify", "--runtim", "processes"], "a similar argument exists: '--runtime'")]
#[case::unknown_runtime(&["verify", "--runtime", "boats"], "no runtime \"boats\": containers or processes")]
#[case::filter_matches_nothing(&["verify", "delivry"], "the nearest:\n  delivery")]
#[case::unknown_promise(&["verify", "--only-promise", "delivery.inorder"], "did you mean delivery.in-order?")]
#[case::unknown_format(&["verify", "--format", "jason"], "no format \"jason\": one of text, json, junit, markdown, github")]
#[case::no_rounds(&["verify", "--repeat", "0"], "invalid value '0' for '--repeat <TIMES>'")]
#[case::unknown_sabotage(&["verify", "selftest", "duplicat3"], "the nearest:\n  duplicate\n")]
#[case::no_repeats(&["verify", "selftest", "--repeats", "0"], "invalid value '0' for '--repeats <TIMES>'")]
#[case::no_rate(&["verify", "load", "--rate", "fast"], "it is a number of messages a second, or max")]
#[case::no_such_crowd(&["verify", "load", "--connections", "10", "--users", "3"], "--connections 10 is not 3 users with 3 connections each")]
#[case::more_at_once_than_there_are(&["verify", "load", "--users", "3", "--fan-out", "4"], "--fan-out 4 needs as many users, and there are 3")]
#[case::too_short_a_message(&["verify", "load", "--payload", "5"], "a message says whose it is, which one and when it was due, so it has 114 at least")]
#[case::too_slow(&["verify", "load", "--rate", "0.4"], "--rate 0.4 is less than one group of 1 messages in a round of 2 s")]
#[case::a_baseline_and_none(&["verify", "load", "--baseline", "none", "--baseline", "direct"], "--baseline none is given beside another")]
#[case::a_threshold_without_its_baseline(&["verify", "load", "--baseline", "none", "--thresholds", "../../examples/thresholds.toml"], "a threshold is about raw-relay, which this run lacks: say so with --baseline")]
#[case::no_data(&["--data", "/nowhere", "verify"], "--data: /nowhere has no contracts/asyncapi.yaml: expected a folder")]
#[case::no_command(&[], "Usage: cargo [OPTIONS] <COMMAND>")]
fn a_wrong_use_is_answered_in_one_message_with_status_3(
    #[case] arguments: &[&str],
    #[case] message: &str,
) {
    let output = notifications(arguments);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains(message), "{said}");
    assert_eq!(output.status.code(), Some(3));
}

#[rstest]
#[case::pact_that_is_none(
    "pact",
    "{}",
    "is no Pact: /metadata/pactSpecification/version is missing"
)]
#[case::truncated(
    "har",
    "{\n\"log\": {",
    "input.json:2:8: is no HAR: EOF while parsing an object"
)]
#[case::event(
    "pact",
    r#"{"metadata": {"pactSpecification": {"version": "4.0"}}, "interactions": [{
        "type": "Asynchronous/Messages", "description": "d",
        "contents": {"content": {"event": "clas_created", "data": {}}, "contentType": "application/json"}
    }]}"#,
    "\"d\": /message/event: unknown event `clas_created`; did you mean `class_created`?"
)]
fn what_cannot_be_imported_is_told_in_one_line_with_status_3(
    #[case] format: &str,
    #[case] text: &str,
    #[case] message: &str,
) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("input.json");
    std::fs::write(&file, text).unwrap();
    let output = notifications(&["contracts", "import", format, &file.to_string_lossy()]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains(message), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
    assert_eq!(output.status.code(), Some(3));
}

#[test]
fn containers_without_an_engine_are_no_system() {
    let folder = tempfile::tempdir().unwrap();
    let report = folder.path().to_str().unwrap();
    let output = notifications(&["verify", "--runtime", "containers", "--report", report]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("no container engine answers"), "{said}");
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn the_list_names_scenarios_with_their_sentences() {
    let output = notifications(&["verify", "--list", "delivery/two"]);
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        "notifications/delivery/two-connections  two connections of one user each get every message once\n"
    );
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn the_sabotages_are_listed_with_their_promises() {
    let output = notifications(&["verify", "selftest", "--list", "swap-two"]);
    let expected = "\
sabotage  promise            what it does
swap-two  delivery.in-order  sends two messages that come together in the wrong order
";
    assert_eq!(String::from_utf8_lossy(&output.stdout), expected);
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn a_system_that_cannot_be_asked_has_its_sabotages_skipped_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let profile = folder.path().join("elsewhere.toml");
    let text = "[redis]\nurl = \"redis://127.0.0.1:1\"\n[websocket]\nurl = \"ws://127.0.0.1:1\"\n\
                [token]\nissuer = \"i\"\naudience = \"a\"\nsecret = \"s\"\n";
    std::fs::write(&profile, text).unwrap();
    let system = profile.to_str().unwrap();
    let output = notifications(&["verify", "selftest", "--system", system, "token-in-log"]);
    let said = String::from_utf8_lossy(&output.stderr);
    let reason = "skipped: [websocket] is at a url: its log is out of sight";
    assert!(said.contains(reason), "{said}");
    assert_eq!(output.status.code(), Some(3));
}

#[test]
fn the_help_teaches_examples_and_exit_statuses() {
    let output = notifications(&["verify", "--help"]);
    let said = String::from_utf8_lossy(&output.stdout);
    for part in [
        "cargo verify gateway/status",
        "cargo verify init",
        "Exit status:",
        "--runtime",
        "--keep",
        "--list",
    ] {
        assert!(said.contains(part), "{said}");
    }
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn the_version_says_which_contract_is_read() {
    let output = notifications(&["verify", "--version"]);
    let checkout = harness::data::checkout().unwrap().display();
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        format!(
            "notifications {}\n{}\n",
            env!("CARGO_PKG_VERSION"),
            harness::data::data()
        )
    );
    assert!(
        output
            .stdout
            .ends_with(format!(", in {checkout}\n").as_bytes())
    );
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn the_readme_shows_a_flow_as_it_was_reviewed() {
    let checkout = harness::data::checkout().unwrap();
    let read = |path: &str| std::fs::read_to_string(checkout.join(path)).unwrap();
    let readme = read("README.md");
    let (_, rest) = readme.split_once("<!-- flow: ").unwrap();
    let (id, rest) = rest.split_once(" -->\n```text\n").unwrap();
    let (shown, _) = rest.split_once("```").unwrap();
    assert_eq!(
        shown.trim(),
        harness::snapshot::reviewed(id).unwrap().trim()
    );
}

#[test]
fn the_typescript_of_this_repository_is_up_to_date() {
    let output = notifications(&["contracts", "types", "--check"]);
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        "contracts/typescript/notifications.ts is up to date\n"
    );
    assert_eq!(output.status.code(), Some(0));
}

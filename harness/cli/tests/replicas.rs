//! Services that there are several of, each behind a balancer of the harness.

mod support;

use std::fs;

use rstest::rstest;
use support::verify;

/// The reference system with two of each service, and `variable` for the websocket services.
fn profile(variable: &str) -> String {
    let path = harness::data::checkout()
        .unwrap()
        .join("harness/profiles/reference.toml");
    let reference = fs::read_to_string(path).unwrap();
    reference
        .replace("replicas = 1", "replicas = 2")
        .replace("\n[websocket]\n", &format!("\n[websocket]\n{variable}\n"))
}

#[rstest]
#[case::one_limit_on_both(
    "environment.WEBSOCKET_GLOBAL_CONNECTION_LIMIT = \"5\"",
    &["notifications/", "gateway/"],
    Some(0),
    &[" 0 failed", "[websocket] has 2 replicas: each has a log of its own"]
)]
#[case::each_has_a_limit_of_its_own(
    "",
    &["notifications/delivery", "notifications/connections/sixth-refused", "gateway/rate-limits"],
    Some(1),
    &["BROKEN  connections.limit-per-user"]
)]
fn two_of_each_are_verified_as_one(
    #[case] variable: &str,
    #[case] filters: &[&str],
    #[case] status: Option<i32>,
    #[case] words: &[&str],
) {
    let verified = verify(&profile(variable), filters, |command| command);
    assert_eq!(verified.status, status, "{}", verified.said);
    for words in words {
        assert!(verified.said.contains(words), "{}", verified.said);
    }
}

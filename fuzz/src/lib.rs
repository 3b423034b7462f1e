//! What several targets have to know.

use std::sync::LazyLock;

use harness::fixture::FixtureError;
use regex_lite::Regex;

/// A JSON Web Token in compact form (RFC 7515, section 7.1), whoever made it: three parts, the first a JSON object in
/// base64url. Of an unsecured one (RFC 7519, section 6) the third is empty.
static TOKEN: LazyLock<Regex> = LazyLock::new(|| {
    let part = "[A-Za-z0-9_-]+";
    let token = format!(r"eyJ{part}\.({part}\.{part}|eyJ{part}\.)");
    Regex::new(&token).expect("the expression is a good one")
});

/// The first token in `text`.
pub fn token_in(text: &str) -> Option<&str> {
    TOKEN.find(text).map(|found| found.as_str())
}

/// What is said about a file has to be of use: it names the file, a line that the file has, and a problem.
pub fn assert_helps(error: &FixtureError, file: &str, text: &str) {
    let place = error.place.strip_prefix(file);
    let place = place.unwrap_or_else(|| panic!("{error}: does not name {file:?}"));
    if let Some(line) = place.split(':').nth(1) {
        let line: usize = line.parse().expect("a line is a number");
        // An end that comes too soon is on the line after the last.
        let lines = 1 + text.matches('\n').count();
        assert!(
            (1..=lines).contains(&line),
            "{error}: there are {lines} lines"
        );
    }
    assert!(!error.problem.is_empty(), "{error}");
}

//! Whatever the path: what passes the guard stays below its prefix, for whoever decodes it next, and however often.
#![no_main]

use libfuzzer_sys::{Corpus, fuzz_target};
use notification_services::gateway::path;
use percent_encoding::percent_decode_str;
use reqwest::Url;

const PREFIX: &str = "/v1/classes/";

fuzz_target!(|below: &str| -> Corpus {
    // None of them can be in the path of a request's target (RFC 9112, section 3.2.1).
    if below.contains(['?', '#', ' ']) {
        return Corpus::Reject;
    }
    if path::check(below).is_err() {
        return Corpus::Keep;
    }
    let whole = format!("{PREFIX}{below}");
    let url =
        Url::parse(&format!("http://behind{whole}")).expect("what passes is the path of a URL");
    assert_eq!(url.host_str(), Some("behind"));
    let decoded = |path: &str| percent_decode_str(path).decode_utf8_lossy().into_owned();
    assert_eq!(
        decoded(url.path()),
        decoded(&whole),
        "it is another path to a URL parser"
    );

    let segments = whole.split('/').count();
    let mut seen = whole;
    for _ in 0..8 {
        assert!(seen.starts_with(PREFIX), "{seen:?}");
        // Some servers take a backslash for a slash, and cut parameters off a segment.
        let read = seen.replace('\\', "/");
        assert_eq!(
            read.split('/').count(),
            segments,
            "{seen:?} has other segments"
        );
        for segment in read.split('/') {
            let name = segment.split(';').next().unwrap_or_default();
            assert!(!matches!(name, "." | ".."), "{seen:?} leaves where it is");
        }
        assert!(
            !seen.chars().any(|c| c.is_ascii_control()),
            "{seen:?} has a control character"
        );
        seen = decoded(&seen);
    }
    Corpus::Keep
});

//! What of a path may be passed on. Nothing is ever repaired: a path that would mean something else to whoever decodes
//! it next is refused.

use percent_encoding::percent_decode_str;

use super::error::{ApiError, Code};

// Enough for an encoding within an encoding within another; whoever nests deeper wants to get past a guard.
const DEEPEST: usize = 4;

/// What is wrong with a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// Two slashes in a row.
    #[error("the path has an empty segment")]
    EmptySegment,
    /// `.` or `..`, however encoded.
    #[error("the path has a dot segment")]
    DotSegment,
    /// `/` or `\` within a segment, however encoded.
    #[error("the path has a separator within a segment")]
    Separator,
    /// A character below U+0020, or U+007F, however encoded.
    #[error("the path has a control character")]
    Control,
    /// A `%` that two hexadecimal digits do not follow, octets that are not UTF-8, or encodings nested too deeply.
    #[error("the path is not properly encoded")]
    Encoding,
}

/// Checks `path`, as it came over the wire, to stay below where it is put: every segment has to be a plain name, however
/// often it is decoded. The last one may be empty.
pub fn check(path: &str) -> Result<(), Reason> {
    let mut segments = path.split('/');
    let last = segments.next_back().unwrap_or_default();
    for segment in segments {
        if segment.is_empty() {
            return Err(Reason::EmptySegment);
        }
        check_segment(segment)?;
    }
    check_segment(last)
}

/// `segment`, decoded once, if it can be the id of a batch: 1 to 128 letters, digits, `-` and `_`.
pub fn batch_id(segment: &str) -> Result<&str, ApiError> {
    let sane = (1..=128).contains(&segment.len())
        && segment
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    if sane {
        Ok(segment)
    } else {
        Err(ApiError::new(
            Code::InvalidBatchId,
            "a batch id is 1 to 128 letters, digits, `-` and `_`",
        ))
    }
}

fn check_segment(segment: &str) -> Result<(), Reason> {
    if !is_encoded(segment) {
        return Err(Reason::Encoding);
    }
    let mut name = segment.to_owned();
    for _ in 0..DEEPEST {
        check_name(&name)?;
        let decoded = percent_decode_str(&name)
            .decode_utf8()
            .map_err(|_| Reason::Encoding)?
            .into_owned();
        if decoded == name {
            return Ok(());
        }
        name = decoded;
    }
    Err(Reason::Encoding)
}

fn check_name(name: &str) -> Result<(), Reason> {
    if name.contains(['/', '\\']) {
        return Err(Reason::Separator);
    }
    if name.chars().any(|character| character.is_ascii_control()) {
        return Err(Reason::Control);
    }
    // Some servers cut parameters off a segment before they look at it: `..;x` is `..` to them.
    match name.split(';').next() {
        Some("." | "..") => Err(Reason::DotSegment),
        _ => Ok(()),
    }
}

fn is_encoded(segment: &str) -> bool {
    segment.split('%').skip(1).all(|after| {
        let mut digits = after.bytes();
        let mut digit = || digits.next().is_some_and(|byte| byte.is_ascii_hexdigit());
        digit() && digit()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use reqwest::Url;
    use rstest::rstest;

    #[rstest]
    #[case::the_root("")]
    #[case::a_class("6f1c")]
    #[case::below_a_class("6f1c/students/7")]
    #[case::a_slash_at_the_end("6f1c/students/")]
    #[case::dots_in_a_name("report..2025.pdf")]
    #[case::three_dots("...")]
    #[case::a_letter_that_is_encoded("svenska%20%C3%A5k%209")]
    #[case::a_percent_sign("100%25")]
    #[case::a_percent_sign_before_letters("100%25zz")]
    fn a_plain_path_passes(#[case] path: &str) {
        assert_eq!(check(path), Ok(()));
    }

    #[rstest]
    #[case::up("../batches", Reason::DotSegment)]
    #[case::up_at_the_end("6f1c/..", Reason::DotSegment)]
    #[case::here("./6f1c", Reason::DotSegment)]
    #[case::up_encoded("%2e%2e/batches", Reason::DotSegment)]
    #[case::up_encoded_in_capitals("%2E%2E/batches", Reason::DotSegment)]
    #[case::up_encoded_in_part(".%2e/batches", Reason::DotSegment)]
    #[case::up_encoded_twice("%252e%252e/batches", Reason::DotSegment)]
    #[case::up_encoded_thrice("%25252e%25252e/batches", Reason::DotSegment)]
    #[case::up_with_a_parameter("..;x/batches", Reason::DotSegment)]
    #[case::up_with_an_encoded_parameter("..%3bx/batches", Reason::DotSegment)]
    #[case::slash_encoded("..%2fbatches", Reason::Separator)]
    #[case::slash_encoded_twice("a%252fb", Reason::Separator)]
    #[case::backslash("..\\batches", Reason::Separator)]
    #[case::backslash_encoded("..%5cbatches", Reason::Separator)]
    #[case::two_slashes("6f1c//students", Reason::EmptySegment)]
    #[case::a_slash_first("/evil.example/x", Reason::EmptySegment)]
    #[case::nul("6f1c%00", Reason::Control)]
    #[case::line_feed("6f1c%0aX-User-ID:%20eve", Reason::Control)]
    #[case::cut_off("6f1c%2", Reason::Encoding)]
    #[case::no_digits("6f1c%zz", Reason::Encoding)]
    #[case::overlong_dots("%c0%ae%c0%ae/batches", Reason::Encoding)]
    #[case::nested_deeply("%252525252e", Reason::Encoding)]
    fn a_path_with_another_meaning_is_refused(#[case] path: &str, #[case] reason: Reason) {
        assert_eq!(check(path), Err(reason));
    }

    // Pieces out of which ways around a guard are made, and a few innocent ones.
    fn path() -> impl Strategy<Value = String> {
        let piece = prop::sample::select(vec![
            ".", "..", "/", "//", "\\", ";", "%", "%2e", "%2E", "%2f", "%5c", "%25", "25", "2e",
            "2f", "%00", "%c0%ae", "a", "b7", "%20", "%C3%A5", "?", "#",
        ]);
        prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn what_passes_stays_below_its_prefix_however_often_it_is_decoded(path in path()) {
            prop_assume!(!path.contains(['?', '#'])); // neither can be in the path of a request's target
            if check(&path).is_ok() {
                let mut decoded = path.clone();
                for _ in 0..8 {
                    let mut depth = 0_i32;
                    for segment in decoded.replace('\\', "/").split('/') {
                        depth += match segment { "" | "." => 0, ".." => -1, _ => 1 };
                        prop_assert!(depth >= 0, "{decoded:?} climbs out");
                    }
                    prop_assert_eq!(decoded.split('/').count(), path.split('/').count());
                    decoded = percent_decode_str(&decoded).decode_utf8_lossy().into_owned();
                }
            }
        }

        #[test]
        fn what_passes_is_not_changed_by_a_url_parser(path in path()) {
            prop_assume!(!path.contains(['?', '#']));
            if check(&path).is_ok() {
                let url = Url::parse(&format!("http://classes/v1/classes/{path}")).unwrap();
                prop_assert_eq!(url.path(), format!("/v1/classes/{path}"));
                prop_assert_eq!(url.host_str(), Some("classes"));
            }
        }

        #[test]
        fn no_input_makes_the_guard_panic(path in ".*") {
            let _ = check(&path);
        }
    }
}

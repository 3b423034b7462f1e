//! Formats of dates and times, as Java's `DateTimeFormatter` has them and Pact's tools write them.

/// A regular expression for what `format` describes. Fails at a letter that is not supported.
pub fn regex(format: &str) -> Result<String, String> {
    let mut regex = String::new();
    let mut rest = format;
    while let Some(first) = rest.chars().next() {
        if let Some(after) = rest.strip_prefix("''") {
            regex.push('\'');
            rest = after;
            continue;
        }
        if let Some(after) = rest.strip_prefix('\'') {
            // Inside of quotes two of them are one, too.
            let after = after.replace("''", "\u{0}");
            let (literal, _) = after
                .split_once('\'')
                .ok_or_else(|| format!("the format {format:?} has a quote that does not end"))?;
            let literal = literal.replace('\u{0}', "''");
            rest = &rest[literal.len() + 2..];
            regex += &escaped(&literal.replace("''", "'"));
            continue;
        }
        let count = rest.chars().take_while(|c| *c == first).count();
        if first.is_ascii_alphabetic() {
            let field = field(first, count)
                .ok_or_else(|| format!("{first:?} in the format {format:?} is not supported"))?;
            regex += &field;
            rest = &rest[count..];
        } else {
            regex += &escaped(&first.to_string());
            rest = &rest[first.len_utf8()..];
        }
    }
    Ok(regex)
}

fn field(letter: char, count: usize) -> Option<String> {
    let number = |two: &str| {
        Some(if count == 1 {
            format!("(?:{two}|\\d)")
        } else {
            format!("(?:{two})")
        })
    };
    match (letter, count) {
        ('y' | 'u' | 'Y', 2) => Some("\\d{2}".into()),
        ('y' | 'u' | 'Y', 1..=4) => Some("\\d{4}".into()),
        ('M' | 'L', 1 | 2) => number("0[1-9]|1[0-2]"),
        ('M' | 'L', 3) => Some("(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)".into()),
        ('E', 1..=3) => Some("(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)".into()),
        ('d', 1 | 2) => number("0[1-9]|[12]\\d|3[01]"),
        ('H', 1 | 2) => number("[01]\\d|2[0-3]"),
        ('h', 1 | 2) => number("0[1-9]|1[0-2]"),
        ('m', 1 | 2) => number("[0-5]\\d"),
        ('s', 1 | 2) => number("[0-5]\\d|60"),
        ('S', 1..=9) => Some(format!("\\d{{{count}}}")),
        ('a', 1) => Some("(?:AM|PM)".into()),
        ('X', 1) => Some("(?:Z|[+-]\\d{2}(?:\\d{2})?)".into()),
        ('X', 2) => Some("(?:Z|[+-]\\d{4})".into()),
        ('X', 3) => Some("(?:Z|[+-]\\d{2}:\\d{2})".into()),
        ('x', 3) => Some("[+-]\\d{2}:\\d{2}".into()),
        ('Z', 1..=3) | ('x', 2) => Some("[+-]\\d{4}".into()),
        _ => None,
    }
}

fn escaped(text: &str) -> String {
    text.chars()
        .map(|c| {
            if c.is_alphanumeric() {
                c.to_string()
            } else {
                format!("\\{c}")
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use fancy_regex::Regex;
    use rstest::rstest;

    #[rstest]
    #[case::date("yyyy-MM-dd", "2025-07-01", "2025-13-01")]
    #[case::time("HH:mm", "23:59", "24:00")]
    #[case::timestamp(
        "yyyy-MM-dd'T'HH:mm:ss.SSSXXX",
        "2025-07-01T08:00:00.123+02:00",
        "2025-07-01T08:00:00+02:00"
    )]
    #[case::words("EEE, d MMM yyyy", "Tue, 1 Jul 2025", "Tuesday, 1 July 2025")]
    #[case::quote("h 'o''clock' a", "08 o'clock AM", "8 oclock AM")]
    fn a_format_accepts_and_refuses(#[case] format: &str, #[case] good: &str, #[case] bad: &str) {
        let regex = format!("^{}$", super::regex(format).unwrap());
        let regex = Regex::new(&regex).unwrap();
        assert!(regex.is_match(good).unwrap());
        assert!(!regex.is_match(bad).unwrap());
    }

    #[rstest]
    #[case::letter("yyyy G", "'G' in the format \"yyyy G\" is not supported")]
    #[case::quote("'T", "the format \"'T\" has a quote that does not end")]
    fn a_format_that_is_not_known_is_refused(#[case] format: &str, #[case] problem: &str) {
        assert_eq!(super::regex(format).unwrap_err(), problem);
    }
}

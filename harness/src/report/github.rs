//! Annotations for GitHub Actions: a workflow command for each broken promise and for what kept scenarios from being reached.

use std::fmt::Write as _;

use crate::results::Results;

pub fn annotations(results: &Results) -> String {
    let mut text = String::new();
    for (promise, evidence) in results.broken() {
        let (file, line) = match promise.place.split_once(':') {
            Some((file, rest)) => (file, rest.split(':').next().unwrap_or("1")),
            None => (promise.place.as_str(), "1"),
        };
        let mut words = promise.sentence.clone();
        for seen in evidence.iter().take(1) {
            let _ = write!(words, "\n{}: {}", seen.scenario, seen.words.join("\n"));
        }
        if evidence.len() > 1 {
            let _ = write!(words, "\nalso seen by {} more", evidence.len() - 1);
        }
        let _ = writeln!(
            text,
            "::error file=contracts/{},line={line},title={}::{}",
            property(file),
            property(&format!("contract broken: {}", promise.id)),
            data(&words)
        );
    }
    for (words, ids) in &results.causes {
        let title = format!("{} scenarios were not reached", ids.len());
        let _ = writeln!(text, "::error title={}::{}", property(&title), data(words));
    }
    text
}

/// The text of a command: what would end it is escaped.
fn data(text: &str) -> String {
    text.trim_end()
        .replace('%', "%25")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}

/// A property of a command: what would end that is escaped as well.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::tests::{ORDER, results, verdict};
    use crate::scenario::Failure;

    #[test]
    fn an_annotation_stands_at_the_promise() {
        let broken = Some(Failure::broken("100 % wrong\n::error::forged"));
        let text = annotations(&results(
            vec![verdict("a/it", &[ORDER], broken)],
            Vec::new(),
        ));
        let (command, words) = text.trim_end().split_once("::The messages").unwrap();
        assert!(
            command.starts_with("::error file=contracts/asyncapi.yaml,line="),
            "{command}"
        );
        assert!(
            command.ends_with(",title=contract broken%3A delivery.in-order"),
            "{command}"
        );
        assert!(
            words.ends_with("%0Aa/it: 100 %25 wrong%0A::error::forged"),
            "{words}"
        );
        assert_eq!(text.lines().count(), 1);
    }
}

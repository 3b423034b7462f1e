//! What `diff` says about edits that a person has judged.

mod documents;
mod same;
mod schemas;
mod vocabulary;

use contract::diff::{Finding, Side, diff};
use contract::{Contract, Files};

/// The two versions of a small contract.
struct Versions {
    base: Files,
    head: Files,
}

impl Versions {
    fn findings(&self) -> Vec<Finding> {
        let read = |files| Contract::read(files).unwrap_or_else(|problem| panic!("{problem}"));
        diff(&read(&self.base), &read(&self.head))
    }

    /// What stands at a finding's place, up to the end of the line.
    fn at(&self, finding: &Finding) -> &str {
        let files = match finding.side {
            Side::Base => &self.base,
            Side::Head => &self.head,
        };
        let mut parts = finding.place.split(':');
        let text = &files.0[parts.next().unwrap()];
        let mut number = || parts.next().unwrap().parse::<usize>().unwrap() - 1;
        let (line, column) = (number(), number());
        &text.lines().nth(line).unwrap()[column..]
    }
}

/// `text` with `old` replaced by `new`, which is there.
fn edited(text: &str, old: &str, new: &str) -> String {
    assert!(text.contains(old), "{old} is not in the contract");
    text.replacen(old, new, 1)
}

fn files(files: &[(&str, &str)]) -> Files {
    let owned = |(path, text): &(&str, &str)| ((*path).to_owned(), (*text).to_owned());
    Files(files.iter().map(owned).collect())
}

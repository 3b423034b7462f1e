//! The guide for clients that move from the gateway's former WebSocket to the websocket service.
//!
//! It is made from a text, `migration/guide.md`, in which `{{closes}}`, `{{diff}}` and `{{code FILE}}` stand for what
//! follows from the documents, and `{{proof ID}}` for the scenario that proves a claim. Every item of a list is a claim.

use std::fmt::Write as _;

use crate::diff::{Verdict, diff};
use crate::document::Problem;
use crate::files::Files;
use crate::model::Contract;

/// Where the guide is written, below the contract's folder.
pub const PATH: &str = "MIGRATION.md";

const TEXT: &str = "migration/guide.md";

/// A claim of the guide and the scenario that is said to prove it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// The scenario's id.
    pub scenario: String,
    /// Where the claim stands: `file:line`.
    pub place: String,
}

/// The guide.
pub fn guide(files: &Files) -> Result<String, Problem> {
    let contract = Contract::read(files)?;
    let legacy = Contract::legacy(files)?;
    let mut guide = String::from(
        "<!-- Made by `cargo contracts migration` from contracts/migration/guide.md: edit that. -->\n\n",
    );
    for (number, line) in text(files)?.lines().enumerate() {
        let place = format!("{TEXT}:{}", number + 1);
        match directive(line) {
            Some(("closes", "")) => guide.push_str(&closes(&contract)),
            Some(("diff", "")) => guide.push_str(&differences(&legacy, &contract)),
            Some(("code", file)) => {
                let path = format!("migration/{file}");
                let code = files
                    .0
                    .get(&path)
                    .ok_or_else(|| Problem::new(place, format!("there is no file {path}")))?;
                let _ = writeln!(guide, "```js\n{}\n```", code.trim_end());
            }
            Some((other, _)) => {
                let words =
                    format!("{{{{{other}}}}} stands for nothing: closes, diff or code FILE");
                return Err(Problem::new(place, words));
            }
            None => {
                let linked = with_links(line).map_err(|words| Problem::new(place, words))?;
                guide.push_str(&linked);
                guide.push('\n');
            }
        }
    }
    Ok(guide)
}

/// Every claim's proof. Fails with the first claim that has none.
pub fn proofs(files: &Files) -> Result<Vec<Proof>, Problem> {
    let mut proofs = Vec::new();
    for (number, line) in text(files)?.lines().enumerate() {
        let place = format!("{TEXT}:{}", number + 1);
        let before = proofs.len();
        let mut rest = line;
        while let Some((_, after)) = rest.split_once("{{proof ") {
            let (id, after) = after.split_once("}}").unwrap_or((after, ""));
            proofs.push(Proof {
                scenario: id.trim().to_owned(),
                place: place.clone(),
            });
            rest = after;
        }
        if line.starts_with("- ") && proofs.len() == before {
            let words = "a claim without a proof: end it with {{proof ID}}, a scenario's id";
            return Err(Problem::new(place, words));
        }
    }
    Ok(proofs)
}

fn text(files: &Files) -> Result<&str, Problem> {
    files
        .0
        .get(TEXT)
        .map(String::as_str)
        .ok_or_else(|| Problem::new(TEXT, "is missing: the migration guide is made from it"))
}

/// The word and the argument of a line that is one directive.
fn directive(line: &str) -> Option<(&str, &str)> {
    let inside = line.trim().strip_prefix("{{")?.strip_suffix("}}")?;
    Some(inside.split_once(' ').unwrap_or((inside, "")))
}

/// `line` with every proof as a link to the scenario's reviewed flow.
fn with_links(line: &str) -> Result<String, String> {
    let mut linked = String::new();
    let mut rest = line;
    while let Some((before, after)) = rest.split_once("{{") {
        let (inside, after) = after
            .split_once("}}")
            .ok_or_else(|| "{{ without }}".to_owned())?;
        let id = inside.strip_prefix("proof ").ok_or_else(|| {
            format!("{{{{{inside}}}}} stands for nothing inside a line: proof ID")
        })?;
        let _ = write!(linked, "{before}([{id}](../snapshots/{id}.snap))");
        rest = after;
    }
    linked.push_str(rest);
    Ok(linked)
}

fn closes(contract: &Contract) -> String {
    let mut table = String::from("| code | when | what to do |\n|---|---|---|\n");
    for close in &contract.closes {
        let _ = writeln!(
            table,
            "| {} | {} | {} |",
            close.code, close.when, close.client
        );
    }
    table
}

/// What clients notice. Promises and routes are left out: the former contract made none and described none.
fn differences(legacy: &Contract, contract: &Contract) -> String {
    let of_messages = Contract {
        documents: contract.documents.clone(),
        channels: contract.channels.clone(),
        messages: contract.messages.clone(),
        closes: contract.closes.clone(),
        ..Contract::default()
    };
    let findings = diff(legacy, &of_messages);
    let mut table = String::from("| verdict | what | difference |\n|---|---|---|\n");
    for verdict in [Verdict::Breaking, Verdict::Risky] {
        for finding in findings.iter().filter(|finding| finding.verdict == verdict) {
            let sentence = finding.sentence.replace('|', "\\|");
            let _ = writeln!(
                table,
                "| {} | {} | {sentence} |",
                verdict.name(),
                finding.subject
            );
        }
    }
    table
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use rstest::rstest;

    fn repository() -> Files {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../contracts");
        Files::of_folder(&folder).unwrap()
    }

    fn with_text(text: &str) -> Files {
        let mut files = repository();
        files.0.insert(TEXT.to_owned(), text.to_owned());
        files
    }

    #[test]
    fn what_follows_from_the_documents_is_put_in() {
        let files = with_text("{{closes}}\n{{diff}}\n{{code after.js}}\nx {{proof a/b}}.\n");
        let guide = guide(&files).unwrap();
        for part in [
            "| 4000 | The user has as many connections as are allowed already",
            "| breaking | channel /ws | The address was /ws/v1/status/{client_id} and is now /ws",
            "```js\n// The client as it has to be",
            "x ([a/b](../snapshots/a/b.snap)).\n",
        ] {
            assert!(guide.contains(part), "{part}\n{guide}");
        }
    }

    #[rstest]
    #[case::unknown(
        "a\n{{clos}}\n",
        "migration/guide.md:2: {{clos}} stands for nothing: closes, diff or code FILE"
    )]
    #[case::no_file(
        "{{code none.js}}\n",
        "migration/guide.md:1: there is no file migration/none.js"
    )]
    #[case::inside(
        "a {{prof b}}\n",
        "migration/guide.md:1: {{prof b}} stands for nothing inside a line: proof ID"
    )]
    fn what_stands_for_nothing_has_a_line(#[case] text: &str, #[case] sentence: &str) {
        assert_eq!(guide(&with_text(text)).unwrap_err().to_string(), sentence);
    }

    #[test]
    fn a_claim_needs_a_proof() {
        let files = with_text("- one {{proof a/b}}\n\n- two\n");
        assert_eq!(
            proofs(&files).unwrap_err().to_string(),
            "migration/guide.md:3: a claim without a proof: end it with {{proof ID}}, a scenario's id"
        );
    }

    #[test]
    fn every_claim_of_this_repository_has_a_proof() {
        let proofs = proofs(&repository()).unwrap();
        assert!(proofs.len() > 20, "{proofs:?}");
    }
}

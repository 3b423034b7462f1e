//! Edits of the lists that messages share, in a copy of this repository's contract.

use std::path::Path;

use contract::Files;
use contract::diff::Verdict;
use rstest::rstest;

use crate::{Versions, edited};

const COMMON: &str = "schemas/notifications/common.json";

fn findings(old: &str, new: &str) -> Vec<(Verdict, String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../contracts");
    let base = Files::of_folder(&folder).unwrap();
    let mut head = base.clone();
    let text = head.0.get_mut(COMMON).unwrap();
    *text = edited(text, old, new);
    let versions = Versions { base, head };
    let findings = versions.findings().into_iter();
    findings
        .map(|finding| (finding.verdict, finding.subject, finding.sentence))
        .collect()
}

#[rstest]
#[case::priority(
    "\"low\"\n",
    "\"low\",\n        \"whenever\"\n",
    "list priority",
    "`whenever`"
)]
#[case::category(
    "\"system_alerts\"\n",
    "\"system_alerts\",\n        \"billing\"\n",
    "list category",
    "`billing`"
)]
fn a_new_value_breaks_readers_also_where_no_message_has_it_yet(
    #[case] old: &str,
    #[case] new: &str,
    #[case] subject: &str,
    #[case] value: &str,
) {
    let findings = findings(old, new);
    assert_eq!(findings.len(), 1, "{findings:?}");
    let (verdict, about, sentence) = &findings[0];
    assert_eq!((*verdict, about.as_str()), (Verdict::Breaking, subject));
    assert!(sentence.contains(value), "{sentence}");
}

#[test]
fn a_value_that_no_message_could_have_may_go() {
    assert_eq!(findings("\"critical\",\n", ""), []);
}

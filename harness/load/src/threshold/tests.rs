use std::time::Duration;

use rstest::rstest;

use super::super::figures::{Figures, Generator};
use super::super::report::Measured;
use super::super::workload::Workload;
use super::*;

fn rules(text: &str) -> Result<Thresholds, String> {
    Thresholds::parse("t.toml", text)
}

/// A target with this p99 in each of three rounds.
fn measured(role: Role, p99: [f64; 3], lost: u64) -> Measured {
    let round = |p99| Figures {
        p99_us: Some(p99),
        ..Figures::default()
    };
    let mut measured = Measured {
        name: role.name().to_owned(),
        role,
        figures: round(p99[1]),
        rounds: p99.map(round).to_vec(),
        histogram: Vec::new(),
        account: Default::default(),
        ended: BTreeMap::new(),
        generator: Generator::default(),
        unseen: None,
    };
    measured.account.lost_silently = lost;
    measured
}

fn played(lost: u64) -> Vec<Played> {
    let workload = Workload {
        duration: Duration::from_secs(1),
        ..Workload::paced()
    };
    let targets = vec![
        measured(Role::System, [100.0, 190.0, 900.0], lost),
        measured(Role::Direct, [100.0, 100.0, 100.0], 0),
    ];
    vec![Played::of(&workload, targets, true)]
}

#[rstest]
#[case::a_ratio("p99 < 2 × direct", true)]
#[case::in_other_signs("p99<=1.9*direct", true)]
#[case::missed("p99 ≤ 1.8 x direct", false)]
#[case::of_one("p99 > direct", true)]
#[case::a_number("loss = 0", true)]
#[case::another_number("loss >= 1", false)]
fn a_rule_is_met_or_missed(#[case] rule: &str, #[case] met: bool) {
    let rules = rules(&format!("require = [{rule:?}]")).unwrap();
    let judged = rules.judge(&played(0)).unwrap();
    assert_eq!(judged.len(), 1);
    assert_eq!(judged[0].met, met, "{judged:?}");
}

#[test]
fn a_missed_rule_has_its_figure() {
    let rules =
        rules("[workload.paced]\nrequire = [\"loss = 0\", \"p99 < 1.5 × direct\"]").unwrap();
    let judged = rules.judge(&played(7)).unwrap();
    assert_eq!((judged[0].value, judged[0].met), (Some(7.0), false));
    assert_eq!((judged[1].value, judged[1].met), (Some(1.9), false));
    assert_eq!(judged[1].figures, [Some(190.0), Some(100.0)]);
}

#[rstest]
#[case::an_unknown_figure(
    "p9 < 2 × direct",
    "there is no figure \"p9\"; did you mean p99? There are "
)]
#[case::an_unknown_baseline(
    "p99 < 2 × redis",
    "there is no baseline \"redis\": there are direct, raw-relay, compared"
)]
#[case::an_absolute_time("p99 < 5 ms", "a p99 that is right on one machine is wrong on another")]
#[case::an_absolute_rate(
    "deliveries_per_second > 10000",
    "a deliveries_per_second that is right on one machine is wrong on another"
)]
#[case::memory_of_no_unit("memory_per_connection < 8", "memory is told in KiB")]
#[case::messages_with_a_unit("loss < 1 %", "loss is a number of messages")]
#[case::a_multiple_of_nothing("loss < 2 × direct", "a baseline loses nothing")]
#[case::no_comparison("p99", "it compares nothing: a rule is as in ")]
#[case::no_limit("p99 < ", "\"\" is no limit: a rule is as in ")]
#[case::no_number("p99 < 1.2.3 × direct", "\"1.2.3\" is no number")]
#[case::never_equal(
    "p99 = 2 × direct",
    "a figure that is measured is never exactly another"
)]
fn a_rule_that_is_none_is_told_with_its_line(#[case] rule: &str, #[case] words: &str) {
    let error = rules(&format!("require = [\n  \"loss = 0\",\n  {rule:?},\n]")).unwrap_err();
    let expected = format!("t.toml:3: {rule:?}: {words}");
    assert!(error.starts_with(&expected), "{error}");
}

#[rstest]
#[case::nothing("", "t.toml: requires nothing")]
#[case::another_key("requires = []", "t.toml:1: unknown field `requires`")]
fn a_file_without_rules_is_refused(#[case] text: &str, #[case] words: &str) {
    let error = rules(text).unwrap_err();
    assert!(error.starts_with(words), "{error}");
}

#[test]
fn no_rule_is_kept_because_nobody_looked() {
    let of_another = rules("[workload.sprad]\nrequire = [\"loss = 0\"]").unwrap();
    assert_eq!(
        of_another.problem(&["spread"]).unwrap(),
        "t.toml:2: this run has no workload \"sprad\": it has spread"
    );
    let unmeasured = rules("require = [\"cpu_per_delivery < 2 × direct\"]").unwrap();
    let error = unmeasured.judge(&played(0)).unwrap_err();
    let words = "nothing of it is measured in paced: the bare subscriber is the generator itself";
    assert!(error.contains(words), "{error}");
}

#[test]
fn what_was_not_measured_because_something_broke_is_missed() {
    let rules = rules("require = [\"p99 < 2 × direct\"]").unwrap();
    let mut played = played(1);
    played[0].complete = false;
    played[0].targets[0].figures = Figures::default();
    played[0].targets[0].rounds.clear();
    let judged = rules.judge(&played).unwrap();
    assert_eq!((judged[0].value, judged[0].met), (None, false));
}

//! A run for CI servers: JUnit's XML, a suite for each group of scenarios.

use std::collections::BTreeMap;

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use super::failure;
use crate::results::Results;
use crate::scenario::Failure;
use crate::verdict::Verdict;

pub fn text(results: &Results) -> String {
    let mut suites: BTreeMap<&str, Vec<TestCase>> = BTreeMap::new();
    for verdict in &results.verdicts {
        suites
            .entry(group(&verdict.id))
            .or_default()
            .push(played(verdict));
    }
    for skipped in &results.skipped {
        let mut status = TestCaseStatus::skipped();
        status.set_message(skipped.reason.to_string());
        let case = TestCase::new(skipped.id.as_str(), status);
        suites.entry(group(&skipped.id)).or_default().push(case);
    }
    let mut report = Report::new("notification contracts");
    for (name, mut cases) in suites {
        cases.sort_by(|a, b| a.name.as_str().cmp(b.name.as_str()));
        let mut suite = TestSuite::new(name);
        suite.add_test_cases(cases);
        report.add_test_suite(suite);
    }
    // Its text is what the report holds: nothing that XML could not.
    report.to_string().unwrap_or_default()
}

fn group(id: &str) -> &str {
    id.rsplit_once('/').map_or(id, |(group, _)| group)
}

fn played(verdict: &Verdict) -> TestCase {
    let status = match &verdict.result {
        Ok(()) => TestCaseStatus::success(),
        Err(broken) => {
            let kind = match broken.failure {
                Failure::Broken(_) | Failure::Unreviewed(_) => NonSuccessKind::Failure,
                Failure::System(_) | Failure::Bug(_) => NonSuccessKind::Error,
            };
            let mut status = TestCaseStatus::non_success(kind);
            let words = broken.failure.to_string();
            status.set_message(words.lines().next().unwrap_or_default());
            status.set_type(kind_of(&broken.failure));
            status.set_description(failure(verdict));
            status
        }
    };
    let mut case = TestCase::new(verdict.id.as_str(), status);
    case.set_classname(group(&verdict.id));
    case.set_time(verdict.took);
    case
}

fn kind_of(failure: &Failure) -> &'static str {
    match failure {
        Failure::Broken(_) => "contract broken",
        Failure::Unreviewed(_) => "to be reviewed",
        Failure::System(_) => "system trouble",
        Failure::Bug(_) => "harness bug",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::tests::{ORDER, results, scenario, verdict};
    use crate::verdict::{Reason, Skipped};

    #[test]
    fn a_ci_server_reads_failures_errors_and_skips() {
        let played = vec![
            verdict("a/x/kept", &[ORDER], None),
            verdict(
                "a/x/broken",
                &[ORDER],
                Some(Failure::broken("<two> before one")),
            ),
            verdict("a/y/gone", &[ORDER], Some(Failure::System("gone".into()))),
        ];
        let lacking = Reason::Lacking("no gateway".into());
        let skipped = vec![Skipped::of(&scenario("a/y/skipped", &[ORDER]), lacking)];
        let text = text(&results(played, skipped));
        let report = Report::deserialize_from_str(&text).unwrap();
        assert_eq!((report.tests, report.failures, report.errors), (4, 1, 1));
        let names: Vec<&str> = report.test_suites.iter().map(|s| s.name.as_str()).collect();
        assert_eq!(names, ["a/x", "a/y"]);
        let message = "message=\"contract broken: &lt;two&gt; before one\"";
        assert!(text.contains(message), "{text}");
        assert!(text.contains("<skipped message=\"no gateway\"/>"), "{text}");
    }
}

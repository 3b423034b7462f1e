//! A run as text for a terminal.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

use crate::ledger::Totals;
use crate::runner::Verdict;
use crate::scenario::Failure;
use crate::snapshot::Change;

/// How many lines of a diff or a flow are shown at most.
const SHOWN: usize = 80;

/// What went wrong in a scenario, with its evidence and what to do next; empty when nothing did.
pub fn failure(verdict: &Verdict) -> String {
    let Err(broken) = &verdict.result else {
        return String::new();
    };
    let mut text = String::new();
    let _ = writeln!(text, "{}\n  {}", verdict.id, verdict.title);
    if let Some(fixture) = &verdict.fixture {
        let _ = writeln!(text, "  fixture: {fixture}");
    }
    let _ = writeln!(text, "\n{}", broken.failure);
    if !broken.account.is_empty() {
        let _ = writeln!(text, "\nthe account, and what was done to the system:");
        excerpt(&mut text, &broken.account);
    }
    match &broken.change {
        Some(Change::Flow(diff)) => {
            let _ = writeln!(text, "\nhow the flow differs from the reviewed one:");
            excerpt(&mut text, diff);
        }
        Some(Change::Header(words)) => {
            let _ = writeln!(text, "\n{words}");
        }
        Some(Change::New) | None => {
            let _ = writeln!(text, "\nthe flow:");
            excerpt(&mut text, &broken.flow);
        }
    }
    let only_unreviewed = matches!(broken.change, Some(Change::New | Change::Header(_)));
    if !broken.log.is_empty() && !only_unreviewed {
        let _ = write!(text, "\n{}", broken.log);
    }
    let _ = writeln!(
        text,
        "\nnext: {}",
        next(verdict, &broken.failure, broken.change.as_ref())
    );
    text
}

/// How many scenarios were not played, by reason.
#[derive(Clone, Debug, Default)]
pub struct Skipped(BTreeMap<String, usize>);

impl Skipped {
    /// One more, for `reason`.
    pub fn add(&mut self, reason: String) {
        *self.0.entry(reason).or_default() += 1;
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Nothing, or `, 3 skipped (2: why; 1: why else)`.
impl fmt::Display for Skipped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return Ok(());
        }
        let reasons = self.0.iter().map(|(why, count)| format!("{count}: {why}"));
        let reasons: Vec<String> = reasons.collect();
        let all: usize = self.0.values().sum();
        write!(f, ", {all} skipped ({})", reasons.join("; "))
    }
}

/// Verdicts by area: a line each, then one with all counts.
pub fn summary(verdicts: &[Verdict], skipped: &Skipped) -> String {
    let mut areas: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for verdict in verdicts {
        let area = verdict
            .id
            .rsplit_once('/')
            .map_or(verdict.id.as_str(), |(area, _)| area);
        let (kept, all) = areas.entry(area).or_default();
        *all += 1;
        *kept += usize::from(verdict.result.is_ok());
    }
    let width = areas.keys().map(|area| area.len()).max().unwrap_or(0);
    let mut text = String::new();
    for (area, (kept, all)) in areas {
        let mark = if kept == all { "kept" } else { "NOT KEPT" };
        let _ = writeln!(text, "  {area:width$}  {kept:>3} of {all:>3}  {mark}");
    }
    let mut totals = Totals::default();
    verdicts.iter().for_each(|verdict| totals += verdict.totals);
    text.push('\n');
    if totals != Totals::default() {
        let _ = writeln!(text, "messages: {totals}");
    }
    let failed = verdicts
        .iter()
        .filter(|verdict| verdict.result.is_err())
        .count();
    let _ = writeln!(
        text,
        "{} passed, {failed} failed{skipped}",
        verdicts.len() - failed
    );
    text
}

fn next(verdict: &Verdict, failure: &Failure, change: Option<&Change>) -> String {
    let id = &verdict.id;
    match (failure, change) {
        (Failure::System(_), _) => "look at the system's log above, then run again".to_owned(),
        (Failure::Bug(_), _) => {
            format!(
                "the scenario or the harness needs a fix; run it alone with `cargo verify {id}`"
            )
        }
        (_, Some(Change::New | Change::Header(_))) => {
            "read the flow, then accept it with `cargo review`".to_owned()
        }
        _ => format!(
            "mend the service and run `cargo verify {id}`; if the new behaviour is meant, review it with `cargo review`"
        ),
    }
}

fn excerpt(text: &mut String, block: &str) {
    let lines: Vec<&str> = block.lines().collect();
    for line in lines.iter().take(SHOWN) {
        let _ = writeln!(text, "  {line}");
    }
    if lines.len() > SHOWN {
        let _ = writeln!(text, "  … {} more lines", lines.len() - SHOWN);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::Exercised;
    use crate::runner::Broken;

    fn verdict(id: &str, result: Result<(), Broken>) -> Verdict {
        Verdict {
            id: id.into(),
            title: "a teacher gets it once".into(),
            fixture: None,
            promises: Vec::new(),
            exercised: Exercised::default(),
            totals: Totals::default(),
            result,
        }
    }

    fn broken() -> Broken {
        Broken {
            failure: Failure::broken("anna/1 received #1 hello again"),
            account: "anna/1: 0 delivered once; duplicated: #1\nafter #1: kills redis\n".into(),
            change: Some(Change::Flow("-a\n+b\n".into())),
            flow: "b\n".into(),
            log: "redis printed:\n  x\n".into(),
        }
    }

    #[test]
    fn a_failure_says_what_where_and_what_to_do() {
        assert_eq!(
            failure(&verdict("area/it", Err(broken()))),
            "area/it\n  a teacher gets it once\n\n\
             contract broken: anna/1 received #1 hello again\n\n\
             the account, and what was done to the system:\n  \
             anna/1: 0 delivered once; duplicated: #1\n  after #1: kills redis\n\n\
             how the flow differs from the reviewed one:\n  -a\n  +b\n\n\
             redis printed:\n  x\n\n\
             next: mend the service and run `cargo verify area/it`; \
             if the new behaviour is meant, review it with `cargo review`\n"
        );
    }

    #[test]
    fn the_summary_counts_by_area() {
        let verdicts = [
            verdict("a/x", Ok(())),
            verdict("a/y", Err(broken())),
            verdict("b/group/z", Ok(())),
        ];
        assert_eq!(
            summary(&verdicts, &Skipped::default()),
            "  a          1 of   2  NOT KEPT\n  b/group    1 of   1  kept\n\n2 passed, 1 failed\n"
        );
    }

    #[test]
    fn the_summary_says_what_became_of_the_messages() {
        let mut verdicts = [verdict("a/x", Ok(())), verdict("a/y", Ok(()))];
        verdicts[0].totals.delivered = 5;
        verdicts[1].totals.delivered = 2;
        verdicts[1].totals.lost_with_notice = 1;
        let summary = summary(&verdicts, &Skipped::default());
        assert!(
            summary.ends_with(
                "\nmessages: 7 delivered once, 0 duplicated, 0 reordered, 0 lost silently, 1 lost with notice, \
                 0 leaked\n2 passed, 0 failed\n"
            ),
            "{summary}"
        );
    }

    #[test]
    fn what_was_skipped_is_counted_by_reason_and_is_not_passed() {
        let mut skipped = Skipped::default();
        for reason in ["no gateway", "no log", "no gateway"] {
            skipped.add(reason.to_owned());
        }
        assert_eq!(
            summary(&[verdict("a/x", Ok(()))], &skipped),
            "  a    1 of   1  kept\n\n1 passed, 0 failed, 3 skipped (2: no gateway; 1: no log)\n"
        );
    }
}

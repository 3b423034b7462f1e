//! One scenario that failed, with its evidence and what to do next.

use std::fmt::Write as _;

use crate::data::PROGRAM;
use crate::scenario::Failure;
use crate::snapshot::Change;
use crate::verdict::Verdict;

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
    if verdict.is_flaky() {
        let (failed, rounds) = (verdict.failed, verdict.rounds);
        let _ = writeln!(text, "  flaky: failed in {failed} of {rounds} rounds");
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
        Some(Change::New) | None if !verdict.flow.is_empty() => {
            let _ = writeln!(text, "\nthe flow:");
            excerpt(&mut text, &verdict.flow);
        }
        Some(Change::New) | None => {}
    }
    let only_unreviewed = matches!(broken.change, Some(Change::New | Change::Header(_)));
    if !broken.log.is_empty() && !only_unreviewed {
        let _ = write!(text, "\n{}", broken.log);
    }
    let next = next(verdict, &broken.failure, broken.change.as_ref());
    let _ = writeln!(text, "\nnext: {next}");
    text
}

fn next(verdict: &Verdict, failure: &Failure, change: Option<&Change>) -> String {
    let id = &verdict.id;
    match (failure, change) {
        (Failure::System(_), _) => "look at the system's log above, then run again".to_owned(),
        (Failure::Bug(_), _) => {
            format!(
                "the scenario or the harness needs a fix; run it alone with `{PROGRAM} verify {id}`"
            )
        }
        (_, Some(Change::New | Change::Header(_))) => {
            format!("read the flow, then accept it with `{PROGRAM} review`")
        }
        (_, Some(Change::Flow(_))) => format!(
            "mend the service and run `{PROGRAM} verify {id}`; \
             if the new behaviour is meant, review it with `{PROGRAM} review`"
        ),
        (_, None) => format!("mend the service and run `{PROGRAM} verify {id}`"),
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
    use crate::results::tests::verdict;
    use crate::verdict::Broken;

    #[test]
    fn a_failure_says_what_where_and_what_to_do() {
        let broken = Broken {
            failure: Failure::broken("anna/1 received #1 hello again"),
            account: "anna/1: 0 delivered once; duplicated: #1\nafter #1: kills redis\n".into(),
            change: Some(Change::Flow("-a\n+b\n".into())),
            log: "redis printed:\n  x\n".into(),
        };
        let verdict = Verdict {
            result: Err(broken),
            failed: 2,
            rounds: 3,
            ..verdict("area/it", &[], None)
        };
        assert_eq!(
            failure(&verdict),
            "area/it\n  a teacher gets it\n  flaky: failed in 2 of 3 rounds\n\n\
             contract broken: anna/1 received #1 hello again\n\n\
             the account, and what was done to the system:\n  \
             anna/1: 0 delivered once; duplicated: #1\n  after #1: kills redis\n\n\
             how the flow differs from the reviewed one:\n  -a\n  +b\n\n\
             redis printed:\n  x\n\n\
             next: mend the service and run `cargo verify area/it`; \
             if the new behaviour is meant, review it with `cargo review`\n"
        );
    }
}

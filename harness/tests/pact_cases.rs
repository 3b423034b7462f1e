//! The published cases of the Pact specification for bodies and messages: our matching agrees.

use std::process::ExitCode;

use harness::matching::{Body, Keys, Matching};
use libtest_mimic::{Arguments, Failed, Trial};
use serde_json::{Value, json};

const CASES: &str = include_str!("pact-specification/cases.jsonl");

fn main() -> ExitCode {
    let cases = CASES.lines().map(|line| {
        let case: Value = serde_json::from_str(line).expect("a case is JSON");
        let name = case["name"].as_str().expect("a case has a name").to_owned();
        Trial::test(name.clone(), move || agrees(&name, &case))
    });
    libtest_mimic::run(&Arguments::from_args(), cases.collect()).exit_code()
}

fn agrees(name: &str, case: &Value) -> Result<(), Failed> {
    let (expected, actual) = (&case["expected"], &case["actual"]);
    let rules = expected.get("matchingRules").cloned();
    let rules = Matching::try_from(rules.unwrap_or(json!({})))?;
    // What is sent may have no more than is expected.
    let keys = if name.contains("/request/") {
        Keys::AreThese
    } else {
        Keys::MayBeMore
    };
    let problems = rules.body(&body(name, expected), &body(name, actual), keys);
    let matches = case["match"].as_bool().ok_or("the case has no verdict")?;
    if matches == problems.is_empty() {
        return Ok(());
    }
    let (comment, word) = (&case["comment"], if matches { "" } else { "not " });
    Err(format!("{comment} should {word}match; found {problems:?}").into())
}

/// The body as the version of the case writes it.
fn body(name: &str, message: &Value) -> Body {
    let body = message.get("body").or_else(|| message.get("contents"));
    let content = match body {
        Some(body @ Value::Object(_)) if name.starts_with("v4/") => body.get("content"),
        body => body,
    };
    let kind = [
        message.pointer("/headers/Content-Type"),
        message.pointer("/metaData/contentType"),
        body.and_then(|body| body.get("contentType")),
    ];
    let is_text = kind.into_iter().flatten().any(|kind| kind == "text/plain");
    match content {
        None => Body::Missing,
        Some(Value::Null) => Body::Empty,
        Some(Value::String(text)) if text.is_empty() => Body::Empty,
        Some(Value::String(text)) if is_text => Body::Text(text.clone()),
        Some(json) => Body::Json(json.clone()),
    }
}

//! The published cases of the Pact specification, versions 2 to 4, for bodies and messages: our matching agrees.
//!
//! They come with the sources of `pact_matching` (MIT), which cargo has fetched, so there is no copy of them here.
//! Cases with XML are left out: nothing in the contract is XML.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use harness::matching::{self, Matching};
use libtest_mimic::{Arguments, Failed, Trial};
use pact_models::PactSpecification;
use pact_models::interaction::{http_interaction_from_json, message_interaction_from_json};
use serde_json::{Value, json};

/// How many there are: fewer means that they are not found any more.
const CASES: usize = 345;

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let trials: Vec<Trial> = cases(&sources().join("tests/spec_testcases"))
        .into_iter()
        .map(|(name, case)| Trial::test(name.clone(), move || agrees(&name, &case)))
        .collect();
    assert_eq!(trials.len(), CASES, "published cases");
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn agrees(name: &str, case: &Value) -> Result<(), Failed> {
    let problems = problems(name, &case["expected"], &case["actual"])?;
    let matches = case["match"].as_bool().ok_or("the case has no verdict")?;
    if matches == problems.is_empty() {
        return Ok(());
    }
    let (comment, word) = (&case["comment"], if matches { "" } else { "not " });
    Err(format!("{comment} should {word}match; found {problems:?}").into())
}

fn problems(name: &str, expected: &Value, actual: &Value) -> Result<Vec<String>, Failed> {
    let version = match name.get(..2) {
        Some("v2") => PactSpecification::V2,
        Some("v3") => PactSpecification::V3,
        _ => PactSpecification::V4,
    };
    // The rules of a fixture are read more strictly than those of a Pact: nothing that is published may be refused.
    if let Some(rules) = expected.get("matchingRules")
        && version != PactSpecification::V2
    {
        Matching::try_from(rules.clone())?;
    }
    if name.contains("/message/") {
        let read = |message: &Value| {
            let mut message = message.clone();
            message["type"] = json!("Asynchronous/Messages");
            let interaction = message_interaction_from_json(name, &message, &version)?;
            interaction
                .as_v4_async_message()
                .map(|message| message.contents)
                .ok_or_else(|| Failed::from("is no message"))
        };
        return Ok(matching::message(&read(expected)?, &read(actual)?));
    }
    let read = |part: &str, content: &Value| {
        let interaction = json!({"type": "Synchronous/HTTP", part: content});
        http_interaction_from_json(name, &interaction, &version)?
            .as_v4_http()
            .ok_or_else(|| Failed::from("is no HTTP interaction"))
    };
    if name.contains("/request/") {
        let [expected, actual] = [read("request", expected)?, read("request", actual)?];
        return Ok(matching::request_body(&expected.request, &actual.request));
    }
    let [expected, actual] = [read("response", expected)?, read("response", actual)?];
    Ok(matching::response(&expected.response, &actual.response))
}

/// The cases in `folder`, by their path below it.
fn cases(folder: &Path) -> Vec<(String, Value)> {
    let mut cases = Vec::new();
    for version in ["v2", "v3", "v4"] {
        for part in ["request", "response", "message"] {
            let below = format!("{version}/{part}/body");
            // Version 2 has no messages.
            let Ok(entries) = fs::read_dir(folder.join(&below)) else {
                continue;
            };
            for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
                let name = path.file_stem().unwrap_or_default().to_string_lossy();
                let is_case = path
                    .extension()
                    .is_some_and(|extension| extension == "json");
                if is_case && !name.contains("xml") {
                    let text = fs::read_to_string(&path).expect("a case can be read");
                    let case = serde_json::from_str(&text).expect("a case is JSON");
                    cases.push((format!("{below}/{name}"), case));
                }
            }
        }
    }
    cases.sort_by(|(one, _), (other, _)| one.cmp(other));
    cases
}

/// Where cargo has put the sources of `pact_matching`.
fn sources() -> PathBuf {
    // Without a platform cargo would ask for the sources of every crate of every platform.
    let version = run(Command::new("rustc").arg("-vV"));
    let host = version
        .lines()
        .find_map(|line| line.strip_prefix("host: "))
        .expect("rustc names its host");
    let metadata = run(Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--format-version=1",
            "--locked",
            "--filter-platform",
            host,
        ])
        .current_dir(env!("CARGO_MANIFEST_DIR")));
    let metadata: Value = serde_json::from_str(&metadata).expect("cargo metadata is JSON");
    let package = metadata["packages"]
        .as_array()
        .into_iter()
        .flatten()
        .find(|package| package["name"] == "pact_matching")
        .expect("pact_matching is a dependency");
    let manifest = package["manifest_path"].as_str().unwrap_or_default();
    Path::new(manifest)
        .parent()
        .expect("a manifest is in a folder")
        .to_owned()
}

fn run(command: &mut Command) -> String {
    let output = command.output().expect("the toolchain can be run");
    assert!(output.status.success(), "{command:?} failed");
    String::from_utf8(output.stdout).expect("its answer is text")
}

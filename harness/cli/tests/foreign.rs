//! Services in other languages, in `harness/foreign`: a well one is reported for what is known and nothing else, and each
//! of their defects for its promise.
//!
//! What starts a service is ignored unless asked for: it needs packages that `.ci/foreign` installs. Names can be filtered:
//! `cargo test --test foreign -- --ignored node/websocket/slot-leak`.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::Command;

use libtest_mimic::{Arguments, Failed, Trial};
use serde::Deserialize;

/// The programs, each with the service that its defects are of.
const PROGRAMS: [(&str, &[&str]); 3] = [
    ("python/websocket_service.py", &["python/websocket"]),
    ("node/websocket_service.js", &["node/websocket"]),
    ("python/api_gateway.py", &["python/gateway", "python/both"]),
];

/// How many are verified at the same time: each has a system, and keeps a small machine busy.
const AT_ONCE: usize = 2;

/// What is played on a service with a defect: a browser would only notice again what others do, and a hundred are slow.
const WITHOUT_BROWSER: [&str; 3] = ["notifications/", "gateway/", "resilience/"];

/// What is known of the services: `defects.toml`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Known {
    #[serde(rename = "deviation")]
    deviations: Vec<Deviation>,
    #[serde(rename = "defect")]
    defects: Vec<Defect>,
}

/// What a service does not keep although it is well.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Deviation {
    services: Vec<String>,
    promise: String,
    #[expect(dead_code, reason = "it is for people")]
    why: String,
}

/// What a service does not keep when it is told to.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Defect {
    name: String,
    services: Vec<String>,
    promise: String,
    /// What it cannot but break as well.
    #[serde(default)]
    also: Vec<String>,
    #[expect(dead_code, reason = "it is for people")]
    what: String,
}

/// What a verification says, of the document that `harness/schemas/results.json` describes.
#[derive(Deserialize)]
struct Results {
    promises: Vec<Promise>,
    scenarios: Vec<Scenario>,
}

#[derive(Deserialize)]
struct Promise {
    id: String,
    verdict: String,
}

#[derive(Deserialize)]
struct Scenario {
    id: String,
    verdict: String,
    breaches: Vec<Breach>,
    reason: Option<String>,
}

#[derive(Deserialize)]
struct Breach {
    promise: Option<String>,
    words: String,
}

fn main() {
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(AT_ONCE);
    let known = known();
    let mut trials = vec![
        Trial::test("every promise that is named is one of the contract", || {
            names_promises(&self::known())
        }),
        Trial::test("every defect is in the programs of its services", || {
            defects_are_there(&self::known())
        }),
    ];
    let services: BTreeSet<&String> = known.defects.iter().flat_map(|d| &d.services).collect();
    for service in services {
        let deviations = deviations(&known, service);
        let (name, service) = (format!("{service}/well"), service.clone());
        let trial = Trial::test(name, move || is_well(&service, &deviations));
        trials.push(trial.with_ignored_flag(true));
    }
    for defect in &known.defects {
        for service in &defect.services {
            let mut may = deviations(&known, service);
            may.extend(defect.also.iter().cloned());
            let name = format!("{service}/{}", defect.name);
            let (service, defect, promise) =
                (service.clone(), defect.name.clone(), defect.promise.clone());
            let trial = Trial::test(name, move || is_reported(&service, &defect, &promise, may));
            trials.push(trial.with_ignored_flag(true));
        }
    }
    libtest_mimic::run(&arguments, trials).exit();
}

/// A service without a defect breaks what is known of it, and nothing else.
fn is_well(service: &str, deviations: &BTreeSet<String>) -> Result<(), Failed> {
    let results = verify(service, None)?;
    let broken = results.broken();
    let different: BTreeSet<&String> = broken.symmetric_difference(deviations).collect();
    results.complain("these promises should be otherwise", &different)
}

/// A service with a defect breaks the promise of that one, whatever else it `may` break, and nothing else.
fn is_reported(
    service: &str,
    defect: &str,
    promise: &str,
    mut may: BTreeSet<String>,
) -> Result<(), Failed> {
    let results = verify(service, Some(defect))?;
    let broken = results.broken();
    let promise = promise.to_owned();
    if !broken.contains(&promise) {
        return results.complain("nobody noticed that it breaks", &BTreeSet::from([&promise]));
    }
    may.insert(promise);
    let more: BTreeSet<&String> = broken.difference(&may).collect();
    results.complain("these promises are kept, and were reported", &more)
}

/// What `cargo verify` says of a service.
fn verify(service: &str, defect: Option<&str>) -> Result<Results, Failed> {
    let profile = folder().join(format!("{service}.toml"));
    let report = tempfile::tempdir()?;
    let output = Command::new(env!("CARGO_BIN_EXE_notifications"))
        .args(["verify", "--runtime", "processes", "--format", "json"])
        .arg("--report")
        .arg(report.path())
        .arg("--system")
        .arg(profile)
        .args(defect.iter().flat_map(|_| WITHOUT_BROWSER))
        .env("DEFECT", defect.unwrap_or_default())
        .env_remove("HARNESS_RUNTIME")
        .output()?;
    // 0: everything is kept, 1: something is broken; anything else is no verdict.
    if !matches!(output.status.code(), Some(0 | 1)) {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(format!("no verdict, {}\n{said}", output.status).into());
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

impl Results {
    /// The promises that are broken.
    fn broken(&self) -> BTreeSet<String> {
        let broken = self.promises.iter().filter(|p| p.verdict == "broken");
        broken.map(|promise| promise.id.clone()).collect()
    }

    /// Nothing to complain about, or all that was said.
    fn complain(&self, words: &str, promises: &BTreeSet<&String>) -> Result<(), Failed> {
        if promises.is_empty() {
            return Ok(());
        }
        let mut text = format!("{words}: {promises:?}\n");
        for scenario in self.scenarios.iter().filter(|s| s.verdict != "kept") {
            if scenario.verdict == "skipped" {
                continue;
            }
            let reason = scenario.reason.as_deref().unwrap_or_default();
            let _ = writeln!(text, "{} {} {reason}", scenario.verdict, scenario.id);
            for breach in &scenario.breaches {
                let promise = breach.promise.as_deref().unwrap_or("no promise");
                let _ = writeln!(text, "    {promise}: {}", breach.words);
            }
        }
        Err(text.into())
    }
}

fn names_promises(known: &Known) -> Result<(), Failed> {
    let promises = promises()?;
    let of_defects =
        (known.defects.iter()).flat_map(|defect| defect.also.iter().chain([&defect.promise]));
    let named = of_defects.chain(known.deviations.iter().map(|deviation| &deviation.promise));
    let unknown: BTreeSet<&String> = named.filter(|id| !promises.contains(*id)).collect();
    nothing("unknown promises", &unknown)
}

fn defects_are_there(known: &Known) -> Result<(), Failed> {
    for (program, services) in PROGRAMS {
        let text = std::fs::read_to_string(folder().join(program))?;
        let of = |defect: &&Defect| {
            defect
                .services
                .iter()
                .any(|s| services.contains(&s.as_str()))
        };
        let listed = known.defects.iter().filter(of);
        let listed: BTreeSet<String> = listed.map(|defect| defect.name.clone()).collect();
        // `defect("name")`; where the function is defined there is no name.
        let asked = text.split("defect(").skip(1).filter_map(|rest| {
            let quote = rest.chars().next().filter(|c| ['"', '\''].contains(c))?;
            rest.split(quote).nth(1).map(str::to_owned)
        });
        let asked: BTreeSet<String> = asked.collect();
        let different: BTreeSet<&String> = listed.symmetric_difference(&asked).collect();
        let words = format!("in one of {program} and defects.toml alone");
        nothing(&words, &different)?;
    }
    Ok(())
}

fn nothing(words: &str, about: &BTreeSet<&String>) -> Result<(), Failed> {
    match about.is_empty() {
        true => Ok(()),
        false => Err(format!("{words}: {about:?}").into()),
    }
}

fn deviations(known: &Known, service: &str) -> BTreeSet<String> {
    let of = |deviation: &&Deviation| deviation.services.iter().any(|s| s == service);
    let deviations = known.deviations.iter().filter(of);
    deviations
        .map(|deviation| deviation.promise.clone())
        .collect()
}

fn promises() -> Result<BTreeSet<String>, Failed> {
    let contract = harness::contract::contract()?;
    Ok(contract.promises.iter().map(|p| p.id.clone()).collect())
}

fn known() -> Known {
    let file = folder().join("defects.toml");
    let text = std::fs::read_to_string(&file)
        .unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    toml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../foreign")
}

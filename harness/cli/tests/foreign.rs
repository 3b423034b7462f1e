//! Services in other languages, in `harness/foreign`: a well one is reported for what is known and nothing else, and each
//! of their defects for its promise.
//!
//! What starts a service is ignored unless asked for: it needs packages that `.ci/foreign` installs. Names can be filtered:
//! `cargo test --test foreign -- --ignored node/websocket/slot-leak`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::Command;

use harness::scenario::Scenario;
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
    scenarios: Vec<String>,
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
    #[expect(dead_code, reason = "it is for people")]
    what: String,
}

/// What a verification said.
struct Report {
    /// The ids of the scenarios that are broken.
    broken: BTreeSet<String>,
    /// All that it printed.
    text: String,
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
        Trial::test("every promise of the contract has a defect", || {
            promises_have_defects(&self::known())
        }),
    ];
    let services: BTreeSet<&String> = known.defects.iter().flat_map(|d| &d.services).collect();
    for service in services {
        let deviations = deviating(&known, service);
        let (name, service) = (format!("{service}/well"), service.clone());
        let trial = Trial::test(name, move || is_well(&service, &deviations));
        trials.push(trial.with_ignored_flag(true));
    }
    for defect in &known.defects {
        for service in &defect.services {
            let deviations = deviating(&known, service);
            let trial = (service.clone(), defect.name.clone(), defect.promise.clone());
            let name = format!("{service}/{}", defect.name);
            let (service, defect, promise) = trial;
            let trial = Trial::test(name, move || {
                is_reported(&service, &defect, &promise, &deviations)
            });
            trials.push(trial.with_ignored_flag(true));
        }
    }
    libtest_mimic::run(&arguments, trials).exit();
}

/// A service that has no defect breaks what is known of it, and nothing else.
fn is_well(service: &str, deviations: &BTreeSet<String>) -> Result<(), Failed> {
    let report = verify(service, None, &[])?;
    if report.broken == *deviations {
        return Ok(());
    }
    let different = report.broken.symmetric_difference(deviations);
    let different: Vec<&String> = different.collect();
    Err(format!("{different:?} should be otherwise\n{}", report.text).into())
}

/// A defect breaks a scenario that proves its promise, and that the service keeps when it is well.
fn is_reported(
    service: &str,
    defect: &str,
    promise: &str,
    deviations: &BTreeSet<String>,
) -> Result<(), Failed> {
    let proving: BTreeSet<String> = scenarios()?
        .into_iter()
        .filter(|scenario| scenario.promises.iter().any(|p| p == promise))
        .map(|scenario| scenario.id)
        .collect();
    let filters: Vec<&str> = proving.iter().map(String::as_str).collect();
    let report = verify(service, Some(defect), &filters)?;
    let mut broken = report.broken.intersection(&proving);
    if broken.any(|id| !deviations.contains(id)) {
        return Ok(());
    }
    Err(format!("no scenario of {promise} noticed\n{}", report.text).into())
}

/// Runs `cargo verify` on `service`. What it said is read here and nowhere else.
fn verify(service: &str, defect: Option<&str>, filters: &[&str]) -> Result<Report, Failed> {
    let profile = folder().join(format!("{service}.toml"));
    let output = Command::new(env!("CARGO_BIN_EXE_notifications"))
        .args(["verify", "--runtime", "processes", "--system"])
        .arg(profile)
        .args(filters)
        .env("DEFECT", defect.unwrap_or_default())
        .env_remove("HARNESS_RUNTIME")
        .output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    let text = format!("{}{said}", String::from_utf8_lossy(&output.stdout));
    // 0: everything is kept, 1: something is broken; anything else is no verdict.
    if !matches!(output.status.code(), Some(0 | 1)) {
        return Err(format!("no verdict, {}\n{text}", output.status).into());
    }
    let broken = said.lines().filter_map(|line| {
        let (_, id) = line.split_once("] BROKEN ")?;
        Some(id.to_owned())
    });
    Ok(Report {
        broken: broken.collect(),
        text,
    })
}

fn names_promises(known: &Known) -> Result<(), Failed> {
    let promises = promises()?;
    let named = (known.defects.iter().map(|defect| &defect.promise))
        .chain(known.deviations.iter().map(|deviation| &deviation.promise));
    let unknown: BTreeSet<&String> = named.filter(|id| !promises.contains(*id)).collect();
    let scenarios: BTreeSet<String> = scenarios()?.into_iter().map(|s| s.id).collect();
    let ids = known.deviations.iter().flat_map(|d| &d.scenarios);
    let missing: BTreeSet<&String> = ids.filter(|id| !scenarios.contains(*id)).collect();
    complain("unknown promises", &unknown)?;
    complain("unknown scenarios", &missing)
}

fn defects_are_there(known: &Known) -> Result<(), Failed> {
    let mut asked: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for (program, services) in PROGRAMS {
        let text = std::fs::read_to_string(folder().join(program))?;
        let listed = known.defects.iter().filter(|defect| {
            let of = |service: &&str| defect.services.iter().any(|s| s == service);
            services.iter().any(|service| of(&service))
        });
        let listed: BTreeSet<String> = listed.map(|defect| defect.name.clone()).collect();
        let there = asked.entry(program).or_default();
        for rest in text.split("defect(").skip(1) {
            let name = rest.split(['"', '\'']).nth(1);
            // Where the function is defined there is no name.
            there.extend(
                name.filter(|_| rest.starts_with(['"', '\'']))
                    .map(str::to_owned),
            );
        }
        let different: BTreeSet<&String> = listed.symmetric_difference(there).collect();
        complain(
            &format!("either in {program} or in defects.toml"),
            &different,
        )?;
    }
    Ok(())
}

/// A check that cannot fail is a defect itself.
fn promises_have_defects(known: &Known) -> Result<(), Failed> {
    let broken: BTreeSet<&String> = known.defects.iter().map(|defect| &defect.promise).collect();
    let promises = promises()?;
    let without: BTreeSet<&String> = promises.iter().filter(|id| !broken.contains(id)).collect();
    complain("no defect breaks", &without)
}

fn complain(words: &str, about: &BTreeSet<&String>) -> Result<(), Failed> {
    match about.is_empty() {
        true => Ok(()),
        false => Err(format!("{words}: {about:?}").into()),
    }
}

fn deviating(known: &Known, service: &str) -> BTreeSet<String> {
    let of = |deviation: &&Deviation| deviation.services.iter().any(|s| s == service);
    let deviations = known.deviations.iter().filter(of);
    deviations.flat_map(|d| d.scenarios.clone()).collect()
}

fn promises() -> Result<BTreeSet<String>, Failed> {
    let contract = harness::contract::contract()?;
    Ok(contract.promises.iter().map(|p| p.id.clone()).collect())
}

fn scenarios() -> Result<Vec<Scenario>, Failed> {
    let mut all = scenarios_notifications::scenarios()?;
    all.extend(scenarios_gateway::scenarios()?);
    all.extend(scenarios_resilience::scenarios());
    Ok(all)
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

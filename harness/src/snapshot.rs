//! Flows compared with reviewed ones. The only place that knows insta.
//!
//! A scenario's snapshot is `snapshots/<id>.snap`. Its header says the scenario's title and its fixture; those are
//! part of what was reviewed. A flow that differs is left beside it as `.snap.new` for `cargo review` (not in CI, where
//! insta writes nothing unless `INSTA_UPDATE` says so).

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use insta::{Settings, Snapshot};
use similar::TextDiff;

use crate::panics::silently;
use crate::scenario::Scenario;

/// How a flow differs from the reviewed one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Nothing has been reviewed for this scenario yet.
    New,
    /// The flow is another one: a unified diff, reviewed against recorded.
    Flow(String),
    /// The flow is the same, but the header names another title or fixture.
    Header(String),
}

/// Where the reviewed flow of the scenario `id` is.
pub fn path(id: &str) -> PathBuf {
    crate::workspace()
        .join("snapshots")
        .join(format!("{id}.snap"))
}

/// The reviewed flow of the scenario `id`, if there is one.
pub fn reviewed(id: &str) -> Option<String> {
    let snapshot = Snapshot::from_file(&path(id)).ok()?;
    Some(snapshot.as_text()?.to_string())
}

/// The ids of the reviewed flows that belong to none of `scenarios`.
pub fn orphans(scenarios: &[Scenario]) -> Vec<String> {
    fn list(directory: &Path, below: &str, found: &mut Vec<String>) {
        for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if entry.path().is_dir() {
                list(&entry.path(), &format!("{below}{name}/"), found);
            } else if let Some(id) = name.strip_suffix(".snap") {
                found.push(format!("{below}{id}"));
            }
        }
    }
    let mut found = Vec::new();
    list(&crate::workspace().join("snapshots"), "", &mut found);
    found.retain(|id| !scenarios.iter().any(|scenario| scenario.id == *id));
    found.sort();
    found
}

/// Compares `text` with the reviewed flow of `scenario`, and leaves one that differs to be reviewed.
pub fn compare(scenario: &Scenario, text: &str) -> Result<(), Change> {
    let path = path(&scenario.id);
    // What insta says is not asked: it may have been told to pass everything. Its work is to leave what is to be reviewed,
    // or, told to accept everything, to write the flow, which is why it is read afterwards.
    assert_quietly(scenario, &path, text);
    let Ok(reviewed) = Snapshot::from_file(&path) else {
        return Err(Change::New);
    };
    if TitledFlow::same(&reviewed, scenario, text) {
        return Ok(());
    }
    let old = reviewed
        .as_text()
        .map(ToString::to_string)
        .unwrap_or_default();
    if old.trim_end() == text.trim_end() {
        return Err(Change::Header(format!(
            "the header says {:?} and {}; the scenario says {:?} and {}",
            reviewed.metadata().description().unwrap_or_default(),
            reviewed.metadata().input_file().unwrap_or("no fixture"),
            scenario.title,
            scenario.fixture.as_deref().unwrap_or("no fixture"),
        )));
    }
    Err(Change::Flow(diff(&old, text)))
}

/// The differing lines of two texts with three lines around them.
pub fn diff(old: &str, new: &str) -> String {
    TextDiff::from_lines(old.trim_end(), new.trim_end())
        .unified_diff()
        .context_radius(3)
        .header("reviewed", "recorded")
        .missing_newline_hint(false)
        .to_string()
}

/// Lets insta compare, and write what it writes, without its output.
fn assert_quietly(scenario: &Scenario, path: &Path, text: &str) {
    let mut settings = Settings::new();
    settings.set_snapshot_path(path.parent().unwrap_or(path));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.set_description(&scenario.title);
    if let Some(fixture) = &scenario.fixture {
        settings.set_input_file(crate::workspace().join(fixture));
    }
    settings.set_comparator(Box::new(TitledFlow));
    let name = scenario.id.rsplit('/').next().unwrap_or(&scenario.id);
    let assert = || settings.bind(|| insta::assert_snapshot!(name, text));
    // A panic is how insta says that the flow differs.
    let _ = silently(|| catch_unwind(AssertUnwindSafe(assert)));
}

/// Equal flows under the same title, for the same fixture.
#[derive(Clone)]
struct TitledFlow;

impl TitledFlow {
    /// Whether `reviewed` is this text under this scenario's title.
    fn same(reviewed: &Snapshot, scenario: &Scenario, text: &str) -> bool {
        let old = reviewed.as_text().map(ToString::to_string);
        old.is_some_and(|old| old.trim_end() == text.trim_end())
            && reviewed.metadata().description() == Some(scenario.title.as_str())
            && reviewed.metadata().input_file() == scenario.fixture.as_deref()
    }
}

impl insta::Comparator for TitledFlow {
    fn matches(&self, reviewed: &Snapshot, recorded: &Snapshot) -> bool {
        let texts = |snapshot: &Snapshot| snapshot.as_text().map(ToString::to_string);
        let (old, new) = (reviewed.metadata(), recorded.metadata());
        texts(reviewed) == texts(recorded)
            && old.description() == new.description()
            && old.input_file() == new.input_file()
    }

    fn dyn_clone(&self) -> Box<dyn insta::Comparator> {
        Box::new(self.clone())
    }
}

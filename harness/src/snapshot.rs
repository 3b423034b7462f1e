//! Flows compared with reviewed ones. The only place that knows insta.
//!
//! A scenario's snapshot is `snapshots/<id>.snap`. Its header says the scenario's title and its fixture; those are
//! part of what was reviewed. A flow that differs is left beside it as `.snap.new` for `cargo review` (not in CI, where
//! insta writes nothing unless `INSTA_UPDATE` says so).
//!
//! - [`pending`]: those that wait, accepted and rejected

pub mod pending;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use ::contract::Document;
use insta::{Settings, Snapshot};
use similar::TextDiff;

use crate::data::{self, data};
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

/// What was reviewed.
struct Reviewed {
    title: String,
    fixture: Option<String>,
    flow: String,
}

/// The reviewed flow of the scenario `id`, if there is one.
pub fn reviewed(id: &str) -> Option<String> {
    Reviewed::of(id).map(|reviewed| reviewed.flow)
}

/// The flow in `text`, which is that of a snapshot's file called `path`; none where it is no snapshot.
pub fn flow_of(path: &str, text: &str) -> Option<String> {
    Reviewed::parse(path, text).map(|reviewed| reviewed.flow)
}

/// The ids of the reviewed flows that belong to none of `scenarios`.
pub fn orphans(scenarios: &[Scenario]) -> Vec<String> {
    let files = data().list("snapshots").unwrap_or_default();
    let ids = files.iter().filter_map(|file| {
        let below = file.strip_prefix("snapshots/")?;
        below.strip_suffix(".snap").map(str::to_owned)
    });
    ids.filter(|id| !scenarios.iter().any(|scenario| scenario.id == *id))
        .collect()
}

/// Compares `text` with the reviewed flow of `scenario`, and leaves one that differs to be reviewed.
pub fn compare(scenario: &Scenario, text: &str) -> Result<(), Change> {
    // What insta says is not asked: it may have been told to pass everything. Its work is to leave what is to be reviewed,
    // or, told to accept everything, to write the flow, which is why it is read afterwards.
    if let Some(checkout) = data::checkout()
        && data().folder() == Some(checkout)
    {
        assert_quietly(scenario, checkout, text);
    }
    let Some(reviewed) = Reviewed::of(&scenario.id) else {
        return Err(Change::New);
    };
    if reviewed.flow.trim_end() != text.trim_end() {
        return Err(Change::Flow(diff(&reviewed.flow, text)));
    }
    if reviewed.title != scenario.title || reviewed.fixture != scenario.fixture {
        return Err(Change::Header(format!(
            "the header says {:?} and {}; the scenario says {:?} and {}",
            reviewed.title,
            reviewed.fixture.as_deref().unwrap_or("no fixture"),
            scenario.title,
            scenario.fixture.as_deref().unwrap_or("no fixture"),
        )));
    }
    Ok(())
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

impl Reviewed {
    fn of(id: &str) -> Option<Self> {
        let path = format!("snapshots/{id}.snap");
        Self::parse(&path, &data().read(&path).ok()?)
    }

    /// A snapshot's text: a header in YAML between lines of three dashes, then the flow.
    fn parse(path: &str, text: &str) -> Option<Self> {
        let (header, flow) = text.strip_prefix("---\n")?.split_once("\n---\n")?;
        let header = Document::parse(path, header).ok()?.value;
        let word = |key: &str| header[key].as_str().map(str::to_owned);
        Some(Self {
            title: word("description").unwrap_or_default(),
            fixture: word("input_file"),
            flow: flow.to_owned(),
        })
    }
}

/// Lets insta compare, and write what it writes, without its output.
fn assert_quietly(scenario: &Scenario, checkout: &Path, text: &str) {
    let path = checkout.join("snapshots").join(&scenario.id);
    let mut settings = Settings::new();
    settings.set_snapshot_path(path.parent().unwrap_or(&path));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.set_description(&scenario.title);
    if let Some(fixture) = &scenario.fixture {
        settings.set_input_file(checkout.join(fixture));
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

//! What a run is compared with: the contract and the reviewed flows of another version of the project.

use std::collections::BTreeMap;

use contract::diff;
use serde::{Deserialize, Serialize};

use super::document::{Document, Scenario};
use crate::snapshot;

/// Another version, and what is different there.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Base {
    /// What it is called: a revision, or a folder.
    pub name: String,
    /// What changed in the contract since, and for whom it breaks: the worst first.
    pub findings: Vec<Finding>,
    /// By scenario, the flow that was reviewed there, where the recorded one is another; null where there was none.
    pub flows: BTreeMap<String, Option<String>>,
}

/// One change of the contract.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Finding {
    /// `breaking`, `risky` or `safe`.
    pub verdict: String,
    /// What it is about: messages, closes, routes, promises.
    pub subjects: Vec<String>,
    /// Where in the payload, as a JSON pointer; empty where it is about the whole.
    pub pointer: String,
    /// What it means, for somebody who writes a client.
    pub sentence: String,
    /// Where it stands: file, line and column.
    pub place: String,
}

/// How a scenario's flow compares with what was expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expected<'a> {
    /// It is what was expected, or nothing is expected of it.
    Same,
    /// There is no flow yet where it is compared with; which that is.
    New(&'a str),
    /// Another flow was expected: where, and which.
    Other(&'a str, &'a str),
}

/// What the flow that was reviewed in this version is called.
const REVIEWED: &str = "the reviewed flow";

impl Base {
    /// The version called `name`, with the `findings` of the contract's comparison; `flows` are the texts of its snapshots
    /// by scenario, none where they are not known.
    pub fn of(
        name: &str,
        findings: &[diff::Finding],
        flows: Option<&BTreeMap<String, String>>,
        document: &Document,
    ) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Report {
            findings: Vec<Finding>,
        }
        let report: Report = serde_json::from_str(&diff::json(findings))
            .map_err(|error| format!("the contract's findings cannot be read: {error}"))?;
        let mut different = BTreeMap::new();
        if let Some(flows) = flows.filter(|_| document.system.reviewed) {
            for scenario in &document.scenarios {
                let Some(flow) = &scenario.flow else {
                    continue;
                };
                let path = format!("snapshots/{}.snap", scenario.id);
                let was = flows.get(&scenario.id);
                let was = was.and_then(|text| snapshot::flow_of(&path, text));
                if was.as_deref().map(str::trim_end) != Some(flow.trim_end()) {
                    different.insert(scenario.id.clone(), was);
                }
            }
        }
        Ok(Self {
            name: name.to_owned(),
            findings: report.findings,
            flows: different,
        })
    }
}

impl Document {
    /// What was expected of the flow of `scenario`: what was reviewed in this version, or else in the base.
    pub fn expected<'a>(&'a self, scenario: &'a Scenario) -> Expected<'a> {
        match (scenario.change.as_deref(), &scenario.reviewed) {
            (Some("new"), _) => return Expected::New(REVIEWED),
            (_, Some(flow)) => return Expected::Other(REVIEWED, flow),
            _ => {}
        }
        let Some(base) = &self.base else {
            return Expected::Same;
        };
        match base.flows.get(&scenario.id) {
            None => Expected::Same,
            Some(None) => Expected::New(&base.name),
            Some(Some(flow)) => Expected::Other(&base.name, flow),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::document::tests::of_every_kind;
    use super::*;

    fn snapshot(flow: &str) -> String {
        format!("---\nsource: x\ndescription: d\n---\n{flow}")
    }

    #[test]
    fn a_flow_is_expected_to_be_what_it_was_in_the_base() {
        let mut document = of_every_kind();
        let flows = BTreeMap::from([
            ("a/kept".to_owned(), snapshot("another flow\n")),
            ("a/broken".to_owned(), snapshot("flow of a/broken\n")),
        ]);
        document.base = Some(Base::of("main", &[], Some(&flows), &document).unwrap());
        let expected = |id: &str| document.expected(document.scenario(id).unwrap());
        assert_eq!(
            expected("a/kept"),
            Expected::Other("main", "another flow\n")
        );
        assert_eq!(expected("a/broken"), Expected::Same);
        assert_eq!(expected("a/bug"), Expected::New("main"));
        assert_eq!(expected("b/skipped"), Expected::Same);
    }

    #[test]
    fn flows_of_somebody_elses_system_are_compared_with_nothing() {
        let mut document = of_every_kind();
        document.system.reviewed = false;
        let base = Base::of("main", &[], Some(&BTreeMap::new()), &document).unwrap();
        assert!(base.flows.is_empty());
    }
}

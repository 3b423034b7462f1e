//! What is published while a pipeline runs: the contract's fixtures with the ids of the run.

use harness::fixture::Message;
use serde_json::{Value, json};
use uuid::Uuid;

use super::notifications::Notifications;

/// A command to run a pipeline.
pub struct Run {
    /// The batch.
    pub batch_id: String,
    /// The last phase.
    pub pipeline: String,
    /// What caused it.
    pub correlation_id: String,
}

/// One step of a run.
pub struct Step {
    /// What is published.
    pub message: Message,
    /// The batch's `overall_status` from then on.
    pub status: &'static str,
    /// The phase that the batch is in from then on.
    pub phase: Option<&'static str>,
}

impl Run {
    /// The steps of the run, from its start to its results.
    pub fn steps(&self, notifications: &Notifications) -> Vec<Step> {
        let phases = phases(&self.pipeline);
        let mut values = vec![
            ("batch_id", json!(self.batch_id)),
            ("requested_pipeline", json!(self.pipeline)),
            ("resolved_pipeline", json!(phases)),
            ("first_phase", json!(phases[0])),
            ("total_phases", json!(phases.len())),
            ("completed_phases", json!(phases)),
            ("phase_results", results(notifications, phases)),
        ];
        values.extend(correlation(&self.correlation_id));
        let first = ("batch_processing_started".to_owned(), Some(phases[0]));
        let following = phases.iter().enumerate().map(|(index, phase)| {
            let next = phases.get(index + 1).copied();
            (format!("batch_{phase}_completed"), next)
        });
        let last = ["pipeline_completed", "batch_results_ready"];
        let last = last.map(|event| (event.to_owned(), None));
        let steps = [first].into_iter().chain(following).chain(last);
        // Not every phase has a notification of its own.
        let told = steps.filter_map(|(event, phase)| {
            Some(Step {
                message: notifications.message(&event, &values)?,
                status: match phase {
                    Some(_) => "processing",
                    None => "completed_successfully",
                },
                phase,
            })
        });
        told.collect()
    }
}

/// The fixture's results of `phases`; those that it does not have went as its first one.
fn results(notifications: &Notifications, phases: &[&str]) -> Value {
    let message = notifications.message("batch_results_ready", &[]);
    let results = message.map(|message| message.data["phase_results"].clone());
    let results = results.as_ref().and_then(Value::as_object);
    let any = results.and_then(|results| results.values().next());
    let of = |phase: &str| results.and_then(|results| results.get(phase)).or(any);
    let named = |phase: &&str| ((*phase).to_owned(), json!(of(phase)));
    phases.iter().map(named).collect()
}

/// The id as a notification names it, if it is one that a notification can name: a UUID.
pub fn correlation(id: &str) -> Option<(&'static str, Value)> {
    Uuid::parse_str(id)
        .ok()
        .map(|id| ("correlation_id", json!(id.to_string())))
}

/// The phases that a pipeline takes, in order: the last one and those that it needs.
fn phases(pipeline: &str) -> &'static [&'static str] {
    match pipeline {
        "spellcheck" => &["spellcheck"],
        "nlp" => &["spellcheck", "nlp"],
        "ai_feedback" => &["spellcheck", "nlp", "ai_feedback"],
        "student_matching" => &["student_matching"],
        _ => &["spellcheck", "nlp", "cj_assessment"],
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::one_phase("spellcheck", &["batch_spellcheck_completed"])]
    #[case::all_that_it_needs(
        "cj_assessment",
        &["batch_spellcheck_completed", "batch_nlp_completed", "batch_cj_assessment_completed"]
    )]
    #[case::a_phase_without_a_notification(
        "ai_feedback",
        &["batch_spellcheck_completed", "batch_nlp_completed"]
    )]
    #[case::nothing_but_that("student_matching", &[])]
    fn a_run_is_told_from_its_start_to_its_results_as_the_contract_says(
        #[case] pipeline: &str,
        #[case] between: &[&str],
    ) {
        let run = Run {
            batch_id: "a batch".to_owned(),
            pipeline: pipeline.to_owned(),
            correlation_id: "no UUID".to_owned(),
        };
        let steps = run.steps(&Notifications::read().unwrap());
        let events: Vec<&str> = steps.iter().map(|s| s.message.event.as_str()).collect();
        let start: &[&str] = &["batch_processing_started"];
        let end: &[&str] = &["pipeline_completed", "batch_results_ready"];
        assert_eq!(events, [start, between, end].concat());
        let rules = harness::contract::rules().unwrap();
        for step in &steps {
            assert_eq!(rules.message(&json!(step.message)), []);
            assert_eq!(step.message.data["batch_id"], "a batch");
        }
        assert_eq!(
            steps[0].message.data["resolved_pipeline"],
            json!(phases(pipeline))
        );
        assert_eq!(
            steps.last().unwrap().message.data["phase_results"]
                .as_object()
                .unwrap()
                .len(),
            phases(pipeline).len()
        );
    }
}

//! Requests for pipelines.

use serde_json::{Value, json};

use super::super::{Deed, Sabotage};
use super::{arrived_json, recoded, sabotage, worded};

const ACCEPTED: &str = "pipelines.accepted";
const CALLER: &str = "pipelines.caller-is-the-user";
const OTHER_BATCH: &str = "pipelines.other-batch-refused";
const UNKNOWN_PHASE: &str = "pipelines.unknown-phase-refused";
const BAD_BODY: &str = "pipelines.bad-body-refused";
const FAILURE: &str = "pipelines.downstream-failure";

const PHASES: [&str; 5] = [
    "ai_feedback",
    "cj_assessment",
    "nlp",
    "spellcheck",
    "student_matching",
];

pub(super) const ALL: &[Sabotage] = &[
    sabotage(
        "accepted-is-200",
        ACCEPTED,
        "answers 200 instead of 202",
        Deed::Answer(|_, answer, _| recoded(answer, 202, 200)),
    ),
    sabotage(
        "accepted-without-batch",
        ACCEPTED,
        "does not name the batch when it accepts",
        Deed::Answer(|_, answer, _| {
            if answer.status == 202 {
                answer.change(|json| json["batch_id"] = Value::Null);
            }
        }),
    ),
    sabotage(
        "user-from-body",
        CALLER,
        "forwards a command with the user that a client names",
        Deed::Arrival(|request| {
            arrived_json(request, |json| json["user_id"] = json!("somebody-else"));
        }),
    ),
    sabotage(
        "command-without-user",
        CALLER,
        "forwards a command without a user",
        Deed::Arrival(|request| {
            arrived_json(request, |json| {
                if let Some(members) = json.as_object_mut() {
                    members.shift_remove("user_id");
                }
            });
        }),
    ),
    sabotage(
        "other-batch-accepted",
        OTHER_BATCH,
        "takes a body that names another batch",
        Deed::Request(|request, _| {
            request.change(|json| {
                if let Some(members) = json.as_object_mut() {
                    members.shift_remove("batch_id");
                }
            });
        }),
    ),
    sabotage(
        "other-batch-is-404",
        OTHER_BATCH,
        "answers 404 when the body names another batch",
        Deed::Answer(|_, answer, _| recoded(answer, 400, 404)),
    ),
    sabotage(
        "any-phase",
        UNKNOWN_PHASE,
        "forwards an unknown pipeline",
        Deed::Request(|request, _| {
            request.change(|json| {
                let phase = json["requested_pipeline"].as_str().unwrap_or_default();
                if !PHASES.contains(&phase) {
                    json["requested_pipeline"] = json!("spellcheck");
                }
            });
        }),
    ),
    sabotage(
        "unknown-phase-is-400",
        UNKNOWN_PHASE,
        "answers 400 to an unknown pipeline",
        Deed::Answer(|_, answer, _| recoded(answer, 422, 400)),
    ),
    sabotage(
        "any-body",
        BAD_BODY,
        "forwards a command whatever the body is",
        Deed::Request(|request, _| {
            if request.is_to("POST", "/pipelines") {
                request.set("content-type", "application/json");
                request.body = br#"{"requested_pipeline":"spellcheck"}"#.to_vec();
            }
        }),
    ),
    sabotage(
        "bad-body-is-500",
        BAD_BODY,
        "answers 500 when a body cannot be read",
        Deed::Answer(|_, answer, _| {
            if matches!(answer.status, 400 | 415 | 422) {
                answer.status = 500;
            }
        }),
    ),
    sabotage(
        "accepted-anyway",
        FAILURE,
        "answers 202 when the orchestrator fails",
        Deed::Answer(|_, answer, _| recoded(answer, 502, 202)),
    ),
    sabotage(
        "orchestrators-words",
        FAILURE,
        "passes the orchestrator's words on in an error",
        Deed::Answer(|_, answer, scene| worded(answer, 502, scene)),
    ),
    sabotage(
        "forbidden-is-502",
        FAILURE,
        "answers 502 when the orchestrator answers 403",
        Deed::Answer(|_, answer, _| recoded(answer, 403, 502)),
    ),
];

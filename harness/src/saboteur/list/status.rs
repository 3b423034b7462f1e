//! The status of a batch: whose it is, and what the result aggregator does wrong.

use serde_json::{Value, json};

use super::super::{Deed, Sabotage};
use super::operation::text_of;
use super::{recoded, sabotage, worded};

const OWN: &str = "status.own-batch";
const OWNER: &str = "status.owner-only";
const UNKNOWN: &str = "status.unknown-batch";
const FAILURE: &str = "status.downstream-failure";
const TIMEOUT: &str = "status.downstream-timeout";
const ENDLESS: &str = "status.downstream-endless";
const UNREACHABLE: &str = "status.downstream-unreachable";
const END_TO_END: &str = "end-to-end.pipeline-run";

pub(super) const ALL: &[Sabotage] = &[
    sabotage(
        "forward-user-id",
        OWN,
        "leaves user_id in the details",
        Deed::Answer(|request, answer, _| {
            if answer.status == 200
                && let Some(said) = request.said()
            {
                answer.change(|json| json["details"]["user_id"] = json!(said.user()));
            }
        }),
    ),
    sabotage(
        "no-details",
        OWN,
        "answers without the details",
        Deed::Answer(|_, answer, _| {
            if answer.status == 200 {
                answer.change(|json| json["details"] = json!({}));
            }
        }),
    ),
    sabotage(
        "leak-owner",
        OWNER,
        "names the owner in the 403",
        Deed::Answer(|_, answer, scene| {
            if answer.status == 403 {
                let words = scene.words_behind();
                let owner = words.iter().find_map(|words| text_of(words, "user_id"));
                answer.change(|json| {
                    json["error"]["message"] = json!(format!("this is a batch of {owner:?}"));
                });
            }
        }),
    ),
    sabotage(
        "anybodys-batch",
        OWNER,
        "shows a batch to everybody",
        Deed::Answer(|_, answer, scene| {
            if answer.status == 403 {
                let words = scene.words_behind().concat();
                let details: Value = serde_json::from_str(&words).unwrap_or_default();
                answer.status = 200;
                answer.say(
                    &json!({"status": details["overall_status"], "details": details}).to_string(),
                );
            }
        }),
    ),
    sabotage(
        "others-batch-is-404",
        OWNER,
        "answers 404 for a batch of somebody else",
        Deed::Answer(|_, answer, _| recoded(answer, 403, 404)),
    ),
    sabotage(
        "unknown-batch-is-502",
        UNKNOWN,
        "answers 502 for an unknown batch",
        Deed::Answer(|_, answer, _| recoded(answer, 404, 502)),
    ),
    sabotage(
        "unknown-batch-in-other-words",
        UNKNOWN,
        "passes the aggregator's words on for an unknown batch",
        Deed::Answer(|_, answer, scene| worded(answer, 404, scene)),
    ),
    sabotage(
        "pass-downstream-body",
        FAILURE,
        "passes the aggregator's words on in an error",
        Deed::Answer(|_, answer, scene| worded(answer, 502, scene)),
    ),
    sabotage(
        "downstream-failure-is-500",
        FAILURE,
        "answers 500 when the aggregator fails",
        Deed::Answer(|_, answer, _| recoded(answer, 502, 500)),
    ),
    sabotage(
        "follow-redirects",
        FAILURE,
        "passes the aggregator's redirect on",
        Deed::Answer(|_, answer, _| {
            if answer.status == 502 {
                answer.status = 307;
                answer.set("location", "/elsewhere");
            }
        }),
    ),
    sabotage(
        "timeout-is-502",
        TIMEOUT,
        "answers 502 when the aggregator is too slow",
        Deed::Answer(|_, answer, _| recoded(answer, 504, 502)),
    ),
    sabotage(
        "wait-without-end",
        TIMEOUT,
        "waits without end for an answer of the aggregator",
        Deed::Answer(|_, answer, _| answer.withheld = answer.status == 504),
    ),
    sabotage(
        "endless-is-500",
        ENDLESS,
        "answers 500 when the aggregator's answer has no end",
        Deed::Answer(|_, answer, _| recoded(answer, 502, 500)),
    ),
    sabotage(
        "read-without-end",
        ENDLESS,
        "reads an answer of the aggregator that has no end",
        Deed::Answer(|_, answer, _| answer.withheld = answer.status == 502),
    ),
    sabotage(
        "unreachable-is-502",
        UNREACHABLE,
        "answers 502 when the aggregator cannot be reached",
        Deed::Answer(|_, answer, _| recoded(answer, 503, 502)),
    ),
    sabotage(
        "wait-for-unreachable",
        UNREACHABLE,
        "waits without end for an aggregator that cannot be reached",
        Deed::Answer(|_, answer, _| answer.withheld = answer.status == 503),
    ),
    sabotage(
        "stale-status",
        END_TO_END,
        "always says that a batch is being processed",
        Deed::Answer(|request, answer, _| {
            if request.is_to("GET", "/status") {
                answer.change(|json| json["details"]["overall_status"] = json!("processing"));
            }
        }),
    ),
    sabotage(
        "command-for-another",
        END_TO_END,
        "forwards a command with another user",
        Deed::Arrival(|request| {
            super::arrived_json(request, |json| json["user_id"] = json!("somebody-else"));
        }),
    ),
];

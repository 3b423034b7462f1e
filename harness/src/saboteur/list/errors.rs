//! Correlation ids, and the one shape of errors.

use serde_json::{Value, json};

use super::super::{Deed, Sabotage};
use super::{arrived_json, recoded, sabotage};

const TAKEN: &str = "correlation.taken";
const MADE: &str = "correlation.made";
const ONE_SHAPE: &str = "errors.one-shape";
const UNKNOWN_ROUTE: &str = "errors.unknown-route";
const WRONG_METHOD: &str = "errors.wrong-method";

const ID: &str = "x-correlation-id";
const ANOTHER: &str = "6f0b1c52-3f0d-4b8e-9a51-0d9c9c1f4b11";

pub(super) const ALL: &[Sabotage] = &[
    sabotage(
        "ignore-correlation-id",
        TAKEN,
        "gives every request an id of its own",
        Deed::Answer(|_, answer, _| answer.set(ID, ANOTHER)),
    ),
    sabotage(
        "lost-correlation-header",
        TAKEN,
        "answers without X-Correlation-ID",
        Deed::Answer(|_, answer, _| answer.drop_header(ID)),
    ),
    sabotage(
        "correlation-not-passed-on",
        TAKEN,
        "does not tell the services behind",
        Deed::Arrival(|request| {
            request.headers.remove(ID);
            arrived_json(request, |json| json["correlation_id"] = Value::Null);
        }),
    ),
    sabotage(
        "no-correlation-id-made",
        MADE,
        "makes no id for a request without one",
        Deed::Answer(|request, answer, _| {
            if request.header(ID).is_none() {
                answer.drop_header(ID);
            }
        }),
    ),
    sabotage(
        "other-id-in-errors",
        MADE,
        "says another id in an error than in the header",
        Deed::Answer(|_, answer, _| {
            answer.change(|json| {
                if let Some(error) = json.get_mut("error") {
                    error["correlation_id"] = json!(ANOTHER);
                }
            });
        }),
    ),
    sabotage(
        "one-id-for-all",
        MADE,
        "gives all requests the same id",
        Deed::Answer(|request, answer, _| {
            if request.header(ID).is_none() {
                answer.set(ID, ANOTHER);
                answer.change(|json| {
                    if let Some(error) = json.get_mut("error") {
                        error["correlation_id"] = json!(ANOTHER);
                    }
                });
            }
        }),
    ),
    sabotage(
        "made-id-not-passed-on",
        MADE,
        "tells the services behind another id than the client",
        Deed::Arrival(|request| {
            arrived_json(request, |json| json["correlation_id"] = json!(ANOTHER));
        }),
    ),
    sabotage(
        "bare-errors",
        ONE_SHAPE,
        "answers errors as {\"detail\": …}",
        Deed::Answer(|_, answer, _| {
            if answer.is_error() {
                answer.say(&json!({"detail": "something went wrong"}).to_string());
            }
        }),
    ),
    sabotage(
        "errors-as-text",
        ONE_SHAPE,
        "answers errors in plain text",
        Deed::Answer(|_, answer, _| {
            if answer.is_error() {
                answer.set("content-type", "text/plain");
                answer.say("something went wrong");
            }
        }),
    ),
    sabotage(
        "errors-without-timestamp",
        ONE_SHAPE,
        "answers errors without their time",
        Deed::Answer(|_, answer, _| {
            answer.change(|json| {
                if let Some(error) = json.get_mut("error").and_then(Value::as_object_mut) {
                    error.shift_remove("timestamp");
                }
            });
        }),
    ),
    sabotage(
        "redirect-slashes",
        UNKNOWN_ROUTE,
        "redirects /v1/classes to /v1/classes/",
        Deed::Answer(|request, answer, _| {
            if request.path() == "/v1/classes" {
                answer.status = 307;
                answer.set("location", "/v1/classes/");
            }
        }),
    ),
    sabotage(
        "unknown-route-is-401",
        UNKNOWN_ROUTE,
        "asks for a token on a route that does not exist",
        Deed::Answer(|_, answer, _| recoded(answer, 404, 401)),
    ),
    sabotage(
        "no-allow",
        WRONG_METHOD,
        "answers 405 without Allow",
        Deed::Answer(|_, answer, _| answer.drop_header("allow")),
    ),
    sabotage(
        "wrong-method-is-404",
        WRONG_METHOD,
        "answers 404 to a method that a route does not have",
        Deed::Answer(|_, answer, _| recoded(answer, 405, 404)),
    ),
];

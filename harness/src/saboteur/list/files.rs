//! Uploads.

use reqwest::header::HeaderValue;

use super::super::exchange::Request;
use super::super::{Deed, Sabotage};
use super::{recoded, sabotage, worded};

const PASSED_ON: &str = "files.passed-on";
const PASS: &str = "files.answers-pass";
const FAILURE: &str = "files.downstream-failure";
const BAD_BODY: &str = "files.bad-body-refused";

/// An upload as any client sends it.
const KIND: &str = "multipart/form-data; boundary=b";
const UPLOAD: &str =
    "--b\r\nContent-Disposition: form-data; name=\"batch_id\"\r\n\r\n7\r\n--b--\r\n";

pub(super) const ALL: &[Sabotage] = &[
    sabotage(
        "upload-cut",
        PASSED_ON,
        "forwards half of an upload",
        Deed::Arrival(|request| request.body.truncate(request.body.len() / 2)),
    ),
    sabotage(
        "upload-of-nobody",
        PASSED_ON,
        "does not tell the file service who uploads",
        Deed::Arrival(|request| {
            request.headers.remove("x-user-id");
        }),
    ),
    sabotage(
        "upload-with-token",
        PASSED_ON,
        "passes the client's token on to the file service",
        Deed::Arrival(|request| {
            let token = HeaderValue::from_static("Bearer token");
            request.headers.insert("authorization", token);
        }),
    ),
    sabotage(
        "no-400-from-files",
        PASS,
        "answers 503 where the file service answers 400",
        Deed::Answer(|_, answer, _| recoded(answer, 400, 503)),
    ),
    sabotage(
        "other-words-than-files",
        PASS,
        "answers in other words than the file service's",
        Deed::Answer(|_, answer, _| answer.say("{}")),
    ),
    sabotage(
        "pass-every-file-answer",
        FAILURE,
        "passes every answer of the file service on",
        Deed::Answer(|_, answer, scene| worded(answer, 503, scene)),
    ),
    sabotage(
        "files-failure-is-500",
        FAILURE,
        "answers 500 when the file service fails",
        Deed::Answer(|_, answer, _| recoded(answer, 503, 500)),
    ),
    sabotage(
        "any-upload",
        BAD_BODY,
        "forwards an upload that is not multipart",
        Deed::Request(|request: &mut Request, _| {
            if request.is_to("POST", "/files/batch") {
                request.set("content-type", KIND);
                request.body = UPLOAD.as_bytes().to_owned();
            }
        }),
    ),
    sabotage(
        "bad-upload-is-400",
        BAD_BODY,
        "answers 400 to an upload that is not multipart",
        Deed::Answer(|_, answer, _| recoded(answer, 415, 400)),
    ),
];

//! How often a user may ask, and what is not counted (contract, API gateway).

use std::time::Instant;

use futures_util::{StreamExt, TryStreamExt, stream};
use harness::breach::Breaks;
use harness::fixture::{Part, Service};
use harness::http::{Call, CallBody, Reply};
use harness::profile::Capability;
use harness::scenario::{Failure, Outcome, Scenario, ensure};
use harness::stage::{Stage, User};
use serde_json::json;

const ONE_SHAPE: &str = "errors.one-shape";
/// The status of a request too many.
const REFUSED: u16 = 429;
const DEFAULT: usize = 100;
const PIPELINES: usize = 10;
const FILES: usize = 5;
/// How many requests that are not to be limited are on their way at the same time.
const AT_ONCE: usize = 8;
/// How long a window of the limits is, in seconds.
const WINDOW: u64 = 60;

pub fn scenarios() -> Vec<Scenario> {
    vec![
        Scenario::new(
            "gateway/rate-limits/per-user",
            "a user who asks for too many pipelines gets 429 with Retry-After, and another user does not",
            per_user,
        )
        .proves(["rate-limits.per-user", "errors.one-shape"])
        .needs([Capability::Downstreams]),
        Scenario::new(
            "gateway/rate-limits/default",
            "a user who reads too much gets 429 with Retry-After as well",
            default,
        )
        .proves(["rate-limits.per-user"])
        .needs([Capability::Downstreams]),
        Scenario::new(
            "gateway/rate-limits/by-route",
            "file uploads have a lower limit, and using it up leaves the other routes open",
            by_route,
        )
        .proves(["rate-limits.by-route"])
        .needs([Capability::Downstreams]),
        Scenario::new(
            "gateway/rate-limits/health-free",
            "health and metrics are not limited",
            health_free,
        )
        .proves(["rate-limits.health-free"]),
    ]
}

async fn per_user(stage: Stage) -> Outcome {
    let (teacher, colleague) = (stage.user("teacher"), stage.user("colleague"));
    stage.stand_in_answers(Service::Orchestrator, 202, &json!({"status": "accepted"}));
    let refused = until_refused(&stage, &teacher, &pipeline(&stage, &teacher), PIPELINES).await?;

    says_when_to_retry(&stage, &refused)?;
    let body = refused.json()?;
    let error = &body["error"];
    for member in ["code", "message", "correlation_id", "service", "timestamp"] {
        ensure(error[member].is_string(), || {
            format!("the 429 has no error.{member}: {body}")
        })
        .breaks(ONE_SHAPE)?;
    }
    ensure(error["details"].is_object(), || {
        format!("the 429 has no error.details: {body}")
    })
    .breaks(ONE_SHAPE)?;
    stage.note("teacher", "the body has the one error shape");

    let accepted = stage.call_unseen(&pipeline(&stage, &colleague)).await?;
    ensure(accepted.status != REFUSED, || {
        let status = accepted.status;
        format!("one user's requests should not count for another, who got {status}")
    })?;
    stage.note("colleague", "asks for one pipeline, and it is accepted");
    Ok(())
}

async fn default(stage: Stage) -> Outcome {
    let teacher = stage.user("teacher");
    stage.stand_in_answers(Service::Classes, 200, &json!({"name": "9B"}));
    let path = format!("/v1/classes/{}", stage.id("class"));
    let read = call(&stage, &teacher, "GET", path, CallBody::Empty);
    let refused = until_refused(&stage, &teacher, &read, DEFAULT).await?;
    says_when_to_retry(&stage, &refused)
}

fn says_when_to_retry(stage: &Stage, refused: &Reply) -> Outcome {
    let seconds = refused.header("retry-after").unwrap_or_default();
    ensure(
        seconds
            .parse()
            .is_ok_and(|s: u64| (1..=WINDOW).contains(&s)),
        || format!("a 429 should have a Retry-After of 1 to {WINDOW} seconds; it has {seconds:?}"),
    )?;
    stage.note(
        "teacher",
        &format!("Retry-After is within 1 to {WINDOW} seconds"),
    );
    Ok(())
}

async fn by_route(stage: Stage) -> Outcome {
    let teacher = stage.user("teacher");
    stage.stand_in_answers(Service::Files, 201, &json!({"file_upload_id": "7"}));
    stage.stand_in_answers(Service::Orchestrator, 202, &json!({"status": "accepted"}));
    stage.stand_in_answers(Service::Classes, 200, &json!({"name": "9B"}));
    until_refused(&stage, &teacher, &upload(&stage, &teacher), FILES).await?;
    until_refused(&stage, &teacher, &pipeline(&stage, &teacher), PIPELINES).await?;

    let class = stage.id("class");
    let read = call(
        &stage,
        &teacher,
        "GET",
        format!("/v1/classes/{class}"),
        CallBody::Empty,
    );
    let reply = stage.call_unseen(&read).await?;
    ensure(reply.status == 200, || {
        let status = reply.status;
        format!("uploads and pipelines should not count for other routes; one answered {status}")
    })?;
    stage.note("teacher", "reads a class, which is answered with 200");
    Ok(())
}

async fn health_free(stage: Stage) -> Outcome {
    let teacher = stage.user("teacher");
    for path in ["/healthz", "/metrics"] {
        let get = call(&stage, &teacher, "GET", path.to_owned(), CallBody::Empty);
        // More than any window's edge could let pass.
        let times = 2 * DEFAULT + 1;
        let calls = stream::iter(0..times).map(|_| stage.call_unseen(&get));
        let replies: Vec<Reply> = calls.buffer_unordered(AT_ONCE).try_collect().await?;
        let refused = replies.iter().find(|reply| reply.status != 200);
        ensure(refused.is_none(), || {
            let status = refused.map(|reply| reply.status);
            format!("GET {path} should always be 200; of {times} requests one got {status:?}")
        })?;
        let words = format!("GET {path} is 200, {times} times");
        stage.note("teacher", &words);
    }
    Ok(())
}

/// The first `limit` requests pass; at the latest one more than any limiter could let pass is refused: a fixed window's
/// edge may fall between two requests, a bucket fills meanwhile, and a slow gateway gives both their time.
async fn until_refused(stage: &Stage, user: &User, call: &Call, limit: usize) -> Outcome<Reply> {
    let name = format!("{} {}", call.method, call.path);
    let began = Instant::now();
    let mut number = 0;
    while number <= limit * (2 + began.elapsed().as_secs().div_ceil(WINDOW) as usize) {
        number += 1;
        let reply = stage.call_unseen(call).await?;
        if reply.status == REFUSED {
            ensure(number > limit, || {
                format!("{name}: the limit is {limit}, and request {number} got 429")
            })?;
            let words = format!("{name}: the first {limit} pass, then one is refused with 429");
            stage.note(&user.name, &words);
            return Ok(reply);
        }
        ensure((200..300).contains(&reply.status), || {
            format!(
                "{name}: request {number} got {} {}",
                reply.status,
                reply.text()
            )
        })?;
    }
    Err(Failure::broken(format!(
        "{name}: the limit is {limit}, and {number} requests in {} s passed",
        began.elapsed().as_secs()
    )))
}

fn pipeline(stage: &Stage, user: &User) -> Call {
    let path = format!("/v1/batches/{}/pipelines", stage.id("batch"));
    let body = CallBody::Json(json!({"requested_pipeline": "spellcheck"}));
    call(stage, user, "POST", path, body)
}

fn upload(stage: &Stage, user: &User) -> Call {
    let part = |name: &str, filename: Option<&str>, value: String| Part {
        name: name.to_owned(),
        filename: filename.map(str::to_owned),
        content_type: filename.map(|_| "text/plain".to_owned()),
        value,
    };
    let body = CallBody::Multipart(vec![
        part("batch_id", None, stage.id("batch")),
        part("files", Some("essay.txt"), "An essay.".to_owned()),
    ]);
    call(stage, user, "POST", "/v1/files/batch".to_owned(), body)
}

fn call(stage: &Stage, user: &User, method: &str, path: String, body: CallBody) -> Call {
    Call {
        method: method.to_owned(),
        path,
        headers: vec![(
            "authorization".to_owned(),
            format!("Bearer {}", stage.token(user)),
        )],
        body,
    }
}

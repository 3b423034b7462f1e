//! What a browser asks before it calls the gateway from a page (Fetch, section 3.2); the calls themselves are fixtures.

use std::collections::BTreeSet;

use harness::http::{Call, CallBody, Reply};
use harness::profile::Capability;
use harness::scenario::{Outcome, Scenario, ensure};
use harness::stage::Stage;
use harness::system::ORIGIN;

/// An origin that no system allows.
const ELSEWHERE: &str = "https://elsewhere.example";

pub fn scenarios() -> Vec<Scenario> {
    let scenario = |id: &str, title: &str, play: Play| {
        Scenario::new(format!("gateway/cors/{id}"), title, play).proves(["cors.configured-origins"])
    };
    vec![
        scenario(
            "preflight",
            "a page of a configured origin may ask for a pipeline: its browser asks first, without a token",
            |stage| Box::pin(pipeline(stage)),
        )
        .needs([Capability::Origin]),
        scenario(
            "preflight_of_an_update",
            "a page of a configured origin may change a class, which takes a method that its browser asks about",
            |stage| Box::pin(update(stage)),
        )
        .needs([Capability::Origin]),
        scenario(
            "preflight_of_another_origin",
            "a page of another origin may not ask for a pipeline",
            |stage| Box::pin(elsewhere(stage)),
        ),
    ]
}

type Play = fn(Stage) -> std::pin::Pin<Box<dyn Future<Output = Outcome> + Send>>;

async fn pipeline(stage: Stage) -> Outcome {
    let path = format!("/v1/batches/{}/pipelines", stage.id("batch"));
    let reply = preflight(&stage, ORIGIN, "POST", path).await?;
    lets_in(&reply)
}

async fn update(stage: Stage) -> Outcome {
    let path = format!("/v1/classes/{}", stage.id("class"));
    let reply = preflight(&stage, ORIGIN, "PUT", path).await?;
    lets_in(&reply)?;
    // POST is always allowed, other methods are where the answer says so.
    ensure(
        listed(&reply, "access-control-allow-methods", "PUT"),
        || {
            let methods = reply.header("access-control-allow-methods");
            format!("a browser that wants to PUT is told that the methods are {methods:?}")
        },
    )
}

/// What a refusal looks like is the gateway's own business: a browser only looks for its origin.
async fn elsewhere(stage: Stage) -> Outcome {
    let path = format!("/v1/batches/{}/pipelines", stage.id("batch"));
    let reply = preflight(&stage, ELSEWHERE, "POST", path).await?;
    let allowed = reply.header("access-control-allow-origin");
    ensure(
        allowed.is_none_or(|origin| origin != ELSEWHERE && origin != "*"),
        || format!("a page of {ELSEWHERE} may call: the origin that is allowed is {allowed:?}"),
    )
}

async fn preflight(stage: &Stage, origin: &str, method: &str, path: String) -> Outcome<Reply> {
    let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let call = Call {
        method: "OPTIONS".to_owned(),
        path,
        headers: vec![
            header("origin", origin),
            header("access-control-request-method", method),
            header(
                "access-control-request-headers",
                "authorization,content-type",
            ),
        ],
        body: CallBody::Empty,
    };
    stage.call("teacher", &call).await
}

/// What a browser looks at before it sends a token from [`ORIGIN`].
fn lets_in(reply: &Reply) -> Outcome {
    ensure((200..300).contains(&reply.status), || {
        format!(
            "a preflight should be answered with 2xx; it is {}",
            reply.status
        )
    })?;
    let origin = reply.header("access-control-allow-origin");
    ensure(origin == Some(ORIGIN), || {
        format!("a preflight from {ORIGIN} should allow it; it allows {origin:?}")
    })?;
    for field in ["authorization", "content-type"] {
        ensure(listed(reply, "access-control-allow-headers", field), || {
            let fields = reply.header("access-control-allow-headers");
            format!("a browser that wants to send {field} is told that the fields are {fields:?}")
        })?;
    }
    Ok(())
}

/// Whether the header field `name` lists `word`, in whatever letters.
fn listed(reply: &Reply, name: &str, word: &str) -> bool {
    let words: BTreeSet<String> = reply
        .header(name)
        .unwrap_or_default()
        .split(',')
        .map(|word| word.trim().to_lowercase())
        .collect();
    words.contains(&word.to_lowercase())
}

//! The gateway counts requests where Redis is more than one server.

use std::time::{Duration, Instant};

use harness::fixture::Service;
use harness::http::{Call, CallBody};
use harness::profile::Capability;
use harness::scenario::{Outcome, Scenario, ensure};
use harness::stage::{Stage, User};
use harness::system::{Settings, Topology};
use serde_json::json;

/// How many pipelines a user may ask for in a minute (contract, API gateway).
const PIPELINES: usize = 10;
/// The status of a request too many.
const REFUSED: u16 = 429;
/// How long the gateway may take to find who counts now.
const PATIENCE: Duration = Duration::from_secs(30);

pub fn scenarios() -> Vec<Scenario> {
    // A gateway that waits for Redis as long as a busy machine may take: it lets pass what nobody counts.
    let patient = |topology| {
        Settings::default()
            .redis_as(topology)
            .gateway("API_GATEWAY_REDIS_TIMEOUT", "20")
    };
    [
        Scenario::new(
            "resilience/limits/cluster",
            "in a cluster a user's requests are counted: the first too many is refused with 429",
            counted,
        )
        .on_own_system(patient(Topology::Cluster)),
        Scenario::new(
            "resilience/limits/sentinel",
            "once the sentinels name another master a user's requests are counted there",
            counted_anew,
        )
        .on_own_system(patient(Topology::Sentinel)),
    ]
    .map(|scenario| {
        scenario
            .proves(["rate-limits.per-user"])
            .needs([Capability::Gateway, Capability::Downstreams])
    })
    .into()
}

async fn counted(stage: Stage) -> Outcome {
    let teacher = stage.user("teacher");
    ask_until_refused(&stage, &teacher).await
}

async fn counted_anew(stage: Stage) -> Outcome {
    let (teacher, colleague) = (stage.user("teacher"), stage.user("colleague"));
    ask_until_refused(&stage, &teacher).await?;
    stage.make_sentinels_fail_over().await?;
    stage.until_master_has_changed().await?;
    // Nobody has asked for this one before.
    let pipeline = pipeline(&stage, &colleague);
    let deadline = Instant::now() + PATIENCE;
    while stage.call_unseen(&pipeline).await?.status != REFUSED {
        ensure(Instant::now() < deadline, || {
            let seconds = PATIENCE.as_secs();
            format!("{seconds} s after the sentinels named another master nobody counts requests")
        })?;
    }
    stage.note(
        "colleague",
        "asks for pipelines until one is refused with 429",
    );
    Ok(())
}

/// As many requests as are allowed are accepted, and one more is refused.
async fn ask_until_refused(stage: &Stage, user: &User) -> Outcome {
    stage.stand_in_answers(Service::Orchestrator, 202, &json!({"status": "accepted"}));
    let pipeline = pipeline(stage, user);
    for number in 1..=PIPELINES {
        let status = stage.call_unseen(&pipeline).await?.status;
        ensure(status == 202, || {
            format!("pipeline request {number} of {PIPELINES} should be accepted; it got {status}")
        })?;
    }
    let status = stage.call_unseen(&pipeline).await?.status;
    ensure(status == REFUSED, || {
        format!(
            "after {PIPELINES} pipeline requests one more should get {REFUSED}; it got {status}"
        )
    })?;
    let words =
        format!("asks for {PIPELINES} pipelines, which are accepted, and for one more: {REFUSED}");
    stage.note(&user.name, &words);
    Ok(())
}

fn pipeline(stage: &Stage, user: &User) -> Call {
    Call {
        method: "POST".into(),
        path: format!("/v1/batches/{}/pipelines", stage.id("batch")),
        headers: vec![(
            "authorization".to_owned(),
            format!("Bearer {}", stage.token(user)),
        )],
        body: CallBody::Json(json!({"requested_pipeline": "spellcheck"})),
    }
}

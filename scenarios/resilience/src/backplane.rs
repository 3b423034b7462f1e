//! Redis is lost, and comes back.

use futures_util::future::try_join_all;
use harness::breach::Breaks;
use harness::fixture::Service;
use harness::http::{Call, CallBody};
use harness::profile::Capability;
use harness::scenario::{Outcome, Scenario, ensure};
use harness::stage::{Stage, User};
use harness::system::Settings;
use serde_json::json;

/// How many pipelines a user may ask for in a minute (contract, API gateway).
const PIPELINES: usize = 10;

const AWAY: &str = "backplane.away-refuses";
const RESUMES: &str = "backplane.resumes";

pub fn scenarios() -> Vec<Scenario> {
    vec![
        Scenario::new(
            "resilience/backplane/redis-lost",
            "without Redis every connection is closed with 1011, old and new, and with it back all is served again",
            redis_lost,
        )
        .proves([
            "backplane.loss-closes",
            "backplane.away-refuses",
            "backplane.resumes",
            "close.reason-is-json",
            "health.redis-down",
        ])
        .needs([Capability::Websocket])
        .on_own_system(Settings::default()),
        Scenario::new(
            "resilience/backplane/gateway-without-redis",
            "without Redis the gateway limits nobody",
            gateway_without_redis,
        )
        .proves(["rate-limits.without-redis"])
        .needs([Capability::Gateway])
        .on_own_system(Settings::default()),
    ]
}

async fn redis_lost(stage: Stage) -> Outcome {
    let (teacher, colleague) = (stage.user("teacher"), stage.user("colleague"));
    let connected = [
        stage.connect(&teacher).await?,
        stage.connect(&teacher).await?,
        stage.connect(&colleague).await?,
    ];
    stage
        .publish_bytes(&teacher, "before", br#"{"event":"before","data":{}}"#)
        .await?;
    stage.settle().await?;

    stage.kill_redis().await?;
    for client in &connected {
        client.expect_close(1011, "SERVICE_UNAVAILABLE").await?;
    }
    let refused = stage.connect(&teacher).await.breaks(AWAY)?;
    refused
        .expect_close(1011, "SERVICE_UNAVAILABLE")
        .await
        .breaks(AWAY)?;
    says_so(&stage).await.breaks("health.redis-down")?;

    stage.start_redis().await.breaks(RESUMES)?;
    stage.connect(&teacher).await.breaks(RESUMES)?;
    stage.connect(&colleague).await.breaks(RESUMES)?;
    stage
        .publish_bytes(&teacher, "after", br#"{"event":"after","data":{}}"#)
        .await?;
    stage.settle().await.breaks(RESUMES)
}

async fn gateway_without_redis(stage: Stage) -> Outcome {
    stage.kill_redis().await?;
    pipelines_pass(&stage, &stage.user("teacher")).await
}

/// The service is up, says that Redis is not, and keeps the password to itself.
async fn says_so(stage: &Stage) -> Outcome {
    let expected = json!({"service": "redis", "status": "<text>"});
    let call = Call::get("/healthz/redis");
    let reply = stage
        .call_websocket_service("monitor", &call, &expected)
        .await?;
    ensure(reply.status == 503, || {
        format!(
            "without Redis GET /healthz/redis should answer 503 and answered {}",
            reply.status
        )
    })?;
    ensure(
        !reply.text().contains(&stage.system().redis_password),
        || "GET /healthz/redis shows the password of Redis".to_owned(),
    )?;
    stage.note("monitor", "the password of Redis is not in it");
    let call = Call::get("/healthz");
    let expected = json!({"status": "healthy"});
    let reply = stage
        .call_websocket_service("monitor", &call, &expected)
        .await?;
    ensure(reply.status == 200, || {
        format!(
            "without Redis GET /healthz should answer 200 and answered {}",
            reply.status
        )
    })
}

/// More requests than any window of the limit could take pass: nobody counts them.
async fn pipelines_pass(stage: &Stage, teacher: &User) -> Outcome {
    let batch = stage.id("batch");
    stage.stand_in_answers(Service::Orchestrator, 202, &json!({"status": "accepted"}));
    let call = Call {
        method: "POST".into(),
        path: format!("/v1/batches/{batch}/pipelines"),
        headers: vec![(
            "authorization".to_owned(),
            format!("Bearer {}", stage.token(teacher)),
        )],
        body: CallBody::Json(json!({"requested_pipeline": "spellcheck"})),
    };
    let calls = (0..=2 * PIPELINES).map(|_| stage.call_unseen(&call));
    let replies = try_join_all(calls).await?;
    let refused = replies.iter().find(|reply| reply.status != 202);
    ensure(refused.is_none(), || {
        let got = refused.map(|reply| format!("{} {}", reply.status, reply.text()));
        format!("without Redis every pipeline request should be accepted; one got {got:?}")
    })?;
    stage.note(
        "teacher",
        &format!("asks for {} pipelines, and all are accepted", replies.len()),
    );
    Ok(())
}

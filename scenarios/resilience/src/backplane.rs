//! Redis is lost, hangs, or throws the service out; and comes back.

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
/// How many messages a client has when something happens to it: enough to be in the middle of them.
const SOME: usize = 20;

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
        Scenario::new(
            "resilience/backplane/redis-hung",
            "a Redis that answers nothing is as good as lost, and when it goes on all is served again",
            redis_hung,
        )
        .proves([
            "backplane.hang-closes",
            "backplane.away-refuses",
            "backplane.resumes",
            "health.redis-down",
        ])
        .needs([Capability::Websocket])
        .on_own_system(Settings::default()),
        Scenario::new(
            "resilience/backplane/client-kill",
            "a subscription that Redis ends closes its clients, and who connects again misses nothing",
            client_kill,
        )
        .proves(["backplane.loss-closes", "backplane.resumes"])
        .needs([Capability::Websocket])
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
    let traffic = stage.traffic(&[&teacher, &colleague]);
    for client in &connected {
        client.expect_texts(SOME).await?;
    }

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
    for user in [&teacher, &colleague] {
        served_again(&stage, user).await?;
    }
    traffic.stop().await?;
    stage.settle().await
}

/// A user connects and gets what is published from then on.
async fn served_again(stage: &Stage, user: &User) -> Outcome {
    let client = stage.connect(user).await.breaks(RESUMES)?;
    client.expect_texts(SOME).await.breaks(RESUMES)
}

async fn gateway_without_redis(stage: Stage) -> Outcome {
    stage.kill_redis().await?;
    pipelines_pass(&stage, &stage.user("teacher")).await
}

async fn redis_hung(stage: Stage) -> Outcome {
    let teacher = stage.user("teacher");
    let connected = stage.connect(&teacher).await?;
    let traffic = stage.traffic(&[&teacher]);
    connected.expect_texts(SOME).await?;

    stage.hang_redis().await?;
    connected
        .expect_close_in_time(1011, "SERVICE_UNAVAILABLE")
        .await?;
    let refused = stage.connect(&teacher).await.breaks(AWAY)?;
    refused
        .expect_close_in_time(1011, "SERVICE_UNAVAILABLE")
        .await
        .breaks(AWAY)?;
    says_so(&stage).await.breaks("health.redis-down")?;

    stage.wake_redis().await.breaks(RESUMES)?;
    served_again(&stage, &teacher).await?;
    traffic.stop().await?;
    stage.settle().await
}

async fn client_kill(stage: Stage) -> Outcome {
    let (teacher, colleague) = (stage.user("teacher"), stage.user("colleague"));
    let users = [&teacher, &teacher, &colleague];
    let connected = try_join_all(users.map(|user| stage.connect(user))).await?;
    let traffic = stage.traffic(&[&teacher, &colleague]);
    for client in &connected {
        client.expect_texts(SOME).await?;
    }

    stage.kill_subscriptions().await?;
    for client in &connected {
        client.expect_close(1011, "SERVICE_UNAVAILABLE").await?;
    }
    stage.until_served().await.breaks(RESUMES)?;
    for user in users {
        served_again(&stage, user).await?;
    }
    traffic.stop().await?;
    stage.settle().await
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
    let refused = replies.iter().find(|reply| reply.status >= 400);
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

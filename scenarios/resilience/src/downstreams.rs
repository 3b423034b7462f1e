//! A service behind the gateway is slow, or gone.

use harness::breach::Breaks;
use harness::fixture::Service;
use harness::http::{Call, Reply};
use harness::profile::Capability;
use harness::scenario::{Outcome, Scenario, ensure};
use harness::stage::{Stage, User};
use harness::standin::Trouble;
use harness::system::{Part, Settings};

const TIMEOUT: &str = "status.downstream-timeout";

pub fn scenarios() -> Vec<Scenario> {
    vec![
        Scenario::new(
            "resilience/downstreams/aggregator-in-trouble",
            "a result aggregator that begins or ends its answer too late is a 504, and one that is gone a 503",
            aggregator_in_trouble,
        )
        .proves([
            "status.downstream-timeout",
            "status.downstream-unreachable",
            "errors.one-shape",
        ])
        .needs([Capability::Gateway])
        .on_own_system(
            Settings::default()
                .gateway("API_GATEWAY_FIRST_BYTE_TIMEOUT", "1")
                .gateway("API_GATEWAY_BODY_TIMEOUT", "1"),
        ),
        Scenario::new(
            "resilience/downstreams/aggregator-without-an-end",
            "an answer of the result aggregator that has no end holds neither the request nor the gateway's shutdown",
            aggregator_without_an_end,
        )
        .proves(["status.downstream-endless", "gateway.shutdown"])
        .needs([Capability::Gateway])
        .on_own_system(
            Settings::default()
                .gateway("API_GATEWAY_FIRST_BYTE_TIMEOUT", "1")
                .gateway("API_GATEWAY_BODY_TIMEOUT", "1"),
        ),
        Scenario::new(
            "resilience/downstreams/class-management-in-trouble",
            "an answer of class management that does not end is broken off, and the gateway can be told to end",
            class_management_in_trouble,
        )
        .proves(["classes.downstream-timeout", "gateway.shutdown"])
        .needs([Capability::Gateway])
        .on_own_system(
            Settings::default()
                .gateway("API_GATEWAY_FIRST_BYTE_TIMEOUT", "1")
                .gateway("API_GATEWAY_BODY_TIMEOUT", "1"),
        ),
    ]
}

async fn aggregator_in_trouble(stage: Stage) -> Outcome {
    let teacher = stage.user("teacher");
    let batch = stage.id("batch");
    let status = get(&stage, &teacher, format!("/v1/batches/{batch}/status"));
    for (trouble, words, expected, promise) in [
        (Trouble::Silent, "never answers", 504, TIMEOUT),
        (
            Trouble::Trickling,
            "begins an answer and never ends it",
            504,
            TIMEOUT,
        ),
        (
            Trouble::Gone,
            "is gone",
            503,
            "status.downstream-unreachable",
        ),
    ] {
        stage.stand_in_fails(Service::Aggregator, trouble).await?;
        stage.note("teacher", &format!("the result aggregator {words}:"));
        let reply = stage.call("teacher", &status).await.breaks(promise)?;
        ensure(reply.status == expected, || {
            let got = reply.status;
            format!("an aggregator that is {trouble:?} should be a {expected}; it is a {got}")
        })
        .breaks(promise)?;
        in_the_one_shape(&reply)?;
    }
    Ok(())
}

async fn aggregator_without_an_end(stage: Stage) -> Outcome {
    let teacher = stage.user("teacher");
    let batch = stage.id("batch");
    let status = get(&stage, &teacher, format!("/v1/batches/{batch}/status"));
    stage
        .stand_in_fails(Service::Aggregator, Trouble::Endless)
        .await?;
    // Whether the length or the time is found to be too much first is the gateway's own affair.
    let reply = stage.call_unseen(&status).await?;
    ensure([502, 504].contains(&reply.status), || {
        let got = reply.status;
        format!("an answer without an end should be a 502 or a 504; it is a {got}")
    })?;
    in_the_one_shape(&reply)?;
    stage.note("teacher", "asks for the batch's status and gets 502 or 504");
    stage.terminate(Part::ApiGateway).await?;
    stage.expect_goodbye(Part::ApiGateway).await
}

fn in_the_one_shape(reply: &Reply) -> Outcome {
    let error = &reply.json()?["error"];
    let members = ["code", "message", "correlation_id", "service", "timestamp"];
    let missing = members.iter().find(|member| !error[**member].is_string());
    ensure(missing.is_none(), || {
        let member = missing.copied().unwrap_or_default();
        format!("the error has no {member}: {error}")
    })
    .breaks("errors.one-shape")
}

async fn class_management_in_trouble(stage: Stage) -> Outcome {
    let teacher = stage.user("teacher");
    let class = stage.id("class");
    let read = get(&stage, &teacher, format!("/v1/classes/{class}"));
    stage
        .stand_in_fails(Service::Classes, Trouble::Silent)
        .await?;
    stage.note("teacher", "class management never answers:");
    let reply = stage.call("teacher", &read).await?;
    ensure(reply.status == 504, || {
        format!(
            "a service that never answers should be a 504; it is a {}",
            reply.status
        )
    })?;
    for (trouble, words) in [
        (Trouble::Trickling, "begins an answer and never ends it"),
        (Trouble::Endless, "begins an answer that has no end"),
    ] {
        stage.stand_in_fails(Service::Classes, trouble).await?;
        stage.note("teacher", &format!("class management {words}:"));
        stage.expect_broken_off("teacher", &read).await?;
    }
    stage.terminate(Part::ApiGateway).await?;
    stage.expect_goodbye(Part::ApiGateway).await
}

fn get(stage: &Stage, user: &User, path: String) -> Call {
    Call {
        headers: vec![(
            "authorization".to_owned(),
            format!("Bearer {}", stage.token(user)),
        )],
        ..Call::get(path)
    }
}

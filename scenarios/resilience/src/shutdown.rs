//! A service is told to end.

use std::time::Duration;

use futures_util::future::try_join3;
use harness::breach::Breaks;
use harness::fixture::Service;
use harness::http::Call;
use harness::profile::Capability;
use harness::scenario::{Failure, Outcome, Scenario, ensure};
use harness::stage::{Stage, User};
use harness::standin::Trouble;
use harness::system::{Part, Settings};
use serde_json::json;

pub fn scenarios() -> Vec<Scenario> {
    vec![
        Scenario::new(
            "resilience/shutdown/websocket-service",
            "on SIGTERM every client is closed with 1001 and the service ends, also when one does not answer",
            websocket_service,
        )
        .proves(["shutdown.goodbye"])
        .needs([Capability::Websocket])
        .on_own_system(Settings::default()),
        Scenario::new(
            "resilience/shutdown/gateway",
            "on SIGTERM the gateway answers what it has begun and ends, also when a service behind it hangs",
            gateway,
        )
        .proves(["gateway.shutdown"])
        .needs([Capability::Gateway])
        .on_own_system(Settings::default().gateway("API_GATEWAY_FIRST_BYTE_TIMEOUT", "1")),
    ]
}

async fn websocket_service(stage: Stage) -> Outcome {
    let (teacher, colleague) = (stage.user("teacher"), stage.user("colleague"));
    let first = stage.connect(&teacher).await?;
    let second = stage.connect(&colleague).await?;
    let mut stuck = stage.connect_raw(&teacher).await?;

    stage.terminate(Part::WebsocketService).await?;
    first.expect_close_by_code(1001).await?;
    second.expect_close_by_code(1001).await?;
    stage.expect_no_upgrade(&colleague).await?;
    stage.expect_goodbye(Part::WebsocketService).await?;
    // It was told as everybody was; it never looked.
    stuck.expect_close_by_code(1001).await?;
    Ok(())
}

async fn gateway(stage: Stage) -> Outcome {
    let (teacher, colleague) = (stage.user("teacher"), stage.user("colleague"));
    stage
        .stand_in_fails(Service::Aggregator, Trouble::Silent)
        .await?;
    let class = stage.id("class");
    let delay = Duration::from_millis(500);
    stage.stand_in_answers_after(delay, Service::Classes, 200, &json!({"name": "9B"}));

    let slow = get(&stage, &teacher, format!("/v1/classes/{class}"));
    let batch = stage.id("batch");
    let hanging = get(&stage, &colleague, format!("/v1/batches/{batch}/status"));
    let end = async {
        stage.until_called(Service::Classes, 1).await?;
        stage.until_called(Service::Aggregator, 1).await?;
        stage.terminate(Part::ApiGateway).await
    };
    let slow = stage.call(&teacher.name, &slow);
    // A gateway that waits for longer than it may take to end breaks it off.
    let hanging = async {
        match stage.call(&colleague.name, &hanging).await {
            Ok(reply) => Ok(Some(reply.status)),
            Err(Failure::Broken(_)) => Ok(None),
            Err(failure) => Err(failure),
        }
    };
    let (slow, hanging, ()) = try_join3(slow, hanging, end).await?;
    stage.requests_at(Service::Classes, 200).await?;
    ensure(slow.status == 200, || {
        format!("what was begun should be answered; it got {}", slow.status)
    })?;
    ensure(hanging.is_none_or(|status| status >= 500), || {
        format!("what hangs should be answered with 504, or broken off; it got {hanging:?}")
    })
    .breaks("status.downstream-timeout")?;
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

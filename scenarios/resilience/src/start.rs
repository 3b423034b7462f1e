//! The services start before Redis does.

use harness::breach::Breaks;
use harness::fixture::Service;
use harness::http::Call;
use harness::profile::Capability;
use harness::scenario::{Outcome, Scenario, ensure};
use harness::stage::Stage;
use harness::system::{Part, Settings};
use serde_json::json;

const GATEWAY: &str = "gateway.starts-without-redis";

pub fn scenarios() -> Vec<Scenario> {
    vec![
        Scenario::new(
            "resilience/start/before-redis",
            "services that start before Redis say so, answer what needs none, and serve all once it is there",
            before_redis,
        )
        .proves([
            "backplane.starts-without",
            "backplane.away-refuses",
            "backplane.resumes",
            "health.redis-down",
            GATEWAY,
        ])
        .needs([Capability::Websocket, Capability::Gateway])
        .on_own_system(Settings::default()),
    ]
}

async fn before_redis(stage: Stage) -> Outcome {
    let teacher = stage.user("teacher");
    for part in [Part::WebsocketService, Part::ApiGateway, Part::Redis] {
        stage.kill(part).await?;
    }
    stage.start(Part::WebsocketService).await?;
    stage.start(Part::ApiGateway).await?;

    for (path, service, status) in [
        ("/healthz", "websocket_service", 200),
        ("/healthz/redis", "redis", 503),
    ] {
        let expected = json!({"service": service});
        let call = Call::get(path);
        let reply = stage
            .call_websocket_service("monitor", &call, &expected)
            .await?;
        ensure(reply.status == status, || {
            format!(
                "without Redis GET {path} should be a {status}; it is a {}",
                reply.status
            )
        })?;
    }
    let refused = stage.connect(&teacher).await?;
    refused.expect_close(1011, "SERVICE_UNAVAILABLE").await?;
    the_gateway_answers(&stage).await.breaks(GATEWAY)?;

    stage.start_redis().await?;
    stage.connect(&teacher).await?;
    let hello = br#"{"event":"hello","data":{}}"#;
    stage.publish_bytes(&teacher, "hello", hello).await?;
    stage.settle().await?;
    the_gateway_answers(&stage).await.breaks(GATEWAY)
}

async fn the_gateway_answers(stage: &Stage) -> Outcome {
    let (teacher, class) = (stage.user("teacher"), stage.id("class"));
    stage.stand_in_answers(Service::Classes, 200, &json!({"name": "9B"}));
    let call = Call {
        headers: vec![(
            "authorization".to_owned(),
            format!("Bearer {}", stage.token(&teacher)),
        )],
        ..Call::get(format!("/v1/classes/{class}"))
    };
    let reply = stage.call("teacher", &call).await?;
    ensure(reply.status == 200, || {
        format!(
            "the gateway should answer 200; it answered {}",
            reply.status
        )
    })
}

//! What the websocket service says about itself.

use harness::breach::Breaks;
use harness::expectation::differences;
use harness::http::Call;
use harness::scenario::{Outcome, Scenario, ensure};
use harness::stage::Stage;
use serde_json::{Value, json};

pub fn scenarios() -> Vec<Scenario> {
    vec![
        Scenario::new(
            "notifications/health/service",
            "/healthz says that the service is up, and for how long",
            |stage| {
                has_members(
                    stage,
                    "/healthz",
                    json!({
                        "service": "<text>", "status": "healthy", "message": "<text>",
                        "environment": "<text>", "timestamp": "<timestamp>", "uptime_seconds": "<number>",
                    }),
                )
            },
        )
        .proves(["health.service"]),
        Scenario::new(
            "notifications/health/redis",
            "/healthz/redis asks Redis and says that it answers",
            |stage| {
                has_members(
                    stage,
                    "/healthz/redis",
                    json!({"service": "redis", "status": "healthy"}),
                )
            },
        )
        .proves(["health.redis"]),
        Scenario::new(
            "notifications/health/websocket",
            "/healthz/websocket counts the connections and says the limit",
            |stage| {
                has_members(
                    stage,
                    "/healthz/websocket",
                    json!({
                        "service": "websocket_manager", "status": "healthy",
                        "total_connections": "<number>", "max_connections_per_user": 5,
                    }),
                )
            },
        )
        .proves(["health.connections"]),
        Scenario::new(
            "notifications/health/metrics",
            "/metrics has every promised metric and says nothing about a user",
            metrics,
        )
        .proves(["metrics.names", "metrics.no-user-label"]),
    ]
}

/// The route answers 200 with these members; more are allowed.
async fn has_members(stage: Stage, path: &'static str, expected: Value) -> Outcome {
    let reply = stage
        .call_websocket_service("operator", &Call::get(path), &expected)
        .await?;
    ensure(reply.status == 200, || {
        format!("GET {path} should answer 200 and answered {}", reply.status)
    })?;
    let actual = reply.json()?;
    let missing: Vec<String> = differences(&expected, &actual)
        .iter()
        .filter(|difference| difference.expected != "nothing")
        .map(ToString::to_string)
        .collect();
    ensure(missing.is_empty(), || {
        format!("GET {path}: {}", missing.join("; "))
    })
}

async fn metrics(stage: Stage) -> Outcome {
    let teacher = stage.user("teacher");
    stage.connect(&teacher).await?;
    stage
        .publish_bytes(&teacher, "hello", br#"{"event":"hello","data":{}}"#)
        .await?;
    stage.settle().await?;

    let text = stage.websocket_metrics("operator").await?;
    for name in [
        "websocket_connections_total{",
        "websocket_active_connections ",
        "websocket_messages_sent_total ",
        "# TYPE websocket_messages_failed_total counter",
        "jwt_validation_total{",
        "websocket_connection_duration_seconds_bucket{",
    ] {
        ensure(text.contains(name), || format!("/metrics has no {name}"))?;
        let name = name.trim_matches(['{', ' ']);
        stage.note("operator", &format!("there is {name}"));
    }
    // A label per user would be unbounded, and personal data.
    ensure(!text.contains(&teacher.id), || {
        "/metrics names a user".to_owned()
    })
    .breaks("metrics.no-user-label")?;
    stage.note("operator", "no user is named");
    Ok(())
}

//! What the websocket service says about itself.

use harness::breach::Breaks;
use harness::expectation::shortfalls;
use harness::http::Call;
use harness::profile::Capability;
use harness::scenario::{Outcome, Scenario, ensure};
use harness::stage::Stage;
use serde_json::{Value, json};

const SENT: &str = "websocket_messages_sent_total";

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
                    json!({"service": "redis", "status": "<text>"}),
                )
            },
        )
        .proves(["health.redis"]),
        Scenario::new(
            "notifications/health/websocket",
            "/healthz/websocket counts the connections and says the limit",
            connections,
        )
        .proves(["health.connections"])
        .needs([Capability::Counts]),
        Scenario::new(
            "notifications/health/metrics",
            "/metrics has every promised metric and says nothing about a user",
            metrics,
        )
        .proves(["metrics.names", "metrics.no-user-label"]),
        Scenario::new(
            "notifications/health/messages-counted",
            "/metrics counts the messages that are sent",
            messages_counted,
        )
        .proves(["metrics.names"])
        .needs([Capability::Counts]),
    ]
}

/// Other scenarios' connections are counted, too.
async fn connections(stage: Stage) -> Outcome {
    let teacher = stage.user("teacher");
    stage.connect(&teacher).await?;
    stage.connect(&teacher).await?;
    let expected = json!({
        "service": "websocket_manager", "status": "<text>",
        "total_connections": "<number>", "max_connections_per_user": 5,
    });
    let actual = members(&stage, "/healthz/websocket", expected).await?;
    let total = &actual["total_connections"];
    ensure(total.as_u64() >= Some(2), || {
        format!("two connections are open, and GET /healthz/websocket counts {total}")
    })?;
    stage.note("operator", "the teacher's two are among them");
    Ok(())
}

async fn has_members(stage: Stage, path: &'static str, expected: Value) -> Outcome {
    members(&stage, path, expected).await.map(|_| ())
}

/// The answer of the route, which has to be 200 with these members; more are allowed.
async fn members(stage: &Stage, path: &'static str, expected: Value) -> Outcome<Value> {
    let reply = stage
        .call_websocket_service("operator", &Call::get(path), &expected)
        .await?;
    ensure(reply.status == 200, || {
        format!("GET {path} should answer 200 and answered {}", reply.status)
    })?;
    let actual = reply.json()?;
    let missing: Vec<String> = shortfalls(&expected, &actual)
        .iter()
        .map(ToString::to_string)
        .collect();
    ensure(missing.is_empty(), || {
        format!("GET {path}: {}", missing.join("; "))
    })?;
    Ok(actual)
}

async fn messages_counted(stage: Stage) -> Outcome {
    let teacher = stage.user("teacher");
    stage.connect(&teacher).await?;
    let before = stage.metric(SENT).await?;
    stage
        .publish_bytes(&teacher, "hello", br#"{"event":"hello","data":{}}"#)
        .await?;
    stage.settle().await?;
    // Whoever counts a message counts it before the fence that comes after it. Other scenarios' are counted, too.
    let after = stage.metric(SENT).await?;
    ensure(after > before, || {
        format!("a message was sent, and {SENT} went from {before} to {after}")
    })?;
    stage.note("operator", &format!("{SENT} of /metrics has risen"));
    Ok(())
}

async fn metrics(stage: Stage) -> Outcome {
    let teacher = stage.user("teacher");
    stage.connect(&teacher).await?;
    let hello = br#"{"event":"hello","data":{}}"#;
    stage.publish_bytes(&teacher, "hello", hello).await?;
    stage.settle().await?;

    let text = stage.websocket_metrics("operator").await?;
    for name in [
        "websocket_connections_total{",
        "websocket_active_connections ",
        "websocket_messages_sent_total ",
        "# TYPE websocket_messages_failed_total counter",
        "jwt_validation_total{",
        "# TYPE websocket_connection_duration_seconds ",
    ] {
        ensure(text.contains(name), || format!("/metrics has no {name}"))?;
        let name = name.trim_end_matches(['{', ' ']);
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

//! Requests, counted by route (contract, API gateway).

use harness::breach::Breaks;
use harness::http::Call;
use harness::metrics::{self, Series};
use harness::profile::Capability;
use harness::scenario::{Outcome, Scenario, ensure};
use harness::stage::Stage;

const NAME: &str = "gateway_http_requests_total";

pub fn scenarios() -> Vec<Scenario> {
    vec![
        Scenario::new(
            "gateway/metrics/counters",
            "the metrics count requests by route template, and name nothing of the former upgrade route",
            counters,
        )
        .proves(["gateway.metrics", "legacy.metrics-gone"])
        .needs([Capability::Counts]),
    ]
}

async fn counters(stage: Stage) -> Outcome {
    let batch = stage.id("batch");
    let before = refused_statuses(&read(&stage).await?);
    let status = Call::get(format!("/v1/batches/{batch}/status"));
    stage.call("somebody", &status).await?;
    let text = read(&stage).await?;

    let kind = format!("# TYPE {NAME} counter");
    ensure(text.lines().any(|line| line == kind), || {
        format!("/metrics has no {kind:?}")
    })?;
    // Other scenarios read statuses at the same time.
    let after = refused_statuses(&text);
    ensure(after > before, || {
        format!(
            "a GET of a batch's status that got 401 should be counted with the labels method, endpoint and http_status; \
             before it there were {before}, then {after}"
        )
    })?;
    ensure(!text.contains(&batch), || {
        "/metrics names a batch, where the template of its route should be".to_owned()
    })?;
    for word in ["websocket", "/ws"] {
        ensure(!text.to_lowercase().contains(word), || {
            format!("/metrics contains {word:?}")
        })
        .breaks("legacy.metrics-gone")?;
    }
    stage.note(
        "operator",
        "the status is counted by method, route template and status",
    );
    stage.note("operator", "neither a batch nor a WebSocket is named");
    Ok(())
}

async fn read(stage: &Stage) -> Outcome<String> {
    let reply = stage.call_unseen(&Call::get("/metrics")).await?;
    ensure(reply.status == 200, || {
        format!(
            "GET /metrics should answer 200 and answered {}",
            reply.status
        )
    })?;
    stage.note("operator", "GET /metrics is 200");
    Ok(reply.text())
}

/// How many reads of a batch's status got 401. The names in a template are the gateway's own.
fn refused_statuses(text: &str) -> f64 {
    let is = |series: &Series| {
        let label = |name: &str| series.labels.get(name).map_or("", String::as_str);
        let endpoint = label("endpoint");
        label("method") == "GET"
            && label("http_status") == "401"
            && endpoint.starts_with("/v1/batches/")
            && endpoint.ends_with("/status")
    };
    let series = metrics::series(text, NAME).into_iter();
    series.filter(is).map(|series| series.value).sum()
}

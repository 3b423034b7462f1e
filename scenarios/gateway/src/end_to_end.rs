//! From a call of the gateway to every connection of a teacher (contract, End to end).

use harness::fixture::{self, FixtureError, Message, Service};
use harness::http::{Call, CallBody};
use harness::profile::Capability;
use harness::scenario::{Outcome, Scenario, ensure};
use harness::stage::Stage;
use serde_json::json;

/// What the backend publishes while a pipeline runs, in order.
const RUN: [&str; 5] = [
    "batch_processing_started",
    "batch_spellcheck_completed",
    "batch_cj_assessment_completed",
    "pipeline_completed",
    "batch_results_ready",
];

pub fn scenarios() -> Result<Vec<Scenario>, FixtureError> {
    let messages: Vec<Message> = RUN
        .into_iter()
        .map(|name| Ok(fixture::notification(name)?.content.message))
        .collect::<Result<_, FixtureError>>()?;
    Ok(vec![
        Scenario::new(
            "gateway/end-to-end/pipeline-run",
            "a teacher runs a pipeline and follows it on every connection, and nobody else does",
            move |stage| pipeline_run(stage, messages.clone()),
        )
        .proves(["end-to-end.pipeline-run"])
        .needs([Capability::Websocket, Capability::Downstreams]),
    ])
}

async fn pipeline_run(stage: Stage, messages: Vec<Message>) -> Outcome {
    let teacher = stage.user("teacher");
    let batch = stage.id("batch");
    stage.connect(&teacher).await?;
    stage.connect(&teacher).await?;
    stage.connect(&stage.user("colleague")).await?;

    stage.stand_in_answers(Service::Orchestrator, 202, &json!({"status": "accepted"}));
    let authorization = (
        "authorization".to_owned(),
        format!("Bearer {}", stage.token(&teacher)),
    );
    let run = Call {
        method: "POST".into(),
        path: format!("/v1/batches/{batch}/pipelines"),
        headers: vec![authorization.clone()],
        body: CallBody::Json(json!({"requested_pipeline": "cj_assessment"})),
    };
    let reply = stage.call("teacher", &run).await?;
    ensure(reply.status == 202, || {
        format!("the command should be accepted; got {}", reply.status)
    })?;

    let commands = stage.requests_at(Service::Orchestrator, 202).await?;
    ensure(commands.len() == 1, || {
        format!(
            "the orchestrator should receive one command; it received {}",
            commands.len()
        )
    })?;
    let command = &commands[0].1;
    ensure(
        command["user_id"] == teacher.id && command["batch_id"] == batch,
        || format!("the command should name the teacher and the batch: {command}"),
    )?;

    for message in &messages {
        stage.publish(&teacher, message).await?;
    }
    stage.settle().await?;

    let downstream = json!({
        "batch_id": batch, "user_id": teacher.id, "overall_status": "completed_successfully",
    });
    stage.stand_in_answers(Service::Aggregator, 200, &downstream);
    let status = Call {
        headers: vec![authorization],
        ..Call::get(format!("/v1/batches/{batch}/status"))
    };
    let reply = stage.call("teacher", &status).await?;
    stage.requests_at(Service::Aggregator, 200).await?;
    let body = reply.json()?;
    ensure(
        reply.status == 200 && body["details"]["overall_status"] == "completed_successfully",
        || {
            format!(
                "the status should agree with what was published: {} {body}",
                reply.status
            )
        },
    )?;
    ensure(body["details"].get("user_id").is_none(), || {
        format!("the status names a user: {body}")
    })
}

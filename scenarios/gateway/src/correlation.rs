//! The correlation id of a request that came without one (contract, API gateway): whatever it looks like, it is one.

use harness::breach::Breaks;
use harness::fixture::Service;
use harness::http::{Call, CallBody};
use harness::profile::Capability;
use harness::scenario::{Outcome, Scenario, ensure};
use harness::stage::Stage;
use serde_json::{Value, json};

const NAME: &str = "x-correlation-id";

pub fn scenarios() -> Vec<Scenario> {
    vec![
        Scenario::new(
            "gateway/correlation/in-an-error",
            "an error repeats the correlation id that its request was given, which no other request has",
            in_an_error,
        )
        .proves(["correlation.made"]),
        Scenario::new(
            "gateway/correlation/passed-on",
            "the orchestrator is told the correlation id that the client is told",
            passed_on,
        )
        .proves(["correlation.made"])
        .needs([Capability::Downstreams]),
    ]
}

async fn in_an_error(stage: Stage) -> Outcome {
    let mut given = Vec::new();
    for _ in 0..2 {
        let call = Call::get(format!("/v1/batches/{}/status", stage.id("batch")));
        let reply = stage.call("somebody", &call).await?;
        let id = reply.header(NAME).unwrap_or_default().to_owned();
        let body = reply.json()?;
        ensure(body["error"]["correlation_id"].is_string(), || {
            format!("the error has no correlation_id: {body}")
        })
        .breaks("errors.one-shape")?;
        ensure(body["error"]["correlation_id"] == id, || {
            format!("the answer's {NAME} is {id:?}, and its error says {body}")
        })?;
        given.push(id);
    }
    ensure(given[0] != given[1], || {
        format!(
            "two requests were given the same correlation id {:?}",
            given[0]
        )
    })
}

async fn passed_on(stage: Stage) -> Outcome {
    let teacher = stage.user("teacher");
    stage.stand_in_answers(Service::Orchestrator, 202, &json!({"status": "accepted"}));
    let call = Call {
        method: "POST".to_owned(),
        path: format!("/v1/batches/{}/pipelines", stage.id("batch")),
        headers: vec![(
            "authorization".to_owned(),
            format!("Bearer {}", stage.token(&teacher)),
        )],
        body: CallBody::Json(json!({"requested_pipeline": "spellcheck"})),
    };
    let reply = stage.call("teacher", &call).await?;
    let told = reply.header(NAME).unwrap_or_default();
    let body = reply.json()?;
    let commands = stage.requests_at(Service::Orchestrator, 202).await?;
    let command = commands.first().map(|(_, command)| command);
    let id = |json: Option<&Value>| {
        json.and_then(|json| json["correlation_id"].as_str())
            .map(str::to_owned)
    };
    for (whose, id) in [
        ("the answer's body", id(Some(&body))),
        ("the command", id(command)),
    ] {
        ensure(id.as_deref() == Some(told), || {
            format!("the answer's {NAME} is {told:?}, and the correlation id of {whose} {id:?}")
        })?;
    }
    Ok(())
}

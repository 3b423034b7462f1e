//! A service behind the gateway is slow, or gone.

use harness::breach::Breaks;
use harness::fixture::Service;
use harness::http::Call;
use harness::profile::Capability;
use harness::scenario::{Outcome, Scenario, ensure};
use harness::stage::Stage;
use harness::standin::Trouble;
use harness::system::Settings;

const TIMEOUT: &str = "status.downstream-timeout";
const UNREACHABLE: &str = "status.downstream-unreachable";

pub fn scenarios() -> Vec<Scenario> {
    vec![
        Scenario::new(
            "resilience/downstreams/aggregator-in-trouble",
            "a result aggregator that begins or ends its answer too late is a 504, and one that is gone a 503",
            aggregator_in_trouble,
        )
        .proves([
            TIMEOUT,
            UNREACHABLE,
            "errors.one-shape",
        ])
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
    let status = Call {
        headers: vec![(
            "authorization".to_owned(),
            format!("Bearer {}", stage.token(&teacher)),
        )],
        ..Call::get(format!("/v1/batches/{batch}/status"))
    };
    for (trouble, words, expected, promise) in [
        (Trouble::Silent, "never answers", 504, TIMEOUT),
        (
            Trouble::Trickling,
            "begins an answer and never ends it",
            504,
            TIMEOUT,
        ),
        (Trouble::Gone, "is gone", 503, UNREACHABLE),
    ] {
        stage.stand_in_fails(Service::Aggregator, trouble).await?;
        stage.note("teacher", &format!("the result aggregator {words}:"));
        let reply = stage.call("teacher", &status).await.breaks(promise)?;
        ensure(reply.status == expected, || {
            let got = reply.status;
            format!("an aggregator that is {trouble:?} should be a {expected}; it is a {got}")
        })
        .breaks(promise)?;
        let error = &reply.json()?["error"];
        for member in ["code", "message", "correlation_id", "service", "timestamp"] {
            ensure(error[member].is_string(), || {
                format!("the error has no {member}: {error}")
            })?;
        }
    }
    Ok(())
}

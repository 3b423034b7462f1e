//! The clock of whoever signs tokens and the clocks of the services differ.

use harness::breach::Breaks;
use harness::fixture::Service;
use harness::http::Call;
use harness::profile::Capability;
use harness::scenario::{Outcome, Scenario, ensure};
use harness::stage::Stage;
use harness::system::Settings;
use harness::token::Claims;
use serde_json::json;

const HOUR: i64 = 3600;
const VISIBLE: &str = "token.refusal-visible";

/// A token of another clock: its name, the sentence, how its claims differ from good ones, and whether it is good; nothing
/// where the contract leaves that to the service.
type Skewed = (
    &'static str,
    &'static str,
    fn(Claims) -> Claims,
    Option<bool>,
);

const SKEWED: [Skewed; 4] = [
    (
        "issued-in-the-future",
        "a token that was issued in an hour, says its issuer:",
        |claims| claims.with_time("iat", HOUR).with_time("exp", 2 * HOUR),
        None,
    ),
    (
        "valid-since-a-moment",
        "a token that is valid since a moment ago, says its issuer:",
        |claims| claims.with_time("nbf", -1),
        Some(true),
    ),
    (
        "not-valid-yet",
        "a token that is valid in an hour, says its issuer:",
        |claims| claims.with_time("nbf", HOUR).with_time("exp", 2 * HOUR),
        None,
    ),
    (
        "of-a-slow-clock",
        "a token that was issued an hour ago for an hour, by a clock that is a second behind:",
        |claims| claims.with_time("iat", -HOUR - 1).with_time("exp", -1),
        Some(false),
    ),
];

pub fn scenarios() -> Vec<Scenario> {
    vec![
        Scenario::new(
            "resilience/clocks/websocket-service",
            "a token's issuer may have another clock: the websocket service goes by its own, and serves or refuses",
            websocket_service,
        )
        .proves(["token.own-clock", VISIBLE])
        .needs([Capability::Websocket])
        .on_own_system(Settings::default()),
        Scenario::new(
            "resilience/clocks/gateway",
            "a token's issuer may have another clock: the gateway goes by its own, and answers or refuses",
            gateway,
        )
        .proves(["auth.own-clock"])
        .needs([Capability::Gateway])
        .on_own_system(Settings::default()),
    ]
}

async fn websocket_service(stage: Stage) -> Outcome {
    let teacher = stage.user("teacher");
    for (name, _, skew, good) in SKEWED {
        let token = token(&stage, name, skew);
        let path = format!("/ws?token={token}");
        let connected = stage.connect_to(&path, &teacher).await;
        match good {
            Some(true) => drop(connected?),
            // Whoever refuses it has to do so where a client can see why.
            Some(false) => drop(connected.breaks(VISIBLE)?.expect_refusal().await?),
            None => {
                stage
                    .expect_service_or_refusal(&connected.breaks(VISIBLE)?)
                    .await?
            }
        }
    }
    let hello = br#"{"event":"hello","data":{}}"#;
    stage.publish_bytes(&teacher, "hello", hello).await?;
    stage.settle().await
}

async fn gateway(stage: Stage) -> Outcome {
    let class = stage.id("class");
    stage.stand_in_answers(Service::Classes, 200, &json!({"name": "9B"}));
    for (name, words, skew, good) in SKEWED {
        let token = token(&stage, name, skew);
        stage.note("teacher", words);
        let call = Call {
            headers: vec![("authorization".to_owned(), format!("Bearer {token}"))],
            ..Call::get(format!("/v1/classes/{class}"))
        };
        let reply = stage.call("teacher", &call).await?;
        let expected: &[u16] = match good {
            Some(true) => &[200],
            Some(false) => &[401],
            None => &[200, 401],
        };
        ensure(expected.contains(&reply.status), || {
            let got = reply.status;
            format!("{words} the gateway should answer one of {expected:?}; it answered {got}")
        })?;
    }
    Ok(())
}

/// The teacher's token with another clock's claims.
fn token(stage: &Stage, name: &str, skew: fn(Claims) -> Claims) -> String {
    let (issuer, teacher) = (&stage.system().issuer, stage.user("teacher"));
    stage.known_token(name, issuer.sign(&skew(issuer.claims(&teacher.id))))
}

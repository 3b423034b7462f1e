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

/// A token of another clock: its name, the sentence, how its claims differ from good ones, and whether it is good.
type Skewed = (&'static str, &'static str, fn(Claims) -> Claims, bool);

const SKEWED: [Skewed; 4] = [
    (
        "issued-in-the-future",
        "a token that was issued in an hour, says its issuer:",
        |claims| claims.with_time("iat", HOUR).with_time("exp", 2 * HOUR),
        true,
    ),
    (
        "valid-since-a-moment",
        "a token that is valid since a moment ago, says its issuer:",
        |claims| claims.with_time("nbf", -1),
        true,
    ),
    (
        "not-valid-yet",
        "a token that is valid in an hour, says its issuer:",
        |claims| claims.with_time("nbf", HOUR).with_time("exp", 2 * HOUR),
        false,
    ),
    (
        "of-a-slow-clock",
        "a token that was issued an hour ago for an hour, by a clock that is a second behind:",
        |claims| claims.with_time("iat", -HOUR - 1).with_time("exp", -1),
        false,
    ),
];

pub fn scenarios() -> Vec<Scenario> {
    vec![
        Scenario::new(
            "resilience/clocks/token-skew",
            "a token's issuer may have another clock: the services go by their own, for exp and nbf alone",
            token_skew,
        )
        .proves(["token.own-clock", "auth.own-clock", "token.refusal-visible"])
        .needs([Capability::Websocket, Capability::Gateway])
        .on_own_system(Settings::default()),
    ]
}

async fn token_skew(stage: Stage) -> Outcome {
    let teacher = stage.user("teacher");
    let (issuer, class) = (&stage.system().issuer, stage.id("class"));
    stage.stand_in_answers(Service::Classes, 200, &json!({"name": "9B"}));
    for (name, words, skew, good) in SKEWED {
        let claims = skew(issuer.claims(&teacher.id));
        let token = stage.known_token(name, issuer.sign(&claims));
        let client = stage
            .connect_to(&format!("/ws?token={token}"), &teacher)
            .await?;
        if !good {
            client.expect_refusal().await?;
        }
        stage.note("teacher", words);
        let call = Call {
            headers: vec![("authorization".to_owned(), format!("Bearer {token}"))],
            ..Call::get(format!("/v1/classes/{class}"))
        };
        let (reply, expected) = (
            stage.call("teacher", &call).await?,
            if good { 200 } else { 401 },
        );
        ensure(reply.status == expected, || {
            format!(
                "{words} the gateway should answer {expected}; it answered {}",
                reply.status
            )
        })
        .breaks("auth.own-clock")?;
    }
    let hello = br#"{"event":"hello","data":{}}"#;
    stage.publish_bytes(&teacher, "hello", hello).await?;
    stage.settle().await
}

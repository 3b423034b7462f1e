//! Who is refused, and how a browser sees it: the upgrade is accepted and at once closed with 1008 and a JSON reason.

use harness::breach::Breaks;
use harness::profile::Capability;
use harness::scenario::{Outcome, Scenario, ensure};
use harness::stage::Stage;
use harness::token::bad::{BAD, Bad, Flaw};

/// What is checked first: that the service's own secret signed it.
const SIGNATURE: &str = "token.signature-checked";
/// What is checked then: what it says.
const CLAIMS: &str = "token.claims-checked";

/// How long the token that expires is good for, in seconds: long enough for a busy machine to connect.
const LIFETIME: i64 = 3;

pub fn scenarios() -> Vec<Scenario> {
    let mut scenarios: Vec<Scenario> = BAD
        .iter()
        .map(|bad| {
            let id = format!("notifications/tokens/{}", bad.name);
            let title = format!("{} is refused with 1008, after the upgrade", bad.what);
            let promise = match bad.flaw {
                Flaw::Signature => SIGNATURE,
                Flaw::Claims => CLAIMS,
            };
            Scenario::new(id, title, move |stage| refused(stage, bad)).proves([
                promise,
                "token.refusal-visible",
                "token.nothing-after-refusal",
                "close.reason-is-json",
            ])
        })
        .collect();
    scenarios.push(
        Scenario::new(
            "notifications/tokens/expires",
            "a connection whose token expires is closed with 1008 then, and not before",
            expires,
        )
        .proves(["token.expiry-closes", "close.reason-is-json"])
        .needs([Capability::Bursts]),
    );
    scenarios
}

async fn expires(stage: Stage) -> Outcome {
    stage.on_an_ordinary_day().await?;
    let teacher = stage.user("teacher");
    let issuer = &stage.system().issuer;
    let claims = issuer.claims(&teacher.id).expiring_in(LIFETIME);
    let token = stage.known_token("expiring", issuer.sign(&claims));
    let expiring = stage
        .connect_to(&format!("/ws?token={token}"), &teacher)
        .await?;
    let lasting = stage.connect(&teacher).await?;
    stage
        .publish_bytes(&teacher, "before", br#"{"event":"before","data":{}}"#)
        .await?;
    stage.settle().await?;

    expiring.expect_close(1008, "AUTHENTICATION_ERROR").await?;
    ensure(claims.has_expired(), || {
        "the connection was closed before its token's exp".to_owned()
    })?;
    stage
        .publish_bytes(&teacher, "after", br#"{"event":"after","data":{}}"#)
        .await?;
    stage.settle().await?;
    ensure(lasting.is_open(), || {
        "a connection was closed with another's token".to_owned()
    })
}

async fn refused(stage: Stage, bad: &Bad) -> Outcome {
    let teacher = stage.user("teacher");
    let path = match (bad.make)(&teacher.id, &stage.system().issuer) {
        Some(token) => format!("/ws?token={}", stage.known_token(bad.name, token)),
        None => "/ws".to_owned(),
    };
    let client = stage
        .connect_to(&path, &teacher)
        .await
        .breaks("token.refusal-visible")?;
    client.expect_refusal().await.map(|_| ())
}

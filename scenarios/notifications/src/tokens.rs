//! Who is refused, and how a browser sees it: the upgrade is accepted and at once closed with 1008 and a JSON reason.

use harness::breach::Breaks;
use harness::scenario::{Outcome, Scenario, ensure};
use harness::stage::{Stage, User};
use harness::token::Issuer;
use serde_json::json;

/// What is checked first: that the service's own secret signed it.
const SIGNATURE: &str = "token.signature-checked";
/// What is checked then: what it says.
const CLAIMS: &str = "token.claims-checked";

/// A kind of bad token: its name, the promise that it is refused by, the sentence, and how to make one for a user.
type Bad = (
    &'static str,
    &'static str,
    &'static str,
    fn(&User, &Issuer) -> Option<String>,
);

const BAD: [Bad; 12] = [
    ("none", SIGNATURE, "no token at all", |_, _| None),
    ("garbage", SIGNATURE, "a token that is no JWT", |_, _| {
        Some("garbage".to_owned())
    }),
    (
        "expired",
        CLAIMS,
        "a token whose exp has passed",
        |user, issuer| Some(issuer.sign(&issuer.claims(&user.id).expired())),
    ),
    (
        "just-expired",
        CLAIMS,
        "a token whose exp passed five seconds ago",
        |user, issuer| Some(issuer.sign(&issuer.claims(&user.id).expired_for(5))),
    ),
    ("no-exp", CLAIMS, "a token without exp", |user, issuer| {
        Some(issuer.sign(&issuer.claims(&user.id).without("exp")))
    }),
    ("no-sub", CLAIMS, "a token without sub", |user, issuer| {
        Some(issuer.sign(&issuer.claims(&user.id).without("sub")))
    }),
    (
        "empty-sub",
        CLAIMS,
        "a token whose sub is empty",
        |user, issuer| Some(issuer.sign(&issuer.claims(&user.id).with("sub", json!("")))),
    ),
    (
        "wrong-signature",
        SIGNATURE,
        "a token signed with another secret",
        |user, issuer| Some(issuer.forge(&issuer.claims(&user.id))),
    ),
    (
        "wrong-audience",
        CLAIMS,
        "a token for another audience",
        |user, issuer| {
            Some(
                issuer.sign(
                    &issuer
                        .claims(&user.id)
                        .with("aud", json!("another-platform")),
                ),
            )
        },
    ),
    (
        "wrong-issuer",
        CLAIMS,
        "a token of another issuer",
        |user, issuer| {
            Some(issuer.sign(&issuer.claims(&user.id).with("iss", json!("another-issuer"))))
        },
    ),
    (
        "alg-none",
        SIGNATURE,
        "an unsigned token with alg none",
        |user, issuer| Some(issuer.claims(&user.id).unsigned()),
    ),
    (
        "other-algorithm",
        SIGNATURE,
        "a token signed with another algorithm than the service's",
        |user, issuer| Some(issuer.sign_otherwise(&issuer.claims(&user.id))),
    ),
];

/// How long the token that expires is good for, in seconds: long enough for a busy machine to connect.
const LIFETIME: i64 = 3;

pub fn scenarios() -> Vec<Scenario> {
    let mut scenarios: Vec<Scenario> = BAD
        .into_iter()
        .map(|(name, promise, what, make)| {
            let id = format!("notifications/tokens/{name}");
            let title = format!("{what} is refused with 1008, after the upgrade");
            Scenario::new(id, title, move |stage| refused(stage, name, make)).proves([
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
        .proves(["token.expiry-closes", "close.reason-is-json"]),
    );
    scenarios
}

async fn expires(stage: Stage) -> Outcome {
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

async fn refused(
    stage: Stage,
    name: &'static str,
    make: fn(&User, &Issuer) -> Option<String>,
) -> Outcome {
    let teacher = stage.user("teacher");
    let path = match make(&teacher, &stage.system().issuer) {
        Some(token) => format!("/ws?token={}", stage.known_token(name, token)),
        None => "/ws".to_owned(),
    };
    let client = stage
        .connect_to(&path, &teacher)
        .await
        .breaks("token.refusal-visible")?;
    client.expect_refusal().await.map(|_| ())
}

//! The guide's client, as it is printed: it receives, gives up when it has to, and comes back.

use harness::client::Client;
use harness::fixture;
use harness::profile::Capability;
use harness::scenario::{Failure, Outcome, Scenario, ensure};
use harness::system::{Part, Settings};
use harness::token::bad::BAD;
use serde_json::{Value, json};

use crate::page::{PAUSE, Page, in_a_page};

/// What a teacher is told of a batch, in its order.
const EVENTS: [&str; 3] = [
    "batch_processing_started",
    "batch_spellcheck_completed",
    "batch_results_ready",
];
/// The default of `WEBSOCKET_MAX_CONNECTIONS_PER_USER` (contract, Connection limit).
const LIMIT: usize = 5;
/// How long the token that expires is good for, in seconds: long enough for a busy machine to connect.
const LIFETIME: i64 = 3;
/// How often the client has tried in vain before the service is back.
const VAIN: usize = 4;

pub fn scenarios() -> Vec<Scenario> {
    vec![
        Scenario::new(
            "browser/client/receives",
            "the migration guide's client, as printed, receives in a page what is published, and refetches once",
            |stage| in_a_page(stage, receives),
        )
        .proves([
            "token.good-one-opens",
            "delivery.once-per-connection",
            "connections.origin-checked",
        ]),
        Scenario::new(
            "browser/client/refused-twice",
            "the guide's client takes a new token when its own is refused, and gives up with the reason of the second 1008",
            |stage| in_a_page(stage, refused_twice),
        )
        .proves(["token.refusal-visible", "close.reason-is-json"]),
        Scenario::new(
            "browser/client/one-too-many",
            "the guide's client gives up with the reason when 4000 tells it that there are too many connections",
            |stage| in_a_page(stage, one_too_many),
        )
        .proves(["connections.limit-per-user", "close.reason-is-json"])
        .needs([Capability::Limit]),
        Scenario::new(
            "browser/client/token-expires",
            "the guide's client comes back with a new token when 1008 tells it that its own has expired",
            |stage| in_a_page(stage, token_expires),
        )
        .proves(["token.expiry-closes", "close.reason-is-json"])
        .needs([Capability::Bursts]),
        Scenario::new(
            "browser/client/comes-back",
            "the guide's client comes back after pauses that grow and vary when the service was killed and runs again",
            |stage| in_a_page(stage, comes_back),
        )
        .proves(["service.killed-is-seen", "service.starts-anew"])
        .on_own_system(Settings::default()),
    ]
    .into_iter()
    .map(|scenario| scenario.needs([Capability::Origin]))
    .collect()
}

async fn receives(mut page: Page) -> Outcome {
    let stage = page.stage.clone();
    let teacher = stage.user("teacher");
    let guest = stage.expect_guest(&teacher);
    page.start_client(&[stage.token(&teacher)]).await?;
    let client = page.connection(guest).await?;

    let mut published = Vec::new();
    for event in EVENTS {
        let message = fixture(event)?;
        stage.publish(&teacher, &message).await?;
        published.push(json!(message));
    }
    client.expect_texts(EVENTS.len()).await?;
    let received = page.kept("received").await?;
    ensure(received == Value::Array(published.clone()), || {
        format!("the client should be notified of {published:?}; it was of {received}")
    })?;
    expect_refetches(&page, 1).await?;
    page.leave().await
}

async fn refused_twice(mut page: Page) -> Outcome {
    let stage = page.stage.clone();
    let teacher = stage.user("teacher");
    let mut tokens = Vec::new();
    for name in ["garbage", "expired"] {
        let bad = BAD.iter().find(|bad| bad.name == name);
        let token = bad.and_then(|bad| (bad.make)(&teacher.id, &stage.system().issuer));
        let token = token.ok_or_else(|| Failure::Bug(format!("no bad token {name}")))?;
        tokens.push(stage.known_token(name, token));
    }
    let guest = stage.expect_guest(&teacher);
    page.start_client(&tokens).await?;
    page.connection(guest).await?.expect_refusal().await?;
    let guest = stage.expect_guest(&teacher);
    let second = page.connection(guest).await?;
    second.expect_refusal().await?;
    expect_stop(&page, &second, "AUTHENTICATION_ERROR").await?;
    page.leave().await
}

async fn one_too_many(mut page: Page) -> Outcome {
    let stage = page.stage.clone();
    let teacher = stage.user("teacher");
    for _ in 0..LIMIT {
        stage.connect(&teacher).await?;
    }
    let guest = stage.expect_guest(&teacher);
    page.start_client(&[stage.token(&teacher)]).await?;
    let client = page.connection(guest).await?;
    client.expect_close(4000, "QUOTA_EXCEEDED").await?;
    expect_stop(&page, &client, "QUOTA_EXCEEDED").await?;
    page.leave().await
}

async fn token_expires(mut page: Page) -> Outcome {
    let stage = page.stage.clone();
    let teacher = stage.user("teacher");
    let issuer = &stage.system().issuer;
    let claims = issuer.claims(&teacher.id).expiring_in(LIFETIME);
    let expiring = stage.known_token("expiring", issuer.sign(&claims));
    let guest = stage.expect_guest(&teacher);
    page.start_client(&[expiring, stage.token(&teacher)])
        .await?;
    let first = page.connection(guest).await?;
    let guest = stage.expect_guest(&teacher);
    first.expect_close(1008, "AUTHENTICATION_ERROR").await?;
    ensure(claims.has_expired(), || {
        "the connection was closed before its token's exp".to_owned()
    })?;
    let second = page.connection(guest).await?;
    stage.publish(&teacher, &fixture(EVENTS[2])?).await?;
    second.expect_texts(1).await?;
    page.leave().await
}

async fn comes_back(mut page: Page) -> Outcome {
    let stage = page.stage.clone();
    let teacher = stage.user("teacher");
    let network = stage.network("the page's network").await?;
    page.connect_over(&network);
    let guest = stage.expect_guest(&teacher);
    page.start_client(&[stage.token(&teacher)]).await?;
    let first = page.connection(guest).await?;
    stage.publish(&teacher, &fixture(EVENTS[0])?).await?;
    first.expect_texts(1).await?;

    // So nothing gets through to a service that has started, and not yet found Redis.
    network.refuse();
    stage.kill(Part::WebsocketService).await?;
    first.expect_loss().await?;
    let vain = format!("pauses.length > {VAIN}");
    page.tab.until("tries in vain", &vain).await?;
    first.note("the guide's client tries again and again, in vain");
    stage.start(Part::WebsocketService).await?;
    stage.until_served().await?;
    let guest = stage.expect_guest(&teacher);
    network.resume();
    let second = page.connection_in_the_end(guest).await?;

    stage.publish(&teacher, &fixture(EVENTS[2])?).await?;
    second.expect_texts(1).await?;
    expect_refetches(&page, 2).await?;
    let pauses = page.kept("pauses").await?;
    ensure(grow_and_vary(&pauses), || {
        format!("the client's pauses should grow and vary; they were {pauses} ms")
    })?;
    page.leave().await
}

/// Whether the pauses, of which there are some, double each time up to thirty times the first, each less some part of its
/// half that is another each time.
fn grow_and_vary(pauses: &Value) -> bool {
    let pauses = pauses.as_array().into_iter().flatten();
    let shares: Option<Vec<f64>> = pauses
        .zip(1..)
        .map(|(pause, attempt)| {
            let whole = PAUSE.saturating_mul(1 << attempt.min(10)).min(30 * PAUSE);
            Some(pause.as_f64()? / whole as f64)
        })
        .collect();
    let Some(shares) = shares else {
        return false;
    };
    shares.len() > VAIN
        && shares.iter().all(|share| (0.5..1.0).contains(share))
        && shares.windows(2).all(|two| two[0] != two[1])
}

async fn expect_refetches(page: &Page, times: u64) -> Outcome {
    let refetched = page.kept("refetched").await?;
    ensure(refetched == times, || {
        format!("the client should refetch {times} times and did {refetched} times")
    })
}

/// Waits until the guide's client, whose last connection was `client`, has given up, for the reason that `error_code` says.
async fn expect_stop(page: &Page, client: &Client, error_code: &str) -> Outcome {
    let what = format!("the client gives up with {error_code}");
    page.tab.until(&what, "stopped !== null").await?;
    let stopped = page.kept("stopped").await?;
    ensure(stopped[0] == error_code && stopped[1].is_string(), || {
        format!("the client should give up with {error_code} and a message; it did with {stopped}")
    })?;
    client.note("the guide's client gives up, with this reason");
    Ok(())
}

fn fixture(event: &str) -> Outcome<fixture::Message> {
    let fixture = fixture::notification(event);
    let fixture = fixture.map_err(|error| Failure::Bug(error.to_string()))?;
    Ok(fixture.content.message)
}

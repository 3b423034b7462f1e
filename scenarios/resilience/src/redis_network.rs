//! The network between the services and Redis: slow, broken off, or silent.

use std::time::Duration;

use harness::breach::Breaks;
use harness::profile::Capability;
use harness::scenario::{Outcome, Scenario};
use harness::stage::Stage;
use harness::system::Settings;

/// How many messages a client has when something happens to it: enough to be in the middle of them.
const SOME: usize = 20;
const RESUMES: &str = "backplane.resumes";
/// How long the message is that is cut off, in bytes, without what is around the filler.
const LENGTH: usize = 100_000;
/// How much of it gets through: more than answers of Redis to what it is asked meanwhile.
const BEGINNING: usize = 10_000;

pub fn scenarios() -> Vec<Scenario> {
    let on_network = |scenario: Scenario| {
        scenario
            .needs([Capability::Websocket])
            .on_own_system(Settings::default().redis_behind_proxy())
    };
    [
        Scenario::new(
            "resilience/redis-network/cut-in-a-message",
            "a message that is cut off on its way from Redis is not delivered, and its clients are closed with 1011",
            cut_in_a_message,
        )
        .proves(["backplane.loss-closes", "delivery.bytes-untouched"]),
        Scenario::new(
            "resilience/redis-network/reset",
            "a connection to Redis that is reset closes its clients, and who connects again misses nothing",
            reset,
        )
        .proves(["backplane.loss-closes", "backplane.resumes"]),
        Scenario::new(
            "resilience/redis-network/stall",
            "when nothing comes from Redis any more, and nobody is told, clients are closed with 1011",
            stall,
        )
        .proves(["backplane.hang-closes", "backplane.away-refuses", "backplane.resumes"]),
        Scenario::new(
            "resilience/redis-network/slow",
            "what comes from Redis late, slowly or byte by byte is delivered whole, once and in order",
            slow,
        )
        .proves([
            "delivery.bytes-untouched",
            "delivery.once-per-connection",
            "delivery.in-order",
        ]),
    ]
    .map(on_network)
    .into()
}

async fn cut_in_a_message(stage: Stage) -> Outcome {
    let (teacher, network) = (stage.user("teacher"), stage.network_to_redis()?);
    let connected = stage.connect(&teacher).await?;
    let hello = br#"{"event":"hello","data":{}}"#;
    stage.publish_bytes(&teacher, "hello", hello).await?;
    stage.settle().await?;

    network.cut_after(BEGINNING);
    stage.publish_bytes(&teacher, "long", &long()).await?;
    connected.expect_close(1011, "SERVICE_UNAVAILABLE").await?;
    stage.expect_lost_with_notice(&connected, &[2])?;
    network.resume();
    stage.until_served().await.breaks(RESUMES)?;
    stage.connect(&teacher).await?;
    stage.publish_bytes(&teacher, "long", &long()).await?;
    stage.settle().await
}

async fn reset(stage: Stage) -> Outcome {
    let (teacher, network) = (stage.user("teacher"), stage.network_to_redis()?);
    let connected = stage.connect(&teacher).await?;
    let traffic = stage.traffic(&[&teacher]);
    connected.expect_texts(SOME).await?;

    network.reset();
    connected.expect_close(1011, "SERVICE_UNAVAILABLE").await?;
    stage.until_served().await.breaks(RESUMES)?;
    stage.connect(&teacher).await?.expect_texts(SOME).await?;
    traffic.stop().await?;
    stage.settle().await
}

async fn stall(stage: Stage) -> Outcome {
    let (teacher, network) = (stage.user("teacher"), stage.network_to_redis()?);
    let connected = stage.connect(&teacher).await?;
    let traffic = stage.traffic(&[&teacher]);
    connected.expect_texts(SOME).await?;

    // Redis goes on, and says of each message that a subscriber has it.
    network.stall();
    connected
        .expect_close_in_time(1011, "SERVICE_UNAVAILABLE")
        .await?;
    let refused = stage.connect(&teacher).await?;
    refused
        .expect_close_in_time(1011, "SERVICE_UNAVAILABLE")
        .await?;
    network.resume();
    stage.until_served().await.breaks(RESUMES)?;
    stage.connect(&teacher).await?.expect_texts(SOME).await?;
    traffic.stop().await?;
    stage.settle().await
}

async fn slow(stage: Stage) -> Outcome {
    let (teacher, network) = (stage.user("teacher"), stage.network_to_redis()?);
    stage.connect(&teacher).await?;
    stage.connect(&teacher).await?;
    let messages = |word: &str| -> Vec<Vec<u8>> {
        let text = |n| format!(r#"{{"event":"{word}","data":{{"number":{n}}}}}"#).into_bytes();
        (1..=5).map(text).collect()
    };
    network.delay(Duration::from_millis(50));
    stage
        .publish_all(&teacher, "late", &messages("late"))
        .await?;
    stage.settle().await?;
    network.throttle(5_000);
    stage
        .publish_all(&teacher, "slowly", &messages("slowly"))
        .await?;
    stage.settle().await?;
    network.drip();
    stage
        .publish_all(&teacher, "byte-by-byte", &messages("byte-by-byte"))
        .await?;
    stage.settle().await?;
    network.resume();
    stage
        .publish_all(&teacher, "freely", &messages("freely"))
        .await?;
    stage.settle().await
}

fn long() -> Vec<u8> {
    let filler = "x".repeat(LENGTH);
    format!(r#"{{"event":"long","data":{{"filler":"{filler}"}}}}"#).into_bytes()
}

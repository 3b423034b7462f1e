//! A client that does not read.

use harness::profile::Capability;
use harness::scenario::{Outcome, Scenario, ensure};
use harness::stage::Stage;
use harness::system::Settings;

const GAUGE: &str = "websocket_active_connections";
/// How many messages are published at once: they fit into the queue of a client that reads.
const PORTION: usize = 8;
/// How long a message is, in bytes, without what is around the filler.
const LENGTH: usize = 100_000;
/// 80 MB: more than the kernel's buffers and a bounded queue hold on any machine.
const MOST: usize = 800;

pub fn scenarios() -> Vec<Scenario> {
    vec![
        Scenario::new(
            "resilience/backpressure/slow-consumer",
            "a client that does not read is closed with 1013, and nobody else misses anything or waits",
            slow_consumer,
        )
        .proves([
            "connections.slow-consumer-closed",
            "connections.slow-consumer-alone",
            "close.reason-is-json",
        ])
        .needs([Capability::Websocket])
        .on_own_system(Settings::default()),
    ]
}

async fn slow_consumer(stage: Stage) -> Outcome {
    let (teacher, colleague) = (stage.user("teacher"), stage.user("colleague"));
    let mut slow = stage.connect_raw(&teacher).await?;
    let quick = stage.connect(&teacher).await?;
    stage.connect(&colleague).await?;
    stage.until_metric(GAUGE, 3).await?;

    let mut published: Vec<Vec<u8>> = Vec::new();
    while stage.metric(GAUGE).await? > 2.0 {
        let count = published.len();
        ensure(count < MOST, || {
            format!(
                "{count} messages of {LENGTH} bytes were queued for a client that does not read"
            )
        })?;
        let portion: Vec<Vec<u8>> = (count + 1..=count + PORTION).map(long).collect();
        stage.publish_flood(&teacher, "long", &portion).await?;
        published.extend(portion);
        // The user's other connection has everything so far, while this one has read nothing.
        quick.expect_texts(published.len()).await?;
    }
    // So has everybody else.
    stage.settle().await?;

    let farewell = slow.expect_close(1013, "SLOW_CONSUMER").await?;
    let came = farewell.texts.len();
    ensure(published.starts_with(&farewell.texts), || {
        format!(
            "the slow client should get the first messages in order; the {came} that it got are not those"
        )
    })?;
    slow.note("what came before is the beginning of what was published, in order");
    Ok(())
}

fn long(number: usize) -> Vec<u8> {
    let filler = "x".repeat(LENGTH);
    format!(r#"{{"event":"long","data":{{"number":{number},"filler":"{filler}"}}}}"#).into_bytes()
}

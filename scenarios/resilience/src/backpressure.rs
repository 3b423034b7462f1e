//! A client that does not read.

use futures_util::future::try_join;
use harness::breach::Breaks;
use harness::profile::Capability;
use harness::scenario::{Failure, Outcome, Scenario, ensure};
use harness::stage::Stage;
use harness::system::Settings;

const GAUGE: &str = "websocket_active_connections";
/// What is published at once, how many messages and of how many bytes each: it fits into the queue of a client that reads.
type Portion = (usize, usize);
/// First large messages, which fill the kernel's buffers, and a queue that is bounded in bytes.
const LARGE: Portion = (8, 100_000);
/// Then many: a queue may be bounded in messages, whatever their size.
const MANY: Portion = (100, 1_000);
/// 40 MB: more than the kernel's buffers and a bounded queue hold on any machine.
const LARGE_PORTIONS: usize = 50;
/// 20,000 messages.
const MANY_PORTIONS: usize = 200;

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

    let flood = async {
        let mut portions = std::iter::repeat_n(LARGE, LARGE_PORTIONS)
            .chain(std::iter::repeat_n(MANY, MANY_PORTIONS));
        let mut published: Vec<Vec<u8>> = Vec::new();
        while stage.metric(GAUGE).await? > 2.0 {
            let count = published.len();
            let Some((messages, length)) = portions.next() else {
                let bytes: usize = published.iter().map(Vec::len).sum();
                return Err(Failure::broken(format!(
                    "{count} messages of {bytes} bytes together were queued for a client that does not read"
                )));
            };
            let numbers = count + 1..=count + messages;
            let portion: Vec<Vec<u8>> = numbers.map(|number| long(number, length)).collect();
            stage.publish_flood(&teacher, "long", &portion).await?;
            published.extend(portion);
            // The user's other connection has everything so far, while this one has read nothing.
            quick
                .expect_texts(published.len())
                .await
                .breaks("connections.slow-consumer-alone")?;
        }
        // So has everybody else.
        stage.settle().await?;
        Ok(published)
    };
    // A service does not wait for ever until its close is read: this client reads as soon as it is closed.
    let closed = async {
        stage.until_metric_falls(GAUGE, 2).await?;
        slow.expect_close(1013, "SLOW_CONSUMER").await
    };
    let (published, farewell) = try_join(flood, closed).await?;
    let came = farewell.texts.len();
    ensure(published.starts_with(&farewell.texts), || {
        format!(
            "the slow client should get the first messages in order; the {came} that it got are not those"
        )
    })?;
    slow.note("what came before is the beginning of what was published, in order");
    Ok(())
}

fn long(number: usize, length: usize) -> Vec<u8> {
    let filler = "x".repeat(length);
    format!(r#"{{"event":"long","data":{{"number":{number},"filler":"{filler}"}}}}"#).into_bytes()
}

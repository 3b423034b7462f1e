//! Closes that the guide's client answers with another connection, as a page's `CloseEvent` shows them.

use harness::profile::Capability;
use harness::scenario::{Failure, Outcome, Scenario};
use harness::system::{Part, Settings};

use crate::page::{Page, in_a_page};

const GAUGE: &str = "websocket_active_connections";
/// What is published at once, and how large each message is: it fits into the queue of a client that reads.
const MESSAGES: usize = 8;
const LENGTH: usize = 100_000;
/// 80 MB: more than the buffers of a kernel and a browser and a bounded queue hold on any machine.
const PORTIONS: usize = 100;

pub fn scenarios() -> Vec<Scenario> {
    vec![
        Scenario::new(
            "browser/closes/redis-lost",
            "a page sees 1011 and its reason when Redis is lost",
            |stage| in_a_page(stage, redis_lost),
        )
        .proves(["backplane.loss-closes", "close.reason-is-json"]),
        Scenario::new(
            "browser/closes/slow-page",
            "a page whose script does not run for too long sees 1013 and its reason when it goes on",
            |stage| in_a_page(stage, slow_page),
        )
        .proves(["connections.slow-consumer-closed", "close.reason-is-json"]),
        Scenario::new(
            "browser/closes/shutdown",
            "a page sees 1001 when the service is told to end",
            |stage| in_a_page(stage, shutdown),
        )
        .proves(["shutdown.goodbye"]),
    ]
    .into_iter()
    .map(|scenario| {
        scenario
            .needs([Capability::Origin])
            .on_own_system(Settings::default())
    })
    .collect()
}

async fn redis_lost(mut page: Page) -> Outcome {
    let stage = page.stage.clone();
    let client = page.connect(&stage.user("teacher")).await?;
    stage.kill_redis().await?;
    client
        .expect_close_in_time(1011, "SERVICE_UNAVAILABLE")
        .await?;
    page.leave().await
}

async fn slow_page(mut page: Page) -> Outcome {
    let stage = page.stage.clone();
    let teacher = stage.user("teacher");
    let client = page.connect(&teacher).await?;
    stage.until_metric(GAUGE, 1).await?;
    page.tab.halt().await?;
    client.note("the page's script does not run");
    let mut portions = 0;
    while stage.metric(GAUGE).await? > 0.0 {
        if portions == PORTIONS {
            let bytes = portions * MESSAGES * LENGTH;
            return Err(Failure::broken(format!(
                "{bytes} bytes were queued for a page whose script does not run"
            )));
        }
        let first = portions * MESSAGES;
        let portion: Vec<Vec<u8>> = (first..first + MESSAGES).map(long).collect();
        stage.publish_flood(&teacher, "long", &portion).await?;
        portions += 1;
    }
    page.tab.go_on().await?;
    client.expect_close_in_time(1013, "SLOW_CONSUMER").await?;
    page.leave().await
}

async fn shutdown(mut page: Page) -> Outcome {
    let stage = page.stage.clone();
    let client = page.connect(&stage.user("teacher")).await?;
    stage.terminate(Part::WebsocketService).await?;
    client.expect_close_by_code(1001).await?;
    stage.expect_goodbye(Part::WebsocketService).await?;
    page.leave().await
}

fn long(number: usize) -> Vec<u8> {
    let filler = "x".repeat(LENGTH);
    format!(r#"{{"event":"long","data":{{"number":{number},"filler":"{filler}"}}}}"#).into_bytes()
}

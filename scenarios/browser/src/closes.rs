//! Closes that the guide's client answers with another connection, as a page's `CloseEvent` shows them.

use futures_util::future::try_join;
use harness::profile::Capability;
use harness::scenario::{Outcome, Scenario};
use harness::system::{Part, Settings};

use crate::page::{Page, in_a_page};

const GAUGE: &str = "websocket_active_connections";

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
    let (teacher, colleague) = (stage.user("teacher"), stage.user("colleague"));
    let client = page.connect(&teacher).await?;
    let reader = stage.connect(&colleague).await?;
    stage.until_metric(GAUGE, 2).await?;
    page.tab.halt().await?;
    client.note("the page's script does not run");
    // A service does not wait for ever until its close is read: the script runs again as soon as it is closed.
    let closed = async {
        stage.until_metric_falls(GAUGE, 1).await?;
        Ok(page.tab.go_on().await?)
    };
    // Who reads shows how far the service is.
    let (flooded, others, reading) = ([teacher], [colleague], [reader]);
    let flood = stage.flood_until((&flooded, &others), &reading, (GAUGE, 1));
    try_join(flood, closed).await?;
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

//! Many clients at once: they come back, they go at once, they read slowly, and messages come in bursts.

use harness::profile::Capability;
use harness::scenario::{Outcome, Scenario};
use harness::stage::Stage;
use harness::system::Settings;

const GAUGE: &str = "websocket_active_connections";
/// How many clients come back at once.
const HERD: usize = 2_000;
/// How many clients go before they were served.
const RESETS: usize = 10_000;
/// How many messages come in a burst, and to how many users.
const BURST: usize = 100_000;
const READERS: usize = 100;
/// How many of how many clients read slowly: few where they are half of all, for each takes a flood.
const SLOW: [(usize, usize); 3] = [(1, 100), (2, 20), (5, 10)];
/// How many bytes they read in a second.
const SLOWLY: usize = 20_000;

pub fn scenarios() -> Vec<Scenario> {
    let mut scenarios = vec![
        Scenario::new(
            "resilience/crowds/herd",
            "2,000 clients who come back all at once are served, and each gets what is published from then on",
            herd,
        )
        .proves(["backplane.loss-closes", "backplane.resumes", "delivery.from-101"])
        .on_own_system(Settings::default()),
        Scenario::new(
            "resilience/crowds/burst",
            "100,000 messages that are published in bursts to 100 users all arrive, each once and in order",
            burst,
        )
        .proves([
            "delivery.once-per-connection",
            "delivery.in-order",
            "delivery.own-user-only",
        ])
        .on_own_system(Settings::default()),
        Scenario::new(
            "resilience/crowds/connect-then-reset",
            "10,000 clients that go without a word leave nothing behind, and nobody else notices",
            connect_then_reset,
        )
        .proves([
            "connections.slot-freed",
            "metrics.gauges-return",
            "delivery.once-per-connection",
        ])
        .on_own_system(Settings::default()),
    ];
    scenarios.extend(SLOW.map(|(slow, all)| {
        let percent = 100 * slow / all;
        Scenario::new(
            format!("resilience/crowds/slow-readers-{percent}-percent"),
            format!("{slow} of {all} clients read slowly: closed with 1013, and nobody else misses anything"),
            move |stage| slow_readers(stage, slow, all),
        )
        .proves(["connections.slow-consumer-closed", "connections.slow-consumer-alone"])
        .on_own_system(Settings::default())
    }));
    let websocket = |scenario: Scenario| scenario.needs([Capability::Websocket]);
    scenarios.into_iter().map(websocket).collect()
}

async fn herd(stage: Stage) -> Outcome {
    let teachers = stage.crowd("teacher", HERD);
    let connected = stage.connect_all(&teachers, None).await?;
    stage.burst(&teachers, 1).await?;
    stage.settle().await?;

    stage.kill_subscriptions().await?;
    for client in &connected {
        client.expect_close(1011, "SERVICE_UNAVAILABLE").await?;
    }
    stage.herd(&teachers).await?;
    stage.burst(&teachers, 1).await?;
    stage.settle().await
}

async fn burst(stage: Stage) -> Outcome {
    let teachers = stage.crowd("teacher", READERS);
    stage.connect_all(&teachers, None).await?;
    stage.burst(&teachers, BURST / READERS).await?;
    stage.settle().await
}

async fn connect_then_reset(stage: Stage) -> Outcome {
    stage.until_metric(GAUGE, 0).await?;
    let teacher = stage.user("teacher");
    let bystander = stage.connect(&teacher).await?;
    let traffic = stage.traffic(&[&teacher]);
    let visitors = stage.crowd("visitor", READERS);
    stage.connect_and_reset(&visitors, RESETS).await?;
    stage.until_metric(GAUGE, 1).await?;
    traffic.stop().await?;
    stage.settle().await?;

    stage.connect_all(&visitors, None).await?;
    stage.burst(&visitors, 1).await?;
    stage.settle().await?;
    bystander.close().await
}

async fn slow_readers(stage: Stage, slow: usize, all: usize) -> Outcome {
    // Whoever reads slowly has a second connection that does not.
    let others = stage.crowd("quick", all - 2 * slow);
    let slow = stage.crowd("slow", slow);
    let network = stage.network("a slow network").await?;
    let mut reading = stage.connect_all(&others, None).await?;
    reading.extend(stage.connect_all(&slow, None).await?);
    let lagging = stage.connect_all(&slow, Some(&network)).await?;
    stage.until_metric(GAUGE, all as u32).await?;

    let (slowly, quickly) = ((&slow[..], &lagging[..]), (&others[..], &reading[..]));
    network
        .throttle_until_closed(SLOWLY, slowly, quickly, GAUGE)
        .await?;
    for client in &lagging {
        client.expect_close(1013, "SLOW_CONSUMER").await?;
    }
    stage.settle().await
}

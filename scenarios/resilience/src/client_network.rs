//! The network between clients and the websocket service: cut, reset, silent, slow.

use std::time::Duration;

use harness::client::Client;
use harness::fault::Link;
use harness::flow::Frame;
use harness::profile::Capability;
use harness::scenario::{Outcome, Scenario};
use harness::stage::{Stage, User};
use harness::system::Settings;

const GAUGE: &str = "websocket_active_connections";
/// The default of `WEBSOCKET_MAX_CONNECTIONS_PER_USER` (contract, Connection limit).
const LIMIT: usize = 5;
/// How many messages a client has when something happens to it: enough to be in the middle of them.
const SOME: usize = 20;
/// Where in a message a connection is cut, in bytes.
const MIDDLE: usize = 1_000;

pub fn scenarios() -> Vec<Scenario> {
    let settings = Settings::default();
    let quick_to_give_up = Settings::default()
        .websocket("WEBSOCKET_PING_INTERVAL", "2")
        .websocket("WEBSOCKET_IDLE_TIMEOUT", "7");
    vec![
        Scenario::new(
            "resilience/client-network/cut",
            "clients whose network is cut lose no place: as many connect again, and miss nothing from then on",
            |stage| lost(stage, Link::cut),
        )
        .proves(["connections.slot-freed", "metrics.gauges-return"])
        .on_own_system(settings.clone()),
        Scenario::new(
            "resilience/client-network/reset",
            "clients whose network resets them lose no place: as many connect again, and miss nothing from then on",
            |stage| lost(stage, Link::reset),
        )
        .proves(["connections.slot-freed", "metrics.gauges-return"])
        .on_own_system(settings.clone()),
        Scenario::new(
            "resilience/client-network/cut-in-a-message",
            "a client whose network is cut in the middle of a message gets no part of it, and the next client all",
            cut_in_a_message,
        )
        .proves(["delivery.bytes-untouched", "connections.slot-freed"])
        .on_own_system(settings.clone()),
        Scenario::new(
            "resilience/client-network/half-open",
            "clients of whom nothing is heard any more are given up, and get what is left when their network is back",
            half_open,
        )
        .proves([
            "connections.idle-closed",
            "connections.slot-freed",
            "delivery.in-order",
        ])
        .on_own_system(quick_to_give_up),
        Scenario::new(
            "resilience/client-network/slow",
            "a client whose network is late, slow or passes byte by byte gets everything whole, once and in order",
            slow,
        )
        .proves([
            "delivery.once-per-connection",
            "delivery.in-order",
            "connections.client-frames-ignored",
        ])
        .on_own_system(settings),
    ]
    .into_iter()
    .map(|scenario| scenario.needs([Capability::Websocket]))
    .collect()
}

async fn lost(stage: Stage, lose: fn(&Link)) -> Outcome {
    let (teacher, colleague) = (stage.user("teacher"), stage.user("colleague"));
    let network = stage.network("the school's network").await?;
    let connected = connect_to_the_limit(&stage, &network, &teacher).await?;
    let elsewhere = stage.connect(&colleague).await?;
    let traffic = stage.traffic(&[&teacher, &colleague]);
    for client in connected.iter().chain([&elsewhere]) {
        client.expect_texts(SOME).await?;
    }

    network.refuse();
    lose(&network);
    for client in &connected {
        client.expect_loss().await?;
    }
    stage.expect_no_upgrade_over(&network, &teacher).await?;
    stage.until_metric(GAUGE, 1).await?;
    network.resume();
    for client in connect_to_the_limit(&stage, &network, &teacher).await? {
        client.expect_texts(SOME).await?;
    }
    traffic.stop().await?;
    stage.settle().await
}

async fn connect_to_the_limit(stage: &Stage, network: &Link, user: &User) -> Outcome<Vec<Client>> {
    let mut connected = Vec::new();
    for _ in 0..LIMIT {
        connected.push(stage.connect_over(network, user).await?);
    }
    Ok(connected)
}

async fn cut_in_a_message(stage: Stage) -> Outcome {
    let teacher = stage.user("teacher");
    let network = stage.network("the school's network").await?;
    let cut = stage.connect_over(&network, &teacher).await?;
    stage.connect(&teacher).await?;
    stage.settle().await?;

    let filler = "x".repeat(10 * MIDDLE);
    let long = format!(r#"{{"event":"long","data":{{"filler":"{filler}"}}}}"#);
    network.cut_after(MIDDLE);
    stage
        .publish_bytes(&teacher, "long", long.as_bytes())
        .await?;
    cut.expect_loss().await?;
    stage.expect_lost_with_notice(&cut, &[1])?;
    network.resume();
    stage.until_metric(GAUGE, 1).await?;
    stage.connect_over(&network, &teacher).await?;
    stage
        .publish_bytes(&teacher, "long", long.as_bytes())
        .await?;
    stage.settle().await
}

async fn half_open(stage: Stage) -> Outcome {
    let (teacher, colleague) = (stage.user("teacher"), stage.user("colleague"));
    let network = stage.network("the network of the train").await?;
    let connected = connect_to_the_limit(&stage, &network, &teacher).await?;
    let elsewhere = stage.connect(&colleague).await?;
    let traffic = stage.traffic(&[&teacher, &colleague]);
    for client in connected.iter().chain([&elsewhere]) {
        client.expect_texts(SOME).await?;
    }

    network.stall();
    stage.until_metric(GAUGE, 1).await?;
    for _ in 0..LIMIT {
        stage.connect(&teacher).await?.expect_texts(SOME).await?;
    }
    network.resume();
    for client in &connected {
        client.expect_close_by_code(1001).await?;
    }
    traffic.stop().await?;
    stage.settle().await
}

async fn slow(stage: Stage) -> Outcome {
    let teacher = stage.user("teacher");
    let network = stage.network("a slow network").await?;
    stage.connect_over(&network, &teacher).await?;
    network.delay(Duration::from_millis(50));
    stage
        .publish_all(&teacher, "late", &numbered("late"))
        .await?;
    stage.connect_over(&network, &teacher).await?;
    stage.settle().await?;
    network.throttle(5_000);
    stage
        .publish_all(&teacher, "slowly", &numbered("slowly"))
        .await?;
    let client = stage.connect_over(&network, &teacher).await?;
    stage.settle().await?;
    network.drip();
    client.send(Frame::Ping(b"byte by byte".to_vec())).await?;
    client.expect_pong(b"byte by byte").await?;
    stage
        .publish_all(&teacher, "byte-by-byte", &numbered("byte-by-byte"))
        .await?;
    stage.settle().await?;
    network.resume();
    stage
        .publish_all(&teacher, "freely", &numbered("freely"))
        .await?;
    stage.settle().await
}

fn numbered(event: &str) -> Vec<Vec<u8>> {
    let text = |n| format!(r#"{{"event":"{event}","data":{{"number":{n}}}}}"#).into_bytes();
    (1..=5).map(text).collect()
}

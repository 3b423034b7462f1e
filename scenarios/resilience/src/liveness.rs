//! Pings, and clients that answer none.

use harness::breach::Breaks;
use harness::profile::Capability;
use harness::scenario::{Outcome, Scenario, ensure};
use harness::stage::Stage;
use harness::system::Settings;

const SLOT: &str = "connections.slot-freed";
const GAUGES: &str = "metrics.gauges-return";
const GAUGE: &str = "websocket_active_connections";
/// The default of `WEBSOCKET_MAX_CONNECTIONS_PER_USER` (contract, Connection limit), less the one that answers.
const SILENT: usize = 4;

pub fn scenarios() -> Vec<Scenario> {
    vec![
        Scenario::new(
            "resilience/liveness/answering-clients",
            "clients are pinged and stay, for longer than the idle timeout, and are counted until they go",
            answering_clients,
        )
        .proves(["connections.pinged", "metrics.gauges-return"])
        .needs([Capability::Websocket])
        .on_own_system(quick()),
        Scenario::new(
            "resilience/liveness/silent-clients",
            "a client that answers pings stays, one that does not is closed with 1001, and its place is free",
            silent_clients,
        )
        .proves([
            "connections.pinged",
            "connections.idle-closed",
            SLOT,
            "close.reason-is-json",
            "metrics.gauges-return",
        ])
        .needs([Capability::Websocket])
        .on_own_system(quick()),
    ]
}

fn quick() -> Settings {
    Settings::default()
        .websocket("WEBSOCKET_PING_INTERVAL", "2")
        .websocket("WEBSOCKET_IDLE_TIMEOUT", "7")
}

async fn answering_clients(stage: Stage) -> Outcome {
    stage.until_metric(GAUGE, 0).await.breaks(GAUGES)?;
    let (teacher, colleague) = (stage.user("teacher"), stage.user("colleague"));
    let clients = [
        stage.connect(&teacher).await?,
        stage.connect(&teacher).await?,
        stage.connect(&colleague).await?,
    ];
    stage.until_metric(GAUGE, 3).await.breaks(GAUGES)?;
    for client in &clients {
        // The fourth ping comes after the idle timeout.
        client.expect_pings(4).await?;
    }
    stage
        .publish_bytes(&teacher, "hello", br#"{"event":"hello","data":{}}"#)
        .await?;
    stage.settle().await?;

    for client in &clients {
        client.close().await?;
    }
    stage.until_metric(GAUGE, 0).await.breaks(GAUGES)
}

async fn silent_clients(stage: Stage) -> Outcome {
    stage.until_metric(GAUGE, 0).await.breaks(GAUGES)?;
    let teacher = stage.user("teacher");
    let answering = stage.connect(&teacher).await?;
    let mut silent = Vec::new();
    for _ in 0..SILENT {
        silent.push(stage.connect_raw(&teacher).await?);
    }
    stage.until_metric(GAUGE, 5).await.breaks(GAUGES)?;
    let sixth = stage.connect(&teacher).await?;
    let refused = sixth.expect_close(4000, "QUOTA_EXCEEDED").await;
    refused.breaks("connections.limit-per-user")?;

    for client in &mut silent {
        let farewell = client
            .expect_close_by_code(1001)
            .await
            .breaks("connections.idle-closed")?;
        ensure(farewell.pings > 0, || {
            "a client was closed as idle without one ping to answer".to_owned()
        })?;
        client.note("it was pinged before");
    }
    answering.expect_pings(2).await?;
    let mut clients = vec![answering];
    for _ in 0..SILENT {
        clients.push(stage.connect(&teacher).await.breaks(SLOT)?);
    }
    stage
        .publish_bytes(&teacher, "hello", br#"{"event":"hello","data":{}}"#)
        .await?;
    stage.settle().await.breaks(SLOT)?;

    for client in &clients {
        client.close().await?;
    }
    stage.until_metric(GAUGE, 0).await.breaks(GAUGES)
}

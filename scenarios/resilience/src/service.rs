//! The websocket service is killed, started again, and rolled.

use futures_util::future::try_join_all;
use harness::breach::Breaks;
use harness::client::Client;
use harness::fault::Link;
use harness::profile::Capability;
use harness::scenario::{Outcome, Scenario};
use harness::stage::{Stage, User};
use harness::system::{Part, Settings};

/// How many messages a client has when something happens to it: enough to be in the middle of them.
const SOME: usize = 20;
const ANEW: &str = "service.starts-anew";
/// The default of `WEBSOCKET_MAX_CONNECTIONS_PER_USER` (contract, Connection limit).
const LIMIT: usize = 5;
const FIRST: Part = Part::WebsocketService;
const SECOND: Part = Part::SecondWebsocketService;

pub fn scenarios() -> Vec<Scenario> {
    [
        Scenario::new(
            "resilience/service/killed",
            "clients of a service that is killed see it at once, and one that starts in its place has room for all of them",
            killed,
        )
        .proves(["service.killed-is-seen", ANEW]),
        Scenario::new(
            "resilience/service/rolled",
            "two services behind a proxy are replaced one after the other, and who is closed with 1001 misses nothing",
            rolled,
        )
        .proves(["service.replicas", "shutdown.goodbye"]),
    ]
    .map(|scenario| {
        scenario
            .needs([Capability::Websocket])
            .on_own_system(Settings::default())
    })
    .into()
}

async fn killed(stage: Stage) -> Outcome {
    let (teacher, colleague) = (stage.user("teacher"), stage.user("colleague"));
    let mut users = vec![&teacher; LIMIT];
    users.push(&colleague);
    let connected = try_join_all(users.iter().map(|user| stage.connect(user))).await?;
    let traffic = stage.traffic(&[&teacher, &colleague]);
    for client in &connected {
        client.expect_texts(SOME).await?;
    }

    stage.kill(FIRST).await?;
    for client in &connected {
        client.expect_loss().await?;
    }
    stage.start(FIRST).await?;
    stage.until_served().await.breaks(ANEW)?;
    for user in users {
        let client = stage.connect(user).await.breaks(ANEW)?;
        client.expect_texts(SOME).await.breaks(ANEW)?;
    }
    traffic.stop().await?;
    stage.settle().await
}

async fn rolled(stage: Stage) -> Outcome {
    let (teacher, colleague) = (stage.user("teacher"), stage.user("colleague"));
    stage.start(SECOND).await?;
    stage.until_served_by(SECOND).await?;
    let network = stage.network("the proxy before both services").await?;
    network.lead_to(&[FIRST, SECOND])?;
    let (mut on_first, mut on_second) = (Vec::new(), Vec::new());
    for user in [&teacher, &colleague] {
        // The proxy takes turns.
        on_first.push((user, stage.connect_over(&network, user).await?));
        on_second.push((user, stage.connect_over(&network, user).await?));
    }
    let traffic = stage.traffic(&[&teacher, &colleague]);
    for (_, client) in on_first.iter().chain(&on_second) {
        client.expect_texts(SOME).await?;
    }

    network.lead_to(&[SECOND])?;
    on_second.extend(replace(&stage, FIRST, &network, on_first).await?);
    network.lead_to(&[FIRST])?;
    replace(&stage, SECOND, &network, on_second).await?;
    network.lead_to(&[FIRST, SECOND])?;
    traffic.stop().await?;
    stage.settle().await
}

/// Replaces `service`, to which nothing leads any more. Its clients go where `network` leads, and are given back.
async fn replace<'a>(
    stage: &Stage,
    service: Part,
    network: &Link,
    clients: Vec<(&'a User, Client)>,
) -> Outcome<Vec<(&'a User, Client)>> {
    stage.terminate(service).await?;
    let mut moved = Vec::new();
    for (user, client) in clients {
        client.expect_close_by_code(1001).await?;
        let client = stage.connect_over(network, user).await?;
        client.expect_texts(SOME).await?;
        moved.push((user, client));
    }
    stage.expect_goodbye(service).await?;
    stage.start(service).await?;
    stage.until_served_by(service).await?;
    Ok(moved)
}

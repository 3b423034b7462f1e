//! Redis is a cluster of three primaries, each with a replica.

use harness::breach::Breaks;
use harness::client::Client;
use harness::profile::Capability;
use harness::scenario::{Outcome, Scenario};
use harness::stage::{Stage, Traffic, User};
use harness::system::{Part, Settings, Topology};

/// How many messages a client has when something happens to it: enough to be in the middle of them.
const SOME: usize = 20;
/// Three websocket services, as [`Settings::websocket_services`] starts them.
const SERVICES: [Part; 3] = [
    Part::WebsocketService,
    Part::WebsocketReplica(2),
    Part::WebsocketReplica(3),
];
const AWAY: &str = "backplane.away-refuses";
const RESUMES: &str = "backplane.resumes";

/// Two users whose messages different primaries have, in the middle of them.
struct Two {
    teacher: User,
    colleague: User,
    teachers: Client,
    colleagues: Client,
    traffic: Traffic,
}

pub fn scenarios() -> Vec<Scenario> {
    let cluster = || Settings::default().redis_as(Topology::Cluster);
    [
        Scenario::new(
            "resilience/cluster/primary-killed",
            "when a primary dies its users alone are closed with 1011, and served again once its replica has taken over",
            primary_killed,
        )
        .proves(["backplane.loss-closes", "backplane.resumes"])
        .on_own_system(cluster().sharded()),
        Scenario::new(
            "resilience/cluster/shard-gone",
            "while a primary and its replica are gone its users alone are refused with 1011, and with it back they are served",
            shard_gone,
        )
        .proves([
            "backplane.loss-closes",
            "backplane.away-refuses",
            "backplane.resumes",
        ])
        .on_own_system(cluster().sharded()),
        Scenario::new(
            "resilience/cluster/slot-moved",
            "when a slot goes to another primary its users alone are closed with 1011, and served where it went",
            slot_moved,
        )
        .proves(["backplane.loss-closes", "backplane.resumes"])
        .on_own_system(cluster().sharded()),
        Scenario::new(
            "resilience/cluster/plain",
            "published plainly, a message passes between nodes: when one dies all clients are closed with 1011, and served again",
            plain,
        )
        .proves(["backplane.loss-closes", "backplane.resumes"])
        .on_own_system(cluster()),
        Scenario::new(
            "resilience/cluster/services-and-primary-killed",
            "with three services on a cluster a primary and a service are killed under load, and whoever misses a message is told",
            services_and_primary_killed,
        )
        .proves(["service.replicas", "backplane.loss-closes", "backplane.resumes"])
        .on_own_system(cluster().sharded().websocket_services(3)),
    ]
    .map(|scenario| scenario.needs([Capability::Websocket]))
    .into()
}

async fn primary_killed(stage: Stage) -> Outcome {
    let two = two(&stage).await?;

    stage.kill_primary_of(&two.teacher).await?;
    two.teachers
        .expect_close(1011, "SERVICE_UNAVAILABLE")
        .await?;
    served_again(&stage, two).await
}

async fn shard_gone(stage: Stage) -> Outcome {
    let two = two(&stage).await?;

    stage.kill_replica_of(&two.teacher).await?;
    stage.kill_primary_of(&two.teacher).await?;
    two.teachers
        .expect_close(1011, "SERVICE_UNAVAILABLE")
        .await?;
    let refused = stage.connect(&two.teacher).await.breaks(AWAY)?;
    refused
        .expect_close(1011, "SERVICE_UNAVAILABLE")
        .await
        .breaks(AWAY)?;
    two.colleagues.expect_texts(SOME).await?;
    stage.start_primary_of(&two.teacher).await?;
    served_again(&stage, two).await
}

async fn slot_moved(stage: Stage) -> Outcome {
    let two = two(&stage).await?;

    stage.move_slot_of(&two.teacher).await?;
    two.teachers
        .expect_close(1011, "SERVICE_UNAVAILABLE")
        .await?;
    served_again(&stage, two).await
}

async fn plain(stage: Stage) -> Outcome {
    let two = two(&stage).await?;

    stage.kill_publishing_node().await?;
    for client in [&two.teachers, &two.colleagues] {
        client.expect_close(1011, "SERVICE_UNAVAILABLE").await?;
    }
    for user in [&two.teacher, &two.colleague] {
        stage.until_served_beside(user).await.breaks(RESUMES)?;
        stage.connect(user).await?.expect_texts(SOME).await?;
    }
    two.traffic.stop().await?;
    stage.settle().await
}

async fn services_and_primary_killed(stage: Stage) -> Outcome {
    let teacher = stage.user("teacher");
    let colleague = stage.user_elsewhere("colleague", &teacher).await?;
    for service in SERVICES {
        for user in [&teacher, &colleague] {
            stage.until_served_beside_by(service, user).await?;
        }
    }
    let network = stage.network("the balancer").await?;
    network.lead_to(&SERVICES)?;
    let (mut teachers, mut clients) = (Vec::new(), Vec::new());
    // The balancer takes turns: each user has a connection to every service.
    for _ in SERVICES {
        teachers.push(stage.connect_over(&network, &teacher).await?);
    }
    for _ in SERVICES {
        clients.push(stage.connect_over(&network, &colleague).await?);
    }
    let traffic = stage.traffic(&[&teacher, &colleague]);
    for client in teachers.iter().chain(&clients) {
        client.expect_texts(SOME).await?;
    }

    stage.kill_primary_of(&teacher).await?;
    for client in teachers {
        client.expect_close(1011, "SERVICE_UNAVAILABLE").await?;
    }
    let [first, killed, last] = SERVICES;
    network.lead_to(&[first, last])?;
    stage.kill(killed).await?;
    clients.remove(1).expect_loss().await?;
    for service in [first, last] {
        stage
            .until_served_beside_by(service, &teacher)
            .await
            .breaks(RESUMES)?;
    }
    for user in [&teacher, &teacher, &colleague] {
        clients.push(stage.connect_over(&network, user).await.breaks(RESUMES)?);
    }
    stage.start(killed).await?;
    for user in [&teacher, &colleague] {
        stage.until_served_beside_by(killed, user).await?;
    }
    network.lead_to(&[killed])?;
    clients.push(stage.connect_over(&network, &teacher).await?);
    for client in &clients {
        client.expect_texts(SOME).await?;
    }
    traffic.stop().await?;
    stage.settle().await
}

async fn two(stage: &Stage) -> Outcome<Two> {
    let teacher = stage.user("teacher");
    let colleague = stage.user_elsewhere("colleague", &teacher).await?;
    for user in [&teacher, &colleague] {
        stage.until_served_beside(user).await?;
    }
    let teachers = stage.connect(&teacher).await?;
    let colleagues = stage.connect(&colleague).await?;
    let traffic = stage.traffic(&[&teacher, &colleague]);
    for client in [&teachers, &colleagues] {
        client.expect_texts(SOME).await?;
    }
    Ok(Two {
        teacher,
        colleague,
        teachers,
        colleagues,
        traffic,
    })
}

/// The teacher connects and gets what is published from then on, and the colleague has missed nothing.
async fn served_again(stage: &Stage, two: Two) -> Outcome {
    stage
        .until_served_beside(&two.teacher)
        .await
        .breaks(RESUMES)?;
    let client = stage.connect(&two.teacher).await.breaks(RESUMES)?;
    client.expect_texts(SOME).await.breaks(RESUMES)?;
    two.colleagues.expect_texts(SOME).await?;
    two.traffic.stop().await?;
    stage.settle().await
}

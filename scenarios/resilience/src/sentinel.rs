//! Redis is a master with a replica and sentinels that watch over both.

use harness::profile::Capability;
use harness::scenario::{Outcome, Scenario};
use harness::stage::Stage;
use harness::system::{Settings, Topology};

use crate::failover::served_again;

/// How many messages a client has when something happens to it: enough to be in the middle of them.
const SOME: usize = 20;

pub fn scenarios() -> Vec<Scenario> {
    [
        Scenario::new(
            "resilience/sentinel/master-killed",
            "when the master dies clients are closed with 1011, and served by the one that the sentinels name",
            master_killed,
        )
        .proves(["backplane.loss-closes", "backplane.resumes"]),
        Scenario::new(
            "resilience/sentinel/switched",
            "when the sentinels name another master, and the former one is well, clients are closed with 1011 and served by \
             the new one",
            switched,
        )
        .proves(["backplane.demotion-closes", "backplane.resumes"]),
    ]
    .map(|scenario| {
        scenario
            .needs([Capability::Websocket])
            .on_own_system(Settings::default().redis_as(Topology::Sentinel))
    })
    .into()
}

async fn master_killed(stage: Stage) -> Outcome {
    let teacher = stage.user("teacher");
    let connected = stage.connect(&teacher).await?;
    let traffic = stage.traffic(&[&teacher]);
    connected.expect_texts(SOME).await?;

    stage.kill_watched_master().await?;
    connected.expect_close(1011, "SERVICE_UNAVAILABLE").await?;
    served_again(&stage).await?;
    traffic.stop().await?;
    stage.settle().await
}

async fn switched(stage: Stage) -> Outcome {
    let teacher = stage.user("teacher");
    let connected = stage.connect(&teacher).await?;
    let traffic = stage.traffic(&[&teacher]);
    connected.expect_texts(SOME).await?;

    stage.make_sentinels_fail_over().await?;
    connected.expect_close(1011, "SERVICE_UNAVAILABLE").await?;
    served_again(&stage).await?;
    traffic.stop().await?;
    stage.settle().await
}

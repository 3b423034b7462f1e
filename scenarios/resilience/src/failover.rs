//! The master of a Redis pair fails, or changes places with its replica.

use harness::breach::Breaks;
use harness::profile::Capability;
use harness::scenario::{Outcome, Scenario};
use harness::stage::Stage;
use harness::system::{Part, Settings};

/// How many messages a client has when something happens to it: enough to be in the middle of them.
const SOME: usize = 20;
const RESUMES: &str = "backplane.resumes";

pub fn scenarios() -> Vec<Scenario> {
    vec![
        Scenario::new(
            "resilience/failover/master-killed",
            "when the master dies and its replica takes over, clients are closed with 1011 and served by the new one",
            master_killed,
        )
        .proves(["backplane.loss-closes", "backplane.resumes"])
        .needs([Capability::Websocket])
        .on_own_system(Settings::default().redis_behind_proxy()),
        Scenario::new(
            "resilience/failover/master-demoted",
            "a master that becomes a replica and throws out its clients, as Sentinel makes it do, is as good as lost",
            master_demoted,
        )
        .proves(["backplane.demotion-closes", "backplane.resumes"])
        .needs([Capability::Websocket])
        .on_own_system(Settings::default().redis_behind_proxy()),
    ]
}

async fn master_killed(stage: Stage) -> Outcome {
    let teacher = stage.user("teacher");
    stage.start_replica().await?;
    let connected = stage.connect(&teacher).await?;
    let traffic = stage.traffic(&[&teacher]);
    connected.expect_texts(SOME).await?;

    stage.kill(Part::Redis).await?;
    stage.promote_replica().await?;
    connected.expect_close(1011, "SERVICE_UNAVAILABLE").await?;
    served_again(&stage).await?;
    traffic.stop().await?;
    stage.settle().await
}

async fn master_demoted(stage: Stage) -> Outcome {
    let teacher = stage.user("teacher");
    stage.start_replica().await?;
    let connected = stage.connect(&teacher).await?;
    let traffic = stage.traffic(&[&teacher]);
    connected.expect_texts(SOME).await?;

    stage.promote_replica().await?;
    stage.demote_master().await?;
    connected.expect_close(1011, "SERVICE_UNAVAILABLE").await?;
    served_again(&stage).await?;
    traffic.stop().await?;
    stage.settle().await
}

/// Whether new connections are let in and messages arrive.
pub(crate) async fn served_again(stage: &Stage) -> Outcome {
    stage.until_served().await.breaks(RESUMES)?;
    let teacher = stage.user("teacher");
    stage.connect(&teacher).await?.expect_texts(SOME).await
}

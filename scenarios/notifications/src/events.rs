//! Every notification fixture, delivered as it was published.

use harness::fixture::{self, FixtureError, Notification};
use harness::scenario::{Outcome, Scenario};
use harness::stage::Stage;

pub fn scenarios() -> Result<Vec<Scenario>, FixtureError> {
    let scenario = |fixture: fixture::Fixture<Notification>| {
        let id = format!("notifications/events/{}", fixture.name);
        let notification = fixture.content;
        Scenario::new(id, notification.title.clone(), move |stage| {
            reaches_its_teacher_alone(stage, notification.clone())
        })
        .proves(["delivery.once-per-connection", "delivery.bytes-untouched"])
        .with_fixture(fixture.path)
    };
    Ok(fixture::notifications()?
        .into_iter()
        .map(scenario)
        .collect())
}

async fn reaches_its_teacher_alone(stage: Stage, notification: Notification) -> Outcome {
    let teacher = stage.user("teacher");
    stage.connect(&teacher).await?;
    stage.connect(&stage.user("colleague")).await?;

    stage.publish(&teacher, &notification.message).await?;
    stage.settle().await
}

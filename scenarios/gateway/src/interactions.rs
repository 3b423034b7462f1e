//! Every interaction fixture.

use harness::fixture::{self, FixtureError};
use harness::profile::Capability;
use harness::scenario::Scenario;
use harness::system::ORIGIN;

pub fn scenarios() -> Result<Vec<Scenario>, FixtureError> {
    let scenario = |fixture: fixture::Fixture<fixture::Interaction>| {
        let id = format!("gateway/{}", fixture.name);
        let (title, path) = (fixture.content.title.clone(), fixture.path.clone());
        let mut needs = Vec::new();
        if fixture.content.downstream.is_some() {
            needs.push(Capability::Downstreams);
        }
        if fixture
            .content
            .request
            .headers
            .get("origin")
            .is_some_and(|o| o == ORIGIN)
        {
            needs.push(Capability::Origin);
        }
        let promises = fixture.content.proves.clone();
        Scenario::new(id, title, move |stage| {
            let fixture = fixture.clone();
            async move { stage.play(&fixture).await.map(|_| ()) }
        })
        .proves(promises)
        .needs(needs)
        .with_fixture(path)
    };
    Ok(fixture::interactions()?.into_iter().map(scenario).collect())
}

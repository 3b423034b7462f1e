//! Every interaction fixture.

use harness::fixture::{self, FixtureError};
use harness::scenario::Scenario;

pub fn scenarios() -> Result<Vec<Scenario>, FixtureError> {
    let scenario = |fixture: fixture::Fixture<fixture::Interaction>| {
        let id = format!("gateway/{}", fixture.name);
        let (title, path) = (fixture.content.title.clone(), fixture.path.clone());
        let promises = fixture.content.proves.clone();
        Scenario::new(id, title, move |stage| {
            let fixture = fixture.clone();
            async move { stage.play(&fixture).await.map(|_| ()) }
        })
        .proves(promises)
        .with_fixture(path)
    };
    Ok(fixture::interactions()?.into_iter().map(scenario).collect())
}

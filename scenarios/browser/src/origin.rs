//! A page from somewhere else.

use harness::profile::Capability;
use harness::scenario::{Failure, Outcome, Scenario, ensure};
use harness::stage::Sight;

use crate::page::{Page, in_a_page_from, shown};

/// Where no system allows a page to come from.
const ELSEWHERE: &str = "https://elsewhere.example";

pub fn scenario() -> Scenario {
    Scenario::new(
        "browser/origin/foreign",
        "a page from an origin that is not allowed gets no connection, and its console says 403",
        |stage| in_a_page_from(ELSEWHERE, stage, refused),
    )
    .proves(["connections.origin-checked"])
    .needs([Capability::Origin])
}

async fn refused(mut page: Page) -> Outcome {
    let teacher = page.stage.user("teacher");
    let token = page.stage.token(&teacher);
    page.open_socket(&token).await?;
    let mut socket = page.tab.socket().await?;
    let Err(sight) = socket.opened().await? else {
        return Err(Failure::broken(format!(
            "a page of {ELSEWHERE} was let in: it should get 403"
        )));
    };
    let without_a_reason = Sight::Closed {
        code: 1006,
        reason: String::new(),
        clean: false,
    };
    let said = shown(&sight);
    ensure(sight == without_a_reason, || {
        format!(
            "a page of {ELSEWHERE} should see a connection that failed; its CloseEvent shows {said}"
        )
    })?;
    page.tab.until_complaint("403").await?;
    let words = format!(
        "a page of {ELSEWHERE} gets no connection; its CloseEvent: {said}; its console says 403"
    );
    page.stage.note("browser", &words);
    page.leave().await
}

//! The WebSocket route that is gone: `/ws/v1/status/{client_id}` is a plain 404, to an upgrade too.

use harness::breach::Breaks;
use harness::handshake::Answer;
use harness::http::Call;
use harness::scenario::{Failure, Outcome, Scenario, ensure};
use harness::stage::Stage;

pub fn scenarios() -> Vec<Scenario> {
    let scenario = |id: &str, title: &str, credentials: Credentials| {
        Scenario::new(format!("gateway/legacy/{id}"), title, move |stage| {
            gone(stage, credentials)
        })
        .proves(["legacy.route-gone"])
    };
    vec![
        scenario(
            "upgrade-with-token-in-query",
            "the legacy WebSocket route answers 404 to an upgrade with a token in the query",
            Credentials::Query,
        ),
        scenario(
            "upgrade-with-token-in-header",
            "the legacy WebSocket route answers 404 to an upgrade with a token in the header",
            Credentials::Header,
        ),
        scenario(
            "upgrade-without-token",
            "the legacy WebSocket route answers 404 to an upgrade without a token",
            Credentials::None,
        ),
        Scenario::new(
            "gateway/legacy/metrics",
            "an upgrade on the legacy WebSocket route leaves no WebSocket metric",
            metrics,
        )
        .proves(["legacy.metrics-gone"]),
    ]
}

async fn metrics(stage: Stage) -> Outcome {
    let answered = gone(stage.clone(), Credentials::Query).await;
    answered.breaks("legacy.route-gone")?;
    let reply = stage.call_unseen(&Call::get("/metrics")).await?;
    ensure(reply.status == 200, || {
        format!(
            "GET /metrics should answer 200 and answered {}",
            reply.status
        )
    })?;
    let text = reply.text().to_lowercase();
    let named = text
        .lines()
        .find(|line| line.contains("websocket") || line.contains("/ws"));
    ensure(named.is_none(), || {
        format!("/metrics names the legacy WebSocket route: {named:?}")
    })?;
    stage.note(
        "operator",
        "GET /metrics names neither WebSockets nor their route",
    );
    Ok(())
}

#[derive(Clone, Copy)]
enum Credentials {
    Query,
    Header,
    None,
}

async fn gone(stage: Stage, credentials: Credentials) -> Outcome {
    let teacher = stage.user("teacher");
    let token = stage.token(&teacher);
    let path = format!("/ws/v1/status/{}", teacher.id);
    let (path, headers) = match credentials {
        Credentials::Query => (format!("{path}?token={token}"), Vec::new()),
        Credentials::Header => (
            path,
            vec![("authorization".to_owned(), format!("Bearer {token}"))],
        ),
        Credentials::None => (path, Vec::new()),
    };
    let answer = stage
        .upgrade_at_gateway("old client", &path, headers)
        .await?;
    let Answer::Refused(response) = answer else {
        return Err(Failure::broken(
            "the gateway switched protocols on its legacy WebSocket route: it should answer 404",
        ));
    };
    ensure(response.status == 404, || {
        format!(
            "the legacy WebSocket route should answer 404 and answered {}",
            response.status
        )
    })?;
    for name in ["location", "upgrade"] {
        ensure(response.header(name).is_none(), || {
            format!("the 404 has a {name} header")
        })?;
    }
    let body = response.json()?;
    let code = body["error"]["code"].as_str().unwrap_or_default();
    ensure(!code.is_empty(), || {
        "the 404 has no error.code in its body".to_owned()
    })
    .breaks("errors.one-shape")
}

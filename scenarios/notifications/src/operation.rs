//! What those who run the service rely on: its log, and that it does not start half configured.

use harness::breach::Breaks;
use harness::profile::Capability;
use harness::scenario::{Outcome, Scenario, ensure};
use harness::stage::Stage;
use harness::system::Part;
use serde_json::Value;

pub fn scenarios() -> Vec<Scenario> {
    vec![
        Scenario::new(
            "notifications/operation/no-secret",
            "the service does not start without JWT_SECRET_KEY",
            no_secret,
        )
        .proves(["settings.secret-required"])
        .needs([Capability::Faults]),
        Scenario::new(
            "notifications/operation/log",
            "the log is JSON lines that can be followed by correlation id, and holds no token",
            log,
        )
        .proves(["logs.json-lines", "logs.no-token"])
        .needs([Capability::Logs]),
    ]
}

async fn no_secret(stage: Stage) -> Outcome {
    stage.expect_no_start_without("JWT_SECRET_KEY").await
}

async fn log(stage: Stage) -> Outcome {
    let teacher = stage.user("teacher");
    let good = stage.token(&teacher);
    let issuer = &stage.system().issuer;
    let bad = stage.known_token("bad", issuer.forge(&issuer.claims(&teacher.id)));
    let client = stage
        .connect_to(&format!("/ws?token={good}"), &teacher)
        .await?;
    client.close().await?;
    // Which id a connection has shows in the reason of a refusal alone: no client can set it, and no other close owes it.
    let mut ids = Vec::new();
    for token in [&bad, &bad] {
        let refused = stage
            .connect_to(&format!("/ws?token={token}"), &teacher)
            .await
            .breaks("token.refusal-visible")?;
        let reason = refused.expect_refusal().await?;
        let id = reason["correlation_id"].as_str().unwrap_or_default();
        ensure(
            !id.is_empty() && !ids.iter().any(|other| other == id),
            || format!("the reason of a refusal should name a correlation id of its own: {reason}"),
        )
        .breaks("close.reason-is-json")?;
        ids.push(id.to_owned());
    }

    let part = Part::WebsocketService;
    stage.until_printed(part, &ids[0]).await?;
    let lines = stage.until_printed(part, &ids[1]).await?;
    for id in &ids {
        ensure(lines.iter().any(|line| line.contains(id)), || {
            format!("a line of the log should name the correlation id of a refusal, {id}")
        })?;
    }
    for line in &lines {
        let json: Value = serde_json::from_str(line).unwrap_or_default();
        ensure(json.is_object(), || {
            format!("every line of the log should be a JSON object: {line}")
        })?;
        // The scenarios before this one have left their lines, too: "eyJ" is how every JSON Web Token begins.
        let token = [good.as_str(), &bad, "eyJ"]
            .into_iter()
            .find(|token| line.contains(token));
        ensure(token.is_none(), || {
            format!("a line of the log holds a token: {line}")
        })
        .breaks("logs.no-token")?;
    }
    stage.operator_notes("every line is a JSON object and holds no token");
    stage.operator_notes("the correlation id of each refusal is in it");
    Ok(())
}

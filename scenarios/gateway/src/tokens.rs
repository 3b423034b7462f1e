//! Bad tokens, which no route takes. Whatever is wrong with one, the answer is the same.

use harness::http::Call;
use harness::scenario::{Outcome, Scenario, ensure};
use harness::stage::Stage;
use harness::token::bad::{BAD, Bad};

pub fn scenarios() -> Vec<Scenario> {
    let scenario = |bad: &'static Bad| {
        let id = format!("gateway/tokens/{}", bad.name);
        let title = format!("{} is refused with 401 on every route", bad.what);
        Scenario::new(id, title, move |stage| refused(stage, bad))
            .proves(["auth.claims-checked", "errors.one-shape"])
    };
    // Who has no token at all is asked for one: that is a promise of its own, with fixtures.
    let bad = BAD.iter().filter(|bad| bad.name != "none");
    bad.map(scenario).collect()
}

async fn refused(stage: Stage, bad: &Bad) -> Outcome {
    let teacher = stage.user("teacher");
    let token = (bad.make)(&teacher.id, &stage.system().issuer).unwrap_or_default();
    let token = stage.known_token(bad.name, token);
    let (batch, class) = (stage.id("batch"), stage.id("class"));
    for (method, path) in [
        ("GET", format!("/v1/batches/{batch}/status")),
        ("POST", format!("/v1/batches/{batch}/pipelines")),
        ("POST", "/v1/files/batch".to_owned()),
        ("GET", format!("/v1/classes/{class}")),
    ] {
        let call = Call {
            method: method.to_owned(),
            headers: vec![("authorization".to_owned(), format!("Bearer {token}"))],
            ..Call::get(path)
        };
        let reply = stage.call("teacher", &call).await?;
        ensure(reply.status == 401, || {
            let (path, got) = (&call.path, reply.status);
            format!(
                "{method} {path} with {} should be a 401; it is a {got}",
                bad.what
            )
        })?;
    }
    Ok(())
}

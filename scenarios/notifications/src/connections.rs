//! The endpoint, the limit, what clients send, coming and going.

use harness::client::Answer;
use harness::flow::Frame;
use harness::scenario::{Failure, Outcome, Scenario, ensure};
use harness::stage::Stage;

/// The default of `WEBSOCKET_MAX_CONNECTIONS_PER_USER` (contract, Connection limit).
const LIMIT: usize = 5;
const MESSAGE: &[u8] = br#"{"event":"hello","data":{}}"#;

pub fn scenarios() -> Vec<Scenario> {
    let scenario = |id: &str, title: &str, play: Play| {
        Scenario::new(format!("notifications/connections/{id}"), title, play)
    };
    vec![
        scenario(
            "trailing-slash",
            "/ws/ is the same endpoint as /ws",
            |stage| Box::pin(trailing_slash(stage)),
        )
        .proves(["token.good-one-opens"]),
        scenario(
            "sixth-refused",
            "a sixth connection of one user is closed with 4000, the other five are untouched",
            |stage| Box::pin(sixth_refused(stage)),
        )
        .proves(["connections.limit-per-user", "close.reason-is-json"]),
        scenario(
            "slot-freed",
            "a connection that closes makes room for the next",
            |stage| Box::pin(slot_freed(stage)),
        )
        .proves(["connections.slot-freed"]),
        scenario(
            "sibling-leaves",
            "when one of a user's connections closes, the others go on",
            |stage| Box::pin(sibling_leaves(stage)),
        )
        .proves(["delivery.every-connection"]),
        scenario(
            "foreign-origin",
            "a browser from an origin that is not allowed gets 403 at the upgrade",
            |stage| Box::pin(foreign_origin(stage)),
        )
        .proves(["connections.origin-checked"]),
        scenario(
            "limit-per-user",
            "one user's connections do not count for another",
            |stage| Box::pin(limit_per_user(stage)),
        )
        .proves(["connections.limit-per-user"]),
        scenario(
            "client-text",
            "a client's text frame is ignored and the connection stays",
            |stage| Box::pin(client_frame(stage, r#"{"type":"heartbeat"}"#.into())),
        )
        .proves(["connections.client-frames-ignored"]),
        scenario(
            "client-binary",
            "a client's binary frame is ignored and the connection stays",
            |stage| Box::pin(client_frame(stage, Frame::Binary(vec![0, 1, 255]))),
        )
        .proves(["connections.client-frames-ignored"]),
        scenario(
            "client-ping",
            "a client's ping is answered with a pong of the same payload",
            |stage| Box::pin(client_ping(stage)),
        )
        .proves(["connections.ping-answered"]),
        scenario(
            "client-closes",
            "a client's close frame is answered and the connection ends",
            |stage| Box::pin(client_closes(stage)),
        )
        .proves(["connections.close-answered"]),
        scenario(
            "reconnect",
            "a client that comes back gets what is published from then on, and nothing from before",
            |stage| Box::pin(reconnect(stage)),
        )
        .proves(["delivery.nothing-kept"]),
    ]
}

type Play = fn(Stage) -> std::pin::Pin<Box<dyn Future<Output = Outcome> + Send>>;

async fn trailing_slash(stage: Stage) -> Outcome {
    let teacher = stage.user("teacher");
    let token = stage.token(&teacher);
    stage
        .connect_to(&format!("/ws/?token={token}"), &teacher)
        .await?;
    stage.connect(&teacher).await?;
    stage.publish_bytes(&teacher, "hello", MESSAGE).await?;
    stage.settle().await
}

async fn sixth_refused(stage: Stage) -> Outcome {
    let teacher = stage.user("teacher");
    for _ in 0..LIMIT {
        stage.connect(&teacher).await?;
    }
    let sixth = stage.connect(&teacher).await?;
    sixth.expect_close(4000, "QUOTA_EXCEEDED").await?;

    stage.publish_bytes(&teacher, "hello", MESSAGE).await?;
    stage.settle().await
}

async fn slot_freed(stage: Stage) -> Outcome {
    let teacher = stage.user("teacher");
    let mut clients = Vec::new();
    for _ in 0..LIMIT {
        clients.push(stage.connect(&teacher).await?);
    }
    clients[2].close().await?;
    stage.connect(&teacher).await?;

    stage.publish_bytes(&teacher, "hello", MESSAGE).await?;
    stage.settle().await
}

async fn sibling_leaves(stage: Stage) -> Outcome {
    let teacher = stage.user("teacher");
    let first = stage.connect(&teacher).await?;
    stage.connect(&teacher).await?;
    stage.connect(&teacher).await?;
    first.close().await?;

    stage.publish_bytes(&teacher, "hello", MESSAGE).await?;
    stage.settle().await
}

async fn foreign_origin(stage: Stage) -> Outcome {
    let teacher = stage.user("teacher");
    let path = format!("/ws?token={}", stage.token(&teacher));
    let origin = vec![("origin".to_owned(), "https://elsewhere.example".to_owned())];
    let answer = stage
        .upgrade_at_websocket_service("browser", &path, origin)
        .await?;
    let Answer::Refused(response) = answer else {
        return Err(Failure::Broken(
            "a foreign origin was let in: it should get 403".into(),
        ));
    };
    ensure(response.status == 403, || {
        format!(
            "a foreign origin should get 403 and got {}",
            response.status
        )
    })
}

async fn limit_per_user(stage: Stage) -> Outcome {
    let (teacher, colleague) = (stage.user("teacher"), stage.user("colleague"));
    for _ in 0..LIMIT {
        stage.connect(&teacher).await?;
    }
    stage.connect(&colleague).await?;
    stage.publish_bytes(&colleague, "hello", MESSAGE).await?;
    stage.settle().await
}

async fn client_frame(stage: Stage, frame: Frame) -> Outcome {
    let teacher = stage.user("teacher");
    let client = stage.connect(&teacher).await?;
    client.send(frame).await?;
    // The pong shows that the frame before the ping has been read.
    client.send(Frame::Ping(b"read".to_vec())).await?;
    client.expect_pong(b"read").await?;

    stage.publish_bytes(&teacher, "hello", MESSAGE).await?;
    stage.settle().await
}

async fn client_ping(stage: Stage) -> Outcome {
    let teacher = stage.user("teacher");
    let client = stage.connect(&teacher).await?;
    for payload in [b"".as_slice(), b"hello", &[0xff; 125]] {
        client.send(Frame::Ping(payload.to_vec())).await?;
        client.expect_pong(payload).await?;
    }
    stage.settle().await
}

async fn client_closes(stage: Stage) -> Outcome {
    let teacher = stage.user("teacher");
    let client = stage.connect(&teacher).await?;
    client.close().await
}

async fn reconnect(stage: Stage) -> Outcome {
    let teacher = stage.user("teacher");
    let first = stage.connect(&teacher).await?;
    stage
        .publish_bytes(&teacher, "first", br#"{"event":"first","data":{}}"#)
        .await?;
    stage.settle().await?;
    first.close().await?;

    stage
        .publish_bytes(&teacher, "missed", br#"{"event":"missed","data":{}}"#)
        .await?;
    stage.connect(&teacher).await?;
    stage
        .publish_bytes(&teacher, "second", br#"{"event":"second","data":{}}"#)
        .await?;
    stage.settle().await
}

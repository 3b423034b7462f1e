//! The endpoint, the limit, what clients send, coming and going.

use harness::breach::Breaks;
use harness::flow::Frame;
use harness::handshake::Answer;
use harness::profile::Capability;
use harness::scenario::{Failure, Outcome, Scenario, ensure};
use harness::stage::Stage;
use harness::system::ORIGIN;

/// The default of `WEBSOCKET_MAX_CONNECTIONS_PER_USER` (contract, Connection limit).
const LIMIT: usize = 5;
/// The longest message that a client may send (contract, From the client).
const MESSAGE_LIMIT: usize = 64 * 1024;
/// The close code for a longer one.
const TOO_BIG: u16 = 1009;
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
        .proves(["connections.limit-per-user", "close.reason-is-json"])
        .needs([Capability::Limit]),
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
            "own-origin",
            "a browser from an origin that is allowed is let in",
            |stage| Box::pin(own_origin(stage)),
        )
        .proves(["connections.origin-checked"])
        .needs([Capability::Origin]),
        scenario(
            "no-origin",
            "a client that is no browser, and sends no origin, is let in",
            |stage| Box::pin(no_origin(stage)),
        )
        .proves(["connections.origin-checked"]),
        scenario(
            "reset-frees",
            "a connection that is reset makes room for the next",
            |stage| Box::pin(gone_without_a_close(stage, Gone::Reset)),
        )
        .proves(["connections.slot-freed"])
        .needs([Capability::Limit]),
        scenario(
            "end-of-stream-frees",
            "a connection whose stream ends without a close frame makes room for the next",
            |stage| Box::pin(gone_without_a_close(stage, Gone::EndOfStream)),
        )
        .proves(["connections.slot-freed"])
        .needs([Capability::Limit]),
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
        scenario(
            "oversized",
            "a client's message of 64 KiB is ignored, and a longer one closes the connection with 1009",
            |stage| Box::pin(oversized(stage)),
        )
        .proves(["connections.oversized-closed"]),
        scenario(
            "oversized-in-fragments",
            "a client's message that grows over 64 KiB by fragments closes the connection with 1009",
            |stage| Box::pin(malformed(stage, OVERSIZED_IN_FRAGMENTS)),
        )
        .proves(["connections.oversized-closed"]),
        scenario(
            "reserved-bit",
            "a client's frame with a reserved bit set closes the connection with 1002",
            |stage| Box::pin(malformed(stage, RESERVED_BIT)),
        )
        .proves(["connections.malformed-closed"]),
        scenario(
            "unmasked",
            "a client's frame without a mask closes the connection with 1002",
            |stage| Box::pin(malformed(stage, UNMASKED)),
        )
        .proves(["connections.malformed-closed"]),
        scenario(
            "unknown-opcode",
            "a client's frame of an unknown kind closes the connection with 1002",
            |stage| Box::pin(malformed(stage, UNKNOWN_OPCODE)),
        )
        .proves(["connections.malformed-closed"]),
        scenario(
            "not-utf8",
            "a client's text that is not UTF-8 closes the connection with 1007",
            |stage| Box::pin(malformed(stage, NOT_UTF8)),
        )
        .proves(["connections.malformed-closed"]),
    ]
}

/// How a client goes that says no goodbye.
#[derive(Clone, Copy)]
enum Gone {
    Reset,
    EndOfStream,
}

/// What no well-behaved client sends, and how it is answered (RFC 6455, sections 5.2, 5.6, 7.4.1).
struct Malformed {
    what: &'static str,
    bytes: fn() -> Vec<u8>,
    code: u16,
}

/// The mask of every frame here: with zeros the payload stays what it is.
const MASK: [u8; 4] = [0; 4];

const RESERVED_BIT: Malformed = Malformed {
    what: "a text frame with the first reserved bit set",
    bytes: || frame(0xc1, b"hello"),
    code: 1002,
};
const UNMASKED: Malformed = Malformed {
    what: "a text frame without a mask",
    bytes: || vec![0x81, 2, b'h', b'i'],
    code: 1002,
};
const UNKNOWN_OPCODE: Malformed = Malformed {
    what: "a frame with opcode 3",
    bytes: || frame(0x83, b"hello"),
    code: 1002,
};
const NOT_UTF8: Malformed = Malformed {
    what: "a text frame that ends in half a character",
    bytes: || frame(0x81, b"hell\xc3"),
    code: 1007,
};
const OVERSIZED_IN_FRAGMENTS: Malformed = Malformed {
    what: "a binary message of 64 KiB in two fragments, and a third with one byte",
    bytes: || {
        let half = vec![0; MESSAGE_LIMIT / 2];
        [frame(0x02, &half), frame(0x00, &half), frame(0x80, b"!")].concat()
    },
    code: TOO_BIG,
};

/// A masked frame whose first byte is `head` (RFC 6455, section 5.2), of at most 65,535 bytes.
fn frame(head: u8, payload: &[u8]) -> Vec<u8> {
    let length = payload.len();
    let length = match u8::try_from(length) {
        Ok(length @ 0..126) => vec![0x80 | length],
        _ => vec![0x80 | 126, (length >> 8) as u8, length as u8],
    };
    [&[head], length.as_slice(), &MASK, payload].concat()
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
    stage.connect_once_there_is_room(&teacher).await?;

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
        .upgrade_at_websocket_service("browser", &teacher, &path, origin)
        .await?;
    let Answer::Refused(response) = answer else {
        return Err(Failure::broken(
            "a foreign origin was let in: it should get 403",
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
    stage.connect(&stage.user("colleague")).await?;
    stage
        .publish_bytes(&teacher, "first", br#"{"event":"first","data":{}}"#)
        .await?;
    stage.settle().await?;
    first.close().await?;
    // The service has had a message to send since, and so it knows that the client has gone.
    stage.settle().await?;

    stage
        .publish_bytes(&teacher, "missed", br#"{"event":"missed","data":{}}"#)
        .await?;
    // The service has seen it go by.
    stage.settle().await?;
    stage.connect(&teacher).await?;
    stage
        .publish_bytes(&teacher, "second", br#"{"event":"second","data":{}}"#)
        .await?;
    stage.settle().await
}

async fn own_origin(stage: Stage) -> Outcome {
    let teacher = stage.user("teacher");
    let path = format!("/ws?token={}", stage.token(&teacher));
    let origin = vec![("origin".to_owned(), ORIGIN.to_owned())];
    stage.connect_with(&path, origin, &teacher).await?;
    stage.publish_bytes(&teacher, "hello", MESSAGE).await?;
    stage.settle().await
}

async fn no_origin(stage: Stage) -> Outcome {
    let teacher = stage.user("teacher");
    stage.connect(&teacher).await?;
    stage.publish_bytes(&teacher, "hello", MESSAGE).await?;
    stage.settle().await
}

async fn gone_without_a_close(stage: Stage, gone: Gone) -> Outcome {
    let teacher = stage.user("teacher");
    for _ in 1..LIMIT {
        stage.connect(&teacher).await?;
    }
    let going = stage.connect_raw(&teacher).await?;
    let sixth = stage.connect(&teacher).await?;
    let refused = sixth.expect_close(4000, "QUOTA_EXCEEDED").await;
    refused.breaks("connections.limit-per-user")?;
    match gone {
        Gone::Reset => going.reset()?,
        Gone::EndOfStream => going.end().await?,
    }
    stage.connect_once_there_is_room(&teacher).await?;

    stage.publish_bytes(&teacher, "hello", MESSAGE).await?;
    stage.settle().await
}

async fn oversized(stage: Stage) -> Outcome {
    let teacher = stage.user("teacher");
    let client = stage.connect(&teacher).await?;
    client.send(Frame::Binary(vec![0; MESSAGE_LIMIT])).await?;
    client.send(Frame::Ping(b"read".to_vec())).await?;
    let read = client.expect_pong(b"read").await;
    if client.close_code() != Some(TOO_BIG) {
        read.breaks("connections.client-frames-ignored")?;
    } else {
        read?;
    }
    let ignored = stage.settle().await;
    ignored.breaks("connections.client-frames-ignored")?;
    client
        .send(Frame::Binary(vec![0; MESSAGE_LIMIT + 1]))
        .await?;
    client.expect_close_by_code(TOO_BIG).await?;
    Ok(())
}

async fn malformed(stage: Stage, malformed: Malformed) -> Outcome {
    let teacher = stage.user("teacher");
    stage.connect(&teacher).await?;
    let mut client = stage.connect_raw(&teacher).await?;
    client.write(malformed.what, &(malformed.bytes)()).await?;
    client.expect_close_by_code(malformed.code).await?;
    stage.publish_bytes(&teacher, "hello", MESSAGE).await?;
    stage.settle().await
}

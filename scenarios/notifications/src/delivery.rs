//! Once to each connection, in order, to nobody else.

use harness::breach::Breaks;
use harness::fixture::{self, FixtureError, Message};
use harness::profile::Capability;
use harness::scenario::{Outcome, Scenario};
use harness::stage::Stage;

/// How long a token lives that ends a wait, in seconds: long enough for a busy machine to connect, and for strays.
const LIFETIME: i64 = 4;

pub fn scenarios() -> Result<Vec<Scenario>, FixtureError> {
    let fixture = fixture::notification("batch_files_uploaded")?;
    let message = fixture.content.message;
    let with_message = |id: &str, title: &str, play: Play| {
        let message = message.clone();
        Scenario::new(
            format!("notifications/delivery/{id}"),
            title,
            move |stage| play(stage, message.clone()),
        )
        .with_fixture(fixture.path.clone())
    };
    Ok(vec![
        with_message(
            "two-connections",
            "two connections of one user each get every message once",
            |stage, message| Box::pin(connections_of_one_user(stage, message, 2)),
        )
        .proves(["delivery.every-connection", "delivery.once-per-connection"]),
        with_message(
            "five-connections",
            "five connections of one user each get every message once",
            |stage, message| Box::pin(connections_of_one_user(stage, message, 5)),
        )
        .proves(["delivery.every-connection", "delivery.once-per-connection"]),
        with_message(
            "other-users",
            "what is published to one user reaches no other",
            |stage, message| Box::pin(other_users(stage, message)),
        )
        .proves(["delivery.own-user-only"]),
        with_message(
            "similar-names",
            "a user whose id begins with another's is another user",
            |stage, message| Box::pin(similar_names(stage, message)),
        )
        .proves(["delivery.own-user-only"]),
        with_message(
            "names-like-patterns",
            "a user whose id reads like a pattern of Redis gets what is published to that very id",
            |stage, message| Box::pin(names_like_patterns(stage, message)),
        )
        .proves(["delivery.own-user-only"]),
        with_message(
            "late-stray",
            "what is published to one user reaches no other, a moment later either",
            |stage, message| Box::pin(late_stray(stage, message)),
        )
        .proves(["delivery.own-user-only"])
        .needs([Capability::Bursts]),
        with_message(
            "right-after-101",
            "a message published the moment a client sees 101 reaches it",
            |stage, message| Box::pin(right_after_101(stage, message)),
        )
        .proves(["delivery.from-101"]),
        with_message(
            "nobody-connected",
            "what is published while nobody is connected is not kept for later",
            |stage, message| Box::pin(nobody_connected(stage, message)),
        )
        .proves(["delivery.nothing-kept"]),
        Scenario::new(
            "notifications/delivery/thousand-in-order",
            "a thousand messages in a row arrive in order, each once",
            thousand_in_order,
        )
        .proves(["delivery.in-order", "delivery.once-per-connection"])
        .needs([Capability::Bursts]),
        Scenario::new(
            "notifications/delivery/bytes-untouched",
            "the service is a pure router: whatever JSON is published arrives byte for byte",
            bytes_untouched,
        )
        .proves(["delivery.bytes-untouched", "delivery.once-per-connection"]),
        Scenario::new(
            "notifications/delivery/one-frame",
            "a message arrives in one text frame, however long it is",
            one_frame,
        )
        .proves(["delivery.bytes-untouched"]),
        Scenario::new(
            "notifications/delivery/not-utf8-skipped",
            "a message that no text frame can carry is skipped, and the next one arrives",
            not_utf8_skipped,
        )
        .proves(["delivery.not-utf8-skipped"]),
    ])
}

type Play = fn(Stage, Message) -> std::pin::Pin<Box<dyn Future<Output = Outcome> + Send>>;

async fn connections_of_one_user(stage: Stage, message: Message, count: usize) -> Outcome {
    let teacher = stage.user("teacher");
    for _ in 0..count {
        stage.connect(&teacher).await?;
    }
    stage.publish(&teacher, &message).await?;
    stage.publish(&teacher, &message).await?;
    stage.settle().await
}

async fn other_users(stage: Stage, message: Message) -> Outcome {
    let teacher = stage.user("teacher");
    stage.connect(&teacher).await?;
    stage.connect(&stage.user("colleague")).await?;
    stage.connect(&stage.user("headmaster")).await?;

    stage.publish(&teacher, &message).await?;
    stage.settle().await?;
    stage
        .publish(&stage.user("colleague"), &addressed(&message, "colleague"))
        .await?;
    stage.settle().await
}

/// The message with words of its own, so that it can be told from another user's.
fn addressed(message: &Message, name: &str) -> Message {
    let mut message = message.clone();
    message
        .data
        .insert("message".to_owned(), format!("For {name}.").into());
    message
}

async fn similar_names(stage: Stage, message: Message) -> Outcome {
    let teacher = stage.user("teacher");
    let namesake = stage.user_with_id("namesake", &format!("{}-2", teacher.id));
    stage.connect(&teacher).await?;
    stage.connect(&namesake).await?;

    stage.publish(&teacher, &message).await?;
    stage
        .publish(&namesake, &addressed(&message, "namesake"))
        .await?;
    stage.settle().await
}

/// What strays on another path than the fence's may be late. How long that is waited for is the life of a token: the
/// service itself says when it is over.
async fn late_stray(stage: Stage, message: Message) -> Outcome {
    stage.on_an_ordinary_day().await?;
    stage.connect(&stage.user("colleague")).await?;
    stage.connect(&stage.user("headmaster")).await?;
    let teacher = stage.user("teacher");
    let issuer = &stage.system().issuer;
    let claims = issuer.claims(&teacher.id).expiring_in(LIFETIME);
    let token = stage.known_token("expiring", issuer.sign(&claims));
    let path = format!("/ws?token={token}");
    let expiring = stage.connect_to(&path, &teacher).await?;

    stage.publish(&teacher, &message).await?;
    stage.settle().await?;
    let closed = expiring.expect_close(1008, "AUTHENTICATION_ERROR").await;
    closed.breaks("token.expiry-closes")?;
    stage.settle().await
}

/// Texts about where a frame's length is written otherwise (RFC 6455, section 5.2), and long ones.
async fn one_frame(stage: Stage) -> Outcome {
    let teacher = stage.user("teacher");
    stage.connect(&teacher).await?;
    stage.settle().await?;
    let mut raw = stage.connect_raw(&teacher).await?;
    raw.note("it reads, and answers nothing");
    for length in [30, 125, 126, 4_096, 65_535, 65_536, 300_000] {
        let text = format!(r#"{{"event":"e","data":"{}"}}"#, "x".repeat(length - 23));
        let kind = format!("of {} bytes", text.len());
        stage
            .publish_bytes(&teacher, &kind, text.as_bytes())
            .await?;
        raw.expect_text(text.as_bytes()).await?;
    }
    stage.settle().await
}

async fn names_like_patterns(stage: Stage, message: Message) -> Outcome {
    let teacher = stage.user("teacher");
    stage.connect(&teacher).await?;
    // The mark of the stage stays in the ids: the patterns are for this teacher's id alone.
    for (name, id) in [
        ("star", format!("*{}", stage.mark())),
        ("question mark", format!("?{}", &teacher.id[1..])),
        ("set", format!("[{}]{}", &teacher.id[..1], &teacher.id[1..])),
    ] {
        let user = stage.user_with_id(name, &id);
        stage.connect(&user).await?;
        stage.publish(&user, &addressed(&message, name)).await?;
    }
    stage.publish(&teacher, &message).await?;
    stage.settle().await
}

async fn right_after_101(stage: Stage, message: Message) -> Outcome {
    // Several users, so that a late subscription has several chances to show.
    for name in ["teacher", "colleague", "headmaster", "substitute"] {
        let user = stage.user(name);
        stage.connect(&user).await?;
        stage.publish(&user, &addressed(&message, name)).await?;
    }
    stage.settle().await
}

async fn nobody_connected(stage: Stage, message: Message) -> Outcome {
    let teacher = stage.user("teacher");
    stage.connect(&stage.user("colleague")).await?;
    stage.publish(&teacher, &message).await?;
    // The service has seen it go by.
    stage.settle().await?;
    stage.connect(&teacher).await?;
    stage.settle().await
}

async fn thousand_in_order(stage: Stage) -> Outcome {
    let teacher = stage.user("teacher");
    stage.connect(&teacher).await?;
    stage.connect(&teacher).await?;
    let messages: Vec<Vec<u8>> = (1..=1000)
        .map(|number| {
            format!(r#"{{"event":"numbered","data":{{"number":{number}}}}}"#).into_bytes()
        })
        .collect();
    stage.publish_all(&teacher, "numbered", &messages).await?;
    stage.settle().await
}

async fn bytes_untouched(stage: Stage) -> Outcome {
    let teacher = stage.user("teacher");
    stage.connect(&teacher).await?;
    let texts = [
        ("spaces", r#"{ "event" : "e",  "data" : { } }"#),
        (
            "escapes",
            r#"{"event":"e","data":{"name":"\u00c5sa \/ \ud83d\ude00"}}"#,
        ),
        ("raw-unicode", r#"{"event":"e","data":{"name":"Åsa / 😀"}}"#),
        (
            "numbers",
            r#"{"event":"e","data":{"a":1.0,"b":1e2,"c":-0,"d":12345678901234567890}}"#,
        ),
        ("order", r#"{"data":{"z":1,"a":2},"event":"e"}"#),
        ("same-name-twice", r#"{"event":"e","data":{"a":1,"a":2}}"#),
        (
            "line-breaks",
            "{\n  \"event\": \"e\",\r\n\t\"data\": {}\n}\n",
        ),
        ("no-json", "not JSON at all"),
        (
            "long",
            &format!(r#"{{"event":"e","data":"{}"}}"#, "ö".repeat(150_000)),
        ),
    ];
    for (kind, text) in texts {
        stage.publish_bytes(&teacher, kind, text.as_bytes()).await?;
    }
    stage.settle().await
}

async fn not_utf8_skipped(stage: Stage) -> Outcome {
    let teacher = stage.user("teacher");
    stage.connect(&teacher).await?;
    for (kind, bytes) in [
        (
            "latin-1",
            b"{\"event\":\"e\",\"data\":{\"name\":\"\xc5sa\"}}".as_slice(),
        ),
        ("next", br#"{"event":"next","data":{}}"#),
        ("cut-character", b"{\"event\":\"e\",\"data\":\"\xe2\x82"),
        ("last", br#"{"event":"last","data":{}}"#),
    ] {
        stage.publish_bytes(&teacher, kind, bytes).await?;
    }
    stage.settle().await
}

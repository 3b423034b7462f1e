//! The websocket service from outside, against a Redis that says what each test tells it to.

mod failover;
mod process;
mod scripted_redis;
mod service;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures_util::poll;
use rstest::rstest;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::protocol::Message;

use crate::scripted_redis::{MASTER, REPLICA, Redis};
use crate::service::{Service, claims, token};

#[tokio::test]
async fn the_upgrade_is_answered_only_after_redis_confirmed() {
    let (service, _redis, mut link) = Service::with_redis(&[]).await;
    let mut connecting = Box::pin(service.connect("teacher"));
    tokio::select! {
        _ = &mut connecting => panic!("upgraded without a subscription"),
        () = link.expect("SUBSCRIBE ws:teacher") => {}
    }
    // Whatever the service would do by itself it has done when it has answered something else.
    service.page("/healthz").await;
    assert!(
        poll!(&mut connecting).is_pending(),
        "upgraded before the confirmation"
    );
    link.confirm("subscribe", "ws:teacher").await;
    let mut client = connecting.await;
    link.publish("ws:teacher", "hello").await;
    assert_eq!(client.text().await, "hello");
}

#[tokio::test]
async fn bytes_arrive_unchanged_in_order_at_every_connection_of_the_user_and_nowhere_else() {
    let (service, _redis, mut link) = Service::with_redis(&[]).await;
    let mut first = service.subscribe(&mut link, "teacher").await;
    let mut second = service.connect("teacher").await;
    let mut other = service.subscribe(&mut link, "other").await;
    let long = format!(
        "{{\"event\":\"long\",\"data\":\"{}\"}}",
        "å".repeat(100_000)
    );
    let messages = [
        "{ \"event\" :\t\"x\",\"data\":{} }\n",
        "no json",
        "",
        &long,
        "{\"a\":1,\"a\":2}",
    ];
    for message in messages {
        link.publish("ws:teacher", message).await;
    }
    link.publish("ws:teacher", [0xFF, 0xFE]).await;
    link.publish("ws:other", "fence").await;
    link.publish("ws:teacher", "fence").await;
    assert_eq!(other.text().await, "fence");
    for client in [&mut first, &mut second] {
        for message in messages.into_iter().chain(["fence"]) {
            assert_eq!(client.text().await, message);
        }
    }
    let invalid = "websocket_messages_failed_total{error_type=\"invalid_utf8\"}";
    assert_eq!(service.metric(invalid).await, 1);
    assert_eq!(service.metric("websocket_messages_sent_total").await, 13);
}

#[rstest]
#[case::missing("/ws", "missing")]
#[case::empty("/ws?token=", "missing")]
#[case::garbage("/ws/?a=b&token=garbage", "malformed")]
#[tokio::test]
async fn a_refused_token_is_upgraded_and_closed_with_a_reason(
    #[case] path: &str,
    #[case] result: &str,
) {
    let (service, _redis, _link) = Service::with_redis(&[]).await;
    let id = ("x-correlation-id", "support-case-7");
    let client = service.upgrade(path, &[id]).await.expect("an upgrade");
    let (code, reason) = client.close().await;
    assert_eq!(code, 1008);
    assert_eq!(reason["error_code"], "AUTHENTICATION_ERROR");
    assert_eq!(reason["correlation_id"], "support-case-7");
    let outcome = "websocket_connections_total{status=\"unauthenticated\"}";
    assert_eq!(service.metric(outcome).await, 1);
    let validation = format!("jwt_validation_total{{result=\"{result}\"}}");
    assert_eq!(service.metric(&validation).await, 1);
}

#[tokio::test]
async fn a_token_that_expires_while_connected_closes_the_connection() {
    let (service, _redis, mut link) = Service::with_redis(&[]).await;
    let mut claims = claims("teacher");
    let expiry = claims["exp"].as_u64().unwrap() - 3599;
    claims["exp"] = json!(expiry);
    let token = token(&claims);
    let confirm = async {
        link.expect("SUBSCRIBE ws:teacher").await;
        link.confirm("subscribe", "ws:teacher").await;
    };
    let (client, ()) = tokio::join!(service.connect_with(&token), confirm);
    let (code, reason) = client.close().await;
    let expiry = UNIX_EPOCH + Duration::from_secs(expiry);
    assert!(
        SystemTime::now() >= expiry,
        "closed before its token expired"
    );
    assert_eq!(
        (code, &reason["error_code"]),
        (1008, &json!("AUTHENTICATION_ERROR"))
    );
    link.expect("UNSUBSCRIBE ws:teacher").await;
}

#[tokio::test]
async fn one_connection_too_many_is_closed_and_the_others_are_untouched() {
    let variables = [("WEBSOCKET_MAX_CONNECTIONS_PER_USER", "2")];
    let (service, _redis, mut link) = Service::with_redis(&variables).await;
    let mut first = service.subscribe(&mut link, "teacher").await;
    let second = service.connect("teacher").await;
    let (code, reason) = service.connect("teacher").await.close().await;
    assert_eq!(
        (code, &reason["error_code"]),
        (4000, &json!("QUOTA_EXCEEDED"))
    );
    link.publish("ws:teacher", "still here").await;
    assert_eq!(first.text().await, "still here");
    let mut second = second;
    assert_eq!(second.text().await, "still here");
    // The slot is free once the close is answered.
    second.say(Message::Close(None)).await;
    assert!(matches!(second.next().await, Some(Ok(Message::Close(_)))));
    let mut third = service.connect("teacher").await;
    link.publish("ws:teacher", "welcome").await;
    assert_eq!(third.text().await, "welcome");
}

#[rstest]
#[case::allowed("https://app.example", Ok(()))]
#[case::other("https://evil.example", Err(403))]
#[case::prefix("https://app.example.evil", Err(403))]
#[case::null("null", Err(403))]
#[tokio::test]
async fn a_browser_may_come_from_the_configured_origins(
    #[case] origin: &str,
    #[case] expected: Result<(), u16>,
) {
    let variables = [("CORS_ORIGINS", "https://app.example")];
    let (service, _redis, _link) = Service::with_redis(&variables).await;
    let outcome = service.upgrade("/ws?token=x", &[("origin", origin)]).await;
    assert_eq!(outcome.map(|_| ()), expected);
}

#[rstest]
#[case::health("/healthz", 200, "\"status\":\"healthy\"")]
#[case::connections("/healthz/websocket", 200, "\"total_connections\":0")]
#[case::no_upgrade("/ws", 426, "\"UPGRADE_REQUIRED\"")]
#[case::unknown("/ws/v1/status/teacher", 404, "\"NOT_FOUND\"")]
#[tokio::test]
async fn other_requests_are_answered_plainly(
    #[case] path: &str,
    #[case] status: u16,
    #[case] words: &str,
) {
    let service = Service::start(Redis::start().await.address(), &[]).await;
    let (answered, body) = service.page(path).await;
    assert_eq!(answered, status, "{body}");
    assert!(body.contains(words), "{body}");
    serde_json::from_str::<Value>(&body).expect("JSON");
}

#[rstest]
#[case::service(
    "/healthz",
    json!({
        "service": "websocket_service", "status": "healthy", "message": "<any>", "environment": "staging",
        "timestamp": "<any>", "uptime_seconds": "<any>",
    })
)]
#[case::connections(
    "/healthz/websocket",
    json!({
        "service": "websocket_manager", "status": "healthy", "total_connections": 1, "max_connections_per_user": 7,
    })
)]
#[case::redis(
    "/healthz/redis",
    json!({"service": "redis", "status": "healthy", "message": "<any>", "timestamp": "<any>"})
)]
#[tokio::test]
async fn health_has_every_member(#[case] path: &str, #[case] mut expected: Value) {
    let variables = [
        ("ENVIRONMENT", "staging"),
        ("WEBSOCKET_MAX_CONNECTIONS_PER_USER", "7"),
    ];
    let (service, redis, mut link) = Service::with_redis(&variables).await;
    let _client = service.subscribe(&mut link, "teacher").await;
    let answer = service.page(path);
    let (status, body) = match path {
        "/healthz/redis" => tokio::join!(answer, redis.link()).0,
        _ => answer.await,
    };
    assert_eq!(status, 200, "{body}");
    let body: Value = serde_json::from_str(&body).unwrap();
    for (name, value) in expected.as_object_mut().unwrap() {
        if value == "<any>" {
            *value = body[name].clone();
        }
    }
    assert_eq!(body, expected);
    for (name, value) in body.as_object().unwrap() {
        match name.as_str() {
            "timestamp" => drop(value.as_str().unwrap().parse::<jiff::Timestamp>().unwrap()),
            "uptime_seconds" => assert!(value.as_f64().unwrap() > 0.0),
            "message" => assert!(value.is_string()),
            _ => {}
        }
    }
}

#[tokio::test]
async fn channels_begin_with_the_prefix() {
    let redis = Redis::start().await;
    let service = Service::start(redis.address(), &[("REDIS_CHANNEL_PREFIX", "notify")]).await;
    let mut link = redis.link().await;
    let refused = async {
        loop {
            service.connect("teacher").await.close().await; // the service has not read the greeting
        }
    };
    tokio::select! {
        () = link.expect("SUBSCRIBE notify:teacher") => {}
        () = refused => {}
    }
}

#[tokio::test]
async fn without_redis_clients_are_told_so_and_later_it_is_found() {
    let redis = Redis::start().await;
    let service = Service::start(redis.address(), &[]).await;
    // Redis has not even answered the first ping.
    let (code, reason) = service.connect("teacher").await.close().await;
    assert_eq!(
        (code, &reason["error_code"]),
        (1011, &json!("SERVICE_UNAVAILABLE"))
    );
    let mut link = service.link(&redis).await;
    let mut client = service.subscribe(&mut link, "teacher").await;
    link.publish("ws:teacher", "hello").await;
    assert_eq!(client.text().await, "hello");
}

#[tokio::test]
async fn a_lost_redis_closes_every_connection_and_is_found_again() {
    let (service, redis, mut link) = Service::with_redis(&[]).await;
    let teacher = service.subscribe(&mut link, "teacher").await;
    let other = service.subscribe(&mut link, "other").await;
    let waiting = service.connect("waiting");
    let lose = async {
        link.expect("SUBSCRIBE ws:waiting").await;
        drop(link);
    };
    let (waiting, ()) = tokio::join!(waiting, lose);
    for client in [teacher, other, waiting] {
        let (code, reason) = client.close().await;
        assert_eq!(
            (code, &reason["error_code"]),
            (1011, &json!("SERVICE_UNAVAILABLE"))
        );
    }
    let mut link = service.link(&redis).await;
    let mut client = service.subscribe(&mut link, "teacher").await;
    link.publish("ws:teacher", "back").await;
    assert_eq!(client.text().await, "back");
}

#[tokio::test]
async fn a_redis_that_does_not_answer_is_lost() {
    let redis = Redis::start().await;
    let variables = [("WEBSOCKET_REDIS_HEALTH_INTERVAL", "0.5")];
    let service = Service::start(redis.address(), &variables).await;
    let mut link = service.link(&redis).await;
    let client = service.subscribe(&mut link, "teacher").await;
    // The question is heard, and not answered.
    assert_eq!(client.close().await.0, 1011);
    link.expect("HELLO 3").await;
}

#[tokio::test]
async fn a_redis_that_tells_no_role_is_asked_for_a_pong() {
    let redis = Redis::start().await;
    let variables = [("WEBSOCKET_REDIS_HEALTH_INTERVAL", "0.2")];
    let _service = Service::start(redis.address(), &variables).await;
    redis.old_link().await.expect("PING").await;
}

#[tokio::test]
async fn a_redis_that_knows_no_hello_serves_as_well() {
    let redis = Redis::start().await;
    let service = Service::start(redis.address(), &[]).await;
    let mut link = service.known(redis.old_link().await).await;
    let mut client = service.subscribe(&mut link, "teacher").await;
    link.say("*2\r\n$4\r\npong\r\n$0\r\n\r\n").await;
    link.publish("ws:teacher", "hello").await;
    assert_eq!(client.text().await, "hello");
}

#[tokio::test]
async fn a_replica_is_no_redis_to_rely_on() {
    let redis = Redis::start().await;
    let service = Service::start(redis.address(), &[]).await;
    let mut replica = redis.accept().await;
    replica.greet(REPLICA).await;
    replica.left().await;
    let mut link = service.link(&redis).await;
    let client = service.subscribe(&mut link, "teacher").await;
    link.say(REPLICA).await;
    let (code, reason) = client.close().await;
    assert_eq!(
        (code, &reason["error_code"]),
        (1011, &json!("SERVICE_UNAVAILABLE"))
    );
    service.link(&redis).await;
}

#[rstest]
#[case::error("-NOPERM this user has no permissions\r\n")]
#[case::not_redis("HTTP/1.1 400 Bad Request\r\n\r\n")]
#[case::not_asked(">3\r\n$9\r\nsubscribe\r\n$7\r\nws:else\r\n:1\r\n")]
#[tokio::test]
async fn a_redis_that_cannot_be_relied_on_is_left(#[case] reply: &str) {
    let (service, redis, mut link) = Service::with_redis(&[]).await;
    let client = service.subscribe(&mut link, "teacher").await;
    link.say(reply).await;
    assert_eq!(client.close().await.0, 1011);
    service.link(&redis).await;
}

#[tokio::test]
async fn a_password_is_sent_and_never_shown() {
    let redis = Redis::start().await;
    let url = format!("redis://someone:s%40crit@{}/2", redis.address());
    let service = Service::start(redis.address(), &[("REDIS_URL", &url)]).await;
    let mut link = redis.accept().await;
    for command in ["AUTH someone s@crit", "SELECT 2"] {
        link.expect(command).await;
        link.say("+OK\r\n").await;
    }
    link.expect("PING").await;
    let health = service.page("/healthz/redis");
    let refuse = async {
        let mut link = redis.accept().await;
        link.expect("AUTH someone s@crit").await;
        // Whoever overlooks the refusal finds everything else well.
        let refused = "-WRONGPASS invalid username-password pair\r\n";
        link.say(format!("{refused}+OK\r\n+PONG\r\n{MASTER}")).await;
        link
    };
    let ((status, body), _refused) = tokio::join!(health, refuse);
    assert_eq!(status, 503);
    assert!(
        !body.contains("crit") && !body.contains("someone"),
        "{body}"
    );
    let body: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(body["service"], "redis");
}

#[tokio::test]
async fn redis_health_is_asked_now() {
    let (service, redis, _link) = Service::with_redis(&[]).await;
    let ((status, body), _asked) = tokio::join!(service.page("/healthz/redis"), redis.link());
    assert_eq!(status, 200, "{body}");
    // Accepted by the system, and never answered.
    let (status, body) = service.page("/healthz/redis").await;
    assert_eq!(status, 503, "{body}");
    drop(redis);
    let (status, body) = service.page("/healthz/redis").await;
    assert_eq!(status, 503, "{body}");
}

#[tokio::test]
async fn a_slot_is_freed_however_its_client_goes() {
    let (service, _redis, mut link) = Service::with_redis(&[]).await;
    let mut closed = service.subscribe(&mut link, "teacher").await;
    closed.say(Message::Close(None)).await;
    link.expect("UNSUBSCRIBE ws:teacher").await;
    link.confirm("unsubscribe", "ws:teacher").await;

    let ended = service.subscribe(&mut link, "teacher").await;
    drop(ended);
    link.expect("UNSUBSCRIBE ws:teacher").await;
    link.confirm("unsubscribe", "ws:teacher").await;

    let reset = service.subscribe(&mut link, "teacher").await;
    reset.reset();
    link.expect("UNSUBSCRIBE ws:teacher").await;
    link.confirm("unsubscribe", "ws:teacher").await;

    // One that goes before Redis has confirmed.
    let mut early = TcpStream::connect(service.address).await.unwrap();
    let token = token(&claims("teacher"));
    let request = format!(
        "GET /ws?token={token} HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    early.write_all(request.as_bytes()).await.unwrap();
    link.expect("SUBSCRIBE ws:teacher").await;
    drop(early);
    link.expect("UNSUBSCRIBE ws:teacher").await;
    assert_eq!(service.metric("websocket_active_connections").await, 0);
    assert_eq!(
        service
            .metric("websocket_connection_duration_seconds_count")
            .await,
        3
    );
}

#[tokio::test]
async fn a_slot_is_freed_when_pings_stay_unanswered() {
    let variables = [
        ("WEBSOCKET_PING_INTERVAL", "0.1"),
        ("WEBSOCKET_IDLE_TIMEOUT", "0.5"),
    ];
    let (service, _redis, mut link) = Service::with_redis(&variables).await;
    // It answers pings while it is asked for messages, and hence none.
    let client = service.subscribe(&mut link, "teacher").await;
    link.expect("UNSUBSCRIBE ws:teacher").await;
    assert_eq!(service.metric("websocket_active_connections").await, 0);
    drop(client);
}

#[tokio::test]
async fn who_does_not_read_is_closed_and_nobody_else_waits() {
    let (service, _redis, mut link) = Service::with_redis(&[]).await;
    let slow = service.subscribe(&mut link, "teacher").await;
    let mut quick = service.connect("teacher").await;
    let dropped = "websocket_messages_failed_total{error_type=\"slow_consumer\"}";
    let mut count = 0;
    let payload = "x".repeat(100_000);
    while service.metric(dropped).await == 0 {
        link.publish("ws:teacher", format!("{count} {payload}"))
            .await;
        assert!(quick.text().await.starts_with(&format!("{count} ")));
        count += 1;
        assert!(
            count < 1000,
            "a hundred megabytes are queued for who does not read"
        );
    }
    let mut slow = slow;
    for expected in 0.. {
        match slow.next().await {
            Some(Ok(Message::Text(text))) => {
                assert!(
                    text.starts_with(&format!("{expected} ")),
                    "a gap before {text:.9}"
                );
            }
            Some(Ok(Message::Close(Some(close)))) => {
                assert_eq!(u16::from(close.code), 1013);
                assert!(close.reason.contains("SLOW_CONSUMER"), "{}", close.reason);
                break;
            }
            other => panic!("expected the rest and a close: {other:?}"),
        }
    }
    assert_eq!(service.metric("websocket_active_connections").await, 1);
}

#[tokio::test]
async fn what_clients_say_is_ignored_and_too_much_of_it_is_refused() {
    let (service, _redis, mut link) = Service::with_redis(&[]).await;
    let mut client = service.subscribe(&mut link, "teacher").await;
    client.say(Message::text("heartbeat")).await;
    client.say(Message::binary(vec![0; 64 * 1024])).await;
    client.say(Message::Ping("?".into())).await;
    assert_eq!(
        client.next().await.unwrap().unwrap(),
        Message::Pong("?".into())
    );
    client.say(Message::binary(vec![0; 64 * 1024 + 1])).await;
    let (code, reason) = client.close().await;
    assert_eq!(
        (code, &reason["error_code"]),
        (1009, &json!("MESSAGE_TOO_BIG"))
    );
}

#[tokio::test]
async fn shutdown_tells_everybody_and_waits_for_their_answers() {
    let redis = Redis::start().await;
    let (service, shutdown, ended) = Service::run(redis.address(), &[]).await;
    let mut link = service.link(&redis).await;
    let client = service.subscribe(&mut link, "teacher").await;
    // It speaks HTTP, and will not say more.
    let mut silent = TcpStream::connect(service.address).await.unwrap();
    silent
        .write_all(b"GET /healthz HTTP/1.1\r\n")
        .await
        .unwrap();
    let path = format!("/ws?token={}", token(&claims("waiting")));
    let waiting = service.upgrade(&path, &[]);
    let shut_down = async {
        link.expect("SUBSCRIBE ws:waiting").await;
        shutdown.cancel();
    };
    let (waiting, (), (code, reason)) = tokio::join!(waiting, shut_down, client.close());
    assert_eq!(waiting.map(|_| ()), Err(503));
    assert_eq!(
        (code, &reason["error_code"]),
        (1001, &json!("SERVICE_SHUTDOWN"))
    );
    ended.await.unwrap();
}

#[tokio::test]
async fn metrics_name_no_user() {
    let (service, _redis, mut link) = Service::with_redis(&[]).await;
    let _client = service.subscribe(&mut link, "teacher-4711").await;
    let (status, text) = service.page("/metrics").await;
    assert_eq!(status, 200);
    assert!(!text.contains("4711"), "{text}");
    let names = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    let expected = [
        "jwt_validation_total counter",
        "websocket_active_connections gauge",
        "websocket_connection_duration_seconds histogram",
        "websocket_connections_total counter",
        "websocket_messages_failed_total counter",
        "websocket_messages_sent_total counter",
    ];
    assert_eq!(names.collect::<Vec<_>>(), expected);
    let valid = "jwt_validation_total{result=\"success\"}";
    assert!(service.metric(valid).await >= 1);
    let accepted = "websocket_connections_total{status=\"accepted\"}";
    assert!(service.metric(accepted).await >= 1);
    assert_eq!(service.metric("websocket_active_connections").await, 1);
}

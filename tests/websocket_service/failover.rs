//! The websocket service against real Redis servers that change their roles, or do not tell them.

use std::net::SocketAddr;

use harness::system::RedisServer;
use rstest::rstest;
use serde_json::json;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::protocol::Message;

use crate::service::{Client, PATIENCE, Service};

#[rstest]
#[case::that_tells_at_once("+wait", "3600")]
#[case::that_is_asked_now_and_then("-wait", "1")]
#[tokio::test]
async fn a_master_that_becomes_a_replica_is_lost_until_it_is_the_master_again(
    #[case] permission: &str,
    #[case] interval: &str,
) {
    let (old, new) = (start().await, start().await);
    tell(&old, &["ACL", "SETUSER", "default", permission]).await;
    let interval = ("WEBSOCKET_REDIS_HEALTH_INTERVAL", interval);
    let service = Service::start(address(&old), &[interval]).await;
    let teacher = connected(&service, &old, "teacher").await;
    let other = connected(&service, &old, "other").await;

    // What the replica copies would go through files in the working directory.
    tell(&new, &["CONFIG", "SET", "repl-diskless-sync", "yes"]).await;
    tell(&old, &["CONFIG", "SET", "repl-diskless-load", "swapdb"]).await;
    let port = address(&new).port().to_string();
    tell(&old, &["REPLICAOF", "127.0.0.1", &port]).await;
    for client in [teacher, other] {
        unavailable(client).await;
    }
    unavailable(service.connect("teacher").await).await;
    let (status, body) = service.page("/healthz/redis").await;
    assert_eq!(status, 503, "{body}");

    tell(&old, &["REPLICAOF", "NO", "ONE"]).await;
    connected(&service, &old, "teacher").await;
}

#[tokio::test]
async fn a_redis_whose_acl_forbids_the_question_serves_as_well() {
    let redis = start().await;
    tell(&redis, &["ACL", "SETUSER", "default", "-hello"]).await;
    let service = Service::start(address(&redis), &[]).await;
    connected(&service, &redis, "teacher").await;
}

async fn start() -> RedisServer {
    RedisServer::start().await.unwrap()
}

fn address(redis: &RedisServer) -> SocketAddr {
    let address = redis.url().strip_prefix("redis://").unwrap();
    address.parse().unwrap()
}

async fn tell(redis: &RedisServer, words: &[&str]) {
    let client = redis::Client::open(redis.url()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let mut command = redis::cmd(words[0]);
    command.arg(&words[1..]);
    let () = command.query_async(&mut connection).await.unwrap();
}

/// A client of `user` that gets what is published: the first that is not refused because `redis` is not yet found.
pub async fn connected(service: &Service, redis: &RedisServer, user: &str) -> Client {
    let connecting = async {
        loop {
            let mut client = service.connect(user).await;
            tell(redis, &["PUBLISH", &format!("ws:{user}"), "hello"]).await;
            match client.next().await {
                Some(Ok(Message::Text(text))) => {
                    assert_eq!(text, "hello");
                    return client;
                }
                Some(Ok(Message::Close(Some(close)))) => assert_eq!(u16::from(close.code), 1011),
                other => panic!("expected the message or a close: {other:?}"),
            }
        }
    };
    timeout(PATIENCE, connecting)
        .await
        .expect("waited in vain for the service to rely on redis")
}

async fn unavailable(client: Client) {
    let (code, reason) = client.close().await;
    assert_eq!(
        (code, &reason["error_code"]),
        (1011, &json!("SERVICE_UNAVAILABLE"))
    );
}

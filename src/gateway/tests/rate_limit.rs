use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use harness::system::RedisServer;
use reqwest::Method;
use rstest::rstest;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::running::{BATCH, Running, run, start, start_with, token};
use crate::gateway::rate_limit::{Away, Budget, Limiter, Verdict};

struct Gone;

impl Limiter for Gone {
    fn take<'a>(
        &'a self,
        _: &'a str,
        _: Budget,
        _: u32,
        _: Duration,
    ) -> BoxFuture<'a, Result<Verdict, Away>> {
        async { Err(Away("gone".to_owned())) }.boxed()
    }
}

async fn statuses(gateway: &Running, method: Method, path: &str, times: usize) -> Vec<u16> {
    let mut statuses = Vec::new();
    for _ in 0..times {
        let request = gateway.request(method.clone(), path).json(&json!({}));
        statuses.push(request.send().await.unwrap().status().as_u16());
    }
    statuses
}

#[tokio::test]
async fn every_budget_has_its_default() {
    let gateway = start(&[]).await;
    let pipelines = format!("/v1/batches/{BATCH}/pipelines");
    for (method, path, limit) in [
        (Method::GET, "/v1/classes/9B", 100),
        (Method::POST, pipelines.as_str(), 10),
        (Method::POST, "/v1/files/batch", 5),
    ] {
        let statuses = statuses(&gateway, method, path, limit + 1).await;
        let limited = statuses.iter().position(|status| *status == 429);
        assert_eq!(limited, Some(limit), "{path}: {statuses:?}");
    }
}

#[tokio::test]
async fn a_user_who_asks_too_often_learns_when_to_ask_again() {
    let gateway = start(&[("RATE_LIMIT_DEFAULT", "1"), ("RATE_LIMIT_WINDOW", "12.5")]).await;
    gateway.get("/v1/classes/9B").await;
    let answer = gateway.get("/v1/classes/9B").await;
    assert_eq!(answer.status(), 429);
    assert_eq!(answer.headers()["retry-after"], "13");
    let body: Value = answer.json().await.unwrap();
    assert_eq!(body["error"]["code"], "RATE_LIMIT_EXCEEDED");
    assert_eq!(
        body["error"]["details"],
        json!({"budget": "default", "limit": 1, "retry_after_seconds": 13})
    );
}

#[tokio::test]
async fn a_user_who_asks_too_often_is_nobody_elses_trouble() {
    let gateway = start(&[("RATE_LIMIT_DEFAULT", "1")]).await;
    let limited = statuses(&gateway, Method::GET, "/v1/classes/9B", 2).await;
    assert_eq!(limited[1], 429);
    let colleague = gateway
        .anonymous(Method::GET, "/v1/classes/9B")
        .bearer_auth(token("colleague"));
    assert_ne!(colleague.send().await.unwrap().status(), 429);
}

#[tokio::test]
async fn health_and_metrics_are_not_limited() {
    let gateway = start(&[("RATE_LIMIT_DEFAULT", "1")]).await;
    for path in ["/healthz", "/metrics"] {
        let statuses = statuses(&gateway, Method::GET, path, 5).await;
        assert_eq!(statuses, [200; 5]);
    }
}

#[tokio::test]
async fn while_the_limiter_is_away_requests_pass_and_are_counted() {
    let gateway = start_with(&[("RATE_LIMIT_DEFAULT", "1")], Arc::new(Gone)).await;
    let statuses = statuses(&gateway, Method::GET, "/v1/classes/9B", 3).await;
    assert!(!statuses.contains(&429), "{statuses:?}");
    let metrics = gateway.metrics().await;
    assert!(
        metrics.contains("gateway_rate_limit_unavailable_total 3"),
        "{metrics}"
    );
}

#[rstest]
#[case::gone(false)]
#[case::hung(true)]
#[tokio::test]
async fn while_redis_is_away_requests_pass_soon(#[case] hung: bool) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("redis://{}", listener.local_addr().unwrap());
    let listener = hung.then_some(listener); // hung: it accepts in the kernel and nobody reads
    let gateway = run(&[("REDIS_URL", &url), ("REDIS_TIMEOUT", "0.2")]).await;
    let begun = Instant::now();
    for _ in 0..3 {
        assert_eq!(gateway.get("/v1/classes/9B").await.status(), 503); // class management is away, too
    }
    // Three deadlines make 0.6 s; the rest is room for a loaded machine.
    assert!(
        begun.elapsed() < Duration::from_secs(8),
        "{:?}",
        begun.elapsed()
    );
    drop(listener);
}

#[tokio::test]
async fn while_redis_is_stopped_requests_pass_and_are_counted_and_are_limited_again_when_it_is_back()
 {
    let redis = RedisServer::start().await.unwrap();
    let gateway = run(&[
        ("REDIS_URL", redis.url()),
        ("REDIS_TIMEOUT", "3600"), // nothing passes because it has waited
        ("RATE_LIMIT_DEFAULT", "1"),
    ])
    .await;
    let classes = "/v1/classes/9B"; // 503 where a request passes: class management is away
    assert_eq!(
        statuses(&gateway, Method::GET, classes, 2).await,
        [503, 429]
    );

    let stopped = redis.stop().await;
    assert_eq!(statuses(&gateway, Method::GET, classes, 3).await, [503; 3]);
    let _redis = stopped.start().await.unwrap();
    assert_eq!(
        statuses(&gateway, Method::GET, classes, 2).await,
        [503, 429]
    );
    let metrics = gateway.metrics().await;
    assert!(
        metrics.contains("gateway_rate_limit_unavailable_total 3"),
        "{metrics}"
    );
}

#[tokio::test]
async fn replicas_share_what_a_user_has_left() {
    let redis = RedisServer::start().await.unwrap();
    let variables = [("REDIS_URL", redis.url()), ("RATE_LIMIT_DEFAULT", "2")];
    let (one, other) = (run(&variables).await, run(&variables).await);
    let classes = "/v1/classes/9B";
    assert_eq!(statuses(&one, Method::GET, classes, 1).await, [503]);
    assert_eq!(statuses(&other, Method::GET, classes, 2).await, [503, 429]);
    assert_eq!(statuses(&one, Method::GET, classes, 1).await, [429]);
}

//! Requests counted in Redis, so that the replicas of the gateway share their limits.

use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use redis::Script;

use super::{Away, Budget, Limiter, Verdict};
use crate::redis_scripts::Scripts;
use crate::redis_url::RedisUrl;

// A fixed window per key, which begins with its first request. One script, hence atomic; the time is Redis's own, hence
// the same for all replicas. It answers 0, or how many milliseconds are left of a window that is full.
const TAKE: &str = "
local count = redis.call('INCR', KEYS[1])
local left = redis.call('PTTL', KEYS[1])
if left < 0 then
    left = tonumber(ARGV[2])
    redis.call('PEXPIRE', KEYS[1], left)
end
if count > tonumber(ARGV[1]) then
    return math.max(left, 1)
end
return 0
";

/// A [`Limiter`] on a Redis.
pub struct RedisLimiter {
    scripts: Scripts,
    take: Script,
}

impl RedisLimiter {
    /// A limiter that connects on first use and gives an answer, or up, within `deadline`.
    pub fn new(url: RedisUrl, deadline: Duration) -> Self {
        Self {
            scripts: Scripts::new(url, deadline),
            take: Script::new(TAKE),
        }
    }
}

impl Limiter for RedisLimiter {
    fn take<'a>(
        &'a self,
        user: &'a str,
        budget: Budget,
        limit: u32,
        window: Duration,
    ) -> BoxFuture<'a, Result<Verdict, Away>> {
        async move {
            let key = format!("gateway:rate_limit:{}:{user}", budget.as_str());
            let mut script = self.take.key(key);
            script.arg(limit).arg(window.as_millis().max(1) as u64);
            match self.scripts.run(&script).await? {
                0 => Ok(Verdict::Pass),
                left => Ok(Verdict::Wait(Duration::from_millis(left))),
            }
        }
        .boxed()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use futures_util::future::join_all;
    use harness::system::RedisServer;
    use redis::{Client, FromRedisValue, cmd};
    use rstest::rstest;
    use tokio::task::yield_now;
    use tokio::time::timeout;

    use super::*;

    // Longer than a loaded machine ever takes.
    const PATIENCE: Duration = Duration::from_secs(20);
    const HOUR: Duration = Duration::from_secs(3600);
    const KEY: &str = "gateway:rate_limit:default:teacher";

    struct Fixture {
        server: RedisServer,
        client: Client,
    }

    impl Fixture {
        async fn start() -> Self {
            let server = RedisServer::start().await.unwrap();
            let client = Client::open(server.url()).unwrap();
            Self { server, client }
        }

        fn url(&self) -> RedisUrl {
            RedisUrl::parse(self.server.url()).unwrap()
        }

        // Its deadline is out of reach: what answers sooner does so for a reason of its own.
        fn limiter(&self) -> RedisLimiter {
            RedisLimiter::new(self.url(), HOUR)
        }

        /// Tells Redis `words`, on a connection of its own.
        async fn tell<T: FromRedisValue>(&self, words: &[&str]) -> T {
            let mut connection = self
                .client
                .get_multiplexed_async_connection()
                .await
                .unwrap();
            let mut command = cmd(words[0]);
            command.arg(&words[1..]);
            command.query_async(&mut connection).await.unwrap()
        }
    }

    async fn take(limiter: &RedisLimiter, limit: u32, window: Duration) -> Result<Verdict, Away> {
        let answer = limiter.take("teacher", Budget::Default, limit, window);
        timeout(PATIENCE, answer)
            .await
            .expect("waited in vain for the limiter")
    }

    async fn take_until(
        limiter: &RedisLimiter,
        limit: u32,
        window: Duration,
        wanted: impl Fn(&Verdict) -> bool,
    ) -> Verdict {
        let taking = async {
            loop {
                match take(limiter, limit, window).await {
                    Ok(verdict) if wanted(&verdict) => return verdict,
                    _ => yield_now().await,
                }
            }
        };
        timeout(PATIENCE, taking)
            .await
            .expect("waited in vain for a verdict")
    }

    #[rstest]
    #[case::one_replica(1)]
    #[case::three_replicas(3)]
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn exactly_the_budget_passes_however_many_ask_at_once(#[case] replicas: usize) {
        let fixture = Fixture::start().await;
        let replicas: Vec<_> = (0..replicas).map(|_| Arc::new(fixture.limiter())).collect();
        let asking = (0..200).map(|request| {
            let limiter = replicas[request % replicas.len()].clone();
            tokio::spawn(async move { take(&limiter, 25, HOUR).await })
        });
        let mut passed = 0;
        for verdict in join_all(asking).await {
            match verdict.unwrap().unwrap() {
                Verdict::Pass => passed += 1,
                Verdict::Wait(time) => assert!(time <= HOUR, "{time:?}"),
            }
        }
        assert_eq!(passed, 25);
    }

    #[tokio::test]
    async fn every_user_and_every_budget_is_counted_apart() {
        let fixture = Fixture::start().await;
        let limiter = fixture.limiter();
        for user in ["teacher", "colleague"] {
            for budget in [Budget::Default, Budget::Pipelines, Budget::Files] {
                let first = limiter.take(user, budget, 1, HOUR).await.unwrap();
                assert_eq!(first, Verdict::Pass, "{user} {budget:?}");
                let second = limiter.take(user, budget, 1, HOUR).await.unwrap();
                assert_ne!(second, Verdict::Pass, "{user} {budget:?}");
            }
        }
    }

    #[tokio::test]
    async fn a_window_ends_and_leaves_nothing_behind() {
        const WINDOW: Duration = Duration::from_millis(50);
        let fixture = Fixture::start().await;
        let limiter = fixture.limiter();
        let full = take_until(&limiter, 2, WINDOW, |verdict| *verdict != Verdict::Pass).await;
        assert!(matches!(full, Verdict::Wait(time) if time <= WINDOW && !time.is_zero()));
        take_until(&limiter, 2, WINDOW, |verdict| *verdict == Verdict::Pass).await;
        let gone = async { while fixture.tell::<usize>(&["DBSIZE"]).await > 0 {} };
        timeout(PATIENCE, gone)
            .await
            .expect("the key outlives its window");
    }

    #[tokio::test]
    async fn a_window_begins_with_its_first_request_and_no_other_prolongs_it() {
        let fixture = Fixture::start().await;
        let limiter = fixture.limiter();
        assert_eq!(take(&limiter, 2, HOUR).await.unwrap(), Verdict::Pass);
        fixture.tell::<()>(&["PEXPIRE", KEY, "1800000"]).await; // as if half of it had gone by
        assert_eq!(take(&limiter, 2, HOUR).await.unwrap(), Verdict::Pass);
        for _ in 0..2 {
            let full = take(&limiter, 2, HOUR).await.unwrap();
            assert!(
                matches!(full, Verdict::Wait(time) if time <= HOUR / 2),
                "{full:?}"
            );
        }
    }

    #[tokio::test]
    async fn a_count_that_would_stay_for_ever_gets_an_end() {
        let fixture = Fixture::start().await;
        fixture.tell::<()>(&["SET", KEY, "1000"]).await;
        let verdict = take(&fixture.limiter(), 1, HOUR).await.unwrap();
        assert_eq!(verdict, Verdict::Wait(HOUR));
        assert!(fixture.tell::<i64>(&["PTTL", KEY]).await > 0);
    }

    #[tokio::test]
    async fn a_redis_that_has_forgotten_the_script_is_told_again() {
        let fixture = Fixture::start().await;
        let limiter = fixture.limiter();
        assert_eq!(take(&limiter, 1, HOUR).await.unwrap(), Verdict::Pass);
        fixture.tell::<()>(&["SCRIPT", "FLUSH", "SYNC"]).await;
        assert_ne!(take(&limiter, 1, HOUR).await.unwrap(), Verdict::Pass);
    }

    #[tokio::test]
    async fn many_requests_share_one_connection() {
        let fixture = Fixture::start().await;
        let limiter = fixture.limiter();
        join_all((0..50).map(|_| take(&limiter, 1, HOUR))).await;
        let clients: String = fixture.tell(&["CLIENT", "LIST"]).await;
        assert_eq!(clients.lines().count(), 2, "the second asks: {clients}");
    }

    #[tokio::test]
    async fn a_connection_that_redis_closes_is_made_anew() {
        let fixture = Fixture::start().await;
        let limiter = fixture.limiter();
        assert_eq!(take(&limiter, 1, HOUR).await.unwrap(), Verdict::Pass);
        fixture
            .tell::<()>(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"])
            .await;
        assert!(take(&limiter, 1, HOUR).await.is_err());
        assert_ne!(take(&limiter, 1, HOUR).await.unwrap(), Verdict::Pass);
    }

    #[tokio::test]
    async fn a_redis_that_hangs_is_given_up_and_asked_again() {
        let fixture = Fixture::start().await;
        let limiter = RedisLimiter::new(fixture.url(), Duration::from_millis(50));
        fixture
            .tell::<()>(&["CLIENT", "PAUSE", "3600000", "WRITE"])
            .await;
        for _ in 0..2 {
            let away = take(&limiter, 1, HOUR).await.unwrap_err();
            assert_eq!(away.to_string(), "no answer in time");
        }
        fixture.tell::<()>(&["CLIENT", "UNPAUSE"]).await;
        take_until(&limiter, 1, HOUR, |verdict| *verdict != Verdict::Pass).await;
    }

    #[tokio::test]
    async fn a_redis_that_is_gone_says_so_at_once_and_counts_when_it_is_back() {
        let fixture = Fixture::start().await;
        let limiter = fixture.limiter();
        assert_eq!(take(&limiter, 1, HOUR).await.unwrap(), Verdict::Pass);
        let stopped = fixture.server.stop().await;
        for _ in 0..3 {
            assert!(take(&limiter, 1, HOUR).await.is_err());
        }
        let _server = stopped.start().await.unwrap();
        assert_eq!(take(&limiter, 1, HOUR).await.unwrap(), Verdict::Pass);
        assert_ne!(take(&limiter, 1, HOUR).await.unwrap(), Verdict::Pass);
    }
}

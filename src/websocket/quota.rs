//! How many connections a user has on all services together (`WEBSOCKET_GLOBAL_CONNECTION_LIMIT`), counted in Redis.
//!
//! A place is a lease: the service that holds it renews it, and one that dies lets it run out. One worker asks Redis one thing
//! after the other, so that a place which was given up is free for whoever comes after.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::time::Duration;

use redis::Script;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{MissedTickBehavior, interval};
use tracing::warn;
use uuid::Uuid;

use super::subscriptions::Refused;
use crate::redis_scripts::{Away, Scripts};
use crate::redis_url::RedisUrl;

// A sorted set for each user: who holds a place, and until when by Redis's own clock, in milliseconds. Each script is atomic.
const TAKE: &str = "
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[1]) then
    return 0
end
redis.call('ZADD', KEYS[1], now + ARGV[2], ARGV[3])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 1
";
const RENEW: &str = "
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
for place = 2, #ARGV do
    redis.call('ZADD', KEYS[1], now + ARGV[1], ARGV[place])
end
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return 1
";
const FREE: &str = "return redis.call('ZREM', KEYS[1], ARGV[1])";

/// How long a place stays taken of which nobody hears.
const LEASE: Duration = Duration::from_secs(15);
/// How often it is renewed: two may be missed.
const RENEWAL: Duration = Duration::from_secs(5);
/// How long Redis may take for one answer.
const DEADLINE: Duration = Duration::from_secs(2);

/// Where places are asked for. Clones are the same.
#[derive(Clone, Debug)]
pub struct Quota(mpsc::UnboundedSender<Wish>);

/// A connection's place among all of its user's. Dropping it gives the place up.
#[derive(Debug)]
#[must_use = "dropping the place frees it"]
pub struct Place {
    user: String,
    id: Uuid,
    quota: Quota,
}

/// What the worker is asked for.
#[derive(Debug)]
enum Wish {
    Take {
        user: String,
        answer: oneshot::Sender<Result<Uuid, Refused>>,
    },
    Free {
        user: String,
        id: Uuid,
    },
}

/// Who asks Redis. It ends once every [`Quota`] and every [`Place`] is gone, and what they gave up is told.
pub struct Worker {
    limit: NonZeroU32,
    lease: Duration,
    scripts: Scripts,
    take: Script,
    renew: Script,
    free: Script,
    wishes: mpsc::UnboundedReceiver<Wish>,
    /// By user.
    held: HashMap<String, Vec<Uuid>>,
}

/// Places of which each user has `limit`, at the Redis of `url`.
pub fn of(limit: NonZeroU32, url: RedisUrl) -> (Quota, Worker) {
    with_lease(limit, url, LEASE)
}

fn with_lease(limit: NonZeroU32, url: RedisUrl, lease: Duration) -> (Quota, Worker) {
    let (sender, wishes) = mpsc::unbounded_channel();
    let worker = Worker {
        limit,
        lease,
        scripts: Scripts::new(url, DEADLINE),
        take: Script::new(TAKE),
        renew: Script::new(RENEW),
        free: Script::new(FREE),
        wishes,
        held: HashMap::new(),
    };
    (Quota(sender), worker)
}

impl Quota {
    /// A place of `user`, if one is left.
    pub async fn take(&self, user: &str) -> Result<Place, Refused> {
        let (sender, answer) = oneshot::channel();
        let wish = Wish::Take {
            user: user.to_owned(),
            answer: sender,
        };
        // Without a worker the service is ending.
        self.0.send(wish).map_err(|_| Refused::Stopped)?;
        let id = answer.await.map_err(|_| Refused::Stopped)??;
        Ok(Place {
            user: user.to_owned(),
            id,
            quota: self.clone(),
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // Without a worker it runs out by itself.
        let _ = self.quota.0.send(Wish::Free {
            user: std::mem::take(&mut self.user),
            id: self.id,
        });
    }
}

impl Worker {
    /// Asks Redis for whatever is wished.
    pub async fn run(mut self) {
        let mut renewal = interval(RENEWAL);
        renewal.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                wish = self.wishes.recv() => match wish {
                    Some(wish) => self.grant(wish).await,
                    None => return,
                },
                _ = renewal.tick() => self.renew().await,
            }
        }
    }

    async fn grant(&mut self, wish: Wish) {
        match wish {
            Wish::Take { user, answer } => {
                let id = Uuid::new_v4();
                let taken = self.take(&user, id).await;
                if taken.is_ok() {
                    self.held.entry(user.clone()).or_default().push(id);
                }
                if let Err(Ok(id)) = answer.send(taken.map(|()| id)) {
                    // Whoever asked has gone meanwhile.
                    self.free(&user, id).await;
                }
            }
            Wish::Free { user, id } => self.free(&user, id).await,
        }
    }

    async fn take(&self, user: &str, id: Uuid) -> Result<(), Refused> {
        let mut script = self.take.key(key(user));
        script
            .arg(self.limit.get())
            .arg(milliseconds(self.lease))
            .arg(id.to_string());
        match self.scripts.run(&script).await {
            Ok(0) => Err(Refused::Quota),
            Ok(_) => Ok(()),
            Err(error) => {
                complain("taken", &error);
                Err(Refused::Unavailable)
            }
        }
    }

    async fn free(&mut self, user: &str, id: Uuid) {
        if let Some(places) = self.held.get_mut(user) {
            places.retain(|place| *place != id);
            if places.is_empty() {
                self.held.remove(user);
            }
        }
        let mut script = self.free.key(key(user));
        script.arg(id.to_string());
        if let Err(error) = self.scripts.run(&script).await {
            complain("freed", &error);
        }
    }

    async fn renew(&self) {
        for (user, places) in &self.held {
            let mut script = self.renew.key(key(user));
            script.arg(milliseconds(self.lease));
            for place in places {
                script.arg(place.to_string());
            }
            if let Err(error) = self.scripts.run(&script).await {
                // The others would wait as long for the same answer; the next renewal is soon.
                return complain("renewed", &error);
            }
        }
    }
}

fn key(user: &str) -> String {
    format!("websocket:connections:{user}")
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn complain(what: &str, error: &Away) {
    warn!(%error, "a place among a user's connections was not {what}");
}

#[cfg(test)]
mod tests {
    use harness::system::RedisServer;
    use tokio::time::{Instant, timeout};

    use super::*;

    /// Longer than a loaded machine ever takes.
    const PATIENCE: Duration = Duration::from_secs(20);

    /// A service's quota of two places for each user.
    fn service(redis: &RedisServer, lease: Duration) -> (Quota, tokio::task::JoinHandle<()>) {
        let url = RedisUrl::parse(redis.url()).unwrap();
        let (quota, worker) = with_lease(NonZeroU32::new(2).unwrap(), url, lease);
        (quota, tokio::spawn(worker.run()))
    }

    async fn refused(quota: &Quota, user: &str) -> Refused {
        match quota.take(user).await {
            Err(refused) => refused,
            Ok(_) => panic!("there is no place left, and one was given"),
        }
    }

    /// A place of `user` as soon as there is one.
    async fn soon(quota: &Quota, user: &str) -> Place {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match quota.take(user).await {
                Ok(place) => return place,
                Err(refused) => assert!(Instant::now() < deadline, "{refused:?}"),
            }
        }
    }

    #[tokio::test]
    async fn services_share_a_users_places() {
        let redis = RedisServer::start().await.unwrap();
        let (first, _) = service(&redis, LEASE);
        let (second, _) = service(&redis, LEASE);
        let one = first.take("anna").await.unwrap();
        let other = second.take("anna").await.unwrap();
        assert_eq!(refused(&first, "anna").await, Refused::Quota);
        assert_eq!(refused(&second, "anna").await, Refused::Quota);
        let _bert = first.take("bert").await.unwrap();
        // On one service a place that is given up is free at once.
        drop(one);
        let _again = first.take("anna").await.unwrap();
        drop(other);
        let _on_the_other = soon(&first, "anna").await;
    }

    #[tokio::test]
    async fn the_places_of_a_service_that_dies_are_freed_and_those_of_one_that_lives_are_not() {
        let redis = RedisServer::start().await.unwrap();
        let lease = RENEWAL + Duration::from_secs(1);
        let (first, dies) = service(&redis, lease);
        let (second, _lives) = service(&redis, lease);
        let _held = second.take("anna").await.unwrap();
        let lost = first.take("anna").await.unwrap();
        dies.abort();
        assert_eq!(refused(&second, "anna").await, Refused::Quota);
        let _free = soon(&second, "anna").await;
        // The one that is held has outlived the lease of the other.
        assert_eq!(refused(&second, "anna").await, Refused::Quota);
        drop(lost);
    }

    #[tokio::test]
    async fn without_redis_there_is_no_place() {
        let redis = RedisServer::start().await.unwrap();
        let (quota, _) = service(&redis, LEASE);
        let place = quota.take("anna").await.unwrap();
        let _stopped = redis.stop().await;
        assert_eq!(refused(&quota, "anna").await, Refused::Unavailable);
        drop(place);
    }

    #[tokio::test]
    async fn what_is_given_up_before_the_end_is_free_for_other_services() {
        let redis = RedisServer::start().await.unwrap();
        let (first, worker) = service(&redis, LEASE);
        let places = [
            first.take("anna").await.unwrap(),
            first.take("anna").await.unwrap(),
        ];
        drop(places);
        drop(first);
        timeout(PATIENCE, worker).await.expect("it ends").unwrap();
        let (second, _) = service(&redis, LEASE);
        let _place = second.take("anna").await.unwrap();
    }
}

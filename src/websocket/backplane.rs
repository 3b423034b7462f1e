//! The connections to Redis that carry every user's subscription, kept up: one, or in a cluster one to each primary.
//!
//! A failover can leave a connection as it was and its other end a replica, which gets what is published to the new
//! master late or never. So a replica is as good as lost: Redis tells at once that it is one ([`demotion`]), and where it
//! does not, what is asked at every health interval is the role. Where sentinels watch over Redis, it is whom they name
//! (`sentinel`).
//!
//! In a cluster there are two ways. Sharded, a channel has its slot's primary, where it is published too, and is lost when
//! that is (`cluster`). Plain, any primary will do, for the cluster's nodes tell one another what is published; and all
//! channels are lost when one of them may have missed something (`bus`).

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::timeout;
use tracing::{error, info, warn};

use super::link::{Link, Words};
use super::metrics::Metrics;
use super::redis::{RedisAddress, RedisError};
use super::subscriptions::{LinkId, Subscriptions};
use super::{bus, cluster, demotion, sentinel};
use crate::redis_url::RedisUrl;

/// How the connections to Redis are kept.
#[derive(Debug)]
pub struct Backplane {
    /// How often Redis is asked whether it is there and still the master, and how long it may take to answer.
    pub health_interval: Duration,
    /// Whom to tell what Redis says.
    pub subscriptions: Arc<Subscriptions>,
    /// Where messages that cannot be delivered are counted.
    pub metrics: Arc<Metrics>,
}

/// How long Redis may take to accept a connection and answer the first ping.
pub(super) const CONNECT_DEADLINE: Duration = Duration::from_secs(2);

/// Where the Redis is to which one link leads.
#[derive(Debug)]
pub(super) enum Whereabouts {
    /// One of these, by turns until one is there.
    AnyOf(Vec<RedisAddress>),
    /// Whom the sentinels name.
    Named(watch::Receiver<Option<RedisAddress>>),
}

/// What tells, besides a link itself, that something may have been missed on it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Watch {
    /// The master becomes a replica.
    Demotion,
    /// The nodes of the cluster lose touch.
    Bus,
    /// Nothing: the cluster ends subscriptions when it has to.
    Nothing,
}

/// Who has to answer for Redis to be well.
pub type Targets = watch::Receiver<Vec<RedisAddress>>;

impl Backplane {
    /// Connects to what `url` says, and anew whenever a connection is lost. Does not end. The first who have to answer for
    /// Redis to be well are told to `targets`, and whoever else comes to have to.
    pub async fn run(self, url: RedisUrl, words: Words, targets: watch::Sender<Vec<RedisAddress>>) {
        match (url, words) {
            (RedisUrl::One(info), _) => {
                let addresses = vec![RedisAddress::of(&info)];
                targets.send_replace(addresses.clone());
                let place = Whereabouts::AnyOf(addresses);
                self.keep(LinkId::default(), place, self.link(words), Watch::Demotion)
                    .await;
            }
            (RedisUrl::Sentinel(url), _) => {
                let sentinels = sentinel::Sentinels::new(&url, self.health_interval);
                let place = Whereabouts::Named(sentinels.master());
                let mut master = sentinels.master();
                let tell = async {
                    while master.changed().await.is_ok() {
                        targets.send_replace(master.borrow().iter().cloned().collect());
                    }
                };
                let keep = self.keep(LinkId::default(), place, self.link(words), Watch::Demotion);
                tokio::join!(sentinels.follow(), tell, keep);
            }
            (RedisUrl::Cluster(nodes), Words::Plain) => {
                let nodes: Vec<_> = nodes.iter().map(RedisAddress::of).collect();
                targets.send_replace(nodes.clone());
                let place = Whereabouts::AnyOf(nodes);
                self.keep(LinkId::default(), place, self.link(words), Watch::Bus)
                    .await;
            }
            (RedisUrl::Cluster(nodes), Words::Sharded) => {
                let nodes = nodes.iter().map(RedisAddress::of).collect();
                cluster::Cluster::new(Arc::new(self), nodes, targets)
                    .follow()
                    .await;
            }
        }
    }

    /// How a link is used that nobody moves channels from.
    fn link(&self, words: Words) -> Link {
        self.link_told(words, Arc::default())
    }

    /// How a link is used; `moved` is told when channels move.
    pub(super) fn link_told(&self, words: Words, moved: Arc<Notify>) -> Link {
        Link {
            health_interval: self.health_interval,
            words,
            metrics: self.metrics.clone(),
            moved,
        }
    }

    /// Keeps link number `id` to the Redis at `place`. Does not end.
    pub(super) async fn keep(&self, id: LinkId, mut place: Whereabouts, link: Link, watch: Watch) {
        let mut backoff = Backoff::default();
        let mut warned = false;
        for attempt in 0.. {
            let Some(address) = place.now(attempt) else {
                place.changed().await;
                continue;
            };
            match self.open(&address, watch).await {
                Ok((mut stream, bus)) => {
                    info!(redis = %address, "connected to redis");
                    if !stream.tells_role && !std::mem::replace(&mut warned, true) {
                        warn!(
                            "redis does not tell its role: a failover that keeps connections open goes unnoticed"
                        );
                    }
                    backoff = Backoff::default();
                    let feed = self.subscriptions.link_up(id);
                    let lost = tokio::select! {
                        biased; // what is passed on behind a gap must not be delivered
                        lost = self.until_missed(&address, watch, bus) => lost,
                        () = place.leaves(&address) => RedisError::Superseded,
                        lost = link.carry(&mut stream, &feed) => match lost {
                            Ok(never) => match never {},
                            Err(lost) => lost,
                        },
                    };
                    drop(feed);
                    error!(redis = %address, error = %lost, "lost redis: every connection that relied on it is told to close");
                    link.moved.notify_one();
                }
                Err(error) => warn!(redis = %address, %error, "failed to connect to redis"),
            }
            // Whoever is named now need not be waited for.
            let _ = timeout(backoff.next(), place.leaves(&address)).await;
        }
    }

    /// Connects to Redis, and to whatever tells about it.
    async fn open(
        &self,
        address: &RedisAddress,
        watch: Watch,
    ) -> Result<(super::redis::RedisStream, Option<bus::Bus>), RedisError> {
        let stream = address.connect(CONNECT_DEADLINE).await?;
        let bus = match watch {
            Watch::Bus => Some(bus::Bus::open(address, CONNECT_DEADLINE).await?),
            Watch::Demotion | Watch::Nothing => None,
        };
        Ok((stream, bus))
    }

    /// Waits until something may have been missed that no connection tells of.
    async fn until_missed(
        &self,
        address: &RedisAddress,
        watch: Watch,
        bus: Option<bus::Bus>,
    ) -> RedisError {
        match (watch, bus) {
            (Watch::Demotion, _) => {
                demotion::until_demoted(address, self.health_interval).await;
                RedisError::Replica
            }
            (Watch::Bus, Some(bus)) => bus.until_broken(self.health_interval).await,
            _ => std::future::pending().await,
        }
    }
}

impl Whereabouts {
    /// Where to go at this attempt; nothing while nobody knows.
    fn now(&mut self, attempt: usize) -> Option<RedisAddress> {
        match self {
            Self::AnyOf(addresses) => addresses.get(attempt % addresses.len().max(1)).cloned(),
            Self::Named(name) => name.borrow_and_update().clone(),
        }
    }

    /// Waits until somebody is named.
    async fn changed(&mut self) {
        if let Self::Named(name) = self
            && name.changed().await.is_ok()
        {
            return;
        }
        std::future::pending().await
    }

    /// Waits until another one than `address` is named.
    async fn leaves(&mut self, address: &RedisAddress) {
        match self {
            Self::Named(name) => {
                let other = |named: &Option<RedisAddress>| named.as_ref() != Some(address);
                if name.wait_for(other).await.is_err() {
                    std::future::pending().await
                }
            }
            Self::AnyOf(_) => std::future::pending().await,
        }
    }
}

/// Pauses between attempts: doubled each time, and each shortened by chance so that replicas do not come at once.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    attempts: u32,
}

impl Backoff {
    const FIRST: Duration = Duration::from_millis(50);
    const LONGEST: Duration = Duration::from_secs(1);

    pub(super) fn next(&mut self) -> Duration {
        let full = Self::LONGEST.min(Self::FIRST * (1 << self.attempts.min(8)));
        self.attempts += 1;
        // Every `RandomState` is seeded anew: chance enough to spread the attempts.
        let chance = RandomState::new().hash_one(self.attempts) as f64 / u64::MAX as f64;
        full.mul_f64(0.5 + chance / 2.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_start_small_grow_and_stay_bounded() {
        let mut backoff = Backoff::default();
        let pauses: Vec<Duration> = (0..40).map(|_| backoff.next()).collect();
        assert!(pauses[0] <= Backoff::FIRST && pauses[0] >= Backoff::FIRST / 2);
        assert!(pauses.iter().all(|pause| *pause <= Backoff::LONGEST));
        assert!(pauses[39] >= Backoff::LONGEST / 2);
    }
}

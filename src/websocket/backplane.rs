//! The one connection to Redis that carries every user's subscription: kept up, checked, and read in batches.
//!
//! A failover can leave the connection as it was and its other end a replica, which gets what is published to the new
//! master late or never. So a replica is as good as lost: Redis tells at once that it is one ([`demotion`]), and where it
//! does not, what is asked at every health interval is the role.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep, timeout};
use tracing::{error, info, warn};

use super::demotion;
use super::metrics::Metrics;
use super::redis::{HELLO, PING, RedisAddress, RedisError, RedisStream};
use super::resp::{self, Reply, Role};
use super::subscriptions::{NotText, OutOfStep, Request, Subscriptions};

/// How the connection to Redis is kept.
#[derive(Debug)]
pub struct Backplane {
    /// Where Redis is.
    pub address: RedisAddress,
    /// How often Redis is asked whether it is there and still the master, and how long it may take to answer.
    pub health_interval: Duration,
    /// Whom to tell what Redis says.
    pub subscriptions: Arc<Subscriptions>,
    /// Where messages that cannot be delivered are counted.
    pub metrics: Arc<Metrics>,
}

/// How long Redis may take to accept a connection and answer the first ping.
const CONNECT_DEADLINE: Duration = Duration::from_secs(2);

/// How much is read at once: what it holds is delivered as one batch.
const READ_SIZE: usize = 64 * 1024;

impl Backplane {
    /// Connects, and connects anew whenever the connection is lost. Does not end.
    pub async fn run(self) {
        let mut backoff = Backoff::default();
        let mut warned = false;
        loop {
            match self.address.connect(CONNECT_DEADLINE).await {
                Ok(stream) => {
                    info!(redis = %self.address, "connected to redis");
                    if !stream.tells_role && !std::mem::replace(&mut warned, true) {
                        warn!(
                            "redis does not tell its role: a failover that keeps connections open goes unnoticed"
                        );
                    }
                    backoff = Backoff::default();
                    self.subscriptions.link_up();
                    let lost = self.serve(stream).await;
                    self.subscriptions.link_lost();
                    error!(error = %lost, "lost redis: every connection is told to close");
                }
                Err(error) => warn!(redis = %self.address, %error, "failed to connect to redis"),
            }
            sleep(backoff.next()).await;
        }
    }

    /// Carries requests to Redis and what it says back, until the connection is lost.
    async fn serve(&self, mut link: RedisStream) -> RedisError {
        tokio::select! {
            biased; // what a replica passes on must not be delivered
            () = demotion::until_demoted(&self.address, self.health_interval) => RedisError::Replica,
            lost = self.exchange(&mut link) => match lost {
                Ok(never) => match never {},
                Err(lost) => lost,
            },
        }
    }

    async fn exchange(
        &self,
        link: &mut RedisStream,
    ) -> Result<std::convert::Infallible, RedisError> {
        let RedisStream {
            stream,
            buffer,
            tells_role,
        } = link;
        let question = if *tells_role { HELLO } else { PING };
        let mut outgoing = Vec::new();
        // Whether anything came since the last question; one unanswered for an interval is a hung Redis.
        let mut heard = true;
        let mut health = interval_at(Instant::now() + self.health_interval, self.health_interval);
        health.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            // Here and not in a branch: messages without end must not keep a request waiting.
            self.encode_requests(&mut outgoing);
            if !outgoing.is_empty() {
                timeout(self.health_interval, stream.write_all(&outgoing))
                    .await
                    .map_err(|_| RedisError::Unresponsive(self.health_interval))??;
                outgoing.clear();
            }
            buffer.reserve(READ_SIZE);
            let room = buffer.capacity() - buffer.len();
            tokio::select! {
                read = stream.read_buf(buffer) => {
                    let read = read?;
                    if read == 0 {
                        return Err(RedisError::Closed);
                    }
                    heard = true;
                    self.take_in(buffer)?;
                    if read == room {
                        // There is more: let the connections send this batch first.
                        tokio::task::yield_now().await;
                    }
                }
                () = self.subscriptions.requested() => {}
                _ = health.tick() => {
                    if !heard {
                        // The answer may be there, unread, when it was this process that hung.
                        match stream.try_read_buf(buffer) {
                            Ok(0) => return Err(RedisError::Closed),
                            Ok(_) => self.take_in(buffer)?,
                            Err(_) => return Err(RedisError::Unresponsive(self.health_interval)),
                        }
                    }
                    heard = false;
                    resp::command(&mut outgoing, question);
                }
            }
        }
    }

    fn encode_requests(&self, outgoing: &mut Vec<u8>) {
        for request in self.subscriptions.take_requests() {
            match request {
                Request::Subscribe(channel) => {
                    resp::command(outgoing, &[b"SUBSCRIBE", &channel]);
                }
                Request::Unsubscribe(channel) => {
                    resp::command(outgoing, &[b"UNSUBSCRIBE", &channel]);
                }
            }
        }
    }

    /// Delivers everything that is complete in `buffer` and leaves the rest.
    fn take_in(&self, buffer: &mut Vec<u8>) -> Result<(), RedisError> {
        let mut used = 0;
        let mut intake = self.subscriptions.intake();
        while let Some((reply, length)) = resp::parse(&buffer[used..])? {
            used += length;
            match reply {
                Reply::Message { channel, payload } => {
                    if intake.message(channel, payload) == Err(NotText) {
                        self.metrics.not_text.inc();
                        let channel = String::from_utf8_lossy(channel);
                        warn!(%channel, "skipped a message that is not UTF-8");
                    }
                }
                Reply::Subscribed(channel) => intake.subscribed(channel)?,
                Reply::Unsubscribed(channel) => intake.unsubscribed(channel)?,
                Reply::Hello(Some(Role::Replica)) => return Err(RedisError::Replica),
                Reply::Hello(_) | Reply::Pong | Reply::Ok => {}
                Reply::Error(words) => return Err(RedisError::Refused(words.to_owned())),
            }
        }
        drop(intake);
        buffer.drain(..used);
        if buffer.is_empty() {
            buffer.shrink_to(4 * READ_SIZE);
        }
        Ok(())
    }
}

impl From<OutOfStep> for RedisError {
    fn from(_: OutOfStep) -> Self {
        Self::Malformed("an answer to nothing that was asked")
    }
}

/// Pauses between attempts: doubled each time, and each shortened by chance so that replicas do not come at once.
#[derive(Debug, Default)]
struct Backoff {
    attempts: u32,
}

impl Backoff {
    const FIRST: Duration = Duration::from_millis(50);
    const LONGEST: Duration = Duration::from_secs(1);

    fn next(&mut self) -> Duration {
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

//! One connection to a Redis that carries users' subscriptions: checked, and read in batches.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Notify;
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};
use tracing::{info, warn};

use super::metrics::Metrics;
use super::redis::{HELLO, PING, RedisError, RedisStream};
use super::resp::{self, Reply, Role};
use super::slot;
use super::subscriptions::{Feed, Intake, NotText, Request, Verb};

/// How a connection to Redis is used.
#[derive(Debug)]
pub struct Link {
    /// How often Redis is asked whether it is there and still the master, and how long it may take to answer.
    pub health_interval: Duration,
    /// How channels are subscribed.
    pub words: Words,
    /// Where messages that cannot be delivered are counted.
    pub metrics: Arc<Metrics>,
    /// Told when Redis says that a channel belongs elsewhere.
    pub moved: Arc<Notify>,
}

/// The commands of plain or of sharded publishing and subscribing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Words {
    /// `SUBSCRIBE`: in a cluster, to what is published anywhere.
    Plain,
    /// `SSUBSCRIBE`, which Redis knows since version 7: to what is published where the channel belongs.
    Sharded,
}

/// What was asked and is not yet answered; nothing for the question whether Redis is there.
type Asked = VecDeque<Option<Request>>;

/// How much is read at once: what it holds is delivered as one batch.
const READ_SIZE: usize = 64 * 1024;

impl Words {
    fn of(self, verb: Verb) -> &'static [u8] {
        match (self, verb) {
            (Self::Plain, Verb::Subscribe) => b"SUBSCRIBE",
            (Self::Plain, Verb::Unsubscribe) => b"UNSUBSCRIBE",
            (Self::Sharded, Verb::Subscribe) => b"SSUBSCRIBE",
            (Self::Sharded, Verb::Unsubscribe) => b"SUNSUBSCRIBE",
        }
    }
}

impl Link {
    /// Carries requests to Redis and what it says back to `feed`, until the connection is lost.
    pub async fn carry(
        &self,
        link: &mut RedisStream,
        feed: &Feed,
    ) -> Result<Infallible, RedisError> {
        let RedisStream {
            stream,
            buffer,
            tells_role,
        } = link;
        let question = if *tells_role { HELLO } else { PING };
        let (mut outgoing, mut asked) = (Vec::new(), Asked::new());
        // Whether anything came since the last question; one unanswered for an interval is a hung Redis.
        let mut heard = true;
        let mut health = interval_at(Instant::now() + self.health_interval, self.health_interval);
        health.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            // Here and not in a branch: messages without end must not keep a request waiting.
            self.encode_requests(feed, &mut outgoing, &mut asked);
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
                    self.take_in(feed, buffer, &mut asked)?;
                    if read == room {
                        // There is more: let the connections send this batch first.
                        tokio::task::yield_now().await;
                    }
                }
                () = feed.requested() => {}
                _ = health.tick() => {
                    if !heard {
                        // The answer may be there, unread, when it was this process that hung.
                        match stream.try_read_buf(buffer) {
                            Ok(0) => return Err(RedisError::Closed),
                            Ok(_) => self.take_in(feed, buffer, &mut asked)?,
                            Err(_) => return Err(RedisError::Unresponsive(self.health_interval)),
                        }
                    }
                    heard = false;
                    resp::command(&mut outgoing, question);
                    asked.push_back(None);
                }
            }
        }
    }

    fn encode_requests(&self, feed: &Feed, outgoing: &mut Vec<u8>, asked: &mut Asked) {
        for request in feed.take_requests() {
            resp::command(outgoing, &[self.words.of(request.verb), &request.channel]);
            asked.push_back(Some(request));
        }
    }

    /// Delivers everything that is complete in `buffer` and leaves the rest.
    fn take_in(
        &self,
        feed: &Feed,
        buffer: &mut Vec<u8>,
        asked: &mut Asked,
    ) -> Result<(), RedisError> {
        let (used, delivered) = feed.take_in(|intake| self.take_replies(intake, buffer, asked));
        self.metrics.sent.inc_by(delivered as u64);
        buffer.drain(..used?);
        if buffer.is_empty() {
            buffer.shrink_to(4 * READ_SIZE);
        }
        Ok(())
    }

    /// Passes on every reply that is complete in `bytes`; says how many bytes they are.
    fn take_replies(
        &self,
        intake: &mut Intake<'_>,
        bytes: &[u8],
        asked: &mut Asked,
    ) -> Result<usize, RedisError> {
        let mut used = 0;
        while let Some((reply, length)) = resp::parse(&bytes[used..])? {
            used += length;
            match reply {
                Reply::Message { channel, payload } => {
                    if intake.message(channel, payload) == Err(NotText) {
                        self.metrics.not_text.inc();
                        let channel = String::from_utf8_lossy(channel);
                        warn!(%channel, "skipped a message that is not UTF-8");
                    }
                }
                Reply::Subscribed(channel) => {
                    let request = answered(asked, Verb::Subscribe, channel)
                        .ok_or(RedisError::Malformed("an answer to nothing that was asked"))?;
                    intake.answered(&request, true);
                }
                Reply::Unsubscribed(channel) => {
                    match answered(asked, Verb::Unsubscribe, channel) {
                        Some(request) => intake.answered(&request, true),
                        // Nobody asked for it: the channel belongs elsewhere now, or Redis has its reasons.
                        None => {
                            intake.ended(channel);
                            self.moved.notify_one();
                        }
                    }
                }
                Reply::Hello(Some(Role::Replica)) => return Err(RedisError::Replica),
                Reply::Hello(_) | Reply::Pong | Reply::Ok => {
                    // The question is answered, if there was one.
                    asked.pop_front_if(|next| next.is_none());
                }
                Reply::Error(words) => match refused(asked, words)? {
                    Some(request) => {
                        let channel = String::from_utf8_lossy(&request.channel);
                        info!(%channel, %words, "redis refused a subscription");
                        intake.answered(&request, false);
                        self.moved.notify_one();
                    }
                    None => self.moved.notify_one(),
                },
            }
        }
        Ok(used)
    }
}

/// The next request, if this is the answer to it.
fn answered(asked: &mut Asked, verb: Verb, channel: &[u8]) -> Option<Request> {
    match asked.front() {
        Some(Some(next)) if next.verb == verb && *next.channel == *channel => {
            asked.pop_front().flatten()
        }
        _ => None,
    }
}

/// The request that Redis refuses in these words; nothing where the answer to it has come already: a subscription that a
/// cluster ends by itself, while it is asked to, is ended and refused.
fn refused(asked: &mut Asked, words: &str) -> Result<Option<Request>, RedisError> {
    let moved = words.strip_prefix("MOVED ");
    let slot: Option<u16> = moved.and_then(|rest| rest.split(' ').next()?.parse().ok());
    match (asked.front(), slot) {
        (Some(Some(request)), Some(slot)) if slot::of(&request.channel) != slot => Ok(None),
        (None, Some(_)) => Ok(None),
        (Some(Some(_)), _) => Ok(asked.pop_front().flatten()),
        (Some(None), Some(_)) => Ok(None),
        (Some(None) | None, None) => Err(RedisError::Refused(words.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::super::outbox::Bounds;
    use super::super::subscriptions::{LinkId, Membership, Subscriptions};
    use super::*;
    use rstest::rstest;

    /// What is asked for two users who come one after the other, and the question after it.
    fn asked() -> (Asked, Vec<Membership>) {
        let bounds = Bounds {
            messages: 1,
            bytes: 1,
        };
        let subscriptions = Arc::new(Subscriptions::new("ws", 1, bounds));
        let feed = subscriptions.link_up(LinkId::default());
        let members = ["foo", "bar"].map(|user| subscriptions.join(user).unwrap());
        let requests = feed.take_requests().into_iter().map(Some);
        (requests.chain([None]).collect(), members.into())
    }

    fn name(request: Option<Request>) -> Option<String> {
        request.map(|request| String::from_utf8_lossy(&request.channel).into_owned())
    }

    #[test]
    fn an_answer_is_to_the_next_request_or_to_none() {
        let (mut asked, _members) = asked();
        let mut answer = |verb, channel: &[u8]| name(answered(&mut asked, verb, channel));
        assert_eq!(answer(Verb::Subscribe, b"ws:bar"), None);
        assert_eq!(answer(Verb::Unsubscribe, b"ws:foo"), None);
        assert_eq!(
            answer(Verb::Subscribe, b"ws:foo").as_deref(),
            Some("ws:foo")
        );
        assert_eq!(
            answer(Verb::Subscribe, b"ws:bar").as_deref(),
            Some("ws:bar")
        );
        assert_eq!(answer(Verb::Subscribe, b"ws:foo"), None);
    }

    #[rstest]
    #[case::the_next("NOPERM no", Some("ws:foo"), 2)]
    #[case::cluster_down("CLUSTERDOWN Hash slot not served", Some("ws:foo"), 2)]
    #[case::moved("MOVED 5469 h:1", Some("ws:foo"), 2)]
    #[case::moved_before_it_was_asked("MOVED 1 h:1", None, 3)]
    fn a_refusal_is_of_the_next_request_unless_it_is_of_another_slot(
        #[case] words: &str,
        #[case] expected: Option<&str>,
        #[case] left: usize,
    ) {
        let (mut asked, _members) = asked();
        let request = refused(&mut asked, words).unwrap();
        assert_eq!(name(request).as_deref(), expected);
        assert_eq!(asked.len(), left);
    }

    #[rstest]
    #[case::to_the_question(Asked::from([None]))]
    #[case::to_nothing(Asked::new())]
    fn a_refusal_of_something_else_is_the_end(#[case] mut asked: Asked) {
        assert!(refused(&mut asked, "NOAUTH Authentication required.").is_err());
        assert!(matches!(refused(&mut asked, "MOVED 1 h:1"), Ok(None)));
    }
}

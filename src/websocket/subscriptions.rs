//! Who is to receive what: users' connections, and the one subscription that a user's connections share.
//!
//! A state machine without I/O. Connections join and leave it; the [backplane](super::backplane) carries out its
//! requests in their order and tells it what Redis answered. The promise rests on three rules: nobody is confirmed
//! before Redis answered the last request for the channel, the last one to leave ends the subscription, and
//! whenever a subscription is lost everybody who relied on it is told to close.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, oneshot};

use super::close::{self, Close};
use super::frame::{self, Opcode};
use super::outbox::{Bounds, Outbox};

/// Every user's connections and subscription.
#[derive(Debug)]
pub struct Subscriptions {
    prefix: String,
    connections_per_user: usize,
    bounds: Bounds,
    state: Mutex<State>,
    requested: Notify,
}

/// One connection's place among its user's connections. Dropping it gives the place up at once.
#[derive(Debug)]
#[must_use = "dropping the membership ends the delivery and frees the slot"]
pub struct Membership {
    subscriptions: Arc<Subscriptions>,
    channel: Arc<[u8]>,
    outbox: Arc<Outbox>,
    confirmation: Option<oneshot::Receiver<()>>,
}

/// Why a connection cannot join.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The user has as many connections as are allowed.
    Quota,
    /// Redis is away, or went away before it confirmed the subscription.
    Unavailable,
    /// The service ends.
    Stopped,
}

/// What Redis is to be asked, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// `SUBSCRIBE` this channel.
    Subscribe(Arc<[u8]>),
    /// `UNSUBSCRIBE` it.
    Unsubscribe(Arc<[u8]>),
}

/// What Redis told, taken in under one lock for as much as came at once. Never to be held over I/O.
pub struct Intake<'a> {
    state: MutexGuard<'a, State>,
}

/// A published message that no text frame can carry: it is not UTF-8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotText;

/// Redis answered a request that is not the next one unanswered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutOfStep;

#[derive(Debug, Default)]
struct State {
    link: Link,
    channels: HashMap<Arc<[u8]>, Channel>,
    requests: Vec<Request>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Link {
    #[default]
    Away,
    Up,
    Stopped,
}

#[derive(Debug, Default)]
struct Channel {
    /// Everybody with a slot, told to close or not.
    members: Vec<Arc<Outbox>>,
    waiting: Vec<oneshot::Sender<()>>,
    /// Whether the last request on this link was to subscribe.
    wanted: bool,
    /// Requests not yet answered. They alternate, so the next answer's kind is known.
    unanswered: u32,
}

impl Subscriptions {
    /// No connections, and Redis away. Channels are named `{prefix}:{user_id}`.
    pub fn new(prefix: &str, connections_per_user: usize, bounds: Bounds) -> Self {
        Self {
            prefix: format!("{prefix}:"),
            connections_per_user,
            bounds,
            state: Mutex::default(),
            requested: Notify::new(),
        }
    }

    /// Takes a slot of `user_id`, whose messages are queued for it from the user's next confirmed subscription on.
    pub fn join(self: &Arc<Self>, user_id: &str) -> Result<Membership, Refused> {
        let mut state = self.state();
        match state.link {
            Link::Away => return Err(Refused::Unavailable),
            Link::Stopped => return Err(Refused::Stopped),
            Link::Up => {}
        }
        let name = [self.prefix.as_bytes(), user_id.as_bytes()].concat();
        let key = state.channels.get_key_value(&*name).map(|(key, _)| key);
        let key = key.cloned().unwrap_or_else(|| name.into());
        let State {
            channels, requests, ..
        } = &mut *state;
        let channel = channels.entry(key.clone()).or_default();
        if channel.members.len() >= self.connections_per_user {
            return Err(Refused::Quota);
        }
        let outbox = Arc::new(Outbox::new(self.bounds));
        channel.members.push(outbox.clone());
        if !channel.wanted {
            channel.wanted = true;
            channel.unanswered += 1;
            requests.push(Request::Subscribe(key.clone()));
            self.requested.notify_one();
        }
        let confirmation = (channel.unanswered > 0).then(|| {
            let (sender, receiver) = oneshot::channel();
            channel.waiting.push(sender);
            receiver
        });
        drop(state);
        Ok(Membership {
            subscriptions: self.clone(),
            channel: key,
            outbox,
            confirmation,
        })
    }

    /// Ends the joining for good and tells every connection to close. Idempotent.
    pub fn stop(&self) {
        let mut state = self.state();
        state.link = Link::Stopped;
        state.lose_all(&close::SHUTDOWN);
    }

    /// Notes that Redis is there, on a new link that has no subscription yet.
    pub fn link_up(&self) {
        let mut state = self.state();
        if state.link == Link::Away {
            state.link = Link::Up;
        }
    }

    /// Notes that the link to Redis is lost, and with it every subscription: everybody is told to close.
    pub fn link_lost(&self) {
        let mut state = self.state();
        if state.link == Link::Up {
            state.link = Link::Away;
        }
        state.lose_all(&close::UNAVAILABLE);
    }

    /// Waits until there may be [requests](Self::take_requests).
    pub async fn requested(&self) {
        self.requested.notified().await;
    }

    /// The requests since the last call, to be carried out in this order.
    pub fn take_requests(&self) -> Vec<Request> {
        std::mem::take(&mut self.state().requests)
    }

    /// Begins to take in what Redis told.
    pub fn intake(&self) -> Intake<'_> {
        Intake {
            state: self.state(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Intake<'_> {
    /// Queues a published message for every connection of the channel, encoded once.
    pub fn message(&mut self, channel: &[u8], payload: &[u8]) -> Result<(), NotText> {
        let Some(channel) = self.state.channels.get(channel) else {
            return Ok(());
        };
        // While a request is unanswered this belongs to a subscription that has ended.
        if channel.unanswered > 0 {
            return Ok(());
        }
        let Some((last, others)) = channel.members.split_last() else {
            return Ok(());
        };
        std::str::from_utf8(payload).map_err(|_| NotText)?;
        let frame = frame::encode(Opcode::Text, payload);
        for member in others {
            member.push(frame.clone());
        }
        last.push(frame);
        Ok(())
    }

    /// Takes Redis' answer to a subscribe request: whoever waited for the last one is confirmed.
    pub fn subscribed(&mut self, channel: &[u8]) -> Result<(), OutOfStep> {
        let channel = self.state.channels.get_mut(channel).ok_or(OutOfStep)?;
        if channel.next_answer() != Some(true) {
            return Err(OutOfStep);
        }
        channel.unanswered -= 1;
        if channel.unanswered == 0 {
            for waiting in channel.waiting.drain(..) {
                // Who no longer waits has left already.
                let _ = waiting.send(());
            }
            channel.waiting.shrink_to_fit();
        }
        Ok(())
    }

    /// Takes Redis' answer to an unsubscribe request; one that was never asked is a subscription lost.
    pub fn unsubscribed(&mut self, name: &[u8]) -> Result<(), OutOfStep> {
        let channels = &mut self.state.channels;
        let channel = channels.get_mut(name).ok_or(OutOfStep)?;
        match channel.next_answer() {
            Some(true) => return Err(OutOfStep),
            Some(false) => channel.unanswered -= 1,
            None => channel.lose(&close::UNAVAILABLE),
        }
        if channel.is_over() {
            channels.remove(name);
        }
        Ok(())
    }
}

impl State {
    fn lose_all(&mut self, close: &'static Close) {
        self.requests = Vec::new();
        self.channels.retain(|_, channel| {
            channel.lose(close);
            !channel.is_over()
        });
    }

    fn leave(&mut self, name: &Arc<[u8]>, outbox: &Arc<Outbox>) -> bool {
        let Some(channel) = self.channels.get_mut(name) else {
            return false;
        };
        channel
            .members
            .retain(|member| !Arc::ptr_eq(member, outbox));
        let unsubscribe = channel.members.is_empty() && channel.wanted;
        if unsubscribe {
            channel.wanted = false;
            channel.unanswered += 1;
            self.requests.push(Request::Unsubscribe(name.clone()));
        } else if channel.is_over() {
            self.channels.remove(name);
        }
        unsubscribe
    }
}

impl Channel {
    /// Whether the next answer is to a subscribe request; none when every request is answered.
    fn next_answer(&self) -> Option<bool> {
        match self.unanswered {
            0 => None,
            unanswered => Some(self.wanted == (unanswered % 2 == 1)),
        }
    }

    fn lose(&mut self, close: &'static Close) {
        self.wanted = false;
        self.unanswered = 0;
        self.waiting = Vec::new(); // whoever waits learns it from the sender's end
        for member in &self.members {
            member.close(close);
        }
    }

    fn is_over(&self) -> bool {
        self.members.is_empty() && !self.wanted && self.unanswered == 0
    }
}

impl Membership {
    /// Waits until Redis confirmed the user's subscription. From then on nothing published is missed.
    pub async fn confirmed(&mut self) -> Result<(), Refused> {
        let Some(confirmation) = &mut self.confirmation else {
            return Ok(());
        };
        let confirmed = confirmation.await;
        self.confirmation = None;
        confirmed.map_err(|_| match self.subscriptions.state().link {
            Link::Stopped => Refused::Stopped,
            Link::Away | Link::Up => Refused::Unavailable,
        })
    }

    /// Where this connection's messages wait.
    pub fn outbox(&self) -> Arc<Outbox> {
        self.outbox.clone()
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        let mut state = self.subscriptions.state();
        let requested = state.leave(&self.channel, &self.outbox);
        drop(state);
        if requested {
            self.subscriptions.requested.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::VecDeque;
    use std::task::{Context, Poll, Waker};

    const CHANNEL: &[u8] = b"ws:teacher";

    fn subscriptions() -> Arc<Subscriptions> {
        let bounds = Bounds {
            messages: 10,
            bytes: 1000,
        };
        let subscriptions = Arc::new(Subscriptions::new("ws", 2, bounds));
        subscriptions.link_up();
        subscriptions
    }

    fn requests(subscriptions: &Subscriptions) -> Vec<String> {
        let words = subscriptions.take_requests().into_iter();
        words
            .map(|request| match request {
                Request::Subscribe(channel) => format!("+{}", String::from_utf8_lossy(&channel)),
                Request::Unsubscribe(channel) => format!("-{}", String::from_utf8_lossy(&channel)),
            })
            .collect()
    }

    /// Whether the membership is confirmed by now.
    fn confirmed(membership: &mut Membership) -> Poll<Result<(), Refused>> {
        std::pin::pin!(membership.confirmed()).poll(&mut Context::from_waker(Waker::noop()))
    }

    /// The payloads that wait for a member, and whether it is to close.
    fn received(membership: &Membership) -> (Vec<String>, Option<u16>) {
        let mut frames = VecDeque::new();
        let polled = membership
            .outbox()
            .poll(&Context::from_waker(Waker::noop()), &mut frames);
        let payloads = frames
            .iter()
            .map(|frame| String::from_utf8_lossy(&frame[2..]).into());
        let code = match polled {
            Poll::Ready(close) => Some(close.code),
            Poll::Pending => None,
        };
        (payloads.collect(), code)
    }

    fn publish(subscriptions: &Subscriptions, payload: &[u8]) -> Result<(), NotText> {
        subscriptions.intake().message(CHANNEL, payload)
    }

    #[test]
    fn nobody_is_confirmed_before_redis_answered() {
        let subscriptions = subscriptions();
        let mut first = subscriptions.join("teacher").unwrap();
        assert_eq!(requests(&subscriptions), ["+ws:teacher"]);
        assert_eq!(confirmed(&mut first), Poll::Pending);
        subscriptions.intake().subscribed(CHANNEL).unwrap();
        assert_eq!(confirmed(&mut first), Poll::Ready(Ok(())));
    }

    #[test]
    fn connections_of_a_user_share_one_subscription_and_its_confirmation() {
        let subscriptions = subscriptions();
        let mut first = subscriptions.join("teacher").unwrap();
        let mut second = subscriptions.join("teacher").unwrap();
        assert_eq!(requests(&subscriptions), ["+ws:teacher"]);
        subscriptions.intake().subscribed(CHANNEL).unwrap();
        assert_eq!(confirmed(&mut first), Poll::Ready(Ok(())));
        assert_eq!(confirmed(&mut second), Poll::Ready(Ok(())));
        publish(&subscriptions, b"hello").unwrap();
        let expected = (vec!["hello".to_owned()], None);
        assert_eq!(
            [received(&first), received(&second)],
            [expected.clone(), expected]
        );
        drop(first);
        assert_eq!(requests(&subscriptions), [""; 0]);
        drop(second);
        assert_eq!(requests(&subscriptions), ["-ws:teacher"]);
        subscriptions.intake().unsubscribed(CHANNEL).unwrap();
        assert!(subscriptions.state().channels.is_empty());
    }

    #[test]
    fn who_joins_a_confirmed_subscription_need_not_wait() {
        let subscriptions = subscriptions();
        let _first = subscriptions.join("teacher").unwrap();
        subscriptions.intake().subscribed(CHANNEL).unwrap();
        let mut second = subscriptions.join("teacher").unwrap();
        assert_eq!(confirmed(&mut second), Poll::Ready(Ok(())));
    }

    #[test]
    fn who_joins_while_the_subscription_is_being_ended_waits_for_the_next_one() {
        let subscriptions = subscriptions();
        let first = subscriptions.join("teacher").unwrap();
        subscriptions.intake().subscribed(CHANNEL).unwrap();
        drop(first);
        let mut second = subscriptions.join("teacher").unwrap();
        let expected = ["+ws:teacher", "-ws:teacher", "+ws:teacher"];
        assert_eq!(requests(&subscriptions), expected);
        // Published before Redis carried out the end of the first subscription.
        publish(&subscriptions, b"too early").unwrap();
        subscriptions.intake().unsubscribed(CHANNEL).unwrap();
        assert_eq!(confirmed(&mut second), Poll::Pending);
        subscriptions.intake().subscribed(CHANNEL).unwrap();
        assert_eq!(confirmed(&mut second), Poll::Ready(Ok(())));
        publish(&subscriptions, b"in time").unwrap();
        assert_eq!(received(&second), (vec!["in time".to_owned()], None));
    }

    #[test]
    fn who_leaves_before_the_confirmation_leaves_nothing_behind() {
        let subscriptions = subscriptions();
        for _ in 0..3 {
            drop(subscriptions.join("teacher").unwrap());
        }
        let expected = ["+ws:teacher", "-ws:teacher"].repeat(3);
        assert_eq!(requests(&subscriptions), expected);
        for _ in 0..3 {
            subscriptions.intake().subscribed(CHANNEL).unwrap();
            subscriptions.intake().unsubscribed(CHANNEL).unwrap();
        }
        assert!(subscriptions.state().channels.is_empty());
    }

    #[test]
    fn the_quota_counts_slots_and_a_slot_is_free_at_once() {
        let subscriptions = subscriptions();
        let first = subscriptions.join("teacher").unwrap();
        let _second = subscriptions.join("teacher").unwrap();
        let third = subscriptions.join("teacher");
        assert_eq!(third.err(), Some(Refused::Quota));
        assert!(subscriptions.join("another").is_ok());
        drop(first);
        assert!(subscriptions.join("teacher").is_ok());
    }

    #[test]
    fn a_lost_link_closes_everybody_and_who_waits_is_refused() {
        let subscriptions = subscriptions();
        let confirmed_one = subscriptions.join("teacher").unwrap();
        subscriptions.intake().subscribed(CHANNEL).unwrap();
        publish(&subscriptions, b"last").unwrap();
        let mut waiting = subscriptions.join("another").unwrap();
        subscriptions.link_lost();
        assert_eq!(
            received(&confirmed_one),
            (vec!["last".to_owned()], Some(1011))
        );
        assert_eq!(
            confirmed(&mut waiting),
            Poll::Ready(Err(Refused::Unavailable))
        );
        assert_eq!(
            subscriptions.join("teacher").err(),
            Some(Refused::Unavailable)
        );
        assert_eq!(requests(&subscriptions), [""; 0]);
    }

    #[test]
    fn after_the_link_is_back_a_user_with_a_closing_connection_is_subscribed_anew() {
        let subscriptions = subscriptions();
        let old = subscriptions.join("teacher").unwrap();
        subscriptions.intake().subscribed(CHANNEL).unwrap();
        requests(&subscriptions);
        subscriptions.link_lost();
        subscriptions.link_up();
        let mut new = subscriptions.join("teacher").unwrap();
        assert_eq!(requests(&subscriptions), ["+ws:teacher"]);
        assert_eq!(confirmed(&mut new), Poll::Pending);
        subscriptions.intake().subscribed(CHANNEL).unwrap();
        assert_eq!(confirmed(&mut new), Poll::Ready(Ok(())));
        publish(&subscriptions, b"news").unwrap();
        assert_eq!(received(&old), (vec![], Some(1011)));
        assert_eq!(received(&new), (vec!["news".to_owned()], None));
        drop(old);
        assert_eq!(requests(&subscriptions), [""; 0]);
    }

    #[test]
    fn a_subscription_that_redis_ends_unasked_closes_its_user_alone() {
        let subscriptions = subscriptions();
        let teacher = subscriptions.join("teacher").unwrap();
        let other = subscriptions.join("other").unwrap();
        subscriptions.intake().subscribed(CHANNEL).unwrap();
        subscriptions.intake().subscribed(b"ws:other").unwrap();
        subscriptions.intake().unsubscribed(CHANNEL).unwrap();
        assert_eq!(received(&teacher).1, Some(1011));
        assert_eq!(received(&other).1, None);
    }

    #[test]
    fn an_answer_out_of_step_is_noticed() {
        let subscriptions = subscriptions();
        assert_eq!(subscriptions.intake().subscribed(CHANNEL), Err(OutOfStep));
        assert_eq!(subscriptions.intake().unsubscribed(CHANNEL), Err(OutOfStep));
        let _first = subscriptions.join("teacher").unwrap();
        assert_eq!(subscriptions.intake().unsubscribed(CHANNEL), Err(OutOfStep));
        subscriptions.intake().subscribed(CHANNEL).unwrap();
        assert_eq!(subscriptions.intake().subscribed(CHANNEL), Err(OutOfStep));
    }

    #[test]
    fn a_message_that_is_not_text_is_refused_and_nobody_closes() {
        let subscriptions = subscriptions();
        let teacher = subscriptions.join("teacher").unwrap();
        subscriptions.intake().subscribed(CHANNEL).unwrap();
        assert_eq!(publish(&subscriptions, &[0xFF]), Err(NotText));
        assert_eq!(publish(&subscriptions, b"text"), Ok(()));
        assert_eq!(received(&teacher), (vec!["text".to_owned()], None));
    }

    #[test]
    fn a_stopped_service_closes_everybody_for_good() {
        let subscriptions = subscriptions();
        let teacher = subscriptions.join("teacher").unwrap();
        let mut waiting = subscriptions.join("teacher").unwrap();
        subscriptions.stop();
        assert_eq!(received(&teacher).1, Some(1001));
        assert_eq!(confirmed(&mut waiting), Poll::Ready(Err(Refused::Stopped)));
        subscriptions.link_lost();
        subscriptions.link_up();
        assert_eq!(subscriptions.join("teacher").err(), Some(Refused::Stopped));
    }
}

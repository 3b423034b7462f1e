//! Who is to receive what: users' connections, and the one subscription that a user's connections share.
//!
//! A state machine, which does no I/O while it is locked. Connections join and leave it; each [link](super::link) to a Redis
//! carries out its requests in their order and tells it what Redis answered. The promise rests on three rules: nobody is
//! confirmed before Redis answered the last request for the channel, the last one to leave ends the subscription, and
//! whenever a subscription is lost everybody who relied on it is told to close.
//!
//! A channel has one home, the link that [`Routes`] names: one Redis serves all of them, and in a cluster each primary
//! those of its slots.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, oneshot};

use super::close::{self, Close};
use super::frame::{self, Opcode};
use super::outbox::{Bounds, Outbox};
use super::slot;

/// Every user's connections and subscription.
#[derive(Debug)]
pub struct Subscriptions {
    prefix: String,
    connections_per_user: usize,
    bounds: Bounds,
    state: Mutex<State>,
}

/// Which link a channel belongs to.
#[derive(Debug, Default)]
pub enum Routes {
    /// The only one.
    #[default]
    One,
    /// In a cluster, one for each slot; none where nobody serves it.
    Slots(Box<[Option<LinkId>; slot::COUNT]>),
}

/// The number of a link: 0 of the only one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LinkId(pub u32);

/// A Redis that is there, on a new link that has no subscription yet. Dropping it tells that the link is lost, and with
/// it every subscription: everybody who relied on one is told to close.
#[derive(Debug)]
#[must_use = "dropping it closes every connection that relies on the link"]
pub struct Feed {
    subscriptions: Arc<Subscriptions>,
    link: LinkId,
    requested: Arc<Notify>,
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

/// What Redis is to be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// To subscribe or to unsubscribe.
    pub verb: Verb,
    /// Which channel.
    pub channel: Arc<[u8]>,
    /// Tells the last request for a channel, whose answer decides, from those before it.
    serial: u32,
}

/// What becomes of a subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// It begins.
    Subscribe,
    /// It ends.
    Unsubscribe,
}

/// What Redis told, taken in under one lock for as much as came at once, over no I/O.
pub struct Intake<'a> {
    state: MutexGuard<'a, State>,
    link: LinkId,
    /// Whose queues are to be flushed.
    queued: Vec<Arc<Outbox>>,
}

/// A published message that no text frame can carry: it is not UTF-8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotText;

#[derive(Debug, Default)]
struct State {
    stopped: bool,
    routes: Routes,
    /// Those that are up.
    links: HashMap<LinkId, Link>,
    channels: HashMap<Arc<[u8]>, Channel>,
    serial: u32,
}

#[derive(Debug, Default)]
struct Link {
    requests: Vec<Request>,
    requested: Arc<Notify>,
}

#[derive(Debug, Default)]
struct Channel {
    /// Everybody with a slot, told to close or not.
    members: Vec<Arc<Outbox>>,
    waiting: Vec<oneshot::Sender<()>>,
    /// Where it was last asked for.
    link: LinkId,
    /// Whether the last request on this link was to subscribe.
    wanted: bool,
    /// The last request, while it is unanswered.
    unanswered: Option<u32>,
}

impl Subscriptions {
    /// No connections, and Redis away. Channels are named `{prefix}:{user_id}`.
    pub fn new(prefix: &str, connections_per_user: usize, bounds: Bounds) -> Self {
        Self {
            prefix: format!("{prefix}:"),
            connections_per_user,
            bounds,
            state: Mutex::default(),
        }
    }

    /// Takes a slot of `user_id`, whose messages are queued for it from the user's next confirmed subscription on.
    pub fn join(self: &Arc<Self>, user_id: &str) -> Result<Membership, Refused> {
        let mut state = self.state();
        if state.stopped {
            return Err(Refused::Stopped);
        }
        let name = [self.prefix.as_bytes(), user_id.as_bytes()].concat();
        let home = state.routes.home(&name).ok_or(Refused::Unavailable)?;
        if !state.links.contains_key(&home) {
            return Err(Refused::Unavailable);
        }
        let key = state.channels.get_key_value(&*name).map(|(key, _)| key);
        let key = key.cloned().unwrap_or_else(|| name.into());
        let channel = state.channels.entry(key.clone()).or_default();
        if channel.members.len() >= self.connections_per_user {
            return Err(Refused::Quota);
        }
        let outbox = Arc::new(Outbox::new(self.bounds));
        channel.members.push(outbox.clone());
        if !channel.wanted {
            channel.link = home;
            state.request(Verb::Subscribe, &key);
        }
        let confirmation = state.channels.get_mut(&key).and_then(Channel::confirmation);
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
        state.stopped = true;
        state.lose(|_, _| true, &close::SHUTDOWN);
    }

    /// Notes that a Redis is there, until what is returned is dropped.
    pub fn link_up(self: &Arc<Self>, link: LinkId) -> Feed {
        let mut state = self.state();
        let requested = state.links.entry(link).or_default().requested.clone();
        drop(state);
        Feed {
            subscriptions: self.clone(),
            link,
            requested,
        }
    }

    /// How many links are up.
    pub fn links(&self) -> usize {
        self.state().links.len()
    }

    /// From here on channels belong where `routes` say. Those that have belonged elsewhere are lost: their users are told
    /// to close.
    ///
    /// Routes that are not `newer` than those before may well be older: they say nothing against a subscription that Redis
    /// has, or is asked for. It ends that itself if the channel has gone.
    pub fn reroute(&self, mut routes: Routes, newer: bool) {
        let mut state = self.state();
        if let (Routes::Slots(slots), false) = (&mut routes, newer) {
            for (name, channel) in &state.channels {
                if channel.wanted && state.links.contains_key(&channel.link) {
                    slots[usize::from(slot::of(name))] = Some(channel.link);
                }
            }
        }
        let moved = |name: &[u8], channel: &Channel| routes.home(name) != Some(channel.link);
        state.lose(moved, &close::UNAVAILABLE);
        state.routes = routes;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Routes {
    /// The link that `channel` belongs to; none where nobody serves it.
    fn home(&self, channel: &[u8]) -> Option<LinkId> {
        match self {
            Self::One => Some(LinkId::default()),
            Self::Slots(links) => links[usize::from(slot::of(channel))],
        }
    }
}

impl Feed {
    /// Waits until there may be [requests](Self::take_requests).
    pub async fn requested(&self) {
        self.requested.notified().await;
    }

    /// The requests since the last call, to be carried out in this order.
    pub fn take_requests(&self) -> Vec<Request> {
        let mut state = self.subscriptions.state();
        let link = state.links.get_mut(&self.link);
        link.map(|link| std::mem::take(&mut link.requests))
            .unwrap_or_default()
    }

    /// Takes in what Redis told: `take` passes all of it to the intake. Says, besides what that returns, how many messages
    /// were delivered at once; the others are their connections'.
    pub fn take_in<R>(&self, take: impl FnOnce(&mut Intake<'_>) -> R) -> (R, usize) {
        let mut intake = Intake {
            state: self.subscriptions.state(),
            link: self.link,
            queued: Vec::new(),
        };
        let result = take(&mut intake);
        let Intake { state, queued, .. } = intake;
        drop(state);
        (result, queued.iter().map(|outbox| outbox.flush()).sum())
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        let mut state = self.subscriptions.state();
        state.links.remove(&self.link);
        let of_this = |_: &[u8], channel: &Channel| channel.link == self.link;
        state.lose(of_this, &close::UNAVAILABLE);
    }
}

impl Intake<'_> {
    /// Queues a published message for every connection of the channel, encoded once.
    pub fn message(&mut self, channel: &[u8], payload: &[u8]) -> Result<(), NotText> {
        let Some(channel) = self.state.channels.get(channel) else {
            return Ok(());
        };
        // While a request is unanswered this belongs to a subscription that has ended, and so it does where the channel
        // has another home by now.
        if channel.unanswered.is_some() || channel.link != self.link {
            return Ok(());
        }
        let Some((last, others)) = channel.members.split_last() else {
            return Ok(());
        };
        std::str::from_utf8(payload).map_err(|_| NotText)?;
        let frame = frame::encode(Opcode::Text, payload);
        let mut push = |member: &Arc<Outbox>, frame| {
            if member.push(frame) {
                self.queued.push(Arc::clone(member));
            }
        };
        for member in others {
            push(member, frame.clone());
        }
        push(last, frame);
        Ok(())
    }

    /// Takes Redis' answer to `request`, whether it did what it was asked. Whoever waited for the last request for a channel
    /// is confirmed, or refused.
    pub fn answered(&mut self, request: &Request, done: bool) {
        let State { channels, .. } = &mut *self.state;
        let Some(channel) = channels.get_mut(&request.channel) else {
            return;
        };
        // Of another link, or of a subscription that was lost since, it is too late.
        if channel.link != self.link || channel.unanswered != Some(request.serial) {
            return;
        }
        channel.unanswered = None;
        match (request.verb, done) {
            (Verb::Subscribe, true) => channel.confirm(),
            (Verb::Subscribe, false) => channel.lose(&close::UNAVAILABLE),
            (Verb::Unsubscribe, _) => {}
        }
        if channel.is_over() {
            self.state.forget(&request.channel);
        }
    }

    /// Takes note that Redis has ended a subscription that it was not asked to end: it is lost.
    pub fn ended(&mut self, name: &[u8]) {
        let State { channels, .. } = &mut *self.state;
        let Some(channel) = channels.get_mut(name) else {
            return;
        };
        if channel.link == self.link && channel.unanswered.is_none() {
            channel.lose(&close::UNAVAILABLE);
        }
        if channel.is_over() {
            self.state.forget(name);
        }
    }
}

impl State {
    /// Loses the subscriptions of which `lost` is true.
    fn lose(&mut self, lost: impl Fn(&[u8], &Channel) -> bool, close: &'static Close) {
        self.channels.retain(|name, channel| {
            if lost(name, channel) {
                channel.lose(close);
            }
            !channel.is_over()
        });
    }

    /// Asks for `name`, at its home.
    fn request(&mut self, verb: Verb, name: &Arc<[u8]>) {
        let Some(channel) = self.channels.get_mut(name) else {
            return;
        };
        self.serial = self.serial.wrapping_add(1);
        channel.wanted = verb == Verb::Subscribe;
        channel.unanswered = Some(self.serial);
        if let Some(link) = self.links.get_mut(&channel.link) {
            link.requests.push(Request {
                verb,
                channel: name.clone(),
                serial: self.serial,
            });
            link.requested.notify_one();
        }
    }

    fn leave(&mut self, name: &Arc<[u8]>, outbox: &Arc<Outbox>) {
        let Some(channel) = self.channels.get_mut(name) else {
            return;
        };
        channel
            .members
            .retain(|member| !Arc::ptr_eq(member, outbox));
        if channel.members.is_empty() && channel.wanted {
            self.request(Verb::Unsubscribe, name);
        } else if channel.is_over() {
            self.forget(name);
        }
    }

    /// Forgets a channel that is over, and with the last of many the room for them: messages find theirs faster in less.
    fn forget(&mut self, name: &[u8]) {
        self.channels.remove(name);
        if self.channels.len() < self.channels.capacity() / 8 {
            self.channels.shrink_to(2 * self.channels.len());
        }
    }
}

impl Channel {
    /// What tells that the last request is answered; nothing when it is already.
    fn confirmation(&mut self) -> Option<oneshot::Receiver<()>> {
        self.unanswered?;
        let (sender, receiver) = oneshot::channel();
        self.waiting.push(sender);
        Some(receiver)
    }

    fn confirm(&mut self) {
        for waiting in self.waiting.drain(..) {
            // Who no longer waits has left already.
            let _ = waiting.send(());
        }
        self.waiting.shrink_to_fit();
    }

    fn lose(&mut self, close: &'static Close) {
        self.wanted = false;
        self.unanswered = None;
        self.waiting = Vec::new(); // whoever waits learns it from the sender's end
        for member in &self.members {
            member.close(close);
        }
    }

    fn is_over(&self) -> bool {
        self.members.is_empty() && !self.wanted && self.unanswered.is_none()
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
        confirmed.map_err(|_| match self.subscriptions.state().stopped {
            true => Refused::Stopped,
            false => Refused::Unavailable,
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
        state.leave(&self.channel, &self.outbox);
    }
}

#[cfg(test)]
mod tests {
    use super::super::queue::Queue;
    use super::*;
    use std::collections::VecDeque;
    use std::task::{Context, Poll, Waker};

    const CHANNEL: &[u8] = b"ws:teacher";

    /// Subscriptions, and the only link, on which they are asked for.
    struct Redis {
        feed: Feed,
        asked: VecDeque<Request>,
    }

    impl Redis {
        fn new(subscriptions: &Arc<Subscriptions>, link: u32) -> Self {
            Self {
                feed: subscriptions.link_up(LinkId(link)),
                asked: VecDeque::new(),
            }
        }

        /// What it is asked since the last time.
        fn requests(&mut self) -> Vec<String> {
            let requests = self.feed.take_requests();
            let words = requests.iter().map(|request| {
                let sign = match request.verb {
                    Verb::Subscribe => '+',
                    Verb::Unsubscribe => '-',
                };
                format!("{sign}{}", String::from_utf8_lossy(&request.channel))
            });
            let words = words.collect();
            self.asked.extend(requests);
            words
        }

        /// Does the next thing that it is asked, or refuses to.
        fn answer(&mut self, done: bool) {
            self.requests();
            let request = self.asked.pop_front().expect("it was asked for something");
            self.feed.take_in(|intake| intake.answered(&request, done));
        }
    }

    fn subscriptions() -> (Arc<Subscriptions>, Redis) {
        let bounds = Bounds {
            messages: 10,
            bytes: 1000,
        };
        let subscriptions = Arc::new(Subscriptions::new("ws", 2, bounds));
        let redis = Redis::new(&subscriptions, 0);
        (subscriptions, redis)
    }

    /// Whether the membership is confirmed by now.
    fn confirmed(membership: &mut Membership) -> Poll<Result<(), Refused>> {
        std::pin::pin!(membership.confirmed()).poll(&mut Context::from_waker(Waker::noop()))
    }

    /// The payloads that wait for a member, and whether it is to close.
    fn received(membership: &Membership) -> (Vec<String>, Option<u16>) {
        let mut queue = Queue::default();
        let polled = membership
            .outbox()
            .poll(&Context::from_waker(Waker::noop()), &mut queue);
        let payloads = queue
            .frames()
            .map(|frame| String::from_utf8_lossy(&frame[2..]).into());
        let code = match polled {
            Poll::Ready(close) => Some(close.code),
            Poll::Pending => None,
        };
        (payloads.collect(), code)
    }

    fn publish(redis: &Redis, payload: &[u8]) -> Result<(), NotText> {
        redis
            .feed
            .take_in(|intake| intake.message(CHANNEL, payload))
            .0
    }

    #[test]
    fn nobody_is_confirmed_before_redis_answered() {
        let (subscriptions, mut redis) = subscriptions();
        let mut first = subscriptions.join("teacher").unwrap();
        assert_eq!(redis.requests(), ["+ws:teacher"]);
        assert_eq!(confirmed(&mut first), Poll::Pending);
        redis.answer(true);
        assert_eq!(confirmed(&mut first), Poll::Ready(Ok(())));
    }

    #[test]
    fn connections_of_a_user_share_one_subscription_and_its_confirmation() {
        let (subscriptions, mut redis) = subscriptions();
        let mut first = subscriptions.join("teacher").unwrap();
        let mut second = subscriptions.join("teacher").unwrap();
        assert_eq!(redis.requests(), ["+ws:teacher"]);
        redis.answer(true);
        assert_eq!(confirmed(&mut first), Poll::Ready(Ok(())));
        assert_eq!(confirmed(&mut second), Poll::Ready(Ok(())));
        publish(&redis, b"hello").unwrap();
        let expected = (vec!["hello".to_owned()], None);
        assert_eq!(
            [received(&first), received(&second)],
            [expected.clone(), expected]
        );
        drop(first);
        assert_eq!(redis.requests(), [""; 0]);
        drop(second);
        assert_eq!(redis.requests(), ["-ws:teacher"]);
        redis.answer(true);
        assert!(subscriptions.state().channels.is_empty());
    }

    #[test]
    fn who_joins_a_confirmed_subscription_need_not_wait() {
        let (subscriptions, mut redis) = subscriptions();
        let _first = subscriptions.join("teacher").unwrap();
        redis.answer(true);
        let mut second = subscriptions.join("teacher").unwrap();
        assert_eq!(confirmed(&mut second), Poll::Ready(Ok(())));
    }

    #[test]
    fn who_joins_while_the_subscription_is_being_ended_waits_for_the_next_one() {
        let (subscriptions, mut redis) = subscriptions();
        let first = subscriptions.join("teacher").unwrap();
        redis.answer(true);
        drop(first);
        let mut second = subscriptions.join("teacher").unwrap();
        let expected = ["-ws:teacher", "+ws:teacher"];
        assert_eq!(redis.requests(), expected);
        // Published before Redis carried out the end of the first subscription.
        publish(&redis, b"too early").unwrap();
        redis.answer(true);
        assert_eq!(confirmed(&mut second), Poll::Pending);
        redis.answer(true);
        assert_eq!(confirmed(&mut second), Poll::Ready(Ok(())));
        publish(&redis, b"in time").unwrap();
        assert_eq!(received(&second), (vec!["in time".to_owned()], None));
    }

    #[test]
    fn who_leaves_before_the_confirmation_leaves_nothing_behind() {
        let (subscriptions, mut redis) = subscriptions();
        for _ in 0..3 {
            drop(subscriptions.join("teacher").unwrap());
        }
        let expected = ["+ws:teacher", "-ws:teacher"].repeat(3);
        assert_eq!(redis.requests(), expected);
        for _ in 0..3 {
            redis.answer(true);
            redis.answer(true);
        }
        assert!(subscriptions.state().channels.is_empty());
    }

    #[test]
    fn the_quota_counts_slots_and_a_slot_is_free_at_once() {
        let (subscriptions, _redis) = subscriptions();
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
        let (subscriptions, mut redis) = subscriptions();
        let confirmed_one = subscriptions.join("teacher").unwrap();
        redis.answer(true);
        publish(&redis, b"last").unwrap();
        let mut waiting = subscriptions.join("another").unwrap();
        drop(redis);
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
    }

    #[test]
    fn after_the_link_is_back_a_user_with_a_closing_connection_is_subscribed_anew() {
        let (subscriptions, mut redis) = subscriptions();
        let old = subscriptions.join("teacher").unwrap();
        redis.answer(true);
        drop(redis);
        let mut redis = Redis::new(&subscriptions, 0);
        let mut new = subscriptions.join("teacher").unwrap();
        assert_eq!(redis.requests(), ["+ws:teacher"]);
        assert_eq!(confirmed(&mut new), Poll::Pending);
        redis.answer(true);
        assert_eq!(confirmed(&mut new), Poll::Ready(Ok(())));
        publish(&redis, b"news").unwrap();
        assert_eq!(received(&old), (vec![], Some(1011)));
        assert_eq!(received(&new), (vec!["news".to_owned()], None));
        drop(old);
        assert_eq!(redis.requests(), [""; 0]);
    }

    #[test]
    fn a_subscription_that_redis_ends_unasked_or_refuses_closes_its_user_alone() {
        let (subscriptions, mut redis) = subscriptions();
        let teacher = subscriptions.join("teacher").unwrap();
        let other = subscriptions.join("other").unwrap();
        let mut refused = subscriptions.join("refused").unwrap();
        redis.answer(true);
        redis.answer(true);
        redis.answer(false);
        redis.feed.take_in(|intake| intake.ended(CHANNEL));
        redis.feed.take_in(|intake| intake.ended(b"ws:nobody"));
        assert_eq!(received(&teacher).1, Some(1011));
        assert_eq!(received(&refused).1, Some(1011));
        assert_eq!(
            confirmed(&mut refused),
            Poll::Ready(Err(Refused::Unavailable))
        );
        assert_eq!(received(&other).1, None);
    }

    #[test]
    fn an_answer_to_a_request_that_was_overtaken_decides_nothing() {
        let (subscriptions, mut redis) = subscriptions();
        drop(subscriptions.join("teacher").unwrap());
        let mut teacher = subscriptions.join("teacher").unwrap();
        redis.answer(false); // the first one's subscription
        redis.feed.take_in(|intake| intake.ended(CHANNEL)); // and so this is of the past
        redis.answer(false); // its end
        assert_eq!(confirmed(&mut teacher), Poll::Pending);
        redis.answer(true);
        assert_eq!(confirmed(&mut teacher), Poll::Ready(Ok(())));
        assert_eq!(received(&teacher), (vec![], None));
    }

    /// Routes of a cluster in which `teacher` belongs to one link and everybody else to the other.
    fn routes(teacher: Option<u32>, others: Option<u32>) -> Routes {
        let mut links = Box::new([others.map(LinkId); slot::COUNT]);
        links[usize::from(slot::of(CHANNEL))] = teacher.map(LinkId);
        Routes::Slots(links)
    }

    #[test]
    fn in_a_cluster_a_lost_link_closes_those_alone_who_belong_to_it() {
        let (subscriptions, mut first) = subscriptions();
        let mut second = Redis::new(&subscriptions, 1);
        subscriptions.reroute(routes(Some(1), Some(0)), true);
        let teacher = subscriptions.join("teacher").unwrap();
        let other = subscriptions.join("other").unwrap();
        assert_eq!(first.requests(), ["+ws:other"]);
        assert_eq!(second.requests(), ["+ws:teacher"]);
        first.answer(true);
        second.answer(true);
        // What comes from where the channel does not belong is of a subscription that has ended.
        publish(&first, b"astray").unwrap();
        publish(&second, b"hello").unwrap();
        drop(second);
        assert_eq!(received(&teacher), (vec!["hello".to_owned()], Some(1011)));
        assert_eq!(received(&other).1, None);
        assert_eq!(
            subscriptions.join("teacher").err(),
            Some(Refused::Unavailable)
        );
        assert!(subscriptions.join("other").is_ok());
    }

    #[test]
    fn in_a_cluster_a_user_whose_slot_moves_is_closed_and_served_where_it_went() {
        let (subscriptions, mut first) = subscriptions();
        let mut second = Redis::new(&subscriptions, 1);
        subscriptions.reroute(routes(Some(0), Some(0)), true);
        let teacher = subscriptions.join("teacher").unwrap();
        let other = subscriptions.join("other").unwrap();
        first.answer(true);
        first.answer(true);
        subscriptions.reroute(routes(Some(1), Some(0)), true);
        assert_eq!(received(&teacher).1, Some(1011));
        assert_eq!(received(&other).1, None);
        let mut again = subscriptions.join("teacher").unwrap();
        assert_eq!(second.requests(), ["+ws:teacher"]);
        first.feed.take_in(|intake| intake.ended(CHANNEL)); // the former primary has learnt of it
        second.answer(true);
        assert_eq!(confirmed(&mut again), Poll::Ready(Ok(())));
        publish(&second, b"news").unwrap();
        assert_eq!(received(&again), (vec!["news".to_owned()], None));
        subscriptions.reroute(routes(None, Some(0)), true);
        assert_eq!(received(&again).1, Some(1011));
        assert_eq!(
            subscriptions.join("teacher").err(),
            Some(Refused::Unavailable)
        );
    }

    #[test]
    fn in_a_cluster_routes_as_old_as_the_known_ones_take_nobody_away() {
        let (subscriptions, mut first) = subscriptions();
        let mut second = Redis::new(&subscriptions, 1);
        subscriptions.reroute(routes(Some(0), Some(0)), true);
        let teacher = subscriptions.join("teacher").unwrap();
        first.answer(true);
        subscriptions.reroute(routes(Some(1), Some(0)), false);
        assert_eq!(received(&teacher).1, None);
        first.feed.take_in(|intake| intake.ended(CHANNEL));
        assert_eq!(received(&teacher).1, Some(1011));
        drop(teacher);
        // Redis has said so itself: now they count, and those of a node that has not heard of it do not.
        subscriptions.reroute(routes(Some(1), Some(0)), false);
        let mut again = subscriptions.join("teacher").unwrap();
        assert_eq!(second.requests(), ["+ws:teacher"]);
        subscriptions.reroute(routes(Some(0), Some(0)), false);
        second.answer(true);
        assert_eq!(confirmed(&mut again), Poll::Ready(Ok(())));
        subscriptions.reroute(routes(Some(0), Some(0)), false);
        assert_eq!(received(&again).1, None);
        drop(second);
        subscriptions.reroute(routes(Some(0), Some(0)), false);
        assert!(subscriptions.join("teacher").is_ok());
        assert_eq!(first.requests(), ["+ws:teacher"]);
    }

    #[test]
    fn a_message_that_is_not_text_is_refused_and_nobody_closes() {
        let (subscriptions, mut redis) = subscriptions();
        let teacher = subscriptions.join("teacher").unwrap();
        redis.answer(true);
        assert_eq!(publish(&redis, &[0xFF]), Err(NotText));
        assert_eq!(publish(&redis, b"text"), Ok(()));
        assert_eq!(received(&teacher), (vec!["text".to_owned()], None));
    }

    #[test]
    fn a_stopped_service_closes_everybody_for_good() {
        let (subscriptions, redis) = subscriptions();
        let teacher = subscriptions.join("teacher").unwrap();
        let mut waiting = subscriptions.join("teacher").unwrap();
        subscriptions.stop();
        assert_eq!(received(&teacher).1, Some(1001));
        assert_eq!(confirmed(&mut waiting), Poll::Ready(Err(Refused::Stopped)));
        drop(redis);
        let _redis = Redis::new(&subscriptions, 0);
        assert_eq!(subscriptions.join("teacher").err(), Some(Refused::Stopped));
    }
}

//! What was published, and who must have received it.
//!
//! The rule is the contract's promise: from the moment a client sees `101`, every message published to its user is
//! delivered exactly once to each of that user's connections, in order, byte for byte, to no other user, until the
//! connection closes.
//!
//! - `account`: what became of each message

mod account;

pub use account::{Account, Totals};

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::breach::Breach;
use crate::channels::Channels;

const ONCE: &str = "delivery.once-per-connection";
const EVERY: &str = "delivery.every-connection";
const ORDER: &str = "delivery.in-order";
const OWN: &str = "delivery.own-user-only";
const BYTES: &str = "delivery.bytes-untouched";
const FROM_101: &str = "delivery.from-101";
const NOT_KEPT: &str = "delivery.nothing-kept";
const NOT_UTF8: &str = "delivery.not-utf8-skipped";
const IGNORED: &str = "connections.client-frames-ignored";

/// Everything published on one stage, in order.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    all: Vec<Published>,
    /// Where in `all` each user's are.
    of_user: BTreeMap<String, Vec<usize>>,
}

/// One message that Redis accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    /// Its number on the stage, from 1.
    pub number: usize,
    /// The user it was published to, as the scenario calls them.
    pub user: String,
    /// What kind of message it is: its `event`, or a word for one that has none.
    pub kind: String,
    /// The bytes.
    pub bytes: Vec<u8>,
    /// How a flow tells of it.
    pub telling: Telling,
    /// Whether nobody knows that Redis accepted it: it may arrive, and is promised to nobody.
    pub in_doubt: bool,
}

/// How a flow tells of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Telling {
    /// By its number.
    Numbered,
    /// Without one: how many of its kind there are is chance.
    Uncounted,
    /// In the scenario's own words: how many there are is chance, and how many arrive.
    Untold,
}

/// What one connection was promised, and what it got.
#[derive(Clone, Debug)]
pub struct Promise<'a> {
    /// The connection's name, for messages.
    pub client: &'a str,
    /// Its user.
    pub user: &'a str,
    /// How many messages had been published when its handshake began: none of those may arrive.
    pub offered: usize,
    /// How many had been published when it saw `101`: everything after those must arrive.
    pub promised: usize,
    /// How it ended; nothing while it is open.
    pub end: Option<End>,
    /// The texts that it received, in order.
    pub texts: &'a [Vec<u8>],
    /// The binary messages that it received.
    pub binaries: &'a [Vec<u8>],
    /// The texts and binary messages that it sent.
    pub sent: &'a [Vec<u8>],
    /// The texts that the user's other connections received.
    pub siblings: &'a [Vec<u8>],
    /// Whether a fence came.
    pub fenced: bool,
    /// Where its messages are published.
    pub channel: &'a str,
    /// Where all scenarios published.
    pub(crate) channels: &'a Channels,
}

/// How a connection ended, as its client sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct End {
    /// How many messages had been published when the client saw it: none of the later ones was promised.
    pub published: usize,
    /// Whether it tells the client that the last messages may be missing: so does a lost connection, and each close of the
    /// contract. Any other close is silence.
    pub noticed: bool,
}

impl Promise<'_> {
    /// Whether a message that did not arrive breaks the promise; `last` is the latest one that did. Of a connection that
    /// ended with notice the last ones may be missing, and only those.
    fn is_broken_without(&self, number: usize, last: usize) -> bool {
        match self.end {
            None => true,
            Some(end) if end.noticed => number < last,
            Some(end) => number <= end.published,
        }
    }
}

impl Published {
    /// Whether a text frame can carry it: what is not UTF-8 is promised to nobody.
    fn is_text(&self) -> bool {
        std::str::from_utf8(&self.bytes).is_ok()
    }
}

impl Ledger {
    /// Enters a message and says its number.
    pub fn publish(&mut self, user: &str, kind: &str, bytes: &[u8], telling: Telling) -> usize {
        let number = self.all.len() + 1;
        let of_user = self.of_user.entry(user.to_owned()).or_default();
        of_user.push(self.all.len());
        self.all.push(Published {
            number,
            user: user.to_owned(),
            kind: kind.to_owned(),
            bytes: bytes.to_owned(),
            telling,
            in_doubt: false,
        });
        number
    }

    /// Notes that nobody knows whether Redis accepted the message with this number.
    pub fn doubt(&mut self, number: usize) {
        if let Some(message) = self.all.get_mut(number.wrapping_sub(1)) {
            message.in_doubt = true;
        }
    }

    /// How many messages have been published.
    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// Whether nothing has been published.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// The messages, in order.
    pub fn published(&self) -> &[Published] {
        &self.all
    }

    /// For each text that `user` received, the message it is: the n-th copy of the same bytes is the n-th one published
    /// from the `offered`-th on. `None` for a text that is no message to that user, or a copy too many.
    pub fn identify(
        &self,
        user: &str,
        offered: usize,
        received: &[Vec<u8>],
    ) -> Vec<Option<&Published>> {
        let mut waiting: BTreeMap<&[u8], Vec<&Published>> = BTreeMap::new();
        for message in self.after(offered, user).rev() {
            waiting.entry(&message.bytes).or_default().push(message);
        }
        received
            .iter()
            .map(|bytes| waiting.get_mut(bytes.as_slice()).and_then(Vec::pop))
            .collect()
    }

    /// Each way in which what a connection received is not what it was promised.
    pub fn violations(&self, promise: &Promise) -> Vec<Breach> {
        let client = promise.client;
        let identified = self.identify(promise.user, promise.offered, promise.texts);
        let mut found = Vec::new();
        let mut newest: Option<&Published> = None;
        // What arrived in another shape is not missing as well.
        let mut misshapen: Vec<usize> = Vec::new();
        let arrived: BTreeSet<usize> = identified.iter().flatten().map(|m| m.number).collect();
        for (bytes, message) in promise.texts.iter().zip(&identified) {
            let Some(message) = message else {
                let waits = |number| !arrived.contains(&number) && !misshapen.contains(&number);
                let (breach, altered) = self.stranger(promise, bytes, waits);
                found.push(breach);
                misshapen.extend(altered);
                continue;
            };
            match newest {
                Some(newest) if newest.number > message.number => {
                    let (late, early) = (title(message), title(newest));
                    let words = format!("{client} received {late} after {early}: out of order");
                    let number = Some(message.number);
                    found.push(Breach::of(words, [ORDER]).at(client, number));
                }
                _ => newest = Some(message),
            }
        }
        for bytes in promise.binaries {
            let waits = |number| !arrived.contains(&number) && !misshapen.contains(&number);
            let (breach, altered) = self.binary(promise, bytes, waits);
            found.push(breach);
            misshapen.extend(altered);
        }
        let last = newest.map_or(0, |message| message.number);
        let missing = self.promised_to(promise).filter(|message| {
            promise.is_broken_without(message.number, last)
                && !arrived.contains(&message.number)
                && !misshapen.contains(&message.number)
        });
        found.extend(self.missing(promise, &missing.collect::<Vec<_>>()));
        found
    }

    /// The messages that must arrive on a connection if it stays open.
    fn promised_to(&self, promise: &Promise) -> impl Iterator<Item = &Published> {
        self.after(promise.promised, promise.user)
            .filter(|message| message.is_text() && !message.in_doubt)
    }

    /// How many of the first `settled` messages have been dealt with for certain, so that nobody who connects as `user` from now
    /// on gets one. A service may have yet to read what Redis has, and then brings it to whoever is there: that is so for
    /// the last numbered messages as long as connections of the user `wait` for them, or Redis has not said that it has them.
    pub fn dealt_with(
        &self,
        user: &str,
        settled: usize,
        wait: impl Fn(&Published) -> bool,
    ) -> usize {
        let before = self.after(0, user).rev();
        let last = before
            .skip_while(|message| message.number > settled)
            .take_while(|message| {
                message.telling == Telling::Untold && (message.in_doubt || wait(message))
            })
            .last();
        last.map_or(settled, |message| message.number - 1)
    }

    /// The messages to `user` that were published after the first `count` of all.
    fn after(&self, count: usize, user: &str) -> impl DoubleEndedIterator<Item = &Published> {
        let of_user = self.of_user.get(user).map_or(&[][..], Vec::as_slice);
        let later = of_user.partition_point(|index| *index < count);
        of_user[later..]
            .iter()
            .filter_map(|index| self.all.get(*index))
    }

    fn missing(&self, promise: &Promise, missing: &[&Published]) -> Option<Breach> {
        let client = promise.client;
        let first = missing.first()?.number;
        let words = match missing {
            [] => return None,
            [only] => format!("{client} never received {}", title(only)),
            [first, .., last] => format!(
                "{client} never received {} messages, from {} to {}",
                missing.len(),
                title(first),
                title(last)
            ),
        };
        let elsewhere = |message: &&&Published| promise.siblings.contains(&message.bytes);
        let on_some_only = missing.iter().any(|message| elsewhere(&message));
        let the_first = self.promised_to(promise).next() == missing.first().copied();
        // What comes first is what a late subscription loses, unless messages are lost later as well.
        let first_ones = self.promised_to(promise).take(missing.len());
        let late =
            (promise.fenced || !promise.texts.is_empty()) && first_ones.eq(missing.iter().copied());
        let promises = [
            on_some_only.then_some(EVERY),
            the_first.then_some(FROM_101),
            (!late).then_some(ONCE),
        ];
        let breach = Breach::of(words, promises.into_iter().flatten()).unless(ONCE, late);
        Some(breach.at(client, Some(first)))
    }

    /// What a text is that its receiver should not have got, and the number of the message that it was meant to be: one
    /// that the receiver `waits` for, where there is one.
    fn stranger(
        &self,
        promise: &Promise,
        bytes: &[u8],
        waits: impl Fn(usize) -> bool,
    ) -> (Breach, Option<usize>) {
        let client = promise.client;
        let due = |message: &&Published| {
            message.user == promise.user
                && message.number > promise.offered
                && waits(message.number)
        };
        let alike = |message: &&Published| is_like(message, bytes);
        // What is due is few: only that is read as JSON.
        let like_one_due = || self.all.iter().filter(due).find(alike);
        // What another scenario published may have come from there.
        let elsewhere = promise.channels.is_elsewhere(promise.channel, bytes);
        let same = self.all.iter().rev().find(|message| message.bytes == bytes);
        // One that comes again may be another one, which has not come and was made like it.
        if let Some(message) = same
            && (message.user != promise.user || like_one_due().is_none())
        {
            let title = title(message);
            let breach = if message.user != promise.user {
                let (user, other) = (promise.user, &message.user);
                let words = format!(
                    "{client}, a connection of {user}, received {title}, which was published to {other}"
                );
                Breach::of(words, [OWN])
            } else if message.number <= promise.offered {
                let words =
                    format!("{client} received {title}, which was published before it connected");
                Breach::of(words, [NOT_KEPT]).unless(OWN, elsewhere)
            } else {
                let words = format!("{client} received {title} again");
                Breach::of(words, [ONCE]).unless(OWN, elsewhere)
            };
            return (breach.at(client, Some(message.number)), None);
        }
        let text = String::from_utf8_lossy(bytes);
        let mended = |message: &&Published| {
            !message.is_text() && String::from_utf8_lossy(&message.bytes) == text
        };
        if let Some(message) = self.all.iter().find(mended) {
            let title = title(message);
            let words = format!("{client} received {title}, which is not UTF-8, as another text");
            let breach = Breach::of(words, [NOT_UTF8]);
            return (breach.at(client, Some(message.number)), None);
        }
        if is_fence(bytes) {
            let words = format!("{client} received a fence that was published to somebody else");
            return (Breach::of(words, [OWN]).at(client, None), None);
        }
        let like_one_due = like_one_due();
        if like_one_due.is_none() && elsewhere {
            let words = format!(
                "{client} received a message that another scenario published to a user of its own: {}",
                excerpt(&text)
            );
            return (Breach::of(words, [OWN]).at(client, None), None);
        }
        if let Some(message) = like_one_due.or_else(|| self.all.iter().find(alike)) {
            let words = format!(
                "{client} received {} with other bytes, from byte {} on: published {}, received {}",
                title(message),
                first_difference(&message.bytes, bytes),
                excerpt(&String::from_utf8_lossy(&message.bytes)),
                excerpt(&text)
            );
            let number = Some(message.number);
            let breach = Breach::of(words, [BYTES]).unless(OWN, elsewhere);
            return (breach.at(client, number), number);
        }
        if !promise.sent.is_empty() {
            let words = format!(
                "{client} sent something and received {}, which this scenario did not publish",
                excerpt(&text)
            );
            return (Breach::of(words, [IGNORED]).at(client, None), None);
        }
        let words = format!(
            "{client} received a message that this scenario did not publish: {}",
            excerpt(&text)
        );
        (Breach::of(words, [BYTES]).at(client, None), None)
    }

    /// What a binary message is, and the number of the message that it was meant to be: one that the receiver `waits` for,
    /// where there is one.
    fn binary(
        &self,
        promise: &Promise,
        bytes: &[u8],
        waits: impl Fn(usize) -> bool,
    ) -> (Breach, Option<usize>) {
        let client = promise.client;
        let same = || self.all.iter().filter(|message| message.bytes == bytes);
        let due = same().find(|message| message.user == promise.user && waits(message.number));
        let published = due.or_else(|| same().next());
        let elsewhere = promise.channels.is_elsewhere(promise.channel, bytes);
        let what = match published {
            Some(message) => title(message),
            None if is_fence(bytes) => "a fence".to_owned(),
            None => "something".to_owned(),
        };
        let unknown = published.is_none() && !is_fence(bytes) && !elsewhere;
        let answers = unknown && !promise.sent.is_empty();
        let words = format!("{client} received {what} as a binary message, not as a text");
        let promise = if answers { IGNORED } else { BYTES };
        let number = published.map(|message| message.number);
        (Breach::of(words, [promise]).at(client, number), number)
    }
}

/// Whether `bytes` are a fence, whoever it is for. Its receiver's own are in no ledger.
pub fn is_fence(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    text.contains("\"fence\"") && text.contains("\"nonce\"")
}

/// Whether `bytes` are `message` in another shape: the same JSON written otherwise, or a piece of it.
fn is_like(message: &Published, bytes: &[u8]) -> bool {
    /// Shorter pieces are found in anything.
    const PIECE: usize = 8;
    let json = |bytes| serde_json::from_slice::<Value>(bytes).ok();
    let piece = bytes.len() >= PIECE
        && (message.bytes.starts_with(bytes) || message.bytes.ends_with(bytes));
    let alike = || Some(means_the_same(&json(bytes)?, &json(&message.bytes)?));
    piece || alike().unwrap_or(false)
}

/// Whether two values are the same to a program whose numbers are all of IEEE 754's double precision, like JavaScript's.
fn means_the_same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a.as_f64() == b.as_f64(),
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| means_the_same(a, b))
        }
        (Value::Object(a), Value::Object(b)) => {
            let same = |(key, a)| b.get(key).is_some_and(|b| means_the_same(a, b));
            a.len() == b.len() && a.iter().all(same)
        }
        _ => a == b,
    }
}

fn title(message: &Published) -> String {
    format!("#{} {}", message.number, message.kind)
}

fn first_difference(a: &[u8], b: &[u8]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}

/// The beginning of a text, enough to recognise it.
fn excerpt(text: &str) -> String {
    const SHOWN: usize = 120;
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use rstest::rstest;

    use super::*;

    /// Published: #1 and #2 to anna, #3 to bert, #4 and #5 to anna, #4 with the bytes of #1, #5 no text.
    fn ledger() -> Ledger {
        let mut ledger = Ledger::default();
        let mut publish = |user, kind, bytes: &[u8]| {
            ledger.publish(user, kind, bytes, Telling::Numbered);
        };
        publish("anna", "hello", br#"{"a":1}"#);
        publish("anna", "second", b"2");
        publish("bert", "secret", b"3");
        publish("anna", "hello", br#"{"a":1}"#);
        publish("anna", "noise", &[0xff]);
        ledger
    }

    const CLOSED: Option<End> = Some(End {
        published: 5,
        noticed: true,
    });
    const SILENCE: Option<End> = Some(End {
        published: 3,
        noticed: false,
    });

    fn anna(offered: usize, promised: usize, end: Option<End>) -> Promise<'static> {
        Promise {
            client: "anna/1",
            user: "anna",
            offered,
            promised,
            end,
            texts: &[],
            binaries: &[],
            sent: &[],
            siblings: &[],
            fenced: false,
            channel: "ws:anna",
            channels: nobody_else(),
        }
    }

    fn nobody_else() -> &'static Channels {
        static CHANNELS: LazyLock<Channels> = LazyLock::new(Channels::default);
        &CHANNELS
    }

    fn bytes(texts: &[&str]) -> Vec<Vec<u8>> {
        texts
            .iter()
            .map(|text| text.as_bytes().to_owned())
            .collect()
    }

    #[rstest]
    #[case::all_once(anna(0, 0, None), &[r#"{"a":1}"#, "2", r#"{"a":1}"#], &[])]
    #[case::twice(anna(0, 0, None), &[r#"{"a":1}"#, "2", "2", r#"{"a":1}"#], &["anna/1 received #2 second again"])]
    #[case::dropped(anna(0, 0, None), &[r#"{"a":1}"#, r#"{"a":1}"#], &["anna/1 never received #2 second"])]
    #[case::all_dropped(
        anna(0, 0, None), &[],
        &["anna/1 never received 3 messages, from #1 hello to #4 hello"]
    )]
    #[case::swapped(
        anna(1, 1, None), &[r#"{"a":1}"#, "2"],
        &["anna/1 received #2 second after #4 hello: out of order"]
    )]
    #[case::a_neighbours(
        anna(2, 2, None), &["3", r#"{"a":1}"#],
        &["anna/1, a connection of anna, received #3 secret, which was published to bert"]
    )]
    #[case::too_early(
        anna(3, 3, None), &["2", r#"{"a":1}"#],
        &["anna/1 received #2 second, which was published before it connected"]
    )]
    #[case::encoded_again(
        anna(3, 3, None), &[r#"{"a": 1}"#],
        &["anna/1 received #4 hello with other bytes, from byte 5 on: published {\"a\":1}, received {\"a\": 1}"]
    )]
    #[case::invented(
        anna(4, 4, None), &["boo"],
        &["anna/1 received a message that this scenario did not publish: boo"]
    )]
    #[case::not_text(anna(5, 5, None), &[], &[])]
    #[case::not_text_delivered(
        anna(4, 4, None), &["\u{fffd}"],
        &["anna/1 received #5 noise, which is not UTF-8, as another text"]
    )]
    #[case::published_during_the_handshake(anna(1, 4, None), &[], &[])]
    #[case::closed_before_the_last(anna(0, 0, CLOSED), &[r#"{"a":1}"#], &[])]
    #[case::closed_with_a_gap(
        anna(0, 0, CLOSED), &[r#"{"a":1}"#, r#"{"a":1}"#],
        &["anna/1 never received #2 second"]
    )]
    #[case::closed_in_silence(anna(0, 0, SILENCE), &[r#"{"a":1}"#], &["anna/1 never received #2 second"])]
    #[case::closed_in_silence_after_all(anna(0, 0, SILENCE), &[r#"{"a":1}"#, "2"], &[])]
    fn every_message_is_accounted_for(
        #[case] promise: Promise,
        #[case] received: &[&str],
        #[case] sentences: &[&str],
    ) {
        let texts = bytes(received);
        let promise = Promise {
            texts: &texts,
            ..promise
        };
        let found = ledger().violations(&promise);
        let found: Vec<&str> = found.iter().map(Breach::words).collect();
        assert_eq!(found, sentences);
    }

    #[test]
    fn what_redis_may_not_have_accepted_may_arrive_and_need_not() {
        let mut ledger = ledger();
        ledger.doubt(2);
        for received in [&["2", r#"{"a":1}"#][..], &[r#"{"a":1}"#]] {
            let promise = Promise {
                texts: &bytes(received),
                ..anna(1, 1, None)
            };
            assert_eq!(ledger.violations(&promise), []);
        }
    }

    /// Published to anna: #1 by its number, #3 to #5 of some traffic, #5 in doubt; #2 and #6 are bert's.
    #[rstest]
    #[case::all_is_there(6, &[], 4)]
    #[case::one_is_waited_for(6, &[4], 3)]
    #[case::before_one_that_is_there(6, &[3], 4)]
    #[case::two(6, &[3, 4], 2)]
    #[case::what_is_not_traffic_is_dealt_with(6, &[1, 3, 4], 2)]
    #[case::not_yet_settled(4, &[4], 3)]
    #[case::nothing_in_doubt_yet(4, &[], 4)]
    fn what_a_connection_waits_for_may_come_to_the_next_one(
        #[case] settled: usize,
        #[case] waited_for: &[usize],
        #[case] dealt_with: usize,
    ) {
        let mut ledger = Ledger::default();
        ledger.publish("anna", "hello", b"{}", Telling::Numbered);
        for (number, user) in (2..).zip(["bert", "anna", "anna", "anna", "bert"]) {
            let bytes = format!("{number}");
            ledger.publish(user, "numbered", bytes.as_bytes(), Telling::Untold);
        }
        ledger.doubt(5);
        let waits = |message: &Published| waited_for.contains(&message.number);
        assert_eq!(ledger.dealt_with("anna", settled, waits), dealt_with);
    }

    #[rstest]
    #[case::of_another_shape(r#"{"a": [1.0, 1e2, -0]}"#, r#"{"a":[1,100,0]}"#, true)]
    #[case::past_the_precision("12345678901234567890", "12345678901234567000", true)]
    #[case::another_number(r#"{"a":1}"#, r#"{"a":2}"#, false)]
    #[case::more(r#"{"a":1}"#, r#"{"a":1,"b":2}"#, false)]
    fn numbers_are_alike_as_a_script_reads_them(
        #[case] published: &str,
        #[case] received: &str,
        #[case] alike: bool,
    ) {
        let mut ledger = Ledger::default();
        ledger.publish("anna", "hello", published.as_bytes(), Telling::Numbered);
        assert_eq!(is_like(&ledger.published()[0], received.as_bytes()), alike);
    }

    #[test]
    fn what_is_made_like_another_message_is_not_that_one_again() {
        let mut ledger = Ledger::default();
        for text in [r#"{"a": 1}"#, r#"{"a":1}"#] {
            ledger.publish("anna", "hello", text.as_bytes(), Telling::Numbered);
        }
        let texts = bytes(&[r#"{"a":1}"#; 2]);
        let promise = Promise {
            texts: &texts,
            ..anna(0, 0, None)
        };
        let found = ledger.violations(&promise);
        let found: Vec<Option<&str>> = found.iter().map(|b| b.promise(&[])).collect();
        assert_eq!(found, [Some(BYTES)]);
    }

    #[rstest]
    #[case::on_one_of_two(anna(0, 1, None), &[r#"{"a":1}"#], &["2"], EVERY)]
    #[case::the_first(anna(0, 1, None), &[r#"{"a":1}"#], &[], FROM_101)]
    #[case::a_later_one(anna(0, 0, None), &[r#"{"a":1}"#, r#"{"a":1}"#], &[], ONCE)]
    #[case::twice(anna(0, 0, None), &[r#"{"a":1}"#, "2", "2", r#"{"a":1}"#], &[], ONCE)]
    #[case::swapped(anna(1, 1, None), &[r#"{"a":1}"#, "2"], &[], ORDER)]
    #[case::a_neighbours(anna(2, 2, None), &["3", r#"{"a":1}"#], &[], OWN)]
    #[case::too_early(anna(3, 3, None), &["2", r#"{"a":1}"#], &[], NOT_KEPT)]
    #[case::encoded_again(anna(3, 3, None), &[r#"{"a": 1}"#], &[], BYTES)]
    #[case::invented(anna(4, 4, None), &["boo"], &[], BYTES)]
    #[case::mended(anna(4, 4, None), &["\u{fffd}"], &[], NOT_UTF8)]
    #[case::a_fence_of_another(
        anna(4, 4, None), &[r#"{"event":"fence","data":{"user":"bert","nonce":"n"}}"#], &[], OWN
    )]
    fn what_is_broken_has_a_name(
        #[case] promise: Promise,
        #[case] received: &[&str],
        #[case] siblings: &[&str],
        #[case] broken: &str,
    ) {
        let (texts, siblings) = (bytes(received), bytes(siblings));
        let promise = Promise {
            texts: &texts,
            siblings: &siblings,
            ..promise
        };
        let proved = [EVERY, FROM_101, ONCE].map(str::to_owned);
        let found = ledger().violations(&promise);
        let found: Vec<Option<&str>> = found.iter().map(|b| b.promise(&proved)).collect();
        assert_eq!(found, [Some(broken)]);
    }

    #[rstest]
    #[case::unknown_here(&["2", "boo"], &[], OWN, OWN)]
    #[case::answers_or_not(&["2", "boo"], &["ping"], OWN, OWN)]
    #[case::twice(&["2", "2"], &[], ONCE, OWN)]
    fn what_another_scenario_published_may_have_come_from_there(
        #[case] texts: &[&str],
        #[case] sent: &[&str],
        #[case] broken: &str,
        #[case] broken_where_others_leak: &str,
    ) {
        let mut ledger = ledger();
        ledger.all.truncate(2);
        let channels = Channels::default();
        channels.note("ws:anna", b"2");
        for bytes in [&b"2"[..], b"boo"] {
            channels.note("ws:carl", bytes);
        }
        let (texts, sent) = (bytes(texts), bytes(sent));
        let promise = Promise {
            texts: &texts,
            sent: &sent,
            channels: &channels,
            ..anna(1, 1, None)
        };
        let mut found = ledger.violations(&promise);
        let names = |found: &[Breach]| -> Vec<_> {
            found.iter().map(|breach| breach.promise(&[])).collect()
        };
        assert_eq!(names(&found), [Some(broken)]);
        found
            .iter_mut()
            .for_each(|breach| breach.decide(|promise| promise == OWN));
        assert_eq!(names(&found), [Some(broken_where_others_leak)]);
    }

    #[rstest]
    #[case::one(Promise { fenced: true, ..anna(3, 3, None) }, &[], FROM_101)]
    #[case::the_first_of_two(anna(1, 1, None), &[r#"{"a":1}"#], FROM_101)]
    #[case::nothing_but_a_fence(Promise { fenced: true, ..anna(0, 0, None) }, &[], FROM_101)]
    #[case::the_second(anna(0, 0, None), &[r#"{"a":1}"#], ONCE)]
    #[case::nothing(anna(0, 0, None), &[], ONCE)]
    fn a_connection_that_was_subscribed_late_lost_what_came_first(
        #[case] promise: Promise,
        #[case] received: &[&str],
        #[case] broken: &str,
    ) {
        let texts = bytes(received);
        let promise = Promise {
            texts: &texts,
            ..promise
        };
        let found = ledger().violations(&promise);
        let found: Vec<Option<&str>> = found.iter().map(|b| b.promise(&[])).collect();
        assert_eq!(found, [Some(broken)]);
    }

    #[rstest]
    #[case::a_binary_copy(&[], &["2"], &[], "anna/1 received #2 second as a binary message, not as a text", BYTES)]
    #[case::an_answer(
        &["2", "pong"], &[], &["ping"],
        "anna/1 sent something and received pong, which this scenario did not publish", IGNORED
    )]
    #[case::a_binary_fence(
        &["2"], &[r#"{"event":"fence","data":{"user":"anna","nonce":"n"}}"#], &["ping"],
        "anna/1 received a fence as a binary message, not as a text", BYTES
    )]
    #[case::a_binary_answer(
        &["2"], &["ping"], &["ping"],
        "anna/1 received something as a binary message, not as a text", IGNORED
    )]
    fn what_is_no_text_of_the_backend_has_a_name(
        #[case] texts: &[&str],
        #[case] binaries: &[&str],
        #[case] sent: &[&str],
        #[case] sentence: &str,
        #[case] broken: &str,
    ) {
        let mut ledger = ledger();
        ledger.all.truncate(2);
        let (texts, binaries, sent) = (bytes(texts), bytes(binaries), bytes(sent));
        let promise = Promise {
            texts: &texts,
            binaries: &binaries,
            sent: &sent,
            ..anna(1, 1, None)
        };
        let found = ledger.violations(&promise);
        let found: Vec<_> = found.iter().map(|b| (b.words(), b.promise(&[]))).collect();
        assert_eq!(found, [(sentence, Some(broken))]);
    }
}

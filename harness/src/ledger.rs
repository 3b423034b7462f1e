//! What was published, and who must have received it.
//!
//! The rule is the contract's promise: from the moment a client sees `101`, every message published to its user is
//! delivered exactly once to each of that user's connections, in order, byte for byte, to no other user, until the
//! connection closes.

use std::collections::BTreeMap;

/// Everything published on one stage, in order.
#[derive(Clone, Debug, Default)]
pub struct Ledger(Vec<Published>);

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
    /// Whether how many of its kind there are is chance: no flow counts them.
    pub flood: bool,
}

/// What one connection was promised.
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
    /// Whether the connection is open still: one that closed need not have received what came last.
    pub open: bool,
}

impl Published {
    /// Whether a text frame can carry it: what is not UTF-8 is promised to nobody.
    fn is_text(&self) -> bool {
        std::str::from_utf8(&self.bytes).is_ok()
    }
}

impl Ledger {
    /// Enters a message and says its number.
    pub fn publish(&mut self, user: &str, kind: &str, bytes: &[u8]) -> usize {
        let number = self.0.len() + 1;
        self.0.push(Published {
            number,
            user: user.to_owned(),
            kind: kind.to_owned(),
            bytes: bytes.to_owned(),
            flood: false,
        });
        number
    }

    /// Enters one of a number of messages that is chance.
    pub fn publish_flood(&mut self, user: &str, kind: &str, bytes: &[u8]) -> usize {
        let number = self.publish(user, kind, bytes);
        self.0[number - 1].flood = true;
        number
    }

    /// How many messages have been published.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nothing has been published.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The messages, in order.
    pub fn published(&self) -> &[Published] {
        &self.0
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
        for message in self.0[offered.min(self.0.len())..].iter().rev() {
            if message.user == user {
                waiting.entry(&message.bytes).or_default().push(message);
            }
        }
        received
            .iter()
            .map(|bytes| waiting.get_mut(bytes.as_slice()).and_then(Vec::pop))
            .collect()
    }

    /// A sentence for each way in which what a connection `received` is not what it was promised.
    pub fn violations(&self, promise: &Promise, received: &[Vec<u8>]) -> Vec<String> {
        let client = promise.client;
        let identified = self.identify(promise.user, promise.offered, received);
        let mut found = Vec::new();
        let mut newest: Option<&Published> = None;
        for (bytes, message) in received.iter().zip(&identified) {
            match message {
                None => found.push(self.stranger(promise, bytes)),
                Some(message) => {
                    if let Some(newest) = newest.filter(|newest| newest.number > message.number) {
                        found.push(format!(
                            "{client} received {} after {}: out of order",
                            title(message),
                            title(newest)
                        ));
                    }
                    if newest.is_none_or(|newest| newest.number < message.number) {
                        newest = Some(message);
                    }
                }
            }
        }
        let last = newest.map_or(0, |message| message.number);
        let missing: Vec<&Published> = self.0[promise.promised.min(self.0.len())..]
            .iter()
            .filter(|message| message.user == promise.user && message.is_text())
            .filter(|message| promise.open || message.number < last)
            .filter(|message| !identified.contains(&Some(message)))
            .collect();
        match missing.as_slice() {
            [] => {}
            [only] => found.push(format!("{client} never received {}", title(only))),
            [first, .., last] => found.push(format!(
                "{client} never received {} messages, from {} to {}",
                missing.len(),
                title(first),
                title(last)
            )),
        }
        found
    }

    /// What a text is that its receiver should not have got.
    fn stranger(&self, promise: &Promise, bytes: &[u8]) -> String {
        let client = promise.client;
        if let Some(message) = self.0.iter().rev().find(|message| message.bytes == bytes) {
            return if message.user != promise.user {
                format!(
                    "{client}, a connection of {}, received {}, which was published to {}",
                    promise.user,
                    title(message),
                    message.user
                )
            } else if message.number <= promise.offered {
                format!(
                    "{client} received {}, which was published before it connected",
                    title(message)
                )
            } else {
                format!("{client} received {} again", title(message))
            };
        }
        let text = String::from_utf8_lossy(bytes);
        let like = serde_json::from_slice::<serde_json::Value>(bytes)
            .ok()
            .and_then(|value| {
                self.0.iter().find(|message| {
                    serde_json::from_slice::<serde_json::Value>(&message.bytes)
                        .ok()
                        .as_ref()
                        == Some(&value)
                })
            });
        match like {
            Some(message) => format!(
                "{client} received {} with other bytes, from byte {} on: published {}, received {}",
                title(message),
                first_difference(&message.bytes, bytes),
                excerpt(&String::from_utf8_lossy(&message.bytes)),
                excerpt(&text)
            ),
            None => format!(
                "{client} received a message that this scenario did not publish: {}",
                excerpt(&text)
            ),
        }
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
    use super::*;
    use rstest::rstest;

    /// Published: #1 and #2 to anna, #3 to bert, #4 and #5 to anna, #4 with the bytes of #1, #5 no text.
    fn ledger() -> Ledger {
        let mut ledger = Ledger::default();
        ledger.publish("anna", "hello", br#"{"a":1}"#);
        ledger.publish("anna", "second", b"2");
        ledger.publish("bert", "secret", b"3");
        ledger.publish("anna", "hello", br#"{"a":1}"#);
        ledger.publish("anna", "noise", &[0xff]);
        ledger
    }

    fn anna(offered: usize, promised: usize, open: bool) -> Promise<'static> {
        Promise {
            client: "anna/1",
            user: "anna",
            offered,
            promised,
            open,
        }
    }

    #[rstest]
    #[case::all_once(anna(0, 0, true), &[r#"{"a":1}"#, "2", r#"{"a":1}"#], &[])]
    #[case::twice(anna(0, 0, true), &[r#"{"a":1}"#, "2", "2", r#"{"a":1}"#], &["anna/1 received #2 second again"])]
    #[case::dropped(anna(0, 0, true), &[r#"{"a":1}"#, r#"{"a":1}"#], &["anna/1 never received #2 second"])]
    #[case::all_dropped(
        anna(0, 0, true), &[],
        &["anna/1 never received 3 messages, from #1 hello to #4 hello"]
    )]
    #[case::swapped(
        anna(1, 1, true), &[r#"{"a":1}"#, "2"],
        &["anna/1 received #2 second after #4 hello: out of order"]
    )]
    #[case::a_neighbours(
        anna(2, 2, true), &["3", r#"{"a":1}"#],
        &["anna/1, a connection of anna, received #3 secret, which was published to bert"]
    )]
    #[case::too_early(
        anna(3, 3, true), &["2", r#"{"a":1}"#],
        &["anna/1 received #2 second, which was published before it connected"]
    )]
    #[case::encoded_again(
        anna(3, 3, true), &[r#"{"a": 1}"#],
        &[
            "anna/1 received #1 hello with other bytes, from byte 5 on: published {\"a\":1}, received {\"a\": 1}",
            "anna/1 never received #4 hello",
        ]
    )]
    #[case::invented(
        anna(4, 4, true), &["boo"],
        &["anna/1 received a message that this scenario did not publish: boo"]
    )]
    #[case::not_text(anna(5, 5, true), &[], &[])]
    #[case::not_text_delivered(
        anna(5, 5, true), &["\u{fffd}"],
        &["anna/1 received a message that this scenario did not publish: \u{fffd}"]
    )]
    #[case::published_during_the_handshake(anna(1, 4, true), &[], &[])]
    #[case::closed_before_the_last(anna(0, 0, false), &[r#"{"a":1}"#], &[])]
    #[case::closed_with_a_gap(
        anna(0, 0, false), &[r#"{"a":1}"#, r#"{"a":1}"#],
        &["anna/1 never received #2 second"]
    )]
    fn every_message_is_accounted_for(
        #[case] promise: Promise,
        #[case] received: &[&str],
        #[case] sentences: &[&str],
    ) {
        let received: Vec<Vec<u8>> = received
            .iter()
            .map(|text| text.as_bytes().to_owned())
            .collect();
        assert_eq!(ledger().violations(&promise, &received), sentences);
    }
}

//! Where everything was published on a system, whichever scenario did: a message that a scenario does not know may have been
//! another one's.

use std::collections::HashMap;
use std::collections::hash_map::{DefaultHasher, Entry};
use std::hash::{Hash, Hasher};
use std::sync::{Mutex, PoisonError};

/// The channels of every message, each remembered by a hash alone.
#[derive(Debug, Default)]
pub(crate) struct Channels(Mutex<HashMap<u64, Where>>);

/// Where messages of the same bytes were published.
#[derive(Debug)]
enum Where {
    Only(u64),
    Several,
}

impl Channels {
    /// Remembers that a message was published on `channel`.
    pub fn note(&self, channel: &str, bytes: &[u8]) {
        let channel = hash(channel.as_bytes());
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match all.entry(hash(bytes)) {
            Entry::Vacant(place) => {
                place.insert(Where::Only(channel));
            }
            Entry::Occupied(mut place) => {
                if matches!(place.get(), Where::Only(other) if *other != channel) {
                    place.insert(Where::Several);
                }
            }
        }
    }

    /// Whether such a message was published on another channel.
    pub fn is_elsewhere(&self, channel: &str, bytes: &[u8]) -> bool {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match all.get(&hash(bytes)) {
            Some(Where::Only(other)) => *other != hash(channel.as_bytes()),
            Some(Where::Several) => true,
            None => false,
        }
    }
}

/// The same in one run.
fn hash(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::nowhere("ws:anna", "three", false)]
    #[case::on_this_one("ws:anna", "one", false)]
    #[case::on_another("ws:bert", "one", true)]
    #[case::on_this_one_and_another("ws:anna", "two", true)]
    fn a_message_is_known_by_its_bytes(
        #[case] channel: &str,
        #[case] message: &str,
        #[case] elsewhere: bool,
    ) {
        let channels = Channels::default();
        channels.note("ws:anna", b"one");
        channels.note("ws:anna", b"one");
        channels.note("ws:anna", b"two");
        channels.note("ws:bert", b"two");
        channels.note("ws:bert", b"two");
        assert_eq!(
            channels.is_elsewhere(channel, message.as_bytes()),
            elsewhere
        );
    }
}

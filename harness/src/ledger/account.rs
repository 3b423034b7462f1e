//! What became of each message that one connection was promised.

use std::fmt;
use std::ops::AddAssign;

use serde::{Deserialize, Serialize};

use super::{Ledger, Promise, Published};

/// The numbers of the messages that a connection was promised, by what became of them. Each is in one list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// They arrived once, each after those before it.
    pub delivered: Vec<usize>,
    /// They arrived more than once.
    pub duplicated: Vec<usize>,
    /// They arrived after a later one.
    pub reordered: Vec<usize>,
    /// They never arrived, and nothing told the client.
    pub lost_silently: Vec<usize>,
    /// They never arrived, and how the connection ended told the client.
    pub lost_with_notice: Vec<usize>,
    /// Messages to somebody else that arrived all the same.
    pub leaked: Vec<usize>,
}

/// How many messages of a number of connections became what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// See [`Account::delivered`].
    pub delivered: usize,
    /// See [`Account::duplicated`].
    pub duplicated: usize,
    /// See [`Account::reordered`].
    pub reordered: usize,
    /// See [`Account::lost_silently`].
    pub lost_silently: usize,
    /// See [`Account::lost_with_notice`].
    pub lost_with_notice: usize,
    /// See [`Account::leaked`].
    pub leaked: usize,
}

impl Ledger {
    /// The account of one connection: everything published from its `101` to its end, and what arrived.
    pub fn account(&self, promise: &Promise) -> Account {
        let mut account = Account::default();
        let identified = self.identify(promise.user, promise.offered, promise.texts);
        let mut arrived: Vec<usize> = Vec::new();
        let mut last = 0;
        for (bytes, message) in promise.texts.iter().zip(identified) {
            match message {
                Some(message) => {
                    arrived.push(message.number);
                    if message.number < last {
                        account.reordered.push(message.number);
                    }
                    last = last.max(message.number);
                }
                None => match self
                    .all
                    .iter()
                    .rev()
                    .find(|message| message.bytes == *bytes)
                {
                    Some(other) if other.user != promise.user => account.leaked.push(other.number),
                    Some(again) if again.number > promise.offered => {
                        account.duplicated.push(again.number);
                    }
                    // What was never published, or is too old: no message that was promised.
                    _ => {}
                },
            }
        }
        account.duplicated.sort_unstable();
        account.duplicated.dedup();
        let (duplicated, reordered) = (&account.duplicated, &mut account.reordered);
        reordered.retain(|number| duplicated.binary_search(number).is_err());
        reordered.sort_unstable();
        arrived.sort_unstable();
        let once = arrived.iter().filter(|number| {
            duplicated.binary_search(number).is_err() && reordered.binary_search(number).is_err()
        });
        account.delivered = once.copied().collect();
        let promised = |message: &&Published| {
            promise
                .end
                .is_none_or(|end| message.number <= end.published)
        };
        for Published { number, .. } in self.promised_to(promise).filter(promised) {
            if arrived.binary_search(number).is_err() {
                match promise.is_broken_without(*number, last) {
                    true => account.lost_silently.push(*number),
                    false => account.lost_with_notice.push(*number),
                }
            }
        }
        account
    }
}

impl Account {
    /// Whether nothing is in it that must not be.
    pub fn is_clean(&self) -> bool {
        [
            &self.duplicated,
            &self.reordered,
            &self.lost_silently,
            &self.leaked,
        ]
        .into_iter()
        .all(Vec::is_empty)
    }
}

impl AddAssign<&Account> for Totals {
    fn add_assign(&mut self, account: &Account) {
        self.delivered += account.delivered.len();
        self.duplicated += account.duplicated.len();
        self.reordered += account.reordered.len();
        self.lost_silently += account.lost_silently.len();
        self.lost_with_notice += account.lost_with_notice.len();
        self.leaked += account.leaked.len();
    }
}

impl AddAssign for Totals {
    fn add_assign(&mut self, other: Self) {
        self.delivered += other.delivered;
        self.duplicated += other.duplicated;
        self.reordered += other.reordered;
        self.lost_silently += other.lost_silently;
        self.lost_with_notice += other.lost_with_notice;
        self.leaked += other.leaked;
    }
}

/// How many arrived as they should, and the numbers of all others.
impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} delivered once", self.delivered.len())?;
        for (what, numbers) in [
            ("duplicated", &self.duplicated),
            ("reordered", &self.reordered),
            ("lost silently", &self.lost_silently),
            ("lost with notice", &self.lost_with_notice),
            ("leaked", &self.leaked),
        ] {
            if !numbers.is_empty() {
                write!(f, "; {what}: {}", ranges(numbers))?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} delivered once, {} duplicated, {} reordered, {} lost silently, {} lost with notice, {} leaked",
            self.delivered,
            self.duplicated,
            self.reordered,
            self.lost_silently,
            self.lost_with_notice,
            self.leaked
        )
    }
}

/// Ascending numbers as text: `#3, #5 to #9`.
fn ranges(numbers: &[usize]) -> String {
    let runs = numbers.chunk_by(|a, b| a + 1 == *b);
    let words = runs.filter_map(|run| match run {
        [] => None,
        [only] => Some(format!("#{only}")),
        [first, .., last] => Some(format!("#{first} to #{last}")),
    });
    words.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::super::{End, Telling};
    use super::*;
    use crate::channels::Channels;

    /// What is published to anna: #1 to #4 and #6; #5 is bert's.
    fn account(end: Option<End>, received: &[usize]) -> Account {
        let mut ledger = Ledger::default();
        for number in 1..=6 {
            let user = if number == 5 { "bert" } else { "anna" };
            let text = number.to_string();
            ledger.publish(user, "numbered", text.as_bytes(), Telling::Untold);
        }
        let texts: Vec<Vec<u8>> = received
            .iter()
            .map(|n| n.to_string().into_bytes())
            .collect();
        ledger.account(&Promise {
            client: "anna/1",
            user: "anna",
            offered: 0,
            promised: 1,
            end,
            texts: &texts,
            binaries: &[],
            sent: &[],
            siblings: &[],
            fenced: false,
            channel: "ws:anna",
            channels: &Channels::default(),
        })
    }

    fn closed(published: usize, noticed: bool) -> Option<End> {
        Some(End { published, noticed })
    }

    #[rstest]
    #[case::all(None, &[2, 3, 4, 6], "4 delivered once")]
    #[case::one_of_the_handshake_too(None, &[1, 2, 3, 4, 6], "5 delivered once")]
    #[case::one_missing_on_an_open_connection(None, &[2, 3, 4], "3 delivered once; lost silently: #6")]
    #[case::twice(None, &[2, 3, 3, 4, 3, 6], "3 delivered once; duplicated: #3")]
    #[case::late(None, &[2, 4, 3, 6], "3 delivered once; reordered: #3")]
    #[case::late_and_twice(None, &[2, 4, 3, 6, 3], "3 delivered once; duplicated: #3")]
    #[case::of_somebody_else(None, &[2, 3, 4, 5, 6], "4 delivered once; leaked: #5")]
    #[case::the_last_with_notice(closed(6, true), &[2], "1 delivered once; lost with notice: #3 to #4, #6")]
    #[case::none_at_all_with_notice(closed(6, true), &[], "0 delivered once; lost with notice: #2 to #4, #6")]
    #[case::a_gap_is_silent_whatever_comes_later(
        closed(6, true), &[2, 4],
        "2 delivered once; lost silently: #3; lost with notice: #6"
    )]
    #[case::the_last_in_silence(closed(6, false), &[2, 3], "2 delivered once; lost silently: #4, #6")]
    #[case::what_was_published_later_was_promised_to_nobody(closed(3, false), &[2, 3], "2 delivered once")]
    fn every_message_is_in_one_list(
        #[case] end: Option<End>,
        #[case] received: &[usize],
        #[case] words: &str,
    ) {
        assert_eq!(account(end, received).to_string(), words);
    }

    #[test]
    fn totals_are_the_sums_of_accounts() {
        let mut totals = Totals::default();
        totals += &account(closed(6, true), &[2, 4]);
        totals += &account(None, &[2, 4, 3, 6, 5, 6]);
        assert_eq!(
            totals.to_string(),
            "4 delivered once, 1 duplicated, 1 reordered, 1 lost silently, 1 lost with notice, 1 leaked"
        );
    }
}

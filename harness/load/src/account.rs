//! The account of one connection: what it was promised, and what came. It keeps as much as went wrong, and no more, so that
//! millions of messages can be accounted for.

use std::collections::BTreeSet;
use std::ops::AddAssign;

use harness::ledger::Totals;
use serde::Serialize;

/// One connection's messages, by their numbers, in the order in which they came.
#[derive(Debug, Default)]
pub struct Account {
    first: u64,
    next: u64,
    /// Skipped when a later one came.
    missing: BTreeSet<u64>,
    reordered: BTreeSet<u64>,
    duplicated: BTreeSet<u64>,
    leaked: u64,
    damaged: u64,
    end: Option<End>,
}

/// How a connection ended before it was left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct End {
    /// How many messages had been published to its user by then: it was promised no more.
    pub published: u64,
    /// Whether its client could tell that it has to refetch.
    pub noticed: bool,
}

/// What became of the messages of a number of connections, each counted for each connection that it was promised to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Balance {
    /// How many were promised.
    pub promised: u64,
    /// How many came once, each after those before it.
    pub delivered: u64,
    /// How many never came, and nothing told the client.
    pub lost_silently: u64,
    /// How many never came, and how the connection ended told the client.
    pub lost_with_notice: u64,
    /// How many came more than once.
    pub duplicated: u64,
    /// How many came once, after a later one.
    pub reordered: u64,
    /// How many came that were another user's.
    pub leaked: u64,
    /// How many came that nobody had published like this.
    pub damaged: u64,
}

impl Account {
    /// Nothing has come; the first that is promised is the user's message `first`.
    pub fn from(first: u64) -> Self {
        Self {
            first,
            next: first,
            ..Self::default()
        }
    }

    /// Takes note of the user's message `number`; whether it had not come before.
    pub fn came(&mut self, number: u64) -> bool {
        if number >= self.next {
            self.missing.extend(self.next..number);
            self.next = number + 1;
            true
        } else if self.missing.remove(&number) {
            self.reordered.insert(number);
            true
        } else {
            self.reordered.remove(&number);
            self.duplicated.insert(number);
            false
        }
    }

    /// Takes note of another user's message.
    pub fn leaked(&mut self) {
        self.leaked += 1;
    }

    /// Takes note of bytes that nobody published.
    pub fn damaged(&mut self) {
        self.damaged += 1;
    }

    /// Takes note of the connection's end; the first one counts.
    pub fn ended(&mut self, end: End) {
        self.end.get_or_insert(end);
    }

    /// What became of everything that was promised, after `published` messages to the user.
    pub fn balance(&self, published: u64) -> Balance {
        let until = self
            .end
            .map_or(published, |end| end.published)
            .max(self.next);
        let (missing, tail) = (self.missing.len() as u64, until - self.next);
        let (duplicated, reordered) = (self.duplicated.len() as u64, self.reordered.len() as u64);
        let noticed = self.end.is_some_and(|end| end.noticed);
        Balance {
            promised: until - self.first,
            delivered: (self.next - self.first) - missing - duplicated - reordered,
            // What is missing before one that came was lost while the connection was open.
            lost_silently: missing + if noticed { 0 } else { tail },
            lost_with_notice: if noticed { tail } else { 0 },
            duplicated,
            reordered,
            leaked: self.leaked,
            damaged: self.damaged,
        }
    }
}

impl Balance {
    /// Whether nothing is in it that must not be (contract, The promise).
    pub fn is_clean(&self) -> bool {
        self.lost_silently + self.duplicated + self.reordered + self.leaked + self.damaged == 0
    }

    /// The same as the scenarios sum it up.
    pub fn totals(&self) -> Totals {
        let number = |count: u64| usize::try_from(count).unwrap_or(usize::MAX);
        Totals {
            delivered: number(self.delivered),
            duplicated: number(self.duplicated),
            reordered: number(self.reordered),
            lost_silently: number(self.lost_silently),
            lost_with_notice: number(self.lost_with_notice),
            leaked: number(self.leaked),
        }
    }
}

impl AddAssign for Balance {
    fn add_assign(&mut self, other: Self) {
        self.promised += other.promised;
        self.delivered += other.delivered;
        self.lost_silently += other.lost_silently;
        self.lost_with_notice += other.lost_with_notice;
        self.duplicated += other.duplicated;
        self.reordered += other.reordered;
        self.leaked += other.leaked;
        self.damaged += other.damaged;
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn closed(published: u64, noticed: bool) -> Option<End> {
        Some(End { published, noticed })
    }

    #[rstest]
    #[case::all(None, &[2, 3, 4, 5], "4 delivered once")]
    #[case::one_missing(None, &[2, 4, 5], "3 delivered once, 1 lost silently")]
    #[case::the_last_missing(None, &[2, 3, 4], "3 delivered once, 1 lost silently")]
    #[case::none(None, &[], "0 delivered once, 4 lost silently")]
    #[case::twice(None, &[2, 3, 3, 4, 3, 5], "3 delivered once, 1 duplicated")]
    #[case::late(None, &[2, 4, 3, 5], "3 delivered once, 1 reordered")]
    #[case::late_and_twice(None, &[2, 4, 3, 5, 3], "3 delivered once, 1 duplicated")]
    #[case::the_last_with_notice(closed(6, true), &[2], "1 delivered once, 3 lost with notice")]
    #[case::a_gap_is_silent_whatever_comes_later(closed(6, true), &[2, 4], "2 delivered once, 1 lost silently, 1 lost with notice")]
    #[case::the_last_in_silence(closed(6, false), &[2, 3], "2 delivered once, 2 lost silently")]
    #[case::what_was_published_later_was_promised_to_nobody(closed(4, true), &[2, 3], "2 delivered once")]
    fn every_message_is_counted_once(
        #[case] end: Option<End>,
        #[case] came: &[u64],
        #[case] words: &str,
    ) {
        let mut account = Account::from(2);
        for number in came {
            account.came(*number);
        }
        if let Some(end) = end {
            account.ended(end);
        }
        let balance = account.balance(6);
        let totals = balance.totals().to_string();
        let told: Vec<&str> = (totals.split(", ").enumerate())
            .filter(|(index, words)| *index == 0 || !words.starts_with("0 "))
            .map(|(_, words)| words)
            .collect();
        assert_eq!(told.join(", "), words);
        let sum = balance.delivered
            + balance.lost_silently
            + balance.lost_with_notice
            + balance.duplicated
            + balance.reordered;
        assert_eq!(balance.promised, sum);
    }

    #[test]
    fn what_is_somebody_elses_or_nobodys_spoils_an_account() {
        let (mut leaked, mut damaged) = (Account::from(0), Account::from(0));
        leaked.leaked();
        damaged.damaged();
        assert!(Account::from(0).balance(0).is_clean());
        assert!(!leaked.balance(0).is_clean());
        assert!(!damaged.balance(0).is_clean());
    }
}

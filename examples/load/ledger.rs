//! The account of every message: what one connection was to get, and what it got.

use std::collections::BTreeSet;

/// One connection's messages, in the order in which they came.
#[derive(Debug, Default)]
pub struct Ledger {
    next: u64,
    /// Skipped when a later one came.
    missing: BTreeSet<u64>,
    faults: Faults,
}

/// What must not happen to a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// Never came.
    pub lost: u64,
    /// Came again.
    pub duplicated: u64,
    /// Came after a later one.
    pub reordered: u64,
    /// Came with other bytes, or to another user.
    pub damaged: u64,
}

impl Ledger {
    /// Nothing came so far; the next is the user's message `next`.
    pub fn from(next: u64) -> Self {
        Self {
            next,
            ..Self::default()
        }
    }

    /// Takes note of a message that came.
    pub fn came(&mut self, number: u64) {
        if number >= self.next {
            self.missing.extend(self.next..number);
            self.next = number + 1;
        } else if self.missing.remove(&number) {
            self.faults.reordered += 1;
        } else {
            self.faults.duplicated += 1;
        }
    }

    /// Takes note of bytes that nobody published for this connection.
    pub fn damaged(&mut self) {
        self.faults.damaged += 1;
    }

    /// The balance after `published` messages of this user.
    pub fn balance(&self, published: u64) -> Faults {
        let never = published.saturating_sub(self.next);
        Faults {
            lost: self.missing.len() as u64 + never,
            ..self.faults
        }
    }
}

impl Faults {
    /// Both together.
    pub fn and(self, other: Self) -> Self {
        Self {
            lost: self.lost + other.lost,
            duplicated: self.duplicated + other.duplicated,
            reordered: self.reordered + other.reordered,
            damaged: self.damaged + other.damaged,
        }
    }

    /// Whether there are none.
    pub fn none(self) -> bool {
        self == Self::default()
    }
}

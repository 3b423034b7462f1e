//! A change of a schema, and whether more or fewer values are allowed after it.

use std::collections::BTreeSet;

use serde_json::Value;

use super::Side;
use super::shape::{Bound, tighter};
use super::types::Type;

/// One difference between two schemas.
#[derive(Clone, Debug)]
pub(super) struct Change {
    pub what: What,
    /// Which values it is about, as a pointer into the payload; `*` is any element or member.
    pub pointer: String,
    /// Which of the two schemas says it, and where in that schema.
    pub side: Side,
    pub at: String,
}

/// What a change does to the set of values that are allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Effect {
    /// Nothing: only words changed.
    Nothing,
    /// There are new ones.
    Grows,
    /// Some are no more.
    Shrinks,
    /// There are new ones, and some are no more.
    Both,
    /// It cannot be told.
    Unclear,
}

/// What changed.
#[derive(Clone, Debug)]
pub(super) enum What {
    /// Listed values are new.
    ValuesAdded(Vec<Value>),
    /// Listed values are gone.
    ValuesRemoved(Vec<Value>),
    /// Every listed value is another one.
    ValuesReplaced(Vec<Value>, Vec<Value>),
    /// Any value was allowed, and now those of a list.
    Listed(Vec<Value>),
    /// The values of a list were allowed, and now any.
    Unlisted(Vec<Value>, BTreeSet<Type>),
    /// Other types are allowed: from, to.
    Types(BTreeSet<Type>, BTreeSet<Type>),
    /// A member is new, required or not, in an object of which that was said.
    MemberAdded(Member),
    /// A member is gone.
    MemberRemoved(Member),
    /// A member that was known can be left out.
    NoLongerRequired,
    /// A member that was known has to be there.
    NowRequired,
    /// A member that was ruled out may come.
    NoLongerRuledOut,
    /// A member is ruled out that could have been there without being listed.
    NowRuledOut,
    /// Members that are not listed are allowed.
    Opened,
    /// Members that are not listed are no longer allowed.
    Closed,
    /// A bound is looser or none, or tighter or new.
    Bound(&'static str, Option<Bound>, Option<Bound>),
    /// What `pattern`, `format`, `multipleOf` or `uniqueItems` asks for: from, to.
    Demand(&'static str, BTreeSet<String>, BTreeSet<String>),
    /// There is one more alternative.
    BranchAdded,
    /// There is one alternative less.
    BranchRemoved,
    /// Only certain alternatives are allowed where everything was.
    UnionAdded,
    /// Everything is allowed where only certain alternatives were.
    UnionRemoved,
    /// A rule of several members (`if`) is another one; the members that it names.
    Condition(BTreeSet<String>),
    /// A keyword that this comparison cannot weigh.
    Other(String),
    /// The description.
    Description,
    /// It is deprecated, or no longer.
    Deprecated(bool),
}

/// How a member stood in the object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Member {
    pub required: bool,
    /// What the object that does not list it says about unlisted members.
    pub unlisted: Unlisted,
}

/// What an object says about members that it does not list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unlisted {
    Anything,
    Nothing,
    /// They have to fit a schema.
    Some,
}

impl What {
    /// What it does to the set of values.
    pub fn effect(&self) -> Effect {
        match self {
            Self::Description | Self::Deprecated(_) => Effect::Nothing,
            Self::ValuesAdded(_)
            | Self::Unlisted(..)
            | Self::NoLongerRequired
            | Self::NoLongerRuledOut
            | Self::Opened
            | Self::BranchAdded
            | Self::UnionRemoved => Effect::Grows,
            Self::ValuesRemoved(_)
            | Self::Listed(_)
            | Self::NowRequired
            | Self::NowRuledOut
            | Self::Closed
            | Self::BranchRemoved
            | Self::UnionAdded => Effect::Shrinks,
            Self::ValuesReplaced(..) => Effect::Both,
            Self::Types(from, to) => set_effect(from, to),
            Self::MemberAdded(member) => match member {
                Member {
                    unlisted: Unlisted::Anything,
                    ..
                } => Effect::Shrinks,
                Member {
                    unlisted: Unlisted::Nothing,
                    required: false,
                } => Effect::Grows,
                _ => Effect::Both,
            },
            Self::MemberRemoved(member) => match member {
                Member {
                    unlisted: Unlisted::Anything,
                    ..
                } => Effect::Grows,
                Member {
                    unlisted: Unlisted::Nothing,
                    required: false,
                } => Effect::Shrinks,
                _ => Effect::Both,
            },
            Self::Bound(keyword, from, to) => match (from, to) {
                (Some(from), Some(to)) if tighter(keyword, *from, *to) => Effect::Grows,
                (Some(_), None) => Effect::Grows,
                _ => Effect::Shrinks,
            },
            Self::Demand(keyword, from, to) => demand_effect(keyword, from, to),
            Self::Condition(_) | Self::Other(_) => Effect::Unclear,
        }
    }
}

fn set_effect<T: Ord>(from: &BTreeSet<T>, to: &BTreeSet<T>) -> Effect {
    match (from.is_subset(to), to.is_subset(from)) {
        (true, _) => Effect::Grows,
        (_, true) => Effect::Shrinks,
        _ => Effect::Both,
    }
}

fn demand_effect(keyword: &str, from: &BTreeSet<String>, to: &BTreeSet<String>) -> Effect {
    // Whoever asks for more allows less.
    match set_effect(from, to) {
        Effect::Grows => Effect::Shrinks,
        Effect::Shrinks => Effect::Grows,
        _ => {
            let step = |steps: &BTreeSet<String>| steps.first()?.parse::<f64>().ok();
            match (step(from), step(to)) {
                (Some(from), Some(to)) if keyword == "multipleOf" && to % from == 0.0 => {
                    Effect::Shrinks
                }
                (Some(from), Some(to)) if keyword == "multipleOf" && from % to == 0.0 => {
                    Effect::Grows
                }
                // A date instead of a time is another kind of value.
                _ if keyword == "format" => Effect::Both,
                _ => Effect::Unclear,
            }
        }
    }
}

//! What changed between two contracts, and for whom it breaks.
//!
//! The direction decides: what services send is read by clients, who are broken by values that they do not know; what
//! clients send is written by them, who are broken by values that are no longer taken. Compared is what is meant, not how
//! it is written: a moved definition, another order or another name of something that is not on the wire is no finding.
//!
//! - `shape`, with `types` and `union`: a schema brought into one form
//! - `schema`: what is different between two schemas, without a direction
//! - `change`: such a difference, and whether more or fewer values are allowed after it
//! - `words`: what that means for who reads or writes, and the sentence
//! - `messages`, `routes`, `responses`, `downstream`: the rest of the two documents, a verdict beside each difference
//! - `vocabulary`: lists of values that messages share
//! - `render`: findings as text, JSON and Markdown

mod change;
mod downstream;
mod messages;
mod render;
mod responses;
mod routes;
mod schema;
mod shape;
mod types;
mod union;
mod vocabulary;
mod words;

use serde_json::Value;

use crate::model::{Contract, Promise};
use crate::reference::{Documents, Location};
use words::Role;

pub use render::{json, markdown, text};

/// One difference between two contracts that somebody may notice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Whether it breaks somebody.
    pub verdict: Verdict,
    /// What it is about: `message batch_results_ready`, `close slow-consumer`, `route GET /healthz 200`.
    pub subject: String,
    /// `file:line:column`, the file relative to the contract's folder.
    pub place: String,
    /// Which of the two contracts `place` is in.
    pub side: Side,
    /// Where in the payload, as a JSON pointer in which `*` is any element or member; empty where it is about the whole,
    /// or about no payload.
    pub pointer: String,
    /// What it means, for somebody who writes a client.
    pub sentence: String,
}

/// Whether a difference breaks somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// A client that kept the former contract fails.
    Breaking,
    /// A client may fail, depending on what it does: somebody has to look.
    Risky,
    /// A client that kept the former contract notices nothing.
    Safe,
}

/// Which of the two contracts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    /// The former one: what is gone stands there.
    Base,
    /// The one that replaces it.
    Head,
}

impl Verdict {
    /// The worst first.
    pub const ALL: [Self; 3] = [Self::Breaking, Self::Risky, Self::Safe];

    /// Its name: `breaking`, `risky`, `safe`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Breaking => "breaking",
            Self::Risky => "risky",
            Self::Safe => "safe",
        }
    }
}

/// What changed from `base` to `head`: channels, messages, closes, routes and promises, each in the order of the base and
/// then of what the head has more. The same contract has no findings.
pub fn diff(base: &Contract, head: &Contract) -> Vec<Finding> {
    let mut comparison = Comparison {
        base,
        head,
        findings: Vec::new(),
    };
    messages::compare(&mut comparison);
    vocabulary::compare(&mut comparison);
    routes::compare(&mut comparison);
    promises(&mut comparison);
    comparison.findings
}

/// Two contracts, and what was found so far.
struct Comparison<'a> {
    base: &'a Contract,
    head: &'a Contract,
    findings: Vec<Finding>,
}

/// A schema without references, and where it stands with them.
type Placed<'s> = (&'s Value, Location);

impl Comparison<'_> {
    /// Notes what is said at `location` of `side`.
    fn find(
        &mut self,
        verdict: Verdict,
        subject: &str,
        (side, location): (Side, &Location),
        sentence: impl Into<String>,
    ) {
        self.findings.push(Finding {
            verdict,
            subject: subject.to_owned(),
            place: self.documents(side).place(location),
            side,
            pointer: String::new(),
            sentence: sentence.into(),
        });
    }

    /// Notes what changed between two schemas that `role` has to do with; `noun` is what the whole is called.
    fn schemas(
        &mut self,
        role: &Role,
        subject: &str,
        noun: &str,
        (base, base_at): Placed<'_>,
        (head, head_at): Placed<'_>,
    ) {
        for change in schema::changes(base, head) {
            let (verdict, sentence) = words::judged(&change, role, noun);
            let start = match change.side {
                Side::Base => &base_at,
                Side::Head => &head_at,
            };
            let documents = self.documents(change.side);
            self.findings.push(Finding {
                verdict,
                subject: subject.to_owned(),
                place: documents.place(&walked(documents, start, &change.at)),
                side: change.side,
                pointer: change.pointer,
                sentence,
            });
        }
    }

    /// Notes that one of the texts `names` of two objects, which are the same thing, was rewritten.
    fn texts(&mut self, subject: &str, names: &[&str], base: &Location, head: &Location) {
        for name in names {
            let texts = [(Side::Base, base), (Side::Head, head)].map(|(side, at)| {
                let text = self.documents(side).at(&at.member(name));
                let words = text.and_then(Value::as_str).unwrap_or_default();
                words.split_whitespace().collect::<Vec<_>>().join(" ")
            });
            if texts[0] != texts[1] {
                let at = match texts[1].is_empty() {
                    true => (Side::Base, &base.member(name)),
                    false => (Side::Head, &head.member(name)),
                };
                let sentence = format!("The words of `{name}` changed.");
                self.find(Verdict::Safe, subject, at, sentence);
            }
        }
    }

    fn documents(&self, side: Side) -> &Documents {
        match side {
            Side::Base => &self.base.documents,
            Side::Head => &self.head.documents,
        }
    }
}

/// Where `pointer`, which points into what was inlined from `start`, stands in the documents.
fn walked(documents: &Documents, start: &Location, pointer: &str) -> Location {
    let mut at = start.clone();
    if pointer.is_empty() {
        return documents.resolve(start).map_or(at, |(target, _)| target);
    }
    for part in pointer.split('/').skip(1) {
        if let Ok((target, _)) = documents.resolve(&at) {
            at = target;
        }
        at = Location::new(&at.path, format!("{}/{part}", at.pointer));
    }
    at
}

/// Whether two things are the same one.
type Alike<'r, T> = &'r dyn Fn(&T, &T) -> bool;

/// What both sides have, paired by the first of `rules` that fits; then what only the base and only the head has.
fn paired<'a, T>(
    base: &'a [T],
    head: &'a [T],
    rules: &[Alike<'_, T>],
) -> (Vec<(&'a T, &'a T)>, Vec<&'a T>, Vec<&'a T>) {
    let mut partners: Vec<Option<&T>> = vec![None; base.len()];
    let mut added: Vec<&T> = head.iter().collect();
    for alike in rules {
        for (one, partner) in base.iter().zip(&mut partners) {
            if partner.is_none()
                && let Some(index) = added.iter().position(|other| alike(one, other))
            {
                *partner = Some(added.remove(index));
            }
        }
    }
    let (mut pairs, mut removed) = (Vec::new(), Vec::new());
    for (one, partner) in base.iter().zip(partners) {
        match partner {
            Some(other) => pairs.push((one, other)),
            None => removed.push(one),
        }
    }
    (pairs, removed, added)
}

fn promises(comparison: &mut Comparison<'_>) {
    let words = |promise: &Promise| {
        let words = promise.sentence.split_whitespace();
        words.map(str::to_owned).collect::<Vec<_>>()
    };
    let (pairs, removed, added) = paired(
        &comparison.base.promises,
        &comparison.head.promises,
        &[
            &|one, other| one.id == other.id,
            // Nobody outside this repository sees the id.
            &|one, other| words(one) == words(other),
        ],
    );
    for (base, head) in pairs {
        if words(base) != words(head) {
            comparison.find(
                Verdict::Risky,
                &format!("promise {}", head.id),
                (Side::Head, &head.location),
                format!(
                    "This promise was {:?} and is now {:?}.",
                    base.sentence, head.sentence
                ),
            );
        }
    }
    for promise in removed {
        comparison.find(
            Verdict::Breaking,
            &format!("promise {}", promise.id),
            (Side::Base, &promise.location),
            format!("No longer promised: {}", promise.sentence),
        );
    }
    for promise in added {
        comparison.find(
            Verdict::Safe,
            &format!("promise {}", promise.id),
            (Side::Head, &promise.location),
            format!("Promised now: {}", promise.sentence),
        );
    }
}

//! What travelled, on every hop, held against the contract's documents; and how much of them it exercised.

use std::collections::BTreeSet;

use contract::rules::{About, Call, Reply, Service};
use contract::{Rules, Violation};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::breach::Breach;

/// One stage's account.
pub struct Audit {
    rules: &'static Rules,
    own_words: bool,
    violations: Vec<Breach>,
    exercised: Exercised,
}

/// What of the contract was seen to happen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exercised {
    /// Routes, as method and template, with the status as the document writes it.
    pub routes: BTreeSet<(String, String)>,
    /// Codes of closes that the service began.
    pub closes: BTreeSet<u16>,
    /// Notifications, by `event`, with who was there when they were published and how their connections went on.
    pub messages: BTreeSet<(String, Audience, Life)>,
}

/// How a connection went on after a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Life {
    /// There was none.
    None,
    /// It stayed open.
    Open,
    /// The client ended it.
    Left,
    /// The service closed it with this code.
    Closed(u16),
}

impl std::fmt::Display for Life {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::None => f.write_str("yes"),
            Self::Open => f.write_str("open"),
            Self::Left => f.write_str("left"),
            Self::Closed(code) => write!(f, "{code}"),
        }
    }
}

/// Who was there when a message was published.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Audience {
    /// One connection of its user.
    One,
    /// Several of them.
    Several,
    /// A connection of somebody else.
    Others,
    /// No connection of its user.
    Nobody,
}

impl Audience {
    /// Everyone, in the order in which tables show them.
    pub const ALL: [Self; 4] = [Self::One, Self::Several, Self::Others, Self::Nobody];

    /// The words for it.
    pub fn words(self) -> &'static str {
        match self {
            Self::One => "one connection",
            Self::Several => "several connections",
            Self::Others => "somebody else there",
            Self::Nobody => "nobody there",
        }
    }
}

impl Exercised {
    /// Adds what was seen elsewhere.
    pub fn add(&mut self, other: Self) {
        self.routes.extend(other.routes);
        self.closes.extend(other.closes);
        self.messages.extend(other.messages);
    }
}

impl Audit {
    /// An account of nothing yet. Services of somebody else's may have `own_words` for errors.
    pub fn new(rules: &'static Rules, own_words: bool) -> Self {
        Self {
            rules,
            own_words,
            violations: Vec::new(),
            exercised: Exercised::default(),
        }
    }

    /// A notification that is published.
    pub fn published(&mut self, message: &Value) {
        let found = self.rules.message(message);
        self.note("a message that the scenario publishes", found, |_| {
            Vec::new()
        });
    }

    /// A text that `client` received.
    pub fn received(&mut self, client: &str, text: &[u8]) {
        let found = match serde_json::from_slice(text) {
            Ok(message) => self.rules.message(&message),
            Err(error) => vec![Violation {
                pointer: String::new(),
                problem: format!("is no JSON: {error}"),
                about: About::Content,
            }],
        };
        let what = format!("a text that {client} received");
        self.note(&what, found, |_| Vec::new());
    }

    /// A close that the service began.
    pub fn closed(&mut self, client: &str, code: u16, reason: &str) {
        let found = self.rules.close(code, reason);
        // A code that the contract does not have is what the scenario is about.
        let promise = (self.rules.closes_with(code)).then_some("close.reason-is-json");
        self.note(&format!("the close of {client}"), found, |_| {
            Vec::from_iter(promise)
        });
        self.exercised.closes.insert(code);
    }

    /// A call of `service` and its answer.
    pub fn called(&mut self, service: Service, call: &Call<'_>, reply: &Reply<'_>) {
        let place = format!("{} {}", call.method, call.path);
        let mut found = self.rules.response(service, call, reply);
        if self.own_words {
            let body = serde_json::from_slice(reply.body).unwrap_or_default();
            found.retain(|violation| match &violation.about {
                About::Exchange => !is_mistake(reply.status),
                _ => !names_otherwise(&violation.pointer, &body),
            });
        }
        let promise = match service {
            Service::Gateway if reply.status >= 400 => Some("errors.one-shape"),
            _ => self.rules.promise_of_answer(service, call),
        };
        // Another status than those of the route is what an answer of the route must not have, unless it is an error.
        let exchange = promise.filter(|_| reply.status < 400);
        self.note(
            &format!("the answer to {place}"),
            found,
            |about| match about {
                About::Field(name) => header_promises(name).to_vec(),
                About::Content => Vec::from_iter(promise),
                About::Exchange => Vec::from_iter(exchange),
            },
        );
        // What is meant to be refused is meant to be wrong.
        if (200..300).contains(&reply.status) {
            let found = self.rules.request(service, call);
            self.note(&format!("the request {place}"), found, |_| Vec::new());
        }
        if let Some(route) = self.rules.route(service, call, reply.status) {
            self.exercised.routes.insert(route);
        }
    }

    /// A call that arrived at the service behind the gateway called `service`.
    pub fn arrived(&mut self, service: &str, call: &Call<'_>) {
        let found = self.rules.downstream(service, call);
        let promise = self.rules.promise_of_call(service);
        let what = format!("the gateway's call of {service}");
        self.note(&what, found, |about| match about {
            About::Field(name) => call_header_promises(name).to_vec(),
            About::Content => Vec::from_iter(promise),
            About::Exchange => Vec::new(),
        });
    }

    /// Who was there when a message of type `event` was published, and how their connection went on.
    pub fn delivered(&mut self, event: &str, audience: Audience, life: Life) {
        let entry = (event.to_owned(), audience, life);
        self.exercised.messages.insert(entry);
    }

    /// The violations since the last call.
    pub fn take_violations(&mut self) -> Vec<Breach> {
        std::mem::take(&mut self.violations)
    }

    /// What was exercised so far.
    pub fn exercised(&self) -> &Exercised {
        &self.exercised
    }

    /// Enters what was `found`, each with one of the `promises` that it may break.
    fn note(
        &mut self,
        what: &str,
        found: Vec<Violation>,
        promises: impl Fn(&About) -> Vec<&'static str>,
    ) {
        let breaches = found.into_iter().map(|violation| {
            let words = format!("{what}: {violation}");
            Breach::of(words, promises(&violation.about))
        });
        self.violations.extend(breaches);
    }
}

/// The promises that a header field with this name, in small letters, is for; the last one is the general one.
pub(crate) fn header_promises(name: &str) -> &'static [&'static str] {
    match name {
        "x-correlation-id" => &["correlation.made", "correlation.taken"],
        "retry-after" => &["rate-limits.per-user"],
        "allow" => &["errors.wrong-method"],
        "x-user-id" => &[
            "pipelines.caller-is-the-user",
            "files.passed-on",
            "classes.caller-is-the-user",
        ],
        name if name.starts_with("access-control-") => &["cors.configured-origins"],
        _ => &[],
    }
}

/// The same of a call of a service behind the gateway: an id that it is not told is not passed on.
pub(crate) fn call_header_promises(name: &str) -> &'static [&'static str] {
    match name {
        "x-correlation-id" => &["correlation.taken"],
        name => header_promises(name),
    }
}

/// Whether `status` is one of those that tell a client that its request is wrong in itself: which of them is seldom fixed.
pub(crate) fn is_mistake(status: u16) -> bool {
    [400, 404, 405, 415, 422].contains(&status)
}

/// Whether `pointer` is a place of an error where a gateway of somebody else's has words of its own, and `body` has a word there.
pub(crate) fn names_otherwise(pointer: &str, body: &Value) -> bool {
    let word = || body.pointer(pointer).and_then(Value::as_str);
    matches!(pointer, "/error/code" | "/error/service") && word().is_some_and(|w| !w.is_empty())
}

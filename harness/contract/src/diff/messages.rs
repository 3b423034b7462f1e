//! Channels, messages and closes.

use std::collections::BTreeSet;

use serde_json::json;

use super::schema;
use super::words::Role;
use super::{Comparison, Side, Verdict, paired};
use crate::model::{Channel, Close, Direction, Message};
use crate::reference::Location;

pub(super) fn compare(comparison: &mut Comparison<'_>) {
    channels(comparison);
    messages(comparison);
    closes(comparison);
}

fn channels(comparison: &mut Comparison<'_>) {
    let (pairs, removed, added) = paired(
        &comparison.base.channels,
        &comparison.head.channels,
        &[
            &|one, other| one.name == other.name,
            // The name is the document's own.
            &|one, other| address(one) == address(other) && one.protocols == other.protocols,
        ],
    );
    for (base, head) in pairs {
        channel(comparison, base, head);
    }
    for channel in removed {
        let sentence = match is_of_clients(channel) {
            true => "The endpoint is gone: clients that connect to it are refused.",
            false => "The channel is gone: what backend services publish there reaches nobody.",
        };
        let at = (Side::Base, &channel.location);
        comparison.find(Verdict::Breaking, &subject(channel), at, sentence);
    }
    for channel in added {
        let at = (Side::Head, &channel.location);
        comparison.find(Verdict::Safe, &subject(channel), at, "The channel is new.");
    }
}

fn channel(comparison: &mut Comparison<'_>, base: &Channel, head: &Channel) {
    let subject = subject(head);
    let whole = (Side::Head, &head.location);
    if address(base) != address(head) {
        let who = match is_of_clients(head) {
            true => "clients have to connect",
            false => "backend services have to publish",
        };
        comparison.find(
            Verdict::Breaking,
            &subject,
            (Side::Head, &head.location.member("address")),
            format!(
                "The address was {} and is now {}: {who} there.",
                base.address, head.address
            ),
        );
    }
    let set = |words: &[String]| words.iter().cloned().collect::<BTreeSet<_>>();
    let servers = (Side::Head, &head.location.member("servers"));
    for gone in set(&base.protocols).difference(&set(&head.protocols)) {
        let sentence = format!("It is no longer served over {gone}.");
        comparison.find(Verdict::Breaking, &subject, servers, sentence);
    }
    for new in set(&head.protocols).difference(&set(&base.protocols)) {
        let sentence = format!("It is served over {new} now.");
        comparison.find(Verdict::Safe, &subject, servers, sentence);
    }
    security(comparison, &subject, whole, &base.security, &head.security);
    for (part, noun) in [
        ("query", "the query"),
        ("headers", "the header of the upgrade"),
    ] {
        let side = |side, channel: &Channel| {
            let at = channel
                .location
                .member("bindings")
                .member("ws")
                .member(part);
            let schema = comparison.documents(side).inlined(&at);
            (schema.unwrap_or_else(|_| json!({})), at)
        };
        let (from, from_at) = side(Side::Base, base);
        let (to, to_at) = side(Side::Head, head);
        let subject = format!("{subject} {part}");
        let role = Role::ClientWrites;
        comparison.schemas(&role, &subject, noun, (&from, from_at), (&to, to_at));
    }
    comparison.texts(&subject, &["description"], &base.location, &head.location);
}

/// Any one of `base`, and then of `head`, lets a client in; none lets everybody in.
pub(super) fn security(
    comparison: &mut Comparison<'_>,
    subject: &str,
    at: (Side, &Location),
    base: &[String],
    head: &[String],
) {
    let ways = |ways: &[String]| ways.join(" or ");
    if base.iter().all(|way| head.contains(way)) && base.len() == head.len() {
        return;
    }
    let (verdict, sentence) = if head.is_empty() {
        // Nothing fails at once, but what was private is not any more.
        let sentence = format!(
            "It no longer asks for {}: everybody may use it.",
            ways(base)
        );
        (Verdict::Risky, sentence)
    } else if base.is_empty() {
        let sentence = format!(
            "It asks for {} now: clients without it are refused.",
            ways(head)
        );
        (Verdict::Breaking, sentence)
    } else if base.iter().all(|way| head.contains(way)) {
        (
            Verdict::Safe,
            format!("It is also open with one of {} now.", ways(head)),
        )
    } else {
        let sentence = format!(
            "It asked for {} and now asks for {}: clients with the former are refused.",
            ways(base),
            ways(head)
        );
        (Verdict::Breaking, sentence)
    };
    comparison.find(verdict, subject, at, sentence);
}

fn messages(comparison: &mut Comparison<'_>) {
    let (pairs, removed, added) = paired(
        &comparison.base.messages,
        &comparison.head.messages,
        &[
            &|one, other| (one.direction, &one.name) == (other.direction, &other.name),
            // What a client sends has no name on the wire; what the service sends has: its event.
            &|one, other| {
                (one.direction, other.direction) == (Direction::FromClient, Direction::FromClient)
                    && schema::changes(&one.schema, &other.schema).is_empty()
            },
        ],
    );
    for (base, head) in pairs {
        message(comparison, base, head);
    }
    for message in removed {
        let sentence = match message.direction {
            Direction::ToClient => {
                "It is never sent any more: what a client does with it never happens."
            }
            Direction::FromClient => "It is no longer understood when a client sends it.",
        };
        let at = (Side::Base, &message.location);
        comparison.find(Verdict::Breaking, &name(message), at, sentence);
    }
    for message in added {
        let (verdict, sentence) = match message.direction {
            Direction::ToClient => (
                Verdict::Risky,
                "A new event. A client that ignores events it does not know notices nothing; an exhaustive `switch` \
                 in TypeScript needs a new case.",
            ),
            Direction::FromClient => (Verdict::Safe, "Clients may send it now."),
        };
        let at = (Side::Head, &message.location);
        comparison.find(verdict, &name(message), at, sentence);
    }
}

fn message(comparison: &mut Comparison<'_>, base: &Message, head: &Message) {
    let subject = name(head);
    if base.audience != head.audience {
        comparison.find(
            Verdict::Risky,
            &subject,
            (Side::Head, &head.location.member("x-audience")),
            format!(
                "It was for {} and is now for {}: other users get it.",
                said(&base.audience),
                said(&head.audience)
            ),
        );
    }
    let role = match head.direction {
        Direction::ToClient => Role::ClientReads,
        Direction::FromClient => Role::ClientWrites,
    };
    comparison.schemas(
        &role,
        &subject,
        "the message",
        (&base.schema, base.schema_location.clone()),
        (&head.schema, head.schema_location.clone()),
    );
    let texts = ["summary", "description"];
    comparison.texts(&subject, &texts, &base.location, &head.location);
}

fn closes(comparison: &mut Comparison<'_>) {
    let reason = |close: &Close| close.reason.clone();
    let (pairs, removed, added) = paired(
        &comparison.base.closes,
        &comparison.head.closes,
        &[
            &|one, other| one.name == other.name,
            // The name is the document's own; the rest is what a client sees.
            &|one, other| {
                (one.code, &one.when, &one.client) == (other.code, &other.when, &other.client)
                    && match (reason(one), reason(other)) {
                        (Some(one), Some(other)) => schema::changes(&one, &other).is_empty(),
                        (one, other) => one == other,
                    }
            },
        ],
    );
    for (base, head) in pairs {
        close(comparison, base, head);
    }
    for close in removed {
        comparison.find(
            Verdict::Risky,
            &format!("close {}", close.name),
            (Side::Base, &close.location),
            format!(
                "The service no longer closes with {} here. Look at what it does instead: {}",
                close.code, close.when
            ),
        );
    }
    for close in added {
        comparison.find(
            Verdict::Risky,
            &format!("close {}", close.name),
            (Side::Head, &close.location),
            format!(
                "The service may now close with {}: {} What the client should do: {}",
                close.code, close.when, close.client
            ),
        );
    }
}

fn close(comparison: &mut Comparison<'_>, base: &Close, head: &Close) {
    let subject = format!("close {}", head.name);
    if base.code != head.code {
        comparison.find(
            Verdict::Breaking,
            &subject,
            (Side::Head, &head.location.member("code")),
            format!(
                "The close code was {} and is now {}: a client that decides by the code takes another way.",
                base.code, head.code
            ),
        );
    }
    let at = |close: &Close| close.location.member("reason");
    match (&base.reason, &head.reason) {
        (Some(from), Some(to)) => comparison.schemas(
            &Role::ClientReads,
            &subject,
            "the reason",
            (from, at(base)),
            (to, at(head)),
        ),
        (Some(_), None) => comparison.find(
            Verdict::Breaking,
            &subject,
            (Side::Base, &at(base)),
            "The reason says nothing any more: code that reads it finds no JSON.",
        ),
        (None, Some(_)) => comparison.find(
            Verdict::Safe,
            &subject,
            (Side::Head, &at(head)),
            "The reason is JSON now.",
        ),
        (None, None) => {}
    }
    let at = (Side::Head, &head.location);
    match (base.reason_required, head.reason_required) {
        (true, false) if base.reason.is_some() => comparison.find(
            Verdict::Breaking,
            &subject,
            at,
            "The reason may now be empty: code that parses it without a check fails.",
        ),
        (false, true) if base.reason.is_some() => {
            comparison.find(Verdict::Safe, &subject, at, "There is now always a reason.");
        }
        _ => {}
    }
    comparison.texts(
        &subject,
        &["when", "client"],
        &base.location,
        &head.location,
    );
}

fn subject(channel: &Channel) -> String {
    format!("channel {}", channel.address)
}

fn name(message: &Message) -> String {
    format!("message {}", message.name)
}

/// The address with its parameters blank: their names are the document's own.
fn address(channel: &Channel) -> String {
    blank(&channel.address)
}

/// `template` without the names of its parameters.
pub(super) fn blank(template: &str) -> String {
    let mut blank = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        blank.push_str(before);
        blank.push_str("{}");
        rest = after.split_once('}').map_or("", |(_, rest)| rest);
    }
    blank + rest
}

fn is_of_clients(channel: &Channel) -> bool {
    channel.protocols.iter().any(|name| name.starts_with("ws"))
}

fn said(audience: &str) -> &str {
    if audience.is_empty() {
        "nobody in particular"
    } else {
        audience
    }
}

//! Routes, and the requests, which clients write.

use std::collections::BTreeMap;

use serde_json::Value;

use super::messages::{blank, security};
use super::words::Role;
use super::{Comparison, Side, Verdict, paired};
use super::{downstream, responses};
use crate::model::{Body, Contract, OPENAPI, Parameter, ParameterPlace, Route};
use crate::reference::Location;

pub(super) fn compare(comparison: &mut Comparison<'_>) {
    let (pairs, removed, added) = paired(
        &comparison.base.routes,
        &comparison.head.routes,
        // The names of the path's parameters are the document's own: a client fills in their places.
        &[&|one, other| (&one.method, blank(&one.path)) == (&other.method, blank(&other.path))],
    );
    for (base, head) in pairs {
        route(comparison, base, head);
    }
    for route in removed {
        let at = (Side::Base, &route.location);
        let sentence = "The route is gone: clients that call it get an error.";
        comparison.find(Verdict::Breaking, &subject(route), at, sentence);
    }
    for route in added {
        let at = (Side::Head, &route.location);
        comparison.find(Verdict::Safe, &subject(route), at, "The route is new.");
    }
    responses::of_unknown_routes(comparison);
}

fn route(comparison: &mut Comparison<'_>, base: &Route, head: &Route) {
    let subject = subject(head);
    let whole = (Side::Head, &head.location);
    // A server without a name is none that could be told from another.
    let more = |one: &Route, other: &Route| -> Vec<String> {
        let services = one.services.iter().filter(|name| !name.is_empty());
        let services = services.filter(|name| !other.services.contains(name));
        services.cloned().collect()
    };
    if base.services.iter().any(|name| !name.is_empty()) {
        for gone in more(base, head) {
            let sentence = format!("The {gone} service no longer has this route.");
            comparison.find(Verdict::Breaking, &subject, whole, sentence);
        }
        for new in more(head, base) {
            let sentence = format!("The {new} service has this route now.");
            comparison.find(Verdict::Safe, &subject, whole, sentence);
        }
    }
    let from = schemes(comparison.base, &base.security);
    let to = schemes(comparison.head, &head.security);
    security(comparison, &subject, whole, &from, &to);
    parameters(comparison, &subject, base, head);
    body(comparison, &subject, base, head);
    responses::compare(comparison, &subject, base, head);
    downstream::compare(comparison, &subject, base, head);
    let texts = ["summary", "description"];
    comparison.texts(&subject, &texts, &base.location, &head.location);
}

/// The schemes of `names` by what they are: their names are the document's own.
fn schemes(contract: &Contract, names: &[String]) -> Vec<String> {
    let all = Location::new(OPENAPI, "/components/securitySchemes");
    let described = |name: &String| {
        let (_, scheme) = contract.documents.resolve(&all.member(name)).ok()?;
        let parts = ["type", "scheme", "name", "in"].map(|part| scheme.get(part)?.as_str());
        let words: Vec<&str> = parts.into_iter().flatten().collect();
        Some(words.join(" ")).filter(|words| !words.is_empty())
    };
    names
        .iter()
        .map(|name| described(name).unwrap_or_else(|| name.clone()))
        .collect()
}

fn parameters(comparison: &mut Comparison<'_>, subject: &str, base: &Route, head: &Route) {
    let positions = [base, head].map(|route| {
        let names = route.path.split('{').skip(1);
        names
            .filter_map(|rest| Some(rest.split_once('}')?.0))
            .collect::<Vec<_>>()
    });
    let alike = |one: &Parameter, other: &Parameter| {
        one.place == other.place
            && match one.place {
                ParameterPlace::Path => {
                    let position =
                        |names: &[&str], name: &str| names.iter().position(|n| *n == name);
                    position(&positions[0], &one.name) == position(&positions[1], &other.name)
                }
                ParameterPlace::Header => one.name.eq_ignore_ascii_case(&other.name),
                ParameterPlace::Query | ParameterPlace::Cookie => one.name == other.name,
            }
    };
    let (pairs, removed, added) = paired(&base.parameters, &head.parameters, &[&alike]);
    for (from, to) in pairs {
        let subject = format!("{subject} {}", called(to));
        let at = (Side::Head, &to.location);
        match (from.required, to.required) {
            (false, true) => comparison.find(
                Verdict::Breaking,
                &subject,
                at,
                "It has to be sent now: a client that leaves it out is refused.",
            ),
            (true, false) => {
                comparison.find(Verdict::Safe, &subject, at, "It can now be left out.");
            }
            _ => {}
        }
        comparison.schemas(
            &Role::ClientWrites,
            &subject,
            "the value",
            (&from.schema, from.location.member("schema")),
            (&to.schema, to.location.member("schema")),
        );
        comparison.texts(&subject, &["description"], &from.location, &to.location);
    }
    for parameter in removed {
        comparison.find(
            Verdict::Risky,
            &format!("{subject} {}", called(parameter)),
            (Side::Base, &parameter.location),
            "It is no longer in the contract: what a client still sends there has no effect.",
        );
    }
    for parameter in added {
        let (verdict, sentence) = match parameter.required {
            true => (
                Verdict::Breaking,
                "It is new and has to be sent: a client that does not know it is refused.",
            ),
            false => (Verdict::Safe, "It is new and may be sent."),
        };
        let at = (Side::Head, &parameter.location);
        comparison.find(
            verdict,
            &format!("{subject} {}", called(parameter)),
            at,
            sentence,
        );
    }
}

fn body(comparison: &mut Comparison<'_>, subject: &str, base: &Route, head: &Route) {
    let subject = &format!("{subject} request body");
    match (&base.body, &head.body) {
        (None, None) => {}
        (
            None,
            Some(Body {
                required, location, ..
            }),
        ) => {
            let (verdict, sentence) = match required {
                true => (
                    Verdict::Breaking,
                    "A body has to be sent now: a client that sends none is refused.",
                ),
                false => (Verdict::Safe, "A body may be sent now."),
            };
            comparison.find(verdict, subject, (Side::Head, location), sentence);
        }
        (Some(body), None) => {
            let sentence = "A body is no longer in the contract: what clients send has no effect.";
            comparison.find(
                Verdict::Risky,
                subject,
                (Side::Base, &body.location),
                sentence,
            );
        }
        (Some(from), Some(to)) => {
            let at = (Side::Head, &to.location);
            match (from.required, to.required) {
                (false, true) => {
                    let sentence =
                        "The body has to be sent now: a client that sends none is refused.";
                    comparison.find(Verdict::Breaking, subject, at, sentence);
                }
                (true, false) => {
                    let sentence = "The body can now be left out.";
                    comparison.find(Verdict::Safe, subject, at, sentence);
                }
                _ => {}
            }
            let from = (&from.content, &from.location);
            let to = (&to.content, &to.location);
            content(comparison, &Role::ClientWrites, subject, from, to);
        }
    }
}

fn subject(route: &Route) -> String {
    format!("route {} {}", route.method, route.path)
}

fn called(parameter: &Parameter) -> String {
    let place = match parameter.place {
        ParameterPlace::Path => "path",
        ParameterPlace::Query => "query",
        ParameterPlace::Header => "header",
        ParameterPlace::Cookie => "cookie",
    };
    format!("{place} parameter {}", parameter.name)
}

/// Schemas by media type, and where the object with `content` stands.
type Content<'c> = (&'c BTreeMap<String, Value>, &'c Location);

/// Compares bodies by their media types.
pub(super) fn content(
    comparison: &mut Comparison<'_>,
    role: &Role,
    subject: &str,
    (base, base_at): Content<'_>,
    (head, head_at): Content<'_>,
) {
    let reads = matches!(role, Role::ClientReads);
    let schema_at =
        |at: &Location, media: &str| at.member("content").member(media).member("schema");
    for (media, from) in base {
        if let Some(to) = head.get(media) {
            let from = (from, schema_at(base_at, media));
            let to = (to, schema_at(head_at, media));
            comparison.schemas(role, subject, "the body", from, to);
            continue;
        }
        let sentence = match reads {
            true => format!("The body is no longer sent as {media}: code that reads that fails."),
            false => {
                format!("The body is no longer taken as {media}: whoever sends that is refused.")
            }
        };
        let at = base_at.member("content").member(media);
        comparison.find(Verdict::Breaking, subject, (Side::Base, &at), sentence);
    }
    for media in head.keys().filter(|media| !base.contains_key(*media)) {
        let (verdict, sentence) = match (reads, base.is_empty()) {
            (true, true) => (Verdict::Safe, format!("It has a body now, {media}.")),
            (true, false) => (
                Verdict::Risky,
                format!(
                    "The body may now be sent as {media}: look at `Content-Type` before reading it."
                ),
            ),
            (false, _) => (
                Verdict::Safe,
                format!("The body may be sent as {media} now."),
            ),
        };
        let at = head_at.member("content").member(media);
        comparison.find(verdict, subject, (Side::Head, &at), sentence);
    }
}

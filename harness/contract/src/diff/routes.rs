//! Routes: requests, which clients write, and responses, which they read.

use std::collections::BTreeMap;

use serde_json::Value;

use super::messages::{blank, security};
use super::words::Role;
use super::{Comparison, Side, Verdict, paired};
use crate::model::{
    Body, Contract, Downstream, OPENAPI, Parameter, ParameterPlace, Response, Route,
};
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
    unknown_routes(comparison);
}

/// What is answered where there is no route.
fn unknown_routes(comparison: &mut Comparison<'_>) {
    for (service, from) in &comparison.base.unknown_routes {
        let subject = format!("unknown route of {service}");
        match comparison.head.unknown_routes.get(service) {
            Some(to) => {
                if from.status != to.status {
                    let at = (Side::Head, &to.location);
                    let sentence =
                        format!("The status was {} and is now {}.", from.status, to.status);
                    comparison.find(Verdict::Breaking, &subject, at, sentence);
                }
                answer(comparison, &subject, from, to);
            }
            None => {
                let at = (Side::Base, &from.location);
                let sentence = "The contract no longer says what is answered.";
                comparison.find(Verdict::Risky, &subject, at, sentence);
            }
        }
    }
    for (service, to) in &comparison.head.unknown_routes {
        if !comparison.base.unknown_routes.contains_key(service) {
            let subject = format!("unknown route of {service}");
            let sentence = format!("The contract says now that {} is answered.", to.status);
            comparison.find(
                Verdict::Safe,
                &subject,
                (Side::Head, &to.location),
                sentence,
            );
        }
    }
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
    for response in &base.responses {
        match covering(head, &response.status) {
            Some(other) => answer(comparison, &subject, response, other),
            None => gone(comparison, &subject, response),
        }
    }
    for response in &head.responses {
        match covering(base, &response.status) {
            // What has the same status was compared already.
            Some(other) if other.status == response.status => {}
            Some(other) => answer(comparison, &subject, other, response),
            None => new(comparison, &subject, response),
        }
    }
    downstream(comparison, &subject, base, head);
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
            "It is no longer in the contract: a client that still sends it has no effect with it.",
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

/// The response of `route` that has `status`, by itself, by its class or by default (OpenAPI 3.1, Responses Object).
fn covering<'r>(route: &'r Route, status: &str) -> Option<&'r Response> {
    let class = format!("{}XX", status.get(..1).unwrap_or_default());
    [status, &class, "default"].into_iter().find_map(|status| {
        let mut responses = route.responses.iter();
        responses.find(|response| response.status.eq_ignore_ascii_case(status))
    })
}

fn gone(comparison: &mut Comparison<'_>, subject: &str, response: &Response) {
    let (verdict, sentence) = match is_failure(&response.status) {
        true => (Verdict::Safe, "It is never answered any more."),
        // Nothing unknown comes, but what was asked for does not come in this way either.
        false => (
            Verdict::Risky,
            "It is never answered any more: look at what a success is answered with.",
        ),
    };
    let subject = format!("{subject} {}", response.status);
    comparison.find(
        verdict,
        &subject,
        (Side::Base, &response.location),
        sentence,
    );
}

fn new(comparison: &mut Comparison<'_>, subject: &str, response: &Response) {
    let (verdict, sentence) = match is_failure(&response.status) {
        // Every client has a way for failures that it does not know, because a proxy may make any.
        true => (
            Verdict::Risky,
            "It may be answered now: a client that handles failures one by one needs a case.",
        ),
        // A client that reads the body of the one success it knows finds another body, or none.
        false => (
            Verdict::Breaking,
            "It may be answered now: a client that waits for the former success takes it for a failure, or reads the \
             wrong body.",
        ),
    };
    let subject = format!("{subject} {}", response.status);
    comparison.find(
        verdict,
        &subject,
        (Side::Head, &response.location),
        sentence,
    );
}

/// Whether a status is a failure; `default` is what nothing else says, and that is failures.
fn is_failure(status: &str) -> bool {
    !status.starts_with(['1', '2', '3'])
}

fn answer(comparison: &mut Comparison<'_>, subject: &str, base: &Response, head: &Response) {
    let status = if base.status == "default" {
        &head.status
    } else {
        &base.status
    };
    let subject = &format!("{subject} {status}");
    let (pairs, removed, added) = paired(
        &base.headers,
        &head.headers,
        &[&|one, other| one.name.eq_ignore_ascii_case(&other.name)],
    );
    let place = |comparison: &Comparison<'_>, side, response: &Response, name: &str| {
        let at = response.location.member("headers").member(name);
        let resolved = comparison.documents(side).resolve(&at);
        resolved.map_or(at, |(at, _)| at)
    };
    for (from, to) in pairs {
        let subject = format!("{subject} header {}", to.name);
        let from_at = place(comparison, Side::Base, base, &from.name);
        let to_at = place(comparison, Side::Head, head, &to.name);
        match (from.required, to.required) {
            (true, false) => comparison.find(
                Verdict::Breaking,
                &subject,
                (Side::Head, &to_at),
                "It may now be missing: code that reads it without a check fails.",
            ),
            (false, true) => {
                let at = (Side::Head, &to_at);
                comparison.find(Verdict::Safe, &subject, at, "It is now always there.");
            }
            _ => {}
        }
        comparison.schemas(
            &Role::ClientReads,
            &subject,
            "the value",
            (&from.schema, from_at.member("schema")),
            (&to.schema, to_at.member("schema")),
        );
        comparison.texts(&subject, &["description"], &from_at, &to_at);
    }
    for header in removed {
        let (verdict, sentence) = match header.required {
            true => (
                Verdict::Breaking,
                "It is no longer sent: code that reads it finds nothing.",
            ),
            false => (
                Verdict::Risky,
                "It is no longer in the contract. It could be missing before; now it always may be.",
            ),
        };
        let at = base.location.member("headers").member(&header.name);
        let subject = format!("{subject} header {}", header.name);
        comparison.find(verdict, &subject, (Side::Base, &at), sentence);
    }
    for header in added {
        let at = head.location.member("headers").member(&header.name);
        let subject = format!("{subject} header {}", header.name);
        let sentence = "It is new; a client that does not know it ignores it.";
        comparison.find(Verdict::Safe, &subject, (Side::Head, &at), sentence);
    }
    let role = Role::ClientReads;
    let from = (&base.content, &base.location);
    content(
        comparison,
        &role,
        subject,
        from,
        (&head.content, &head.location),
    );
    comparison.texts(subject, &["description"], &base.location, &head.location);
}

type Content<'c> = (&'c BTreeMap<String, Value>, &'c Location);

/// Compares bodies by their media types.
fn content(
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

/// The call of a service behind: that service reads it, and clients do not see it.
fn downstream(comparison: &mut Comparison<'_>, subject: &str, base: &Route, head: &Route) {
    let at = |route: &Route| route.location.member("x-downstream");
    let (base_at, head_at) = (at(base), at(head));
    let (from, to) = match (&base.downstream, &head.downstream) {
        (Some(from), Some(to)) => (from, to),
        (Some(Downstream { service, .. }), None) => {
            let sentence =
                format!("The {service} service is no longer called. Clients do not see this.");
            comparison.find(Verdict::Risky, subject, (Side::Base, &base_at), sentence);
            return;
        }
        (None, Some(Downstream { service, .. })) => {
            let sentence = format!("The {service} service is called now. Clients do not see this.");
            comparison.find(Verdict::Risky, subject, (Side::Head, &head_at), sentence);
            return;
        }
        (None, None) => return,
    };
    let subject = &format!("{subject} call of {}", to.service);
    let call = |call: &Downstream| format!("{} {} of {}", call.method, call.path, call.service);
    if (&from.service, &from.method, blank(&from.path))
        != (&to.service, &to.method, blank(&to.path))
    {
        let sentence = format!(
            "The gateway called {} and now calls {}: that service has to have it. Clients do not see this.",
            call(from),
            call(to)
        );
        comparison.find(Verdict::Breaking, subject, (Side::Head, &head_at), sentence);
    }
    for gone in from
        .headers
        .iter()
        .filter(|name| !to.headers.contains(name))
    {
        let sentence = format!(
            "The {} service no longer gets the header field `{gone}`. Clients do not see this.",
            to.service
        );
        let at = head_at.member("headers");
        comparison.find(Verdict::Breaking, subject, (Side::Head, &at), sentence);
    }
    for new in to
        .headers
        .iter()
        .filter(|name| !from.headers.contains(name))
    {
        let sentence = format!(
            "The {} service gets the header field `{new}` now. Clients do not see this.",
            to.service
        );
        let at = head_at.member("headers");
        comparison.find(Verdict::Safe, subject, (Side::Head, &at), sentence);
    }
    let (base_at, head_at) = (base_at.member("body"), head_at.member("body"));
    match (&from.body, &to.body) {
        (Some(from), Some(body)) => comparison.schemas(
            &Role::ServiceReads(to.service.clone()),
            subject,
            "the body",
            (from, base_at),
            (body, head_at),
        ),
        (Some(_), None) => {
            let sentence = format!(
                "The {} service no longer gets a body by contract. Clients do not see this.",
                to.service
            );
            comparison.find(Verdict::Breaking, subject, (Side::Base, &base_at), sentence);
        }
        (None, Some(_)) => {
            let sentence = format!(
                "The body that the {} service gets is in the contract now. Clients do not see this.",
                to.service
            );
            comparison.find(Verdict::Safe, subject, (Side::Head, &head_at), sentence);
        }
        (None, None) => {}
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

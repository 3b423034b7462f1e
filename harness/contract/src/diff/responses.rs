//! Responses, which clients read.

use super::routes::content;
use super::words::Role;
use super::{Comparison, Side, Verdict, paired};
use crate::model::{Response, Route};

pub(super) fn compare(comparison: &mut Comparison<'_>, subject: &str, base: &Route, head: &Route) {
    for response in &base.responses {
        match covering(head, &response.status) {
            Some(other) => answer(comparison, subject, response, other),
            None => gone(comparison, subject, response),
        }
    }
    for response in &head.responses {
        match covering(base, &response.status) {
            // What has the same status was compared already.
            Some(other) if other.status == response.status => {}
            Some(other) => answer(comparison, subject, other, response),
            None => new(comparison, subject, response),
        }
    }
}

/// What is answered where there is no route.
pub(super) fn of_unknown_routes(comparison: &mut Comparison<'_>) {
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

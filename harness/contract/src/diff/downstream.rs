//! The calls of services behind: these services read them, and clients do not see them.

use super::messages::blank;
use super::words::Role;
use super::{Comparison, Side, Verdict};
use crate::model::{Downstream, Route};

pub(super) fn compare(comparison: &mut Comparison<'_>, subject: &str, base: &Route, head: &Route) {
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

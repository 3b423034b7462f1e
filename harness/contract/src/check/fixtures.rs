//! Fixtures: every one is an example of something in the documents, and as they say.

use serde_json::Value;

use crate::document::{Document, Problem};
use crate::model::{Contract, OPENAPI};
use crate::rules::{Call, Rules, Service, Violation};

pub(super) fn check(contract: &Contract, rules: &Rules) -> Vec<Problem> {
    let mut problems = Vec::new();
    for document in contract.documents.iter() {
        if document.path.starts_with("fixtures/notifications/") {
            let message = document.value.get("message").unwrap_or(&Value::Null);
            let found = rules.message(message);
            problems.extend(at(document, "/message", found));
        } else if document.path.starts_with("fixtures/gateway/") {
            problems.extend(interaction(contract, rules, document));
        }
    }
    problems
}

fn interaction(contract: &Contract, rules: &Rules, document: &Document) -> Vec<Problem> {
    let filled = filled(&document.value);
    let text = |pointer: &str| filled.pointer(pointer).and_then(Value::as_str);
    let body = |pointer: &str| filled.pointer(pointer).map(Value::to_string);
    let sent = body("/request/json").unwrap_or_default();
    let call = Call {
        method: text("/request/method").unwrap_or_default(),
        path: text("/request/path").unwrap_or_default(),
        headers: &[],
        body: sent.as_bytes(),
    };
    let status = filled.pointer("/response/status").and_then(Value::as_u64);
    let status = u16::try_from(status.unwrap_or_default()).unwrap_or_default();
    let mut problems = Vec::new();
    let answer = filled.pointer("/response/json");
    let found = rules.example(Service::Gateway, &call, status, answer);
    problems.extend(at(document, "/response/json", found));
    if (200..300).contains(&status) && !sent.is_empty() {
        let found = rules.request(Service::Gateway, &call);
        problems.extend(at(document, "/request/json", found));
    }
    if let Some(service) = text("/downstream/service") {
        let sent = body("/downstream/request/json").unwrap_or_default();
        let call = Call {
            method: text("/downstream/request/method").unwrap_or_default(),
            path: text("/downstream/request/path").unwrap_or_default(),
            headers: &[],
            body: sent.as_bytes(),
        };
        // A fixture names only those header fields that its point needs.
        let found = rules.downstream(service, &call);
        let found = found
            .into_iter()
            .filter(|v| !v.problem.contains("no header field"));
        problems.extend(at(document, "/downstream/request/json", found.collect()));
    }
    problems.extend(misplaced(contract, rules, document, &call));
    problems
}

/// Whether the fixture lies in another folder than that of its route's examples.
fn misplaced(
    contract: &Contract,
    rules: &Rules,
    document: &Document,
    call: &Call<'_>,
) -> Option<Problem> {
    let own = document.path.rsplit_once('/').map_or("", |(own, _)| own);
    let shared = contract.documents.get(OPENAPI)?.value.get("x-fixtures");
    let shared = shared.and_then(Value::as_array).into_iter().flatten();
    let routes = contract.routes.iter();
    let of_path = routes.filter(|route| rules.is_at(Service::Gateway, call.path, &route.path));
    let folders = of_path.filter_map(|route| route.fixtures.as_deref());
    let folders: Vec<&str> = folders.chain(shared.filter_map(Value::as_str)).collect();
    (!folders.contains(&own)).then(|| {
        let words = format!(
            "the examples of {} are in {}: move it there, or name its folder at x-fixtures",
            call.path,
            folders.join(", ")
        );
        document.problem("/request/path", words)
    })
}

fn at(document: &Document, pointer: &str, found: Vec<Violation>) -> Vec<Problem> {
    let problem = |violation: Violation| {
        let whole = format!("{pointer}{}", violation.pointer);
        document.problem(&whole, format!("{whole}: {}", violation.problem))
    };
    found.into_iter().map(problem).collect()
}

/// A fixture with a value for everything that stands for one.
fn filled(value: &Value) -> Value {
    match value {
        Value::String(text) => match text.as_str() {
            "<timestamp>" => "2025-09-15T07:05:18Z".into(),
            "<uuid>" => "ed73a06c-419f-4582-b3da-5c8f1e60972b".into(),
            "<number>" => 1.into(),
            "<text>" => "text".into(),
            text => {
                let plain = text.replace(['{', '}'], "");
                // Braces in a path are a placeholder's, and a placeholder's value is one segment.
                Value::String(if text.contains('{') {
                    plain
                } else {
                    text.to_owned()
                })
            }
        },
        Value::Array(elements) => elements.iter().map(filled).collect(),
        Value::Object(members) => (members.iter())
            .map(|(name, member)| (name.clone(), filled(member)))
            .collect(),
        other => other.clone(),
    }
}

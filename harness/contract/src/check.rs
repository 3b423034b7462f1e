//! Whether the contract's documents are what they should be: valid, whole, and without anything that nobody uses.

mod fixtures;
mod schemas;

use std::collections::BTreeSet;

use roas::validation::{Options, Validate as _};
use roas_asyncapi::validation::Validate as _;
use serde_json::Value;

use crate::document::{Document, Problem, escaped};
use crate::model::{ASYNCAPI, Contract, LEGACY, OPENAPI};
use crate::nearest;
use crate::reference::Location;
use crate::rules::Rules;

/// What is wrong with a contract, each list in the order of files and lines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// What makes it unusable: a document that is not valid, a fixture that is not as its schema says.
    pub invalid: Vec<Problem>,
    /// What nobody uses.
    pub unused: Vec<Problem>,
}

/// Everything that is wrong with `contract`.
pub fn check(contract: &Contract) -> Findings {
    if contract.documents.get(OPENAPI).is_none() {
        // Everything else would only follow from it.
        let words = "is missing: it describes the routes";
        return Findings {
            invalid: vec![Problem::new(OPENAPI, words)],
            unused: Vec::new(),
        };
    }
    let mut invalid = contract.documents.broken();
    if invalid.is_empty() {
        invalid.extend(specifications(contract));
        invalid.extend(schemas::check(contract));
        match Rules::new(contract) {
            Ok(rules) => invalid.extend(fixtures::check(contract, &rules)),
            Err(problem) => invalid.push(problem),
        }
        invalid.extend(promises(contract));
    }
    Findings {
        invalid,
        unused: unused(contract),
    }
}

/// What the specifications of AsyncAPI and OpenAPI do not allow.
fn specifications(contract: &Contract) -> Vec<Problem> {
    let mut problems = Vec::new();
    for document in [ASYNCAPI, LEGACY].map(|path| contract.documents.get(path)) {
        let Some(document) = document else { continue };
        match serde_json::from_value::<roas_asyncapi::v3_1::Document>(document.value.clone()) {
            Err(error) => problems.push(Problem::new(
                document.path.clone(),
                format!("is no AsyncAPI 3.1: {error}"),
            )),
            Ok(parsed) => {
                let found = parsed.validate(Default::default()).err();
                let found = found.into_iter().flat_map(|error| error.errors);
                problems.extend(
                    found.map(|error| {
                        document.problem(&pointer(document, &error.path), error.message)
                    }),
                );
            }
        }
    }
    if let Some(document) = contract.documents.get(OPENAPI) {
        match serde_json::from_value::<roas::v3_1::spec::Spec>(document.value.clone()) {
            Err(error) => {
                problems.push(Problem::new(OPENAPI, format!("is no OpenAPI 3.1: {error}")));
            }
            Ok(parsed) => {
                let options = Options::IgnoreExternalReferences.into();
                let found = parsed.validate(options, None).err();
                problems.extend(
                    found
                        .into_iter()
                        .flat_map(|error| error.errors)
                        .map(|error| {
                            document.problem(&pointer(document, &error.path), error.message)
                        }),
                );
            }
        }
    }
    problems
}

/// A validator's path, `#.paths[/a].get`, as the longest JSON pointer that stands for something in `document`.
fn pointer(document: &Document, path: &str) -> String {
    let mut pointer = String::new();
    let mut rest = path.trim_start_matches('#');
    while !rest.is_empty() {
        let (name, after) = if let Some(bracket) = rest.strip_prefix('[') {
            bracket.split_once(']').unwrap_or((bracket, ""))
        } else {
            let member = rest.strip_prefix('.').unwrap_or(rest);
            let end = member.find(['.', '[']).unwrap_or(member.len());
            member.split_at(end)
        };
        let longer = format!("{pointer}/{}", escaped(name));
        if document.value.pointer(&longer).is_none() {
            break;
        }
        pointer = longer;
        rest = after;
    }
    pointer
}

/// Schemas and notification fixtures that nothing refers to.
fn unused(contract: &Contract) -> Vec<Problem> {
    let mut used = BTreeSet::new();
    for document in contract.documents.iter() {
        let whole = Location::new(&document.path, "");
        referred(contract, &whole, &document.value, &mut used);
    }
    let orphans = contract.documents.iter().filter(|document| {
        let path = document.path.as_str();
        let by_reference =
            path.starts_with("schemas/") || path.starts_with("fixtures/notifications/");
        by_reference && !used.contains(path)
    });
    orphans
        .map(|document| {
            let words = if document.path.starts_with("schemas/") {
                "is a schema that nothing refers to: use it or delete it"
            } else {
                "is no example of any message: name it in asyncapi.yaml, at the message's examples"
            };
            Problem::new(document.path.clone(), words)
        })
        .collect()
}

fn referred(contract: &Contract, at: &Location, value: &Value, used: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => {
            if let Some(Value::String(reference)) = members.get("$ref")
                && let Ok(target) = contract.documents.target(at, reference)
                && target.path != at.path
            {
                used.insert(target.path);
            }
            for (name, member) in members {
                referred(contract, &at.member(name), member, used);
            }
        }
        Value::Array(elements) => {
            for element in elements {
                referred(contract, at, element, used);
            }
        }
        _ => {}
    }
}

/// Promises that are named, and that nobody gives.
fn promises(contract: &Contract) -> Vec<Problem> {
    let closes = contract.closes.iter().flat_map(|close| {
        let at = close.location.member("promises");
        close.promises.iter().map(move |id| (id, at.clone()))
    });
    let answers = contract.routes.iter().flat_map(|route| {
        let at = route.location.member("x-promise");
        route.promises.values().map(move |id| (id, at.clone()))
    });
    let calls = contract.routes.iter().filter_map(|route| {
        let at = route.location.member("x-downstream").member("promise");
        Some((route.downstream.as_ref()?.promise.as_ref()?, at))
    });
    let named = closes.chain(answers).chain(calls);
    let unknown = named.filter(|(id, _)| contract.promise(id).is_none());
    unknown
        .map(|(id, at)| {
            let ids = contract.promises.iter().map(|promise| promise.id.as_str());
            let suggestion = nearest(id, ids)
                .map(|near| format!("; did you mean {near}?"))
                .unwrap_or_default();
            let words = format!("no promise is called {id}{suggestion}");
            contract.documents.problem(&at, words)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::files::Files;
    use rstest::rstest;

    fn repository() -> Files {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../contracts");
        Files::of_folder(&folder).unwrap()
    }

    #[test]
    fn nothing_is_wrong_with_the_contract_of_this_repository() {
        let contract = Contract::read(&repository()).unwrap();
        assert_eq!(check(&contract), Findings::default());
    }

    #[test]
    fn a_contract_without_routes_is_told_once() {
        let mut files = repository();
        files.0.remove(OPENAPI);
        let findings = check(&Contract::read(&files).unwrap());
        let problem = Problem::new(OPENAPI, "is missing: it describes the routes");
        assert_eq!(findings.invalid, [problem]);
    }

    const CLASS_CREATED: &str = "fixtures/notifications/class_created.json";
    const OWN_BATCH: &str = "fixtures/gateway/status/own_batch.json";

    #[rstest]
    #[case::asyncapi(
        "asyncapi.yaml",
        "action: send",
        "action: sends",
        "asyncapi.yaml:_:_: expected the action send or receive, got \"sends\""
    )]
    #[case::asyncapi_field(
        "asyncapi.yaml",
        "    protocol: redis\n",
        "",
        "asyncapi.yaml: is no AsyncAPI 3.1: missing field `protocol`"
    )]
    #[case::asyncapi_rule(
        "asyncapi.yaml",
        "  version: 1.0.0\n",
        "  version: ''\n",
        "asyncapi.yaml:_:_: must not be empty"
    )]
    #[case::openapi(
        "openapi.yaml",
        "description: The metrics.",
        "summary: The metrics.",
        "openapi.yaml: is no OpenAPI 3.1: missing field `description`"
    )]
    #[case::openapi_rule(
        "openapi.yaml",
        "operationId: readMetrics",
        "operationId: readHealth",
        "openapi.yaml:"
    )]
    #[case::schema(
        "schemas/notifications/class_created.json",
        "\"type\": \"array\"",
        "\"type\": \"list\"",
        "schemas/notifications/class_created.json:"
    )]
    #[case::keyword(
        "schemas/gateway/batch_status.json",
        "\"title\"",
        "\"unevaluatedProperties\": false, \"title\"",
        "schemas/gateway/batch_status.json:_:_: unevaluatedProperties is not a keyword of both draft-07 and 2020-12"
    )]
    #[case::id(
        "schemas/gateway/batch_status.json",
        "gateway/batch_status.json\"",
        "batch_status.json\"",
        "schemas/gateway/batch_status.json:_:_: expected the $id https://contracts.huledu.example/schemas/gateway/batch_status.json"
    )]
    #[case::fixture(
        CLASS_CREATED,
        "\"category\": \"class_management\"",
        "\"category\": \"classes\"",
        "fixtures/notifications/class_created.json:_:_: /message/data/category: expected \"class_management\", got \"classes\""
    )]
    #[case::unknown_event(
        CLASS_CREATED,
        "\"class_created\"",
        "\"class_crated\"",
        "fixtures/notifications/class_created.json:_:_: /message/event: unknown event `class_crated`; did you mean `class_created`?"
    )]
    #[case::status(
        OWN_BATCH,
        "\"status\": 200,\n    \"headers\"",
        "\"status\": 418,\n    \"headers\"",
        "fixtures/gateway/status/own_batch.json:"
    )]
    #[case::downstream(
        OWN_BATCH,
        "/internal/v1",
        "/external/v1",
        "fixtures/gateway/status/own_batch.json:"
    )]
    #[case::folder(
        "openapi.yaml",
        "x-fixtures: fixtures/gateway/status",
        "x-fixtures: fixtures/gateway/pipelines",
        "fixtures/gateway/status/"
    )]
    #[case::orphan(
        "asyncapi.yaml",
        "        - payload: { $ref: 'fixtures/notifications/class_created.json#/message' }\n",
        "",
        "fixtures/notifications/class_created.json: is no example of any message"
    )]
    #[case::unused_schema(
        "openapi.yaml",
        "schema: { $ref: schemas/health/redis.json }",
        "schema: {}",
        "schemas/health/redis.json: is a schema that nothing refers to"
    )]
    #[case::promise_of_an_answer(
        "openapi.yaml",
        "x-promise: { gateway: status.own-batch }",
        "x-promise: { gateway: status.own-bach }",
        "openapi.yaml:_:_: no promise is called status.own-bach; did you mean status.own-batch?"
    )]
    #[case::promise(
        "asyncapi.yaml",
        "promises: [shutdown.goodbye]",
        "promises: [shutdown.godbye]",
        "asyncapi.yaml:_:_: no promise is called shutdown.godbye; did you mean shutdown.goodbye?"
    )]
    fn what_is_wrong_has_a_file_and_a_sentence(
        #[case] file: &str,
        #[case] old: &str,
        #[case] new: &str,
        #[case] expected: &str,
    ) {
        let mut files = repository();
        let text = files.0.get_mut(file).unwrap();
        assert!(text.contains(old), "{file} has {old}");
        *text = text.replace(old, new);
        let problems = match Contract::read(&files) {
            Ok(contract) => {
                let findings = check(&contract);
                [findings.invalid, findings.unused].concat()
            }
            Err(problem) => vec![problem],
        };
        let problems: Vec<String> = problems.iter().map(masked).collect();
        assert!(
            problems.iter().any(|problem| problem.starts_with(expected)),
            "{problems:#?}"
        );
    }

    /// A problem with its line and column masked: they change with every edit of the documents.
    fn masked(problem: &Problem) -> String {
        let mut parts = problem.place.split(':');
        let file = parts.next().unwrap_or_default();
        let numbers = "_:".repeat(parts.filter(|part| part.parse::<usize>().is_ok()).count());
        format!("{file}:{numbers} {}", problem.problem)
    }
}

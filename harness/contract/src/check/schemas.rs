//! Schema files: valid, and in the part of JSON Schema that draft-07 and 2020-12 have in common, because AsyncAPI's
//! tools read the one and OpenAPI's the other.

use serde_json::Value;

use crate::document::{Document, Problem, escaped};
use crate::model::Contract;

/// The keywords with the same meaning in both.
const COMMON: [&str; 39] = [
    "$comment",
    "$id",
    "$ref",
    "additionalProperties",
    "allOf",
    "anyOf",
    "const",
    "contains",
    "contentEncoding",
    "contentMediaType",
    "default",
    "definitions",
    "description",
    "else",
    "enum",
    "examples",
    "exclusiveMaximum",
    "exclusiveMinimum",
    "format",
    "if",
    "items",
    "maxItems",
    "maxLength",
    "maxProperties",
    "maximum",
    "minItems",
    "minLength",
    "minProperties",
    "minimum",
    "multipleOf",
    "not",
    "oneOf",
    "pattern",
    "patternProperties",
    "properties",
    "propertyNames",
    "required",
    "then",
    "title",
];
const MORE: [&str; 4] = ["type", "uniqueItems", "readOnly", "writeOnly"];
/// The contract's own annotation, which validators pass over: the member's words are for people and may be others.
const OWN: &str = "x-wording";

/// The keywords whose members are schemas by name.
const NAMED: [&str; 3] = ["definitions", "patternProperties", "properties"];

/// The prefix of every schema's `$id`; what follows is its path below the contract's folder.
const BASE: &str = "https://contracts.huledu.example/";

pub(super) fn check(contract: &Contract) -> Vec<Problem> {
    let mut problems = Vec::new();
    for document in contract.documents.iter() {
        if !document.path.starts_with("schemas/") {
            continue;
        }
        for (draft, verdict) in [
            (
                "draft-07",
                jsonschema::draft7::meta::validate(&document.value),
            ),
            (
                "2020-12",
                jsonschema::draft202012::meta::validate(&document.value),
            ),
        ] {
            if let Err(error) = verdict {
                problems.push(document.problem(
                    &error.instance_path().to_string(),
                    format!("is no schema of {draft}: {error}"),
                ));
            }
        }
        let id = document.value.get("$id").and_then(Value::as_str);
        let expected = format!("{BASE}{}", document.path);
        if id != Some(&expected) {
            problems.push(document.problem("/$id", format!("expected the $id {expected}")));
        }
        walk(document, "", &document.value, &mut problems);
    }
    problems.sort();
    problems.dedup();
    problems
}

fn walk(document: &Document, at: &str, schema: &Value, problems: &mut Vec<Problem>) {
    let Some(members) = schema.as_object() else {
        return;
    };
    if members.contains_key("$ref") && members.len() > 1 {
        let words = "a $ref has members beside it, which draft-07 ignores: put it into allOf";
        problems.push(document.problem(at, words));
    }
    for (keyword, value) in members {
        let pointer = format!("{at}/{}", escaped(keyword));
        let keyword_is = |known: &[&str]| known.contains(&keyword.as_str());
        if !keyword_is(&COMMON) && !keyword_is(&MORE) && keyword != OWN {
            let words = format!("{keyword} is not a keyword of both draft-07 and 2020-12");
            problems.push(document.problem(&pointer, words));
        }
        let is_data = ["const", "enum", "default", "examples"].contains(&keyword.as_str());
        match value {
            _ if is_data => {}
            Value::Object(schemas) if NAMED.contains(&keyword.as_str()) => {
                for (name, schema) in schemas {
                    let pointer = format!("{pointer}/{}", escaped(name));
                    walk(document, &pointer, schema, problems);
                }
            }
            Value::Array(_) if keyword == "items" => {
                let words = "items as a list means two things: use one schema";
                problems.push(document.problem(&pointer, words));
            }
            Value::Object(_) => walk(document, &pointer, value, problems),
            Value::Array(elements) => {
                for (index, element) in elements.iter().enumerate() {
                    walk(document, &format!("{pointer}/{index}"), element, problems);
                }
            }
            _ => {}
        }
    }
}

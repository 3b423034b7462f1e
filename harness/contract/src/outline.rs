//! A schema in words, for people who read messages: a line for each value that it describes.

use serde_json::Value;

use crate::document::escaped;

/// One value that a schema describes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// Where it is in the payload, as a JSON pointer in which `*` is any element or member.
    pub pointer: String,
    /// What it may be: `a list`, `text, or null`, `always "standard"`.
    pub kind: String,
    /// Whether it can be left out.
    pub optional: bool,
    /// What the schema says about it; empty where it says nothing.
    pub words: String,
}

/// The values that `schema`, which has no references, describes; those inside of others after them.
pub fn outline(schema: &Value) -> Vec<Field> {
    let mut fields = Vec::new();
    below(schema, "", &mut fields);
    fields
}

fn below(schema: &Value, pointer: &str, fields: &mut Vec<Field>) {
    let required: Vec<&str> = strings(keyword(schema, "required")).collect();
    let members = keyword(schema, "properties").and_then(Value::as_object);
    for (name, member) in members.into_iter().flatten() {
        let optional = !required.contains(&name.as_str());
        add(
            member,
            format!("{pointer}/{}", escaped(name)),
            optional,
            fields,
        );
    }
    for inside in ["items", "additionalProperties"] {
        if let Some(schema @ Value::Object(_)) = keyword(schema, inside) {
            add(schema, format!("{pointer}/*"), false, fields);
        }
    }
}

fn add(schema: &Value, pointer: String, optional: bool, fields: &mut Vec<Field>) {
    fields.push(Field {
        kind: kind(schema),
        optional,
        words: keyword(schema, "description")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned(),
        pointer: pointer.clone(),
    });
    below(schema, &pointer, fields);
}

/// A keyword of `schema`, or of a part of it that holds as well.
fn keyword<'s>(schema: &'s Value, name: &str) -> Option<&'s Value> {
    schema.get(name).or_else(|| {
        let parts = schema.get("allOf")?.as_array()?;
        parts.iter().find_map(|part| keyword(part, name))
    })
}

fn kind(schema: &Value) -> String {
    if let Some(value) = schema.get("const") {
        return format!("always {value}");
    }
    if let Some(values) = keyword(schema, "enum").and_then(Value::as_array) {
        let values: Vec<String> = values.iter().map(Value::to_string).collect();
        return format!("one of {}", values.join(", "));
    }
    for alternatives in ["oneOf", "anyOf"] {
        if let Some(schemas) = keyword(schema, alternatives).and_then(Value::as_array) {
            let kinds: Vec<String> = schemas.iter().map(kind).collect();
            return kinds.join("; or ");
        }
    }
    let types: Vec<&str> = match keyword(schema, "type") {
        Some(Value::String(one)) => vec![one],
        several => strings(several).collect(),
    };
    let kinds: Vec<String> = types.iter().map(|one| of_type(schema, one)).collect();
    match kinds.as_slice() {
        [] => "anything".to_owned(),
        kinds => kinds.join(", or "),
    }
}

fn of_type(schema: &Value, of: &str) -> String {
    let format = keyword(schema, "format").and_then(Value::as_str);
    match of {
        "string" => match format {
            Some("uuid") => "a UUID".to_owned(),
            Some("date-time") => "a time (RFC 3339)".to_owned(),
            Some(format) => format!("text ({format})"),
            None if number(schema, "minLength").is_some_and(|least| least == "1") => {
                "text, not empty".to_owned()
            }
            None => "text".to_owned(),
        },
        "integer" => format!("a whole number{}", bounds(schema)),
        "number" => format!("a number{}", bounds(schema)),
        "boolean" => "true or false".to_owned(),
        "array" => "a list".to_owned(),
        "object" => "an object".to_owned(),
        other => other.to_owned(),
    }
}

fn bounds(schema: &Value) -> String {
    match (number(schema, "minimum"), number(schema, "maximum")) {
        (Some(least), Some(most)) => format!(" from {least} to {most}"),
        (Some(least), None) => format!(", at least {least}"),
        (None, Some(most)) => format!(", at most {most}"),
        (None, None) => String::new(),
    }
}

fn number(schema: &Value, name: &str) -> Option<String> {
    keyword(schema, name).map(Value::to_string)
}

fn strings(value: Option<&Value>) -> impl Iterator<Item = &str> {
    let values = value.and_then(Value::as_array).into_iter().flatten();
    values.filter_map(Value::as_str)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_value_has_a_line_with_its_kind_and_what_is_said_of_it() {
        let schema = json!({
            "type": "object",
            "properties": {
                "event": {"const": "e"},
                "data": {
                    "type": "object",
                    "properties": {
                        "priority": {"allOf": [{"enum": ["high", "low"], "description": "How urgent."}]},
                        "when": {"type": ["string", "null"], "format": "date-time"},
                        "names": {"type": "array", "items": {"type": "string", "minLength": 1}},
                        "score": {"type": "number", "minimum": 0, "maximum": 1},
                        "counts": {"type": "object", "additionalProperties": {"type": "integer", "minimum": 0}},
                    },
                    "required": ["priority"],
                },
            },
            "required": ["event", "data"],
        });
        let lines: Vec<String> = outline(&schema)
            .into_iter()
            .map(|field| {
                let optional = if field.optional { "?" } else { "" };
                format!(
                    "{}{optional}: {} {}",
                    field.pointer, field.kind, field.words
                )
            })
            .collect();
        let expected = [
            "/event: always \"e\" ",
            "/data: an object ",
            "/data/priority: one of \"high\", \"low\" How urgent.",
            "/data/when?: a time (RFC 3339), or null ",
            "/data/names?: a list ",
            "/data/names/*: text, not empty ",
            "/data/score?: a number from 0 to 1 ",
            "/data/counts?: an object ",
            "/data/counts/*: a whole number, at least 0 ",
        ];
        assert_eq!(lines, expected);
    }
}

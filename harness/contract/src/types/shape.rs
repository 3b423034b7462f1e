//! What a schema allows, as far as TypeScript can say it.

use serde_json::{Map, Value};

use crate::document::Problem;
use crate::reference::{Documents, Location};

/// What a JSON value may be.
#[derive(Clone, Debug, PartialEq)]
pub enum Shape {
    /// Anything.
    Unknown,
    /// Any string.
    Text,
    /// Any number.
    Number,
    /// A number without a fraction, which TypeScript has no word for; the guard checks it.
    Integer,
    /// True or false.
    Boolean,
    /// Null.
    Null,
    /// One of these values, none of them an object or an array.
    OneOf(Vec<Value>),
    /// One of these shapes.
    Either(Vec<Shape>),
    /// An array.
    List(Box<Shape>),
    /// An object whose members' names are data.
    Map(Box<Shape>),
    /// An object with these members, and with others, which a client ignores.
    Object(Vec<Member>),
    /// A shape that is declared under this name.
    Named(String, Box<Shape>),
}

impl Shape {
    /// The shape itself, whatever it is called.
    pub fn unnamed(&self) -> &Self {
        match self {
            Self::Named(_, shape) => shape.unnamed(),
            shape => shape,
        }
    }
}

/// A member of an object.
#[derive(Clone, Debug, PartialEq)]
pub struct Member {
    /// Its name.
    pub name: String,
    /// Whether it is always there.
    pub required: bool,
    /// What its value may be.
    pub schema: Schema,
}

/// A schema that was read.
#[derive(Clone, Debug, PartialEq)]
pub struct Schema {
    /// What people should know; empty where the schema says nothing.
    pub comment: String,
    /// What it allows.
    pub shape: Shape,
}

/// A named type: a definition that several schemas share.
#[derive(Clone, Debug, PartialEq)]
pub struct Definition {
    /// The name of the type.
    pub name: String,
    /// Where the definition stands.
    pub location: Location,
    /// What it says.
    pub schema: Schema,
}

/// Keywords that TypeScript and the guard leave aside: they speak to people, or narrow what a string, a number, a list or
/// an object may hold without changing what kind of value it is.
const ASIDE: [&str; 30] = [
    "$comment",
    "$defs",
    "$id",
    "$schema",
    "contentEncoding",
    "contentMediaType",
    "default",
    "definitions",
    "deprecated",
    "description",
    "else",
    "examples",
    "exclusiveMaximum",
    "exclusiveMinimum",
    "format",
    "if",
    "maxItems",
    "maxLength",
    "maxProperties",
    "maximum",
    "minItems",
    "minLength",
    "minProperties",
    "minimum",
    "multipleOf",
    "pattern",
    "propertyNames",
    "then",
    "title",
    "uniqueItems",
];

/// Keywords that a shape is made of.
const EXPRESSED: [&str; 9] = [
    "additionalProperties",
    "allOf",
    "anyOf",
    "const",
    "enum",
    "items",
    "properties",
    "required",
    "type",
];

/// Reads the schema at `at`. Definitions with a shape worth a name are added to `shared`, each once and after those that
/// it needs.
pub fn read(
    documents: &Documents,
    at: &Location,
    shared: &mut Vec<Definition>,
) -> Result<Schema, Problem> {
    let (target, value) = documents.resolve(at)?;
    let schema = read_in_place(documents, &target, value, shared)?;
    match name_of(&target, &schema.shape) {
        Some(name) if target != *at => {
            let shape = Shape::Named(name.clone(), Box::new(schema.shape.clone()));
            if !shared.iter().any(|known| known.location == target) {
                shared.push(Definition {
                    name,
                    location: target,
                    schema,
                });
            }
            // The name leads to the comment.
            Ok(Schema {
                comment: String::new(),
                shape,
            })
        }
        _ => Ok(schema),
    }
}

/// The name of the type for a definition at `at`. A primitive gets none: `string` says more than `BatchId`, and an editor
/// shows the comment of a field, not that of the alias behind it.
fn name_of(at: &Location, shape: &Shape) -> Option<String> {
    let (parents, name) = at.pointer.rsplit_once('/')?;
    let definition = matches!(parents, "/definitions" | "/$defs");
    let worth_it = match shape {
        Shape::OneOf(values) => values.len() > 1,
        Shape::Map(_) | Shape::Object(_) => true,
        _ => false,
    };
    (definition && worth_it).then(|| pascal_case(name))
}

/// `name` as TypeScript writes the names of types: `batch_files_uploaded` is `BatchFilesUploaded`.
pub fn pascal_case(name: &str) -> String {
    name.split(|letter: char| !letter.is_ascii_alphanumeric())
        .flat_map(|word| {
            let mut letters = word.chars();
            let first = letters.next().map(|letter| letter.to_ascii_uppercase());
            first.into_iter().chain(letters)
        })
        .collect()
}

fn read_in_place(
    documents: &Documents,
    at: &Location,
    value: &Value,
    shared: &mut Vec<Definition>,
) -> Result<Schema, Problem> {
    let schema = match value {
        Value::Bool(true) => {
            return Ok(Schema {
                comment: String::new(),
                shape: Shape::Unknown,
            });
        }
        Value::Object(schema) => schema,
        _ => return Err(documents.problem(at, "no value fits: expected a schema")),
    };
    if let Some(keyword) = schema
        .keys()
        .find(|keyword| !known(keyword) && !keyword.starts_with("x-"))
    {
        return Err(documents.problem(
            &at.member(keyword),
            format!("{keyword} cannot be expressed in TypeScript"),
        ));
    }
    let base = base(documents, at, schema, shared)?;
    let shape = match (literals(documents, at, schema)?, &base) {
        (Some(values), _) => Shape::OneOf(values),
        (None, Some(base)) => base.shape.clone(),
        (None, None) if schema.contains_key("anyOf") => either(documents, at, schema, shared)?,
        (None, None) => of_types(documents, at, schema, shared)?,
    };
    let inherited = base.map_or(String::new(), |base| match base.shape {
        // The comment of a named type stands at the type.
        Shape::Named(name, _) if !matches!(shape, Shape::Named(..)) => {
            format!("See {{@link {name}}}.")
        }
        _ => base.comment,
    });
    Ok(Schema {
        comment: comment(at, schema, inherited),
        shape,
    })
}

fn known(keyword: &str) -> bool {
    ASIDE.contains(&keyword) || EXPRESSED.contains(&keyword)
}

/// What the one schema of `allOf` says: draft-07's way to add to a reference, which allows nothing beside itself.
fn base(
    documents: &Documents,
    at: &Location,
    schema: &Map<String, Value>,
    shared: &mut Vec<Definition>,
) -> Result<Option<Schema>, Problem> {
    if !schema.contains_key("allOf") {
        return Ok(None);
    }
    match parts(documents, at, schema, "allOf")?.as_slice() {
        [only] => Ok(Some(read(documents, only, shared)?)),
        _ => Err(documents.problem(
            &at.member("allOf"),
            "allOf cannot be expressed in TypeScript, unless it is one schema that const or enum narrow",
        )),
    }
}

fn either(
    documents: &Documents,
    at: &Location,
    schema: &Map<String, Value>,
    shared: &mut Vec<Definition>,
) -> Result<Shape, Problem> {
    let parts = parts(documents, at, schema, "anyOf")?;
    let shapes = parts
        .iter()
        .map(|part| Ok(read(documents, part, shared)?.shape));
    Ok(Shape::Either(shapes.collect::<Result<_, Problem>>()?))
}

/// Where the schemas in the list at `keyword` stand. They are all that says what the value is.
fn parts(
    documents: &Documents,
    at: &Location,
    schema: &Map<String, Value>,
    keyword: &str,
) -> Result<Vec<Location>, Problem> {
    let shaping = ["allOf", "anyOf", "items", "properties", "type"];
    if let Some(beside) = shaping
        .iter()
        .find(|other| **other != keyword && schema.contains_key(**other))
    {
        return Err(documents.problem(
            &at.member(keyword),
            format!("{keyword} beside {beside} cannot be expressed in TypeScript"),
        ));
    }
    let list = at.member(keyword);
    match schema.get(keyword).and_then(Value::as_array) {
        Some(schemas) if !schemas.is_empty() => Ok((0..schemas.len())
            .map(|index| list.member(&index.to_string()))
            .collect()),
        _ => Err(documents.problem(&list, "expected a list of schemas")),
    }
}

/// The values that `const` or `enum` allow; none where there is neither.
fn literals(
    documents: &Documents,
    at: &Location,
    schema: &Map<String, Value>,
) -> Result<Option<Vec<Value>>, Problem> {
    let (keyword, values) = match (schema.get("const"), schema.get("enum")) {
        (Some(value), _) => ("const", vec![value.clone()]),
        (None, Some(Value::Array(values))) => ("enum", values.clone()),
        (None, Some(_)) => {
            return Err(documents.problem(&at.member("enum"), "expected a list of values"));
        }
        (None, None) => return Ok(None),
    };
    if values.is_empty() || values.iter().any(|v| v.is_object() || v.is_array()) {
        return Err(documents.problem(
            &at.member(keyword),
            format!("{keyword} cannot be expressed in TypeScript, unless it is of strings, numbers, booleans or null"),
        ));
    }
    Ok(Some(values))
}

fn of_types(
    documents: &Documents,
    at: &Location,
    schema: &Map<String, Value>,
    shared: &mut Vec<Definition>,
) -> Result<Shape, Problem> {
    let types = match schema.get("type") {
        None => {
            let speaking = ["properties", "required", "items", "additionalProperties"];
            return match speaking.iter().find(|k| schema.contains_key(**k)) {
                None => Ok(Shape::Unknown),
                Some(keyword) => Err(documents.problem(
                    &at.member(keyword),
                    format!("{keyword} without a type allows every other type: say the type"),
                )),
            };
        }
        Some(Value::Array(types)) => types.iter().collect(),
        Some(one) => vec![one],
    };
    let mut shapes = Vec::new();
    for name in types {
        shapes.push(match name.as_str() {
            Some("string") => Shape::Text,
            Some("number") => Shape::Number,
            Some("integer") => Shape::Integer,
            Some("boolean") => Shape::Boolean,
            Some("null") => Shape::Null,
            Some("array") => Shape::List(Box::new(items(documents, at, schema, shared)?)),
            Some("object") => object(documents, at, schema, shared)?,
            _ => {
                return Err(documents.problem(
                    &at.member("type"),
                    format!("expected a type of JSON Schema, got {name}"),
                ));
            }
        });
    }
    Ok(if shapes.len() == 1 {
        shapes.remove(0)
    } else {
        Shape::Either(shapes)
    })
}

fn items(
    documents: &Documents,
    at: &Location,
    schema: &Map<String, Value>,
    shared: &mut Vec<Definition>,
) -> Result<Shape, Problem> {
    let at = at.member("items");
    match schema.get("items") {
        None => Ok(Shape::Unknown),
        Some(Value::Array(_)) => Err(documents.problem(
            &at,
            "a list of schemas in items allows a shorter or longer array too, which TypeScript has no type for",
        )),
        Some(_) => Ok(read(documents, &at, shared)?.shape),
    }
}

fn object(
    documents: &Documents,
    at: &Location,
    schema: &Map<String, Value>,
    shared: &mut Vec<Definition>,
) -> Result<Shape, Problem> {
    let additional = at.member("additionalProperties");
    let described = matches!(schema.get("additionalProperties"), Some(Value::Object(_)));
    let properties = schema.get("properties").and_then(Value::as_object);
    let required: Vec<&str> = schema
        .get("required")
        .and_then(Value::as_array)
        .map(|names| names.iter().filter_map(Value::as_str).collect())
        .unwrap_or_default();
    if let Some(name) = required
        .iter()
        .find(|name| !properties.is_some_and(|described| described.contains_key(**name)))
    {
        return Err(documents.problem(
            &at.member("required"),
            format!("{name} is required, but properties does not describe it"),
        ));
    }
    let Some(properties) = properties.filter(|properties| !properties.is_empty()) else {
        return Ok(Shape::Map(Box::new(if described {
            read(documents, &additional, shared)?.shape
        } else {
            Shape::Unknown
        })));
    };
    if described {
        return Err(documents.problem(
            &additional,
            "a schema for further properties beside known ones cannot be expressed in TypeScript",
        ));
    }
    let members = properties.keys().map(|name| {
        Ok(Member {
            name: name.clone(),
            required: required.contains(&name.as_str()),
            schema: read(documents, &at.member("properties").member(name), shared)?,
        })
    });
    Ok(Shape::Object(members.collect::<Result<_, Problem>>()?))
}

/// What people should know of the schema: its own words or else those that it inherits, and what the type leaves out.
fn comment(at: &Location, schema: &Map<String, Value>, inherited: String) -> String {
    let own = schema.get("description").and_then(Value::as_str);
    let mut sentences = vec![own.map_or(inherited, str::to_owned)];
    if let Some(format) = schema.get("format").and_then(Value::as_str) {
        sentences.push(format!("Format: {format}."));
    }
    if schema.contains_key("if") {
        sentences.push(format!(
            "How the fields depend on one another is not expressed here and not checked: see if, then and else in {}.",
            at.path
        ));
    }
    sentences.retain(|sentence| !sentence.is_empty());
    sentences.join(" ")
}

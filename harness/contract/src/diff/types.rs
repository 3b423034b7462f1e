//! Types of values.

use serde_json::Value;

/// A type of values. JSON Schema's `number` is `Integer` and `Fraction` together, so that sets tell what is wider.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Type {
    String,
    Integer,
    Fraction,
    Boolean,
    Object,
    Array,
    Null,
}

pub(super) const TYPES: [Type; 7] = [
    Type::String,
    Type::Integer,
    Type::Fraction,
    Type::Boolean,
    Type::Object,
    Type::Array,
    Type::Null,
];

/// The types that the schema keyword's `name` stands for.
pub(super) fn named(name: &str) -> &'static [Type] {
    match name {
        "string" => &[Type::String],
        "integer" => &[Type::Integer],
        "number" => &[Type::Integer, Type::Fraction],
        "boolean" => &[Type::Boolean],
        "object" => &[Type::Object],
        "array" => &[Type::Array],
        "null" => &[Type::Null],
        _ => &[],
    }
}

/// The type of `value`.
pub(super) fn type_of(value: &Value) -> Type {
    match value {
        Value::Null => Type::Null,
        Value::Bool(_) => Type::Boolean,
        Value::Number(number) if number.is_f64() => Type::Fraction,
        Value::Number(_) => Type::Integer,
        Value::String(_) => Type::String,
        Value::Array(_) => Type::Array,
        Value::Object(_) => Type::Object,
    }
}

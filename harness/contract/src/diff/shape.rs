//! A schema brought into one form, so that two ways to write the same thing look the same.
//!
//! `allOf` is merged, `const` is an `enum` of one, an `enum` holds only what the rest of the schema allows, a union of
//! branches that differ in their type is a list of types, and keywords that say nothing about the type are dropped
//! (JSON Schema validation, section 6: a keyword about strings says nothing about a number).

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::types::{TYPES, Type, named, type_of};
use super::union::joined;
use crate::document::escaped;

/// A bound of a length, a count or a number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Bound {
    pub value: f64,
    /// Whether the value itself is outside.
    pub exclusive: bool,
}

/// A schema in one form.
#[derive(Clone, Debug, Default)]
pub(super) struct Shape<'a> {
    /// The JSON pointer of the schema, in the whole that it was read from.
    pub at: String,
    /// By keyword, or `properties/<name>`: the JSON pointer of where it is said.
    pub places: BTreeMap<String, String>,
    pub description: Option<&'a str>,
    pub deprecated: bool,
    /// None at all where nothing is allowed.
    pub types: BTreeSet<Type>,
    /// The only values, where they are listed. Nothing below is set then: the list has taken it into account.
    pub values: Option<Vec<Value>>,
    pub properties: BTreeMap<String, Shape<'a>>,
    pub required: BTreeSet<String>,
    /// What members that are not listed have to be; none where they may be anything.
    pub additional: Option<Box<Shape<'a>>>,
    /// What elements have to be; none where they may be anything.
    pub items: Option<Box<Shape<'a>>>,
    /// By keyword.
    pub bounds: BTreeMap<&'static str, Bound>,
    /// `pattern`, `format`, `multipleOf` and `uniqueItems`: all that is asked for, by keyword.
    pub demands: BTreeMap<&'static str, BTreeSet<String>>,
    /// Each a list of branches, one of which has to fit: `anyOf` and `oneOf`.
    pub unions: Vec<Vec<Shape<'a>>>,
    /// `if`, `then`, `else`.
    pub conditions: Vec<[Shape<'a>; 3]>,
    /// `not`.
    pub exclusions: Vec<Shape<'a>>,
    /// Other keywords, word for word but for the annotations.
    pub others: BTreeMap<String, Vec<Value>>,
    /// The schemas that it was made of.
    sources: Vec<&'a Value>,
}

/// The keywords of bounds: the lower ones, and the upper ones.
pub(super) const LOWER: [&str; 4] = ["minimum", "minLength", "minItems", "minProperties"];
const UPPER: [&str; 4] = ["maximum", "maxLength", "maxItems", "maxProperties"];
const DEMANDS: [&str; 4] = ["pattern", "format", "multipleOf", "uniqueItems"];

/// What says nothing about values (JSON Schema core, section 8, and validation, section 9).
const ANNOTATIONS: [&str; 12] = [
    "title",
    "description",
    "deprecated",
    "examples",
    "example",
    "definitions",
    "$defs",
    "$id",
    "$schema",
    "$comment",
    "$anchor",
    "$ref",
];

/// What is read into a field of its own.
const READ: [&str; 18] = [
    "type",
    "enum",
    "const",
    "properties",
    "required",
    "additionalProperties",
    "items",
    "allOf",
    "anyOf",
    "oneOf",
    "not",
    "if",
    "then",
    "else",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "nullable",
    "discriminator",
];

impl<'a> Shape<'a> {
    /// What allows everything.
    pub fn anything() -> Self {
        Self {
            types: TYPES.into(),
            ..Self::default()
        }
    }

    /// The schema without references that stands at `at` of the whole.
    pub fn of(schema: &'a Value, at: &str) -> Self {
        let mut shape = Self::anything();
        at.clone_into(&mut shape.at);
        shape.sources.push(schema);
        let Some(members) = schema.as_object() else {
            if schema == &Value::Bool(false) {
                shape.types.clear();
            }
            return shape;
        };
        let below = |name: &str| format!("{at}/{}", escaped(name));
        for (keyword, value) in members {
            let place = match keyword.as_str() {
                "const" | "enum" => "values",
                "exclusiveMinimum" => "minimum",
                "exclusiveMaximum" => "maximum",
                "if" | "then" | "else" => "if",
                "anyOf" | "oneOf" => "union",
                other => other,
            };
            shape
                .places
                .entry(place.to_owned())
                .or_insert(below(keyword));
            shape.read(keyword, value, at);
        }
        if let Some(when) = members.get("if") {
            let branch = |name: &str| match members.get(name) {
                Some(branch) => Self::of(branch, &below(name)),
                None => Self::anything(),
            };
            let when = Self::of(when, &below("if"));
            shape
                .conditions
                .push([when, branch("then"), branch("else")]);
        }
        for (keyword, value) in [
            ("anyOf", members.get("anyOf")),
            ("oneOf", members.get("oneOf")),
        ] {
            if let Some(branches) = value.and_then(Value::as_array) {
                let place = |index| format!("{}/{index}", below(keyword));
                let branches = branches.iter().enumerate();
                let branches = branches.map(|(index, branch)| Self::of(branch, &place(index)));
                shape.unions.push(branches.collect());
            }
        }
        shape.settle();
        for (index, branch) in elements(members.get("allOf")).enumerate() {
            shape = shape.and(Self::of(branch, &format!("{}/{index}", below("allOf"))));
        }
        shape
    }

    /// Whether nothing is allowed.
    pub fn is_nothing(&self) -> bool {
        self.types.is_empty()
    }

    /// Whether `value` has an allowed type, and fits every schema that this was made of.
    pub fn allows(&self, value: &Value) -> bool {
        self.types.contains(&type_of(value))
            && self.sources.iter().all(|source| allows(source, value))
    }

    /// What the member `name` has to be.
    pub fn member(&self, name: &str) -> Shape<'a> {
        match (self.properties.get(name), &self.additional) {
            (Some(listed), _) => listed.clone(),
            (None, Some(additional)) => (**additional).clone(),
            (None, None) => Self::anything(),
        }
    }

    /// Whether only listed members are allowed.
    pub fn is_closed(&self) -> bool {
        self.additional.as_ref().is_some_and(|a| a.is_nothing())
    }

    /// What both allow.
    pub fn and(mut self, mut other: Self) -> Self {
        for (keyword, place) in std::mem::take(&mut other.places) {
            self.places.entry(keyword).or_insert(place);
        }
        self.description = self.description.or(other.description);
        self.deprecated |= other.deprecated;
        self.types.retain(|kind| other.types.contains(kind));
        self.values = match (self.values.take(), other.values.take()) {
            (Some(mine), Some(theirs)) => Some(
                mine.into_iter()
                    .filter(|value| theirs.contains(value))
                    .collect(),
            ),
            (mine, theirs) => mine.or(theirs),
        };
        // What one lists is for the other a member like any other that it does not list.
        let names: BTreeSet<String> = [&self.properties, &other.properties]
            .into_iter()
            .flat_map(|properties| properties.keys().cloned())
            .collect();
        self.properties = names
            .into_iter()
            .map(|name| {
                let both = self.member(&name).and(other.member(&name));
                (name, both)
            })
            .collect();
        self.required.append(&mut other.required);
        self.additional = both(self.additional, other.additional);
        self.items = both(self.items, other.items);
        for (keyword, bound) in other.bounds {
            self.tighten(keyword, bound);
        }
        for (keyword, mut demands) in other.demands {
            self.demands
                .entry(keyword)
                .or_default()
                .append(&mut demands);
        }
        self.unions.append(&mut other.unions);
        self.conditions.append(&mut other.conditions);
        self.exclusions.append(&mut other.exclusions);
        for (keyword, mut values) in other.others {
            self.others.entry(keyword).or_default().append(&mut values);
        }
        self.sources.append(&mut other.sources);
        self.settle();
        self
    }

    /// Reads one keyword that does not depend on others.
    fn read(&mut self, keyword: &str, value: &'a Value, at: &str) {
        let below = format!("{at}/{}", escaped(keyword));
        match keyword {
            "description" => self.description = value.as_str(),
            "deprecated" => self.deprecated = value == &Value::Bool(true),
            "type" => {
                let names = value.as_str().into_iter();
                let names = names.chain(elements(Some(value)).filter_map(Value::as_str));
                self.types = names.flat_map(named).copied().collect();
            }
            "enum" => self.list(elements(Some(value)).map(plain).collect()),
            "const" => self.list(vec![plain(value)]),
            "properties" => {
                for (name, property) in value.as_object().into_iter().flatten() {
                    let at = format!("{below}/{}", escaped(name));
                    self.places.insert(format!("properties/{name}"), at.clone());
                    self.properties
                        .insert(name.clone(), Self::of(property, &at));
                }
            }
            "required" => {
                let names = elements(Some(value)).filter_map(Value::as_str);
                self.required = names.map(str::to_owned).collect();
            }
            "additionalProperties" => {
                if value != &Value::Bool(true) {
                    self.additional = Some(Box::new(Self::of(value, &below)));
                }
            }
            // Before 2020-12 a list of items is a tuple, which is compared word for word.
            "items" if !value.is_array() => {
                if value != &Value::Bool(true) {
                    self.items = Some(Box::new(Self::of(value, &below)));
                }
            }
            "not" => self.exclusions.push(Self::of(value, &below)),
            "exclusiveMinimum" => self.bound("minimum", value, true),
            "exclusiveMaximum" => self.bound("maximum", value, true),
            _ => {
                let known =
                    |known: &[&'static str]| known.iter().copied().find(|known| *known == keyword);
                if let Some(keyword) = known(&LOWER).or(known(&UPPER)) {
                    self.bound(keyword, value, false);
                } else if let Some(keyword) = known(&DEMANDS) {
                    if value != &Value::Bool(false) {
                        let words = value.as_str().map_or(value.to_string(), str::to_owned);
                        self.demands.insert(keyword, [words].into());
                    }
                } else if known(&ANNOTATIONS).or(known(&READ)).is_none()
                    && !keyword.starts_with("x-")
                    || keyword == "items"
                {
                    self.others
                        .insert(keyword.to_owned(), vec![stripped(value)]);
                }
            }
        }
    }

    fn list(&mut self, values: Vec<Value>) {
        match &mut self.values {
            Some(listed) => listed.retain(|value| values.contains(value)),
            none => *none = Some(values),
        }
    }

    fn bound(&mut self, keyword: &'static str, value: &Value, exclusive: bool) {
        // Every count is at least nothing.
        if let Some(value) = value.as_f64()
            && !(value == 0.0 && LOWER[1..].contains(&keyword))
        {
            self.tighten(keyword, Bound { value, exclusive });
        }
    }

    fn tighten(&mut self, keyword: &'static str, bound: Bound) {
        self.bounds
            .entry(keyword)
            .and_modify(|old| {
                if tighter(keyword, bound, *old) {
                    *old = bound;
                }
            })
            .or_insert(bound);
    }

    /// Drops what says nothing, and makes of unions what can be said without.
    fn settle(&mut self) {
        if let Some(values) = &mut self.values {
            let mut values = std::mem::take(values);
            values.retain(|value| self.allows(value));
            let types = values.iter().map(type_of).collect();
            // A list of everything that the type has says no more than the type.
            let whole: [&[Value]; 3] = [
                &[Value::Null],
                &[true.into(), false.into()],
                &[false.into(), true.into()],
            ];
            let values = Some(values).filter(|values| !whole.contains(&values.as_slice()));
            *self = Self {
                at: std::mem::take(&mut self.at),
                places: std::mem::take(&mut self.places),
                description: self.description,
                deprecated: self.deprecated,
                types,
                values,
                sources: std::mem::take(&mut self.sources),
                ..Self::default()
            };
            return;
        }
        self.drop_foreign();
        for mut union in std::mem::take(&mut self.unions) {
            for branch in &mut union {
                branch.types.retain(|kind| self.types.contains(kind));
                branch.settle();
            }
            union.retain(|branch| !branch.is_nothing());
            match joined(union) {
                Ok(one) => {
                    *self = std::mem::take(self).and(one);
                    if self.values.is_some() {
                        return;
                    }
                }
                Err(union) => {
                    let types: BTreeSet<Type> =
                        union.iter().flat_map(|b| b.types.clone()).collect();
                    self.types.retain(|kind| types.contains(kind));
                    self.unions.push(union);
                }
            }
        }
        self.drop_foreign();
    }

    /// Drops the keywords about types that are not allowed anyway.
    fn drop_foreign(&mut self) {
        let has = |kinds: &[Type]| kinds.iter().any(|kind| self.types.contains(kind));
        let (numbers, strings) = (has(&[Type::Integer, Type::Fraction]), has(&[Type::String]));
        let (arrays, objects) = (has(&[Type::Array]), has(&[Type::Object]));
        if !objects {
            self.properties.clear();
            self.required.clear();
            self.additional = None;
        }
        if !arrays {
            self.items = None;
        }
        self.bounds.retain(|keyword, _| match *keyword {
            "minimum" | "maximum" => numbers,
            "minLength" | "maxLength" => strings,
            "minItems" | "maxItems" => arrays,
            _ => objects,
        });
        self.demands.retain(|keyword, _| match *keyword {
            "pattern" => strings,
            "multipleOf" => numbers,
            "uniqueItems" => arrays,
            _ => numbers || strings,
        });
        self.others.retain(|keyword, _| match keyword.as_str() {
            "items" | "prefixItems" | "additionalItems" | "contains" => arrays,
            "patternProperties" | "propertyNames" => objects,
            _ => true,
        });
        // Of whole numbers the next one is a bound as well.
        if self.types.contains(&Type::Integer) && !self.types.contains(&Type::Fraction) {
            for (keyword, step) in [("minimum", 1.0), ("maximum", -1.0)] {
                if let Some(bound) = self.bounds.get_mut(keyword)
                    && bound.exclusive
                    && bound.value.fract() == 0.0
                {
                    bound.value += step;
                    bound.exclusive = false;
                }
            }
        }
    }

    /// Whether types, values and what is said about each type are all that is said.
    pub fn is_plain(&self) -> bool {
        self.unions.is_empty()
            && self.conditions.is_empty()
            && self.exclusions.is_empty()
            && self.others.is_empty()
    }
}

/// Whether `one` allows less than `other`.
pub(super) fn tighter(keyword: &str, one: Bound, other: Bound) -> bool {
    if one.value == other.value {
        return one.exclusive && !other.exclusive;
    }
    (one.value > other.value) == LOWER.contains(&keyword)
}

fn both<'a>(
    mine: Option<Box<Shape<'a>>>,
    theirs: Option<Box<Shape<'a>>>,
) -> Option<Box<Shape<'a>>> {
    match (mine, theirs) {
        (Some(mine), Some(theirs)) => Some(Box::new(mine.and(*theirs))),
        (mine, theirs) => mine.or(theirs),
    }
}

fn elements(value: Option<&Value>) -> impl Iterator<Item = &Value> {
    value.and_then(Value::as_array).into_iter().flatten()
}

/// A number without a fraction is an integer, however it is written (JSON Schema core, section 4.2.2).
fn plain(value: &Value) -> Value {
    match value.as_f64() {
        Some(number) if value.is_f64() && number.fract() == 0.0 && number.abs() < 9e15 => {
            Value::from(number as i64)
        }
        _ => value.clone(),
    }
}

/// Whether `schema` allows `value`. A schema that no validator understands allows everything.
fn allows(schema: &Value, value: &Value) -> bool {
    let simple = |keyword: &String| {
        ANNOTATIONS.contains(&keyword.as_str()) || ["const", "enum", "type"].contains(&&**keyword)
    };
    let simple = schema.as_object().is_none_or(|m| m.keys().all(simple));
    simple || jsonschema::validator_for(schema).map_or(true, |validator| validator.is_valid(value))
}

/// `value` without annotations. A member that is a schema is none: it is a property of that name.
fn stripped(value: &Value) -> Value {
    match value {
        Value::Object(members) => members
            .iter()
            .filter(|(name, member)| member.is_object() || !ANNOTATIONS.contains(&name.as_str()))
            .map(|(name, member)| (name.clone(), stripped(member)))
            .collect(),
        Value::Array(elements) => elements.iter().map(stripped).collect(),
        other => plain(other),
    }
}

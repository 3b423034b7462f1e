//! What is different between two schemas, and whether more or fewer values are allowed.
//!
//! Nothing here knows who reads and who writes: `words` does.

use std::collections::BTreeMap;

use serde_json::Value;

use super::Side;
use super::change::{Change, Effect, Member, Unlisted, What};
use super::shape::Shape;
use super::types::{TYPES, Type};
use crate::document::escaped;

/// What is different, in the order of the head's and then the base's members.
pub(super) fn changes(base: &Value, head: &Value) -> Vec<Change> {
    let mut changes = Vec::new();
    compare(&Shape::of(base, ""), &Shape::of(head, ""), "", &mut changes);
    changes
}

/// Both sides of a comparison at one place of the payload.
struct Pair<'p, 'a> {
    base: &'p Shape<'a>,
    head: &'p Shape<'a>,
    pointer: &'p str,
}

impl Pair<'_, '_> {
    /// A change of what `keyword` says.
    fn change(&self, keyword: &str, what: What) -> Change {
        let (side, at) = match (self.head.places.get(keyword), self.base.places.get(keyword)) {
            (Some(at), _) => (Side::Head, at),
            (None, Some(at)) => (Side::Base, at),
            (None, None) => (Side::Head, &self.head.at),
        };
        Change {
            what,
            pointer: self.pointer.to_owned(),
            side,
            at: at.clone(),
        }
    }

    /// A change of the member `name`.
    fn member(&self, name: &str, what: What) -> Change {
        let keyword = format!("properties/{name}");
        let listed = [self.base, self.head].map(|shape| shape.places.contains_key(&keyword));
        let change = match listed {
            [false, false] => self.change("required", what),
            _ => self.change(&keyword, what),
        };
        Change {
            pointer: format!("{}/{}", self.pointer, escaped(name)),
            ..change
        }
    }

    fn allow(&self, kind: Type) -> bool {
        self.base.types.contains(&kind) && self.head.types.contains(&kind)
    }
}

fn compare(base: &Shape<'_>, head: &Shape<'_>, pointer: &str, out: &mut Vec<Change>) {
    let pair = Pair {
        base,
        head,
        pointer,
    };
    if base.description != head.description && !(base.is_nothing() || head.is_nothing()) {
        let spaced = |text: Option<&str>| -> Vec<String> {
            let words = text.unwrap_or_default().split_whitespace();
            words.map(str::to_owned).collect()
        };
        // Only how it is wrapped is nothing.
        if spaced(base.description) != spaced(head.description) {
            out.push(pair.change("description", What::Description));
        }
    }
    if base.deprecated != head.deprecated {
        out.push(pair.change("deprecated", What::Deprecated(head.deprecated)));
    }
    // One without alternatives is the only alternative.
    match (base.unions.as_slice(), head.unions.as_slice()) {
        ([], [alternatives]) if says_nothing_else(head) && !base.is_nothing() => {
            return branches(&pair, std::slice::from_ref(base), alternatives, out);
        }
        ([alternatives], []) if says_nothing_else(base) && !head.is_nothing() => {
            return branches(&pair, alternatives, std::slice::from_ref(head), out);
        }
        _ => {}
    }
    if !values(&pair, out) {
        return;
    }
    for keyword in keys(&base.bounds, &head.bounds) {
        let (from, to) = (base.bounds.get(keyword), head.bounds.get(keyword));
        if from != to && both_know(&pair, keyword) {
            out.push(pair.change(keyword, What::Bound(keyword, from.copied(), to.copied())));
        }
    }
    for keyword in keys(&base.demands, &head.demands) {
        let of = |shape: &Shape<'_>| shape.demands.get(keyword).cloned().unwrap_or_default();
        let (from, to) = (of(base), of(head));
        if from != to && both_know(&pair, keyword) {
            out.push(pair.change(keyword, What::Demand(keyword, from, to)));
        }
    }
    if pair.allow(Type::Array) {
        inner(base.items.as_deref(), head.items.as_deref(), pointer, out);
    }
    if pair.allow(Type::Object) {
        members(&pair, out);
    }
    unions(&pair, out);
    rules(&pair, out);
}

/// Compares types and listed values. Says whether there is more to compare.
fn values(pair: &Pair<'_, '_>, out: &mut Vec<Change>) -> bool {
    let (base, head) = (pair.base, pair.head);
    match (&base.values, &head.values) {
        (Some(from), Some(to)) => {
            let without = |some: &[Value], others: &[Value]| -> Vec<Value> {
                let left = some.iter().filter(|value| !others.contains(value));
                left.cloned().collect()
            };
            let (added, removed) = (without(to, from), without(from, to));
            if !to.is_empty() && added.len() == to.len() && removed.len() == from.len() {
                let what = What::ValuesReplaced(from.clone(), to.clone());
                out.push(pair.change("values", what));
                return false;
            }
            if !added.is_empty() {
                out.push(pair.change("values", What::ValuesAdded(added)));
            }
            if !removed.is_empty() {
                out.push(pair.change("values", What::ValuesRemoved(removed)));
            }
            return false;
        }
        (None, None) => {}
        _ if base.types.is_disjoint(&head.types) => {}
        (None, Some(to)) => {
            out.push(pair.change("values", What::Listed(to.clone())));
            let new = refused(base, to);
            if !new.is_empty() {
                out.push(pair.change("values", What::ValuesAdded(new)));
            }
            return false;
        }
        (Some(from), None) => {
            let what = What::Unlisted(from.clone(), head.types.clone());
            out.push(pair.change("values", what));
            let gone = refused(head, from);
            if !gone.is_empty() {
                out.push(pair.change("values", What::ValuesRemoved(gone)));
            }
            return false;
        }
    }
    // Alternatives say their types themselves.
    let alternatives = !base.unions.is_empty() && !head.unions.is_empty();
    if base.types != head.types && !alternatives {
        out.push(pair.change("type", What::Types(base.types.clone(), head.types.clone())));
    }
    base.values.is_none() && head.values.is_none() && !base.types.is_disjoint(&head.types)
}

/// Those of `values` that `shape` does not allow.
fn refused(shape: &Shape<'_>, values: &[Value]) -> Vec<Value> {
    let refused = values.iter().filter(|value| !shape.allows(value));
    refused.cloned().collect()
}

/// Whether both sides allow values that `keyword` is about.
fn both_know(pair: &Pair<'_, '_>, keyword: &str) -> bool {
    let kinds: &[Type] = match keyword {
        "minimum" | "maximum" | "multipleOf" => &[Type::Integer, Type::Fraction],
        "minLength" | "maxLength" | "pattern" => &[Type::String],
        "minItems" | "maxItems" | "uniqueItems" => &[Type::Array],
        "minProperties" | "maxProperties" => &[Type::Object],
        _ => &TYPES,
    };
    kinds.iter().any(|kind| pair.allow(*kind))
}

/// Compares what any element has to be.
fn inner(base: Option<&Shape<'_>>, head: Option<&Shape<'_>>, pointer: &str, out: &mut Vec<Change>) {
    let anything = Shape::anything();
    if base.is_some() || head.is_some() {
        let (base, head) = (base.unwrap_or(&anything), head.unwrap_or(&anything));
        compare(base, head, &format!("{pointer}/*"), out);
    }
}

fn members(pair: &Pair<'_, '_>, out: &mut Vec<Change>) {
    let (base, head) = (pair.base, pair.head);
    let mut names = keys(&head.properties, &base.properties);
    // Required without being listed.
    for name in base.required.union(&head.required) {
        if !names.contains(name) {
            names.push(name.clone());
        }
    }
    for name in &names {
        let required = (base.required.contains(name), head.required.contains(name));
        let is_listed =
            |shape: &Shape<'_>| shape.properties.get(name).is_some_and(|p| !p.is_nothing());
        let listed = (is_listed(base), is_listed(head));
        let (of_base, of_head) = (base.member(name), head.member(name));
        match (of_base.is_nothing(), of_head.is_nothing()) {
            (true, true) => continue,
            (true, false) if !listed.1 && !required.1 => {
                // What it was not allowed to be is news only where others are not ruled out with it.
                if !base.is_closed() {
                    out.push(pair.member(name, What::NoLongerRuledOut));
                }
                continue;
            }
            (false, true) if !listed.0 && !required.0 => {
                if !head.is_closed() {
                    out.push(pair.member(name, What::NowRuledOut));
                }
                continue;
            }
            _ => {}
        }
        // Not listed, but required: it was known already.
        let known = (listed.0 || required.0, listed.1 || required.1);
        if !known.0 && known.1 || of_base.is_nothing() {
            let member = Member {
                required: required.1,
                unlisted: unlisted(&of_base, base),
            };
            out.push(pair.member(name, What::MemberAdded(member)));
            continue;
        }
        if known.0 && !known.1 || of_head.is_nothing() {
            let member = Member {
                required: required.0,
                unlisted: unlisted(&of_head, head),
            };
            out.push(pair.member(name, What::MemberRemoved(member)));
            continue;
        }
        match required {
            (true, false) => out.push(pair.member(name, What::NoLongerRequired)),
            (false, true) => out.push(pair.member(name, What::NowRequired)),
            _ => {}
        }
        let pointer = format!("{}/{}", pair.pointer, escaped(name));
        compare(&of_base, &of_head, &pointer, out);
    }
    match (base.is_closed(), head.is_closed()) {
        (true, true) => {}
        (true, false) => out.push(pair.change("additionalProperties", What::Opened)),
        (false, true) => out.push(pair.change("additionalProperties", What::Closed)),
        (false, false) => inner(
            base.additional.as_deref(),
            head.additional.as_deref(),
            pair.pointer,
            out,
        ),
    }
}

/// What the object `around` says about a member that it does not list, and that has to be `member`.
fn unlisted(member: &Shape<'_>, around: &Shape<'_>) -> Unlisted {
    if member.is_nothing() {
        Unlisted::Nothing
    } else if around.additional.is_some() {
        Unlisted::Some
    } else {
        Unlisted::Anything
    }
}

fn unions(pair: &Pair<'_, '_>, out: &mut Vec<Change>) {
    match (pair.base.unions.as_slice(), pair.head.unions.as_slice()) {
        ([], []) => {}
        ([from], [to]) => branches(pair, from, to, out),
        ([], _) => out.push(pair.change("union", What::UnionAdded)),
        (_, []) => out.push(pair.change("union", What::UnionRemoved)),
        (from, to) => {
            let alike = |one: &Vec<Shape<'_>>, other: &Vec<Shape<'_>>| {
                let mut changes = Vec::new();
                branches(pair, one, other, &mut changes);
                only_words(&changes)
            };
            if !same_set(from, to, alike) {
                out.push(pair.change("union", What::Other("anyOf".into())));
            }
        }
    }
}

/// Compares alternatives: first those that are the same, then those with the same tag, then the last of each.
fn branches(pair: &Pair<'_, '_>, from: &[Shape<'_>], to: &[Shape<'_>], out: &mut Vec<Change>) {
    let mut from: Vec<&Shape<'_>> = from.iter().collect();
    let mut to: Vec<&Shape<'_>> = to.iter().collect();
    let mut pairs = Vec::new();
    for alike in [same as fn(&Shape<'_>, &Shape<'_>) -> bool, same_tag] {
        from.retain(|one| match to.iter().position(|other| alike(one, other)) {
            Some(index) => {
                pairs.push((*one, to.remove(index)));
                false
            }
            None => true,
        });
    }
    if let ([one], [other]) = (from.as_slice(), to.as_slice()) {
        pairs.push((one, other));
        from.clear();
        to.clear();
    }
    for (one, other) in pairs {
        compare(one, other, pair.pointer, out);
    }
    let note = |side, shape: &Shape<'_>, what| Change {
        what,
        pointer: pair.pointer.to_owned(),
        side,
        at: shape.at.clone(),
    };
    for branch in to {
        let what = match is_null(branch) {
            true => What::ValuesAdded(vec![Value::Null]),
            false => What::BranchAdded,
        };
        out.push(note(Side::Head, branch, what));
    }
    for branch in from {
        let what = match is_null(branch) {
            true => What::ValuesRemoved(vec![Value::Null]),
            false => What::BranchRemoved,
        };
        out.push(note(Side::Base, branch, what));
    }
}

fn is_null(shape: &Shape<'_>) -> bool {
    shape.types == [Type::Null].into()
}

/// Whether two schemas allow the same, as far as can be told.
fn same(one: &Shape<'_>, other: &Shape<'_>) -> bool {
    let mut changes = Vec::new();
    compare(one, other, "", &mut changes);
    only_words(&changes)
}

fn only_words(changes: &[Change]) -> bool {
    let mut changes = changes.iter();
    changes.all(|change| change.what.effect() == Effect::Nothing)
}

/// Whether both are objects with a member that is always the same word: the tag of a tagged union.
fn same_tag(one: &Shape<'_>, other: &Shape<'_>) -> bool {
    one.properties.iter().any(|(name, member)| {
        let theirs = other.properties.get(name).and_then(|m| m.values.as_ref());
        matches!((&member.values, theirs), (Some(mine), Some(theirs)) if mine.len() == 1 && mine == theirs)
    })
}

/// Whether the union is all that a shape says.
fn says_nothing_else(shape: &Shape<'_>) -> bool {
    let mut outer = shape.clone();
    outer.unions.clear();
    outer.description = None;
    // The branches say the type again.
    outer.types = TYPES.into();
    same(&outer, &Shape::anything())
}

fn rules(pair: &Pair<'_, '_>, out: &mut Vec<Change>) {
    let (base, head) = (pair.base, pair.head);
    let alike = |one: &[Shape<'_>; 3], other: &[Shape<'_>; 3]| {
        one.iter().zip(other).all(|(one, other)| same(one, other))
    };
    if !same_set(&base.conditions, &head.conditions, alike) {
        let names = [&base.conditions, &head.conditions]
            .into_iter()
            .flatten()
            .flatten();
        let names = names.flat_map(|shape| shape.properties.keys().cloned());
        out.push(pair.change("if", What::Condition(names.collect())));
    }
    if !same_set(&base.exclusions, &head.exclusions, same) {
        out.push(pair.change("not", What::Other("not".into())));
    }
    for keyword in keys(&base.others, &head.others) {
        let of = |shape: &Shape<'_>| shape.others.get(&keyword).cloned().unwrap_or_default();
        if !same_set(&of(base), &of(head), |one, other| one == other) {
            out.push(pair.change(&keyword, What::Other(keyword.clone())));
        }
    }
}

/// Whether each has one that is alike in the other.
fn same_set<T>(some: &[T], others: &[T], alike: impl Fn(&T, &T) -> bool) -> bool {
    some.iter()
        .all(|one| others.iter().any(|other| alike(one, other)))
        && others
            .iter()
            .all(|other| some.iter().any(|one| alike(one, other)))
}

/// The keys of `first`, and those that only `second` has.
fn keys<K: Ord + Clone, V>(first: &BTreeMap<K, V>, second: &BTreeMap<K, V>) -> Vec<K> {
    let more = second.keys().filter(|key| !first.contains_key(*key));
    first.keys().chain(more).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// Schemas of all kinds; each is compared with each.
    fn schemas() -> Vec<Value> {
        vec![
            json!(true),
            json!(false),
            json!({"type": "string"}),
            json!({"type": ["string", "null"], "minLength": 1}),
            json!({"type": "string", "minLength": 2, "pattern": "^a"}),
            json!({"type": "integer"}),
            json!({"type": "number", "exclusiveMinimum": 0}),
            json!({"type": "integer", "minimum": 1, "maximum": 3, "multipleOf": 2}),
            json!({"enum": ["a", "ab"]}),
            json!({"enum": ["ab", "b", null]}),
            json!({"const": 1}),
            json!({"type": "array"}),
            json!({"type": "array", "items": {"type": "string"}, "minItems": 1}),
            json!({"type": "array", "items": {"enum": ["a"]}, "uniqueItems": true}),
            json!({"type": "object"}),
            json!({"type": "object", "additionalProperties": false}),
            json!({"type": "object", "properties": {"a": {"type": "string"}}}),
            json!({"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}),
            json!({"type": "object", "properties": {"a": {"const": "a"}}, "required": ["a", "b"]}),
            json!({"type": "object", "properties": {"a": {}}, "additionalProperties": false}),
            json!({"type": "object", "properties": {"a": {}, "b": {}}, "required": ["b"], "additionalProperties": false}),
            json!({"type": "object", "properties": {"a": false}}),
            json!({"type": "object", "additionalProperties": {"type": "integer"}}),
            json!({"type": "object", "required": ["a"], "additionalProperties": {"type": "string"}}),
            json!({"allOf": [{"properties": {"a": {"type": "string"}}, "additionalProperties": false}, {"properties": {"b": {}}}], "type": "object"}),
            json!({"oneOf": [{"type": "object", "required": ["a"]}, {"type": "string"}]}),
            json!({"anyOf": [{"type": "object", "required": ["a"]}, {"type": "object", "required": ["b"]}]}),
            json!({"type": "object", "anyOf": [{"required": ["a"]}, {"properties": {"b": {"const": 1}}}]}),
            json!({"type": "object", "if": {"required": ["a"]}, "then": {"required": ["b"]}}),
            json!({"not": {"type": "string"}}),
            json!({"type": "object", "minProperties": 1}),
            json!({"type": "object", "propertyNames": {"maxLength": 1}}),
        ]
    }

    /// Values that tell them apart.
    fn values() -> Vec<Value> {
        vec![
            json!(null),
            json!(true),
            json!(0),
            json!(1),
            json!(2),
            json!(0.5),
            json!(""),
            json!("a"),
            json!("b"),
            json!("ab"),
            json!([]),
            json!(["a"]),
            json!(["a", "a"]),
            json!(["b"]),
            json!([1]),
            json!({}),
            json!({"a": "a"}),
            json!({"a": "b"}),
            json!({"a": 1}),
            json!({"b": 1}),
            json!({"b": "b"}),
            json!({"a": "a", "b": 1}),
            json!({"a": "b", "b": "b"}),
            json!({"cc": 1}),
            json!({"a": "a", "cc": "c"}),
        ]
    }

    fn effects(base: &Value, head: &Value) -> Vec<(String, Effect)> {
        let effect = |change: &Change| (change.pointer.clone(), change.what.effect());
        let mut effects: Vec<_> = changes(base, head).iter().map(effect).collect();
        effects.sort();
        effects
    }

    #[test]
    fn what_grows_in_one_direction_shrinks_in_the_other() {
        for base in &schemas() {
            for head in &schemas() {
                let mut mirrored = effects(head, base);
                for (_, effect) in &mut mirrored {
                    *effect = match *effect {
                        Effect::Grows => Effect::Shrinks,
                        Effect::Shrinks => Effect::Grows,
                        other => other,
                    };
                }
                mirrored.sort();
                assert_eq!(effects(base, head), mirrored, "{base} and {head}");
            }
        }
    }

    /// Held against a validator: a value that only one side allows is never overlooked.
    #[test]
    fn whatever_a_validator_takes_on_one_side_only_is_found() {
        let allows = |schema: &Value, value: &Value| {
            let validator = jsonschema::validator_for(schema).unwrap();
            validator.is_valid(value)
        };
        let (mut told_apart, mut overlooked) = (0, Vec::<String>::new());
        for base in &schemas() {
            for head in &schemas() {
                let effects = effects(base, head);
                for value in &values() {
                    let effect = match (allows(base, value), allows(head, value)) {
                        (true, false) => Effect::Shrinks,
                        (false, true) => Effect::Grows,
                        _ => continue,
                    };
                    told_apart += 1;
                    let found = effects
                        .iter()
                        .any(|(_, found)| [effect, Effect::Both, Effect::Unclear].contains(found));
                    if !found {
                        overlooked.push(format!(
                            "{base} to {head}: {value} {effect:?}, not {effects:?}"
                        ));
                    }
                }
            }
        }
        assert!(overlooked.is_empty(), "{}", overlooked.join("\n"));
        assert!(told_apart > 1000, "the values tell too little apart");
    }
}

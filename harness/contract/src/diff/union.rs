//! Unions that can be said without one.

use std::collections::BTreeSet;

use serde_json::Value;

use super::shape::Shape;
use super::types::Type;

/// A union as one schema without, where there is one: of listed values, or of branches of different types.
pub(super) fn joined(mut branches: Vec<Shape<'_>>) -> Result<Shape<'_>, Vec<Shape<'_>>> {
    if branches.is_empty() {
        return Ok(Shape::default());
    }
    if branches.len() == 1 {
        return Ok(branches.remove(0));
    }
    let listed = branches.iter().all(|branch| finite(branch).is_some());
    let types: usize = branches.iter().map(|branch| branch.types.len()).sum();
    let all: BTreeSet<Type> = branches.iter().flat_map(|b| b.types.clone()).collect();
    let some_listed = branches.iter().any(|branch| branch.values.is_some());
    let apart = types == all.len() && !some_listed && branches.iter().all(Shape::is_plain);
    if !listed && !apart {
        return Err(branches);
    }
    let mut one = Shape::default();
    one.types = all;
    let mut values = Vec::new();
    for branch in branches {
        for value in finite(&branch).unwrap_or_default() {
            if !values.contains(&value) {
                values.push(value);
            }
        }
        one.description = one.description.or(branch.description);
        for (keyword, place) in branch.places {
            one.places.entry(keyword).or_insert(place);
        }
        one.properties.extend(branch.properties);
        one.required.extend(branch.required);
        one.additional = one.additional.or(branch.additional);
        one.items = one.items.or(branch.items);
        one.bounds.extend(branch.bounds);
        for (keyword, demands) in branch.demands {
            one.demands.entry(keyword).or_default().extend(demands);
        }
    }
    if listed {
        one.values = Some(values);
    }
    Ok(one)
}

/// Every value of a shape that has few: null is one too.
fn finite(shape: &Shape<'_>) -> Option<Vec<Value>> {
    match &shape.values {
        Some(values) => Some(values.clone()),
        None if shape.is_plain() && shape.types == [Type::Null].into() => Some(vec![Value::Null]),
        None => None,
    }
}

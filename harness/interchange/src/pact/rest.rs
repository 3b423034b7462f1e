//! What of a fixture a Pact has no word for, by JSON pointer (RFC 6901).
//!
//! Merge patches (RFC 7396) would lose every `null` in it.

use serde_json::{Map, Value};

/// The members of fixtures that are compared member by member; of the others the whole is taken.
const COMPARED: [&str; 2] = ["request", "response"];

/// What `to` has besides or instead of what `from` has.
pub fn between(from: &Value, to: &Value) -> Value {
    let mut rest = Map::new();
    for (name, value) in to.as_object().into_iter().flatten() {
        if COMPARED.contains(&name.as_str()) {
            for (inner, value) in value.as_object().into_iter().flatten() {
                if from[name].get(inner) != Some(value) {
                    rest.insert(format!("/{name}/{inner}"), value.clone());
                }
            }
        } else if from.get(name) != Some(value) {
            rest.insert(format!("/{name}"), value.clone());
        }
    }
    rest.into()
}

/// Puts `rest` into `fixture`. Fails at a pointer that leads nowhere.
pub fn apply(fixture: &mut Value, rest: &Value) -> Result<(), String> {
    for (pointer, value) in rest.as_object().into_iter().flatten() {
        let nowhere = || format!("{pointer} in its comments is no place in a fixture");
        let (parent, name) = pointer.rsplit_once('/').ok_or_else(nowhere)?;
        fixture
            .pointer_mut(parent)
            .and_then(Value::as_object_mut)
            .ok_or_else(nowhere)?
            .insert(name.to_owned(), value.clone());
    }
    Ok(())
}

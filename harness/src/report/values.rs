//! JSON values compared by path: the order of members is no difference, and an element that stands elsewhere has moved.

use serde::Serialize;
use serde_json::Value;
use similar::{Algorithm, DiffOp, capture_diff_slices};

/// One value that is different.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// Where it is, as a JSON pointer (RFC 6901): in the new JSON, unless it is no longer there.
    pub pointer: String,
    /// What was there; none where there was nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub old: Option<String>,
    /// What is there now; none where there is nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub new: Option<String>,
    /// Where it was, if it only moved.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub moved_from: Option<String>,
}

/// The values in which `old` and `new` differ, in the order of `old`, what is new after them.
pub fn differences(old: &Value, new: &Value) -> Vec<Difference> {
    let mut found = Vec::new();
    below(old, new, "", &mut found);
    found
}

fn below(old: &Value, new: &Value, pointer: &str, found: &mut Vec<Difference>) {
    match (old, new) {
        (Value::Object(was), Value::Object(is)) => {
            for (name, value) in was {
                let at = member(pointer, name);
                match is.get(name) {
                    Some(new) => below(value, new, &at, found),
                    None => found.push(one(at, Some(value), None)),
                }
            }
            for (name, value) in is.iter().filter(|(name, _)| !was.contains_key(*name)) {
                found.push(one(member(pointer, name), None, Some(value)));
            }
        }
        (Value::Array(was), Value::Array(is)) => elements(was, is, pointer, found),
        _ if old == new => {}
        _ => found.push(one(pointer.to_owned(), Some(old), Some(new))),
    }
}

fn elements(old: &[Value], new: &[Value], pointer: &str, found: &mut Vec<Difference>) {
    let texts = |values: &[Value]| values.iter().map(Value::to_string).collect::<Vec<_>>();
    let ops = capture_diff_slices(Algorithm::Myers, &texts(old), &texts(new));
    let changed = || ops.iter().filter(|op| !matches!(op, DiffOp::Equal { .. }));
    let mut gone: Vec<usize> = changed().flat_map(DiffOp::old_range).collect();
    let mut come: Vec<usize> = changed().flat_map(DiffOp::new_range).collect();
    gone.retain(|from| {
        let Some(at) = come.iter().position(|to| new[*to] == old[*from]) else {
            return true;
        };
        let to = come.remove(at);
        found.push(Difference {
            moved_from: Some(format!("{pointer}/{from}")),
            ..one(format!("{pointer}/{to}"), None, Some(&new[to]))
        });
        false
    });
    for op in changed() {
        let still = |all: &[usize], range: std::ops::Range<usize>| -> Vec<usize> {
            all.iter()
                .copied()
                .filter(|at| range.contains(at))
                .collect()
        };
        let (was, is) = (still(&gone, op.old_range()), still(&come, op.new_range()));
        for at in 0..was.len().max(is.len()) {
            match (was.get(at), is.get(at)) {
                (Some(from), Some(to)) => {
                    below(&old[*from], &new[*to], &format!("{pointer}/{to}"), found);
                }
                (Some(from), None) => {
                    found.push(one(format!("{pointer}/{from}"), Some(&old[*from]), None));
                }
                (None, Some(to)) => {
                    found.push(one(format!("{pointer}/{to}"), None, Some(&new[*to])));
                }
                (None, None) => {}
            }
        }
    }
}

fn one(pointer: String, old: Option<&Value>, new: Option<&Value>) -> Difference {
    Difference {
        pointer,
        old: old.map(Value::to_string),
        new: new.map(Value::to_string),
        moved_from: None,
    }
}

fn member(pointer: &str, name: &str) -> String {
    format!("{pointer}/{}", name.replace('~', "~0").replace('/', "~1"))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    #[rstest]
    #[case::the_order_of_members(json!({"a": 1, "b": 2}), json!({"b": 2, "a": 1}), &[])]
    #[case::another_value(json!({"a": {"b": 1}}), json!({"a": {"b": "1"}}), &["/a/b: 1 → \"1\""])]
    #[case::a_member_less(json!({"a": 1, "b": 2}), json!({"b": 2}), &["/a: 1 → "])]
    #[case::a_member_more(json!({}), json!({"a/b": null}), &["/a~1b:  → null"])]
    #[case::an_element_more(json!([1, 2]), json!([1, 9, 2]), &["/1:  → 9"])]
    #[case::an_element_less(json!([1, 9, 2]), json!([1, 2]), &["/1: 9 → "])]
    #[case::a_moved_element(json!(["x", "y", "z"]), json!(["y", "z", "x"]), &["/2 from /0"])]
    #[case::inside_an_element(json!([{"a": 1}, 5]), json!([{"a": 2}, 5]), &["/0/a: 1 → 2"])]
    #[case::another_kind(json!({"a": []}), json!({"a": {}}), &["/a: [] → {}"])]
    #[case::the_whole(json!(1), json!(2), &[": 1 → 2"])]
    fn values_differ(#[case] old: Value, #[case] new: Value, #[case] expected: &[&str]) {
        let words = |d: Difference| match d.moved_from {
            Some(from) => format!("{} from {from}", d.pointer),
            None => {
                let (old, new) = (d.old.unwrap_or_default(), d.new.unwrap_or_default());
                format!("{}: {old} → {new}", d.pointer)
            }
        };
        let found: Vec<String> = differences(&old, &new).into_iter().map(words).collect();
        assert_eq!(found, expected);
    }
}

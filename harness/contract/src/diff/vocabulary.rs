//! Lists of values that messages share, such as the priorities.
//!
//! A message may narrow a list to one value, and then a new value of the list is not on the wire yet. It breaks readers
//! all the same: types are made of the list, and code that knows all its values is written against it.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Comparison, Side, Verdict};
use crate::model::Direction;
use crate::reference::{Documents, Location};

/// Compares the lists that the notifications' schemas share, and notes what no message has told already.
pub(super) fn compare(comparison: &mut Comparison<'_>) {
    for at in shared(comparison) {
        let (base, head) = (
            values(&comparison.base.documents, &at),
            values(&comparison.head.documents, &at),
        );
        let (Some(base), Some(head)) = (base, head) else {
            continue;
        };
        let name = at.pointer.rsplit('/').next().unwrap_or_default().to_owned();
        for value in head.iter().filter(|value| !base.contains(value)) {
            let shown = format!(
                "`{}`",
                value.as_str().map_or(value.to_string(), str::to_owned)
            );
            let told = |finding: &super::Finding| {
                finding.verdict == Verdict::Breaking && finding.sentence.contains(&shown)
            };
            if !comparison.findings.iter().any(told) {
                comparison.find(
                    Verdict::Breaking,
                    &format!("list {name}"),
                    (Side::Head, &at.member("enum")),
                    format!(
                        "`{name}` has a new value, {shown}: code that knows all of them, and the types made of them, \
                         fail on it. No message can have it yet."
                    ),
                );
            }
        }
    }
}

/// The definitions beside the schemas of what clients read, in both contracts.
fn shared(comparison: &Comparison<'_>) -> BTreeSet<Location> {
    let folder = |path: &str| path.rsplit_once('/').map(|(folder, _)| folder.to_owned());
    let read = (comparison.head.messages.iter())
        .filter(|message| message.direction == Direction::ToClient)
        .filter_map(|message| folder(&message.schema_location.path));
    let folders: BTreeSet<String> = read.collect();
    let mut shared = BTreeSet::new();
    for document in comparison.head.documents.iter() {
        if folder(&document.path).is_some_and(|folder| folders.contains(&folder))
            && let Some(definitions) = document.value.get("definitions").and_then(Value::as_object)
        {
            let at = Location::new(&document.path, "/definitions");
            shared.extend(definitions.keys().map(|name| at.member(name)));
        }
    }
    shared
}

fn values<'a>(documents: &'a Documents, at: &Location) -> Option<&'a Vec<Value>> {
    documents.at(&at.member("enum"))?.as_array()
}

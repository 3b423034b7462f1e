//! The types that a union consists of, told apart by one member.

use serde_json::Value;

use super::shape::{self, Definition, Member, Schema, Shape};
use super::text::{check_of, comment, members_of};
use crate::document::Problem;
use crate::reference::{Documents, Location};

/// An object with a member that says which of a union it is: a notification, or the reason of a close.
pub struct Interface {
    /// The name of the type.
    pub name: String,
    /// What the member may be: the event, or the error codes.
    pub tags: Vec<String>,
    /// Where its schema stands.
    pub location: Location,
    comment: String,
    members: Vec<Member>,
}

impl Interface {
    /// Reads the schema at `location`, in which the required member `tag` is one of known strings.
    pub fn read(
        documents: &Documents,
        name: String,
        location: Location,
        tag: &str,
        shared: &mut Vec<Definition>,
    ) -> Result<Self, Problem> {
        let Schema { comment, shape } = shape::read(documents, &location, shared)?;
        let members = match shape {
            Shape::Object(members) => members,
            _ => Vec::new(),
        };
        let tags = members
            .iter()
            .find(|member| member.name == tag && member.required)
            .and_then(|member| match member.schema.shape.unnamed() {
                Shape::OneOf(values) => values
                    .iter()
                    .map(|value| value.as_str().map(str::to_owned))
                    .collect::<Option<Vec<String>>>(),
                _ => None,
            })
            .ok_or_else(|| {
                let words =
                    format!("expected an object whose {tag} is required and one of known strings");
                documents.problem(&location, words)
            })?;
        Ok(Self {
            name,
            tags,
            location,
            comment,
            members,
        })
    }

    /// The declaration of the type.
    pub fn declaration(&self) -> String {
        declaration(&self.comment, &self.name, &self.members)
    }

    /// The expression that checks for it, its further lines indented below `indent` spaces.
    pub fn check(&self, indent: usize) -> String {
        check_of(&Shape::Object(self.members.clone()), indent)
    }
}

/// The declaration of an object's type.
pub fn declaration(words: &str, name: &str, members: &[Member]) -> String {
    let comment = comment(words, 0);
    format!(
        "{comment}export interface {name} {}\n",
        members_of(members, 0)
    )
}

/// The declaration of a type that is one of `alternatives`, each on a line of its own below its comment.
pub fn union(name: &str, alternatives: impl IntoIterator<Item = (String, String)>) -> String {
    let lines: String = alternatives
        .into_iter()
        .map(|(words, one)| format!("\n{}  | {one}", comment(&words, 2)))
        .collect();
    match lines.as_str() {
        "" => format!("export type {name} = never;\n"),
        lines => format!("export type {name} ={lines};\n"),
    }
}

/// `values` without comments, for `union`.
pub fn bare<'a>(
    values: impl Iterator<Item = &'a Interface>,
) -> impl Iterator<Item = (String, String)> {
    values.map(|interface| (String::new(), interface.name.clone()))
}

/// The values of a closed set, for `union`.
pub fn literals(values: &[Value]) -> impl Iterator<Item = (String, String)> {
    values
        .iter()
        .map(|value| (String::new(), value.to_string()))
}

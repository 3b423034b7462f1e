//! What a `$ref` stands for, across documents.

use std::collections::BTreeMap;

use percent_encoding::percent_decode_str;
use serde_json::Value;

use crate::document::{Document, Problem, escaped};
use crate::files::Files;

/// The documents of a contract, by path.
#[derive(Clone, Debug, Default)]
pub struct Documents(BTreeMap<String, Document>);

/// A place in a document.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Location {
    /// The document's path.
    pub path: String,
    /// A JSON pointer (RFC 6901).
    pub pointer: String,
}

impl Location {
    /// `pointer` in the document at `path`.
    pub fn new(path: &str, pointer: impl Into<String>) -> Self {
        Self {
            path: path.to_owned(),
            pointer: pointer.into(),
        }
    }

    /// The member or element `name` of what stands here.
    pub fn member(&self, name: &str) -> Self {
        Self::new(&self.path, format!("{}/{}", self.pointer, escaped(name)))
    }
}

impl Documents {
    /// Reads every YAML and JSON file of `files`.
    pub fn parse(files: &Files) -> Result<Self, Problem> {
        files
            .0
            .iter()
            .filter(|(path, _)| [".yaml", ".json"].iter().any(|kind| path.ends_with(kind)))
            .map(|(path, text)| Ok((path.clone(), Document::parse(path, text)?)))
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// The document at `path`.
    pub fn get(&self, path: &str) -> Option<&Document> {
        self.0.get(path)
    }

    /// All documents, in the order of their paths.
    pub fn iter(&self) -> impl Iterator<Item = &Document> {
        self.0.values()
    }

    /// What stands at `location`, if anything does.
    pub fn at(&self, location: &Location) -> Option<&Value> {
        self.0.get(&location.path)?.value.pointer(&location.pointer)
    }

    /// Where `location` is in its file, for people: `file:line:column`.
    pub fn place(&self, location: &Location) -> String {
        self.0
            .get(&location.path)
            .map_or(location.path.clone(), |document| {
                document.place(&location.pointer)
            })
    }

    /// What is wrong at `location`.
    pub fn problem(&self, location: &Location, problem: impl Into<String>) -> Problem {
        Problem::new(self.place(location), problem)
    }

    /// Where `reference`, which stands in the document at `from`, points to. Nothing else but its target's existence is
    /// checked.
    pub fn target(&self, from: &Location, reference: &str) -> Result<Location, Problem> {
        let (file, fragment) = reference.split_once('#').unwrap_or((reference, ""));
        let path = if file.is_empty() {
            from.path.clone()
        } else {
            joined(&from.path, file)
        };
        let target = Location::new(&path, decoded(fragment));
        let found = self
            .0
            .get(&path)
            .ok_or_else(|| format!("there is no file {path}"))
            .and_then(|document| {
                document
                    .value
                    .pointer(&target.pointer)
                    .ok_or_else(|| format!("{path} has nothing at {fragment}"))
            });
        match found {
            Ok(_) => Ok(target),
            Err(words) => Err(self.problem(
                from,
                format!("the reference {reference} does not resolve: {words}"),
            )),
        }
    }

    /// What stands at `location`, or what it refers to in the end, and where that is.
    pub fn resolve(&self, location: &Location) -> Result<(Location, &Value), Problem> {
        let mut seen = vec![location.clone()];
        let mut at = location.clone();
        loop {
            let value = self
                .at(&at)
                .ok_or_else(|| self.problem(&at, format!("nothing stands at {}", at.pointer)))?;
            let Some(reference) = value.get("$ref").and_then(Value::as_str) else {
                return Ok((at, value));
            };
            at = self.target(&at.member("$ref"), reference)?;
            if seen.contains(&at) {
                return Err(self.cycle(location, &seen));
            }
            seen.push(at.clone());
        }
    }

    /// What stands at `location` with every reference in it replaced by what it stands for.
    pub fn inlined(&self, location: &Location) -> Result<Value, Problem> {
        self.inline(location, &mut Vec::new())
    }

    fn inline(&self, location: &Location, open: &mut Vec<Location>) -> Result<Value, Problem> {
        let (at, value) = self.resolve(location)?;
        if open.contains(&at) {
            return Err(self.cycle(location, open));
        }
        open.push(at.clone());
        let inlined = match value {
            Value::Object(members) => {
                let mut object = serde_json::Map::new();
                for name in members.keys() {
                    object.insert(name.clone(), self.inline(&at.member(name), open)?);
                }
                Value::Object(object)
            }
            Value::Array(elements) => (0..elements.len())
                .map(|index| self.inline(&at.member(&index.to_string()), open))
                .collect::<Result<_, _>>()?,
            other => other.clone(),
        };
        open.pop();
        Ok(inlined)
    }

    fn cycle(&self, location: &Location, open: &[Location]) -> Problem {
        let way: Vec<String> = open.iter().map(|at| self.place(at)).collect();
        self.problem(
            location,
            format!("the reference leads back to itself, by {}", way.join(", ")),
        )
    }

    /// Every `$ref` that does not resolve, and every cycle that does not end, in all documents.
    pub fn broken(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        for document in self.iter() {
            let whole = Location::new(&document.path, "");
            self.collect_broken(&whole, &document.value, &mut problems);
        }
        problems.sort();
        problems.dedup();
        problems
    }

    fn collect_broken(&self, at: &Location, value: &Value, problems: &mut Vec<Problem>) {
        match value {
            Value::Object(members) => {
                if let Some(Value::String(_)) = members.get("$ref")
                    && let Err(problem) = self.inlined(at)
                {
                    problems.push(problem);
                    return;
                }
                for (name, member) in members {
                    self.collect_broken(&at.member(name), member, problems);
                }
            }
            Value::Array(elements) => {
                for (index, element) in elements.iter().enumerate() {
                    self.collect_broken(&at.member(&index.to_string()), element, problems);
                }
            }
            _ => {}
        }
    }
}

/// The path of `file` as the document at `from` names it.
fn joined(from: &str, file: &str) -> String {
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in file.split('/') {
        match part {
            "." | "" => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}

/// A fragment as a JSON pointer: percent-decoded (RFC 6901, section 6).
fn decoded(fragment: &str) -> String {
    percent_decode_str(fragment)
        .decode_utf8_lossy()
        .into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use serde_json::json;

    fn documents(files: &[(&str, &str)]) -> Documents {
        let files = files
            .iter()
            .map(|(path, text)| ((*path).to_owned(), (*text).to_owned()));
        Documents::parse(&Files(files.collect())).unwrap()
    }

    #[test]
    fn references_are_followed_across_documents() {
        let documents = documents(&[
            (
                "a.yaml",
                "x:\n  $ref: 'folder/b.json#/definitions/one%20two'\n",
            ),
            (
                "folder/b.json",
                r##"{"definitions": {"one two": {"items": {"$ref": "../c.json"}}}}"##,
            ),
            ("c.json", r#"{"type": "string"}"#),
        ]);
        let inlined = documents.inlined(&Location::new("a.yaml", "/x")).unwrap();
        assert_eq!(inlined, json!({"items": {"type": "string"}}));
        assert_eq!(documents.broken(), []);
    }

    #[rstest]
    #[case::no_file(
        "x:\n  $ref: b.json\n",
        "a.yaml:2:3: the reference b.json does not resolve: there is no file b.json"
    )]
    #[case::nothing_there(
        "x:\n  $ref: '#/y'\n",
        "a.yaml:2:3: the reference #/y does not resolve: a.yaml has nothing at /y"
    )]
    #[case::cycle(
        "x:\n  $ref: '#/y'\ny:\n  $ref: '#/x'\n",
        "a.yaml:1:1: the reference leads back to itself, by a.yaml:1:1, a.yaml:3:1"
    )]
    #[case::recursion(
        "x:\n  y:\n    $ref: '#/x'\n",
        "a.yaml:2:3: the reference leads back to itself, by a.yaml:1:1"
    )]
    fn a_reference_that_leads_nowhere_has_a_place(#[case] text: &str, #[case] sentence: &str) {
        let problems = documents(&[("a.yaml", text)]).broken();
        let problems: Vec<String> = problems.iter().map(Problem::to_string).collect();
        assert!(problems.contains(&sentence.to_owned()), "{problems:?}");
    }
}

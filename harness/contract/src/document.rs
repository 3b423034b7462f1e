//! One YAML or JSON document, with the line and column of everything in it.

use std::collections::BTreeMap;

use saphyr::{LoadableYamlNode, MarkedYaml, Scalar, YamlData};
use serde_json::{Map, Number, Value};

/// A document and where in its text everything stands.
#[derive(Clone, Debug)]
pub struct Document {
    /// Where it was read: a path relative to the contract's folder, with `/`.
    pub path: String,
    /// What it says, members in the order of the text.
    pub value: Value,
    /// By JSON pointer: the line and column, from one, of the key or of the element.
    places: BTreeMap<String, (usize, usize)>,
}

/// What is wrong, where, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
#[error("{place}: {problem}")]
pub struct Problem {
    /// The file, with `:line:column` where known.
    pub place: String,
    /// What was expected and what came.
    pub problem: String,
}

impl Problem {
    /// What is wrong at `place`.
    pub fn new(place: impl Into<String>, problem: impl Into<String>) -> Self {
        Self {
            place: place.into(),
            problem: problem.into(),
        }
    }
}

impl Document {
    /// Reads `text`: JSON if the path says so, else YAML.
    pub fn parse(path: &str, text: &str) -> Result<Self, Problem> {
        let marked = marked(path, text);
        if path.ends_with(".json") {
            // The YAML reader only tells the places: JSON has its own idea of numbers and escapes.
            let value = serde_json::from_str(text).map_err(|error| {
                let words = error.to_string();
                let words = words.split(" at line ").next().unwrap_or_default();
                Problem::new(
                    format!("{path}:{}:{}", error.line(), error.column()),
                    format!("is no JSON: {words}"),
                )
            })?;
            let mut places = BTreeMap::new();
            if let Ok(marked) = &marked {
                note(&mut places, "", marked);
            }
            return Ok(Self {
                path: path.to_owned(),
                value,
                places,
            });
        }
        let marked = marked?;
        let mut places = BTreeMap::new();
        note(&mut places, "", &marked);
        Ok(Self {
            value: value(path, &marked)?,
            path: path.to_owned(),
            places,
        })
    }

    /// Where `pointer` (RFC 6901) stands, or the nearest thing around it that stands anywhere: `file:line:column`.
    pub fn place(&self, pointer: &str) -> String {
        let mut around = pointer;
        loop {
            if let Some((line, column)) = self.places.get(around) {
                return format!("{}:{line}:{column}", self.path);
            }
            match around.rfind('/') {
                Some(end) => around = &around[..end],
                None => return self.path.clone(),
            }
        }
    }

    /// What is wrong at `pointer`.
    pub fn problem(&self, pointer: &str, problem: impl Into<String>) -> Problem {
        Problem::new(self.place(pointer), problem)
    }
}

/// `name` as a part of a JSON pointer (RFC 6901, section 3).
pub fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

fn marked<'a>(path: &str, text: &'a str) -> Result<MarkedYaml<'a>, Problem> {
    let documents = MarkedYaml::load_from_str(text).map_err(|error| {
        let (line, column) = (error.marker().line(), error.marker().col() + 1);
        Problem::new(
            format!("{path}:{line}:{column}"),
            format!("is no YAML: {}", error.info()),
        )
    })?;
    let mut documents = documents.into_iter();
    match (documents.next(), documents.next()) {
        (Some(document), None) => Ok(document),
        (None, _) => Err(Problem::new(path, "is empty")),
        (Some(_), Some(second)) => Err(Problem::new(
            format!("{path}:{}", second.span.start.line()),
            "a second document begins here: a file is one document",
        )),
    }
}

/// Notes where everything in `node` stands: members where their keys are, elements where they begin.
fn note(places: &mut BTreeMap<String, (usize, usize)>, pointer: &str, node: &MarkedYaml<'_>) {
    let at = |node: &MarkedYaml<'_>| (node.span.start.line(), node.span.start.col() + 1);
    places.entry(pointer.to_owned()).or_insert_with(|| at(node));
    match &node.data {
        YamlData::Mapping(members) => {
            for (key, member) in members {
                if let Some(name) = key_of(key) {
                    let pointer = format!("{pointer}/{}", escaped(&name));
                    places.insert(pointer.clone(), at(key));
                    note(places, &pointer, member);
                }
            }
        }
        YamlData::Sequence(elements) => {
            for (index, element) in elements.iter().enumerate() {
                note(places, &format!("{pointer}/{index}"), element);
            }
        }
        YamlData::Tagged(_, node) => note(places, pointer, node),
        _ => {}
    }
}

fn key_of(key: &MarkedYaml<'_>) -> Option<String> {
    Some(match &key.data {
        YamlData::Value(Scalar::String(name)) => name.to_string(),
        YamlData::Value(Scalar::Integer(number)) => number.to_string(),
        YamlData::Value(Scalar::Boolean(boolean)) => boolean.to_string(),
        _ => return None,
    })
}

fn value(path: &str, node: &MarkedYaml<'_>) -> Result<Value, Problem> {
    let problem = |words: &str| {
        let start = node.span.start;
        Problem::new(
            format!("{path}:{}:{}", start.line(), start.col() + 1),
            words,
        )
    };
    Ok(match &node.data {
        YamlData::Value(Scalar::Null) => Value::Null,
        YamlData::Value(Scalar::Boolean(boolean)) => Value::Bool(*boolean),
        YamlData::Value(Scalar::Integer(number)) => Value::from(*number),
        YamlData::Value(Scalar::FloatingPoint(number)) => Number::from_f64(number.into_inner())
            .map(Value::Number)
            .ok_or_else(|| problem("is a number that JSON does not have"))?,
        YamlData::Value(Scalar::String(text)) => Value::String(text.to_string()),
        YamlData::Sequence(elements) => elements
            .iter()
            .map(|element| value(path, element))
            .collect::<Result<_, _>>()?,
        YamlData::Mapping(members) => {
            let mut object = Map::new();
            for (key, member) in members {
                let name = key_of(key).ok_or_else(|| problem("has a key that is no word"))?;
                object.insert(name, value(path, member)?);
            }
            Value::Object(object)
        }
        YamlData::Tagged(_, node) => value(path, node)?,
        YamlData::Alias(_) | YamlData::BadValue | YamlData::Representation(..) => {
            return Err(problem("cannot be read as data"));
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use serde_json::json;

    const YAML: &str = "a: 1\nb:\n  - c: x\n  - 'y'\n\"d/e\": &two 2\nf: *two\n";

    #[test]
    fn yaml_is_data_in_the_order_of_the_text() {
        let document = Document::parse("a.yaml", YAML).unwrap();
        let expected = json!({"a": 1, "b": [{"c": "x"}, "y"], "d/e": 2, "f": 2});
        assert_eq!(document.value, expected);
        assert_eq!(document.value.to_string(), expected.to_string());
    }

    #[rstest]
    #[case::member("/a", "a.yaml:1:1")]
    #[case::deep("/b/0/c", "a.yaml:3:5")]
    #[case::element("/b/1", "a.yaml:4:5")]
    #[case::escaped("/d~1e", "a.yaml:5:1")]
    #[case::nearest("/b/0/nothing/below", "a.yaml:3:5")]
    #[case::whole("", "a.yaml:1:1")]
    fn everything_has_a_place(#[case] pointer: &str, #[case] place: &str) {
        let document = Document::parse("a.yaml", YAML).unwrap();
        assert_eq!(document.place(pointer), place);
    }

    #[test]
    fn json_has_places_too() {
        let document = Document::parse("a.json", "{\n  \"a\": [\n    1.0\n  ]\n}").unwrap();
        assert_eq!(document.place("/a/0"), "a.json:3:5");
        assert_eq!(document.value, json!({"a": [1.0]}));
    }

    #[rstest]
    #[case::yaml("a.yaml", "a: 1\n  b: 2\n", "a.yaml:2:4: is no YAML: ")]
    #[case::twice("a.yaml", "a: 1\na: 2\n", "a.yaml:2:")]
    #[case::json("a.json", "{\n  \"a\" 1}", "a.json:2:7: is no JSON: expected `:`")]
    #[case::empty("a.yaml", "", "a.yaml: is empty")]
    #[case::two("a.yaml", "a: 1\n---\nb: 2\n", "a.yaml:3: a second document")]
    fn what_cannot_be_read_has_a_line(
        #[case] path: &str,
        #[case] text: &str,
        #[case] sentence: &str,
    ) {
        let problem = Document::parse(path, text).unwrap_err().to_string();
        assert!(problem.starts_with(sentence), "{problem}");
    }
}

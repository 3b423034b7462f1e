//! Two JSON values held against each other.

use serde_json::{Map, Value};

use super::Keys;
use super::path::Path;
use super::rule::{Rule, Rules};

/// A sentence for each place where `actual` is not what the example `expected` and its `rules` say.
pub fn json(rules: &Rules, expected: &Value, actual: &Value, keys: Keys) -> Vec<String> {
    Comparison { rules, keys }.at(&Path::root(), expected, actual)
}

struct Comparison<'a> {
    rules: &'a Rules,
    keys: Keys,
}

impl Comparison<'_> {
    fn at(&self, place: &Path, expected: &Value, actual: &Value) -> Vec<String> {
        match (expected, actual) {
            (Value::Object(expected), Value::Object(actual)) => {
                self.objects(place, expected, actual)
            }
            (Value::Array(expected), Value::Array(actual)) => self.arrays(place, expected, actual),
            (Value::Object(_) | Value::Array(_), _) => {
                vec![format!("{place}: expected {expected}, got {actual}")]
            }
            _ => match self.rules.at(place) {
                Some(set) => set.check(&place.to_string(), expected, actual),
                None => Rule::Equality
                    .check(&place.to_string(), expected, actual)
                    .into_iter()
                    .collect(),
            },
        }
    }

    fn objects(
        &self,
        place: &Path,
        expected: &Map<String, Value>,
        actual: &Map<String, Value>,
    ) -> Vec<String> {
        let Some(set) = self.rules.at(place) else {
            return self.members(place, expected, actual);
        };
        // A key that the example does not have is compared with its first value.
        let like = |name: &str| expected.get(name).or_else(|| expected.values().next());
        let each_value = |comparison: &Comparison<'_>| {
            let values = actual
                .iter()
                .filter_map(|(name, value)| Some((name, like(name)?, value)));
            values
                .flat_map(|(name, like, value)| comparison.at(&place.member(name), like, value))
                .collect()
        };
        set.each(|rule| match rule {
            Rule::Values => each_value(self),
            Rule::EachValue(rules) => {
                let rules = Rules::of_each(place, rules);
                each_value(&Comparison {
                    rules: &rules,
                    keys: self.keys,
                })
            }
            Rule::EachKey(rules) => {
                let mut found = Vec::new();
                for (name, value) in actual {
                    let what = format!("{place}, key {name:?}");
                    let key = Value::from(name.as_str());
                    // As for values, the example is the key itself or the first.
                    let like = expected
                        .keys()
                        .find(|known| *known == name)
                        .or(expected.keys().next());
                    let like = like.map_or(Value::Null, |name| name.as_str().into());
                    found.extend(
                        rules
                            .iter()
                            .filter_map(|rule| rule.check(&what, &like, &key)),
                    );
                    if let Some(expected) = expected.get(name) {
                        found.extend(self.at(&place.member(name), expected, value));
                    }
                }
                found
            }
            rule => {
                let [expected_whole, actual_whole] =
                    [expected, actual].map(|map| Value::from(map.clone()));
                let found = rule.check(&place.to_string(), &expected_whole, &actual_whole);
                found
                    .into_iter()
                    .chain(self.members(place, expected, actual))
                    .collect()
            }
        })
    }

    /// The members by their keys.
    fn members(
        &self,
        place: &Path,
        expected: &Map<String, Value>,
        actual: &Map<String, Value>,
    ) -> Vec<String> {
        let mut found = Vec::new();
        for (name, value) in expected {
            let place = place.member(name);
            match actual.get(name) {
                Some(actual) => found.extend(self.at(&place, value, actual)),
                None => found.push(format!("{place}: expected {value}, got nothing")),
            }
        }
        if self.keys == Keys::AreThese {
            let unexpected = actual
                .iter()
                .filter(|(name, _)| !expected.contains_key(*name));
            found.extend(unexpected.map(|(name, value)| {
                format!("{}: expected nothing, got {value}", place.member(name))
            }));
        }
        found
    }

    fn arrays(&self, place: &Path, expected: &[Value], actual: &[Value]) -> Vec<String> {
        let Some(set) = self.rules.at(place) else {
            let mut found = Vec::new();
            if expected.len() != actual.len() {
                let (wanted, got) = (expected.len(), actual.len());
                found.push(format!("{place}: expected {wanted} elements, got {got}"));
            }
            found.extend(self.elements(place, expected, actual));
            return found;
        };
        set.each(|rule| match rule {
            Rule::ArrayContains(variants) => variants
                .iter()
                .filter_map(|(index, rules)| {
                    let Some(like) = expected.get(*index) else {
                        return Some(format!("{place}: the example has no element {index}"));
                    };
                    let comparison = Comparison {
                        rules,
                        keys: self.keys,
                    };
                    let is_there =
                        |value: &Value| comparison.at(&Path::root(), like, value).is_empty();
                    (!actual.iter().any(is_there))
                        .then(|| format!("{place}: expected an element like {like}, got none"))
                })
                .collect(),
            Rule::EachValue(rules) => {
                let rules = Rules::of_each(place, rules);
                Comparison {
                    rules: &rules,
                    keys: self.keys,
                }
                .elements(place, expected, actual)
            }
            rule => {
                let [expected_whole, actual_whole] =
                    [expected, actual].map(|all| Value::from(all.to_vec()));
                let found = rule.check(&place.to_string(), &expected_whole, &actual_whole);
                found
                    .into_iter()
                    .chain(self.elements(place, expected, actual))
                    .collect()
            }
        })
    }

    /// The elements by their indices; those that the example does not have are compared with its first.
    fn elements(&self, place: &Path, expected: &[Value], actual: &[Value]) -> Vec<String> {
        let like = |index: usize| expected.get(index).or(expected.first());
        let elements = actual.iter().enumerate();
        elements
            .filter_map(|(index, value)| Some((index, like(index)?, value)))
            .flat_map(|(index, like, value)| self.at(&place.element(index), like, value))
            .collect()
    }
}

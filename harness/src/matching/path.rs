//! Where in a message a rule applies: `$.a['b c'][0][*].*`.

use std::fmt;

/// A path expression, or the place of one value.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Path(Vec<Step>);

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    Member(String),
    Element(usize),
    AnyMember,
    AnyElement,
}

impl Path {
    /// The whole message.
    pub fn root() -> Self {
        Self::default()
    }

    /// Reads an expression. Fails with what is wrong.
    pub fn read(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is no path: expected one like $.a['b c'][0][*].*");
        let mut steps = Vec::new();
        let mut rest = text.strip_prefix('$').ok_or_else(wrong)?;
        while !rest.is_empty() {
            let step;
            (step, rest) = if let Some(after) = rest.strip_prefix('.') {
                let end = after.find(['.', '[']).unwrap_or(after.len());
                let (name, after) = after.split_at(end);
                match name {
                    "" => return Err(wrong()),
                    "*" => (Step::AnyMember, after),
                    name => (Step::Member(name.to_owned()), after),
                }
            } else if let Some(after) = rest.strip_prefix("['") {
                let (name, after) = quoted(after).ok_or_else(wrong)?;
                (Step::Member(name), after)
            } else {
                let inner = rest.strip_prefix('[').ok_or_else(wrong)?;
                let (index, after) = inner.split_once(']').ok_or_else(wrong)?;
                match index {
                    "*" => (Step::AnyElement, after),
                    index => (Step::Element(index.parse().map_err(|_| wrong())?), after),
                }
            };
            steps.push(step);
        }
        Ok(Self(steps))
    }

    /// This place's member `name`.
    #[must_use]
    pub fn member(&self, name: &str) -> Self {
        self.with(Step::Member(name.to_owned()))
    }

    /// This place's element `index`.
    #[must_use]
    pub fn element(&self, index: usize) -> Self {
        self.with(Step::Element(index))
    }

    /// Whatever is in this place.
    #[must_use]
    pub fn each(&self) -> Self {
        self.with(Step::AnyMember)
    }

    /// How many steps it has.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether it is the whole message.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How well this expression fits `place`, or something around it: the product of 2 for each step that is named and 1
    /// for each that is any, times the number of steps; `None` when it does not fit.
    pub fn fits(&self, place: &Self) -> Option<usize> {
        if self.len() > place.len() {
            return None;
        }
        // The root counts as a step that is named.
        let mut weight = 2;
        for (step, actual) in self.0.iter().zip(&place.0) {
            weight *= match (step, actual) {
                (Step::AnyMember, _) | (Step::AnyElement, Step::Element(_)) => 1,
                (step, actual) if step == actual => 2,
                _ => return None,
            };
        }
        Some(weight * (self.len() + 1))
    }

    /// The same as a JSON pointer (RFC 6901); `None` for an expression that is many places.
    pub fn pointer(&self) -> Option<String> {
        self.0
            .iter()
            .try_fold(String::new(), |pointer, step| match step {
                Step::Member(name) => {
                    let name = name.replace('~', "~0").replace('/', "~1");
                    Some(format!("{pointer}/{name}"))
                }
                Step::Element(index) => Some(format!("{pointer}/{index}")),
                Step::AnyMember | Step::AnyElement => None,
            })
    }

    fn with(&self, step: Step) -> Self {
        let mut steps = self.0.clone();
        steps.push(step);
        Self(steps)
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("$")?;
        for step in &self.0 {
            match step {
                Step::AnyMember => f.write_str(".*")?,
                Step::AnyElement => f.write_str("[*]")?,
                Step::Element(index) => write!(f, "[{index}]")?,
                Step::Member(name) => {
                    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
                    if !name.is_empty() && name.chars().all(is_word) {
                        write!(f, ".{name}")?;
                    } else {
                        let name = name.replace('\\', "\\\\").replace('\'', "\\'");
                        write!(f, "['{name}']")?;
                    }
                }
            }
        }
        Ok(())
    }
}

/// The name up to the closing `']`, and what follows.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut name = String::new();
    let mut characters = text.char_indices();
    while let Some((at, c)) = characters.next() {
        match c {
            '\\' => name.push(characters.next()?.1),
            '\'' => return Some((name, text[at + 1..].strip_prefix(']')?)),
            c => name.push(c),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::whole("$")]
    #[case::members("$.a.b-c.*")]
    #[case::elements("$[0].a[*]")]
    #[case::quoted("$['it\\'s \\\\ a.b']['']")]
    fn a_path_is_written_as_it_is_read(#[case] text: &str) {
        assert_eq!(Path::read(text).unwrap().to_string(), text);
    }

    #[rstest]
    #[case::no_root("a.b")]
    #[case::nothing("$.")]
    #[case::open("$['a")]
    #[case::no_index("$[a]")]
    fn what_is_no_path_is_said(#[case] text: &str) {
        let problem = Path::read(text).unwrap_err();
        assert!(
            problem.starts_with(&format!("{text:?} is no path")),
            "{problem}"
        );
    }

    #[rstest]
    #[case::exact("$.a[0]", Some(2 * 2 * 2 * 3))]
    #[case::any_element("$.a[*]", Some(2 * 2 * 3))]
    #[case::around("$.a", Some(2 * 2 * 2))]
    #[case::root("$", Some(2))]
    #[case::another("$.b[0]", None)]
    #[case::below("$.a[0].b", None)]
    fn the_nearest_expression_fits_best(#[case] expression: &str, #[case] weight: Option<usize>) {
        let place = Path::root().member("a").element(0);
        assert_eq!(Path::read(expression).unwrap().fits(&place), weight);
    }
}

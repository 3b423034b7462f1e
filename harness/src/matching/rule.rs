//! What a rule says of one value.

use fancy_regex::Regex;
use serde_json::Value;

use super::path::Path;
use super::{time, unknown};

/// The rules of Pact V4 (pact-specification, version 4, "Matching Rule definitions"), but for `contentType`, which is
/// about binary bodies.
const NAMES: [&str; 20] = [
    "equality",
    "regex",
    "type",
    "include",
    "integer",
    "decimal",
    "number",
    "boolean",
    "null",
    "date",
    "time",
    "timestamp",
    "datetime",
    "values",
    "arrayContains",
    "statusCode",
    "notEmpty",
    "semver",
    "eachKey",
    "eachValue",
];

/// A semantic version (semver.org, version 2).
const SEMVER: &str =
    r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?";

/// The rules of a body, by path.
#[derive(Clone, Debug, Default)]
pub struct Rules(Vec<(Path, Set)>);

/// The rules of one place: all apply, or any.
#[derive(Clone, Debug)]
pub struct Set {
    pub is_any: bool,
    pub rules: Vec<Rule>,
}

#[derive(Clone, Debug)]
pub enum Rule {
    Equality,
    Type {
        min: Option<usize>,
        max: Option<usize>,
    },
    /// A text that is wholly as the expression says, and what to call it.
    Text(Regex, String),
    Include(String),
    Integer,
    Decimal,
    Number,
    Boolean,
    Null,
    NotEmpty,
    /// Status codes from, to, and what they are called.
    Status(u64, u64, String),
    /// The keys are of no account.
    Values,
    EachKey(Vec<Rule>),
    EachValue(Vec<Rule>),
    /// For some elements of the example, by index: an element is like it by these rules.
    ArrayContains(Vec<(usize, Rules)>),
}

impl Rules {
    /// Reads `{"$.path": {"matchers": […]}}`.
    pub fn read(json: &Value) -> Result<Self, String> {
        let places = json
            .as_object()
            .ok_or("body has rules by path: {\"$.a\": {…}}")?;
        places
            .iter()
            .map(|(path, rules)| Ok((Path::read(path)?, Set::read(path, rules)?)))
            .collect::<Result<_, String>>()
            .map(Self)
    }

    /// These rules for whatever is in `place`.
    pub fn of_each(place: &Path, rules: &[Rule]) -> Self {
        let set = Set {
            is_any: false,
            rules: rules.to_vec(),
        };
        Self(vec![(place.each(), set)])
    }

    /// The rules that apply at `place`: those of the expression that fits best, be it of the place itself or of
    /// something around it. Rules of something around it have no lengths and are not about keys.
    pub fn at(&self, place: &Path) -> Option<Set> {
        let fitting = self
            .0
            .iter()
            .filter_map(|(path, set)| Some((path.fits(place)?, path, set)));
        let (_, path, set) = fitting.max_by_key(|(weight, path, _)| (*weight, path.len()))?;
        if path.len() == place.len() {
            return Some(set.clone());
        }
        let rules: Vec<Rule> = set
            .rules
            .iter()
            .filter_map(Rule::for_what_is_inside)
            .collect();
        (!rules.is_empty()).then_some(Set {
            is_any: set.is_any,
            rules,
        })
    }
}

impl Set {
    /// Reads `{"combine": "AND", "matchers": […]}`, the rules of `place`.
    pub fn read(place: &str, json: &Value) -> Result<Self, String> {
        let matchers = json["matchers"].as_array().filter(|all| !all.is_empty());
        let matchers = matchers.ok_or_else(|| {
            format!("{place} has no matchers: {{\"matchers\": [{{\"match\": …}}]}}")
        })?;
        let is_any = match json
            .get("combine")
            .map(|combine| combine.as_str().unwrap_or_default())
        {
            None | Some("AND") => false,
            Some("OR") => true,
            Some(word) => return Err(format!("{place} is combined by {word:?}: AND or OR")),
        };
        Ok(Self {
            is_any,
            rules: read_all(matchers)?,
        })
    }

    /// A sentence for each rule that `actual` breaks; none when one of any holds.
    pub fn check(&self, what: &str, expected: &Value, actual: &Value) -> Vec<String> {
        self.each(|rule| rule.check(what, expected, actual).into_iter().collect())
    }

    /// What `problems` finds for each rule; nothing when one of any holds.
    pub fn each(&self, problems: impl FnMut(&Rule) -> Vec<String>) -> Vec<String> {
        let found: Vec<Vec<String>> = self.rules.iter().map(problems).collect();
        if self.is_any && found.iter().any(Vec::is_empty) {
            return Vec::new();
        }
        found.into_iter().flatten().collect()
    }
}

fn read_all(rules: &[Value]) -> Result<Vec<Rule>, String> {
    rules.iter().map(Rule::read).collect()
}

impl Rule {
    fn read(json: &Value) -> Result<Self, String> {
        // Lengths and expressions are rules without a name too.
        let name = match &json["match"] {
            Value::String(name) => name,
            _ if json.get("regex").is_some() => "regex",
            _ if json.get("min").or(json.get("max")).is_some() => "type",
            _ => return Err(format!("{json} is no rule: {{\"match\": …}}")),
        };
        let text = |member: &str| {
            let value = json[member].as_str();
            value.ok_or_else(|| format!("the rule {name} has no {member}"))
        };
        let list = |member: &str| {
            let value = json[member].as_array().filter(|all| !all.is_empty());
            value.ok_or_else(|| format!("the rule {name} has no {member}"))
        };
        let length = |member: &str| match &json[member] {
            Value::Null => Ok(None),
            value => value
                .as_u64()
                .map(|length| Some(length as usize))
                .ok_or_else(|| format!("the rule {name} has a {member} that is no length")),
        };
        let time = |default: &str| {
            let format = json["format"]
                .as_str()
                .or(json[name].as_str())
                .unwrap_or(default);
            whole(&time::regex(format)?)
                .map(|regex| Self::Text(regex, format!("a {name} like {format}")))
        };
        Ok(match name {
            "equality" => Self::Equality,
            "type" => Self::Type {
                min: length("min")?,
                max: length("max")?,
            },
            "regex" => Self::Text(
                whole(text("regex")?)?,
                format!("a text like {}", text("regex")?),
            ),
            "semver" => Self::Text(whole(SEMVER)?, "a semantic version".to_owned()),
            "date" => time("yyyy-MM-dd")?,
            "time" => time("HH:mm:ss")?,
            "timestamp" | "datetime" => time("yyyy-MM-dd'T'HH:mm:ssXXX")?,
            "include" => Self::Include(text("value")?.to_owned()),
            "integer" => Self::Integer,
            "decimal" => Self::Decimal,
            "number" => Self::Number,
            "boolean" => Self::Boolean,
            "null" => Self::Null,
            "notEmpty" => Self::NotEmpty,
            "values" => Self::Values,
            "eachKey" => Self::EachKey(read_all(list("rules")?)?),
            "eachValue" => Self::EachValue(read_all(list("rules")?)?),
            "statusCode" => status(&json["status"])?,
            "arrayContains" => Self::ArrayContains(
                list("variants")?
                    .iter()
                    .map(|variant| {
                        let index = variant["index"].as_u64().unwrap_or_default();
                        let rules = variant
                            .get("rules")
                            .map_or_else(|| Ok(Rules::default()), Rules::read)?;
                        Ok((index as usize, rules))
                    })
                    .collect::<Result<_, String>>()?,
            ),
            _ => return Err(unknown("matching rule", name, &NAMES)),
        })
    }

    /// The rule as it applies to what is inside of its place.
    fn for_what_is_inside(&self) -> Option<Self> {
        match self {
            Self::Values | Self::EachKey(_) | Self::EachValue(_) | Self::ArrayContains(_) => None,
            Self::Type { .. } => Some(Self::Type {
                min: None,
                max: None,
            }),
            rule => Some(rule.clone()),
        }
    }

    /// A sentence if `actual`, which is called `what`, is not as the rule says.
    pub fn check(&self, what: &str, expected: &Value, actual: &Value) -> Option<String> {
        let text = || {
            actual
                .as_str()
                .map_or_else(|| actual.to_string(), str::to_owned)
        };
        let length = actual.as_array().map(Vec::len);
        let (holds, wanted) = match self {
            Self::Equality => (expected == actual, expected.to_string()),
            Self::Type { min, max } if kind(expected) == kind(actual) => {
                let is_long = length.zip(*min).is_none_or(|(length, min)| length >= min);
                let is_short = length.zip(*max).is_none_or(|(length, max)| length <= max);
                let words = |word: &str, limit: &Option<usize>| {
                    limit.map(|n| format!(" at {word} {n}")).unwrap_or_default()
                };
                (
                    is_long && is_short,
                    format!(
                        "an array of{}{} elements",
                        words("least", min),
                        words("most", max)
                    ),
                )
            }
            Self::Type { .. } => (false, format!("{}, like {expected}", kind(expected))),
            Self::Text(regex, name) => (regex.is_match(&text()).unwrap_or(false), name.clone()),
            Self::Include(part) => (text().contains(part), format!("a text with {part:?}")),
            Self::Integer => (actual.is_i64() || actual.is_u64(), "an integer".into()),
            Self::Decimal => (actual.is_f64(), "a decimal number".into()),
            Self::Number => (actual.is_number(), "a number".into()),
            Self::Boolean => (
                actual.is_boolean() || matches!(actual.as_str(), Some("true" | "false")),
                "true or false".into(),
            ),
            Self::Null => (actual.is_null(), "null".into()),
            Self::NotEmpty => {
                let is_empty = actual.as_str() == Some("")
                    || length == Some(0)
                    || actual.as_object().is_some_and(|o| o.is_empty());
                (
                    !is_empty && kind(expected) == kind(actual),
                    format!("{} that is not empty", kind(expected)),
                )
            }
            Self::Status(from, to, name) => (
                actual
                    .as_u64()
                    .is_some_and(|code| (*from..=*to).contains(&code)),
                name.clone(),
            ),
            // These are about what is inside.
            Self::Values | Self::EachKey(_) | Self::EachValue(_) | Self::ArrayContains(_) => {
                (true, String::new())
            }
        };
        (!holds).then(|| format!("{what}: expected {wanted}, got {actual}"))
    }
}

/// A kind of JSON value.
fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

/// The expression for a whole text.
fn whole(regex: &str) -> Result<Regex, String> {
    Regex::new(&format!("\\A(?:{regex})\\z"))
        .map_err(|error| format!("{regex:?} is no regular expression: {error}"))
}

fn status(json: &Value) -> Result<Rule, String> {
    if let Some(codes) = json.as_array() {
        let codes: Vec<String> = codes.iter().map(Value::to_string).collect();
        let name = format!("one of {}", codes.join(", "));
        return Ok(Rule::Text(whole(&codes.join("|"))?, name));
    }
    let word = json.as_str().unwrap_or("success");
    let (from, to) = match word {
        "info" => (100, 199),
        "success" => (200, 299),
        "redirect" => (300, 399),
        "clientError" => (400, 499),
        "serverError" => (500, 599),
        "nonError" => (100, 399),
        "error" => (400, 599),
        _ => return Err(format!("{word:?} is no class of status codes")),
    };
    Ok(Rule::Status(from, to, format!("{word}, {from} to {to}")))
}

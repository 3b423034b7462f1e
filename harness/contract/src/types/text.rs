//! Shapes as TypeScript: the type, and the check that a value has it.

use serde_json::Value;

use super::shape::{Member, Shape};

/// How wide a line of a comment may be.
const WIDTH: usize = 120;

/// The type of `shape`, its further lines indented below `indent` spaces.
pub fn type_of(shape: &Shape, indent: usize) -> String {
    match shape {
        Shape::Unknown => "unknown".to_owned(),
        Shape::Text => "string".to_owned(),
        Shape::Number | Shape::Integer => "number".to_owned(),
        Shape::Boolean => "boolean".to_owned(),
        Shape::Null => "null".to_owned(),
        Shape::OneOf(values) => listed(values, " | "),
        Shape::Either(shapes) => {
            let types: Vec<String> = shapes.iter().map(|one| type_of(one, indent)).collect();
            types.join(" | ")
        }
        // `Array<…>` says so before an element of many lines; of one word, `…[]` is what people write.
        Shape::List(element) => match type_of(element, indent) {
            word if word.chars().all(char::is_alphanumeric) => format!("{word}[]"),
            element => format!("Array<{element}>"),
        },
        Shape::Map(value) => format!("Record<string, {}>", type_of(value, indent)),
        Shape::Object(members) => members_of(members, indent),
        Shape::Named(name, _) => name.clone(),
    }
}

/// The members of an object type, in braces.
pub fn members_of(members: &[Member], indent: usize) -> String {
    let inner = indent + 2;
    let mut text = String::from("{\n");
    for member in members {
        text += &comment(&member.schema.comment, inner);
        text += &format!(
            "{:inner$}{}{}: {};\n",
            "",
            key(&member.name),
            if member.required { "" } else { "?" },
            type_of(&member.schema.shape, inner)
        );
    }
    format!("{text}{:indent$}}}", "")
}

/// The expression that checks for `shape`, made of the functions in `guards.ts`.
pub fn check_of(shape: &Shape, indent: usize) -> String {
    match shape {
        Shape::Unknown => "(value): value is unknown => value !== undefined".to_owned(),
        Shape::Text => "isString".to_owned(),
        Shape::Number => "isNumber".to_owned(),
        Shape::Integer => "isInteger".to_owned(),
        Shape::Boolean => "isBoolean".to_owned(),
        Shape::Null => "isNull".to_owned(),
        Shape::OneOf(values) => format!("oneOf({})", listed(values, ", ")),
        Shape::Either(shapes) => shapes
            .iter()
            .map(|one| check_of(one, indent))
            .rev()
            .reduce(|rest, one| format!("either({one}, {rest})"))
            .unwrap_or_default(),
        Shape::List(element) => format!("arrayOf({})", check_of(element, indent)),
        Shape::Map(value) => format!("recordOf({})", check_of(value, indent)),
        Shape::Object(members) => {
            let (required, optional): (Vec<&Member>, Vec<&Member>) =
                members.iter().partition(|member| member.required);
            if optional.is_empty() {
                format!("object({})", checks_of(&required, indent))
            } else {
                let required = checks_of(&required, indent);
                format!("object({required}, {})", checks_of(&optional, indent))
            }
        }
        Shape::Named(_, shape) => check_of(shape, indent),
    }
}

fn checks_of(members: &[&Member], indent: usize) -> String {
    if members.is_empty() {
        return "{}".to_owned();
    }
    let inner = indent + 2;
    let lines: String = members
        .iter()
        .map(|member| {
            let check = check_of(&member.schema.shape, inner);
            format!("{:inner$}{}: {check},\n", "", key(&member.name))
        })
        .collect();
    format!("{{\n{lines}{:indent$}}}", "")
}

/// `name` as the key of an object: quoted where it has to be.
pub fn key(name: &str) -> String {
    if identifier(name) {
        name.to_owned()
    } else {
        literal(name)
    }
}

/// Whether TypeScript takes `name` as a name.
pub fn identifier(name: &str) -> bool {
    let letter = |letter: char| letter.is_ascii_alphabetic() || letter == '_' || letter == '$';
    name.starts_with(letter) && name.chars().all(|c| letter(c) || c.is_ascii_digit())
}

/// `text` as a string. JSON's strings are TypeScript's too.
pub fn literal(text: &str) -> String {
    Value::from(text).to_string()
}

fn listed(values: &[Value], between: &str) -> String {
    let values: Vec<String> = values.iter().map(Value::to_string).collect();
    values.join(between)
}

/// `text` as a doc comment above a line that is indented by `indent` spaces; nothing where there is no text. An empty
/// line begins a paragraph.
pub fn comment(text: &str, indent: usize) -> String {
    // What ends a comment in the middle of it would let the rest run as code.
    let text = text.trim().replace("*/", "*\\/");
    if text.is_empty() {
        return String::new();
    }
    let lines = wrapped(&text, WIDTH.saturating_sub(indent + " * ".len()));
    match lines.as_slice() {
        [only] if indent + "/**  */".len() + only.chars().count() <= WIDTH => {
            format!("{:indent$}/** {only} */\n", "")
        }
        lines => {
            let lines: String = lines
                .iter()
                .map(|line| format!("{:indent$}{}\n", "", format!(" * {line}").trim_end()))
                .collect();
            format!("{:indent$}/**\n{lines}{:indent$} */\n", "", "")
        }
    }
}

fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for paragraph in text.split("\n\n") {
        if !lines.is_empty() {
            lines.push(String::new());
        }
        let mut line = String::new();
        for word in paragraph.split_whitespace() {
            if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > width {
                lines.push(std::mem::take(&mut line));
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line += word;
        }
        lines.push(line);
    }
    lines
}

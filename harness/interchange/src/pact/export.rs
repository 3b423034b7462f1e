//! Fixtures as Pact V4 files.

use std::collections::BTreeMap;

use harness::fixture::{Caller, Fixture, Interaction, Notification};
use harness::matching::Path;
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value, json};

use super::import::plain;
use super::{CONSUMER, REST, STATE, example, expression, rest, types_of_data, words};

/// A Pact: a file has one provider.
#[derive(Clone, Debug, PartialEq)]
pub struct Pact {
    /// The file's name, as Pact's tools make it of consumer and provider.
    pub file: String,
    /// What it says.
    pub json: Value,
}

/// The Pacts of the frontend with the gateway and with the websocket service.
pub fn export(
    interactions: &[Fixture<Interaction>],
    notifications: &[Fixture<Notification>],
) -> [Pact; 2] {
    [
        pact("api-gateway", interactions.iter().map(http).collect()),
        pact(
            "websocket-service",
            notifications.iter().map(message).collect(),
        ),
    ]
}

fn pact(provider: &str, interactions: Vec<Value>) -> Pact {
    Pact {
        file: format!("{CONSUMER}-{provider}.json"),
        json: json!({
            "consumer": {"name": CONSUMER},
            "provider": {"name": provider},
            "interactions": interactions,
            "metadata": {"pactSpecification": {"version": "4.0"}},
        }),
    }
}

fn message(fixture: &Fixture<Notification>) -> Value {
    let Notification {
        title,
        message,
        matching,
    } = &fixture.content;
    json!({
        "type": "Asynchronous/Messages",
        "key": format!("notifications/{}", fixture.name),
        "description": title,
        "contents": body(json!(message), "application/json"),
        "matchingRules": matching.clone().map_or_else(types_of_data, Value::from),
        "metadata": {"contentType": "application/json"},
        "comments": {REST: {}},
    })
}

fn http(fixture: &Fixture<Interaction>) -> Value {
    let interaction = &fixture.content;
    let mut pact = json!({
        "type": "Synchronous/HTTP",
        "key": format!("gateway/{}", fixture.name),
        "description": interaction.title,
        "providerStates": [{"name": STATE}],
        "request": request(interaction),
        "response": response(interaction),
        "comments": {REST: {}},
    });
    // Whatever a reader would not get back from this is what Pact has no word for.
    let read = plain(&pact).unwrap_or_else(|problem| panic!("{}: {problem}", fixture.path));
    pact["comments"][REST] = rest::between(&read.json, &json!(interaction));
    pact
}

fn request(interaction: &Interaction) -> Value {
    let request = &interaction.request;
    let mut part = Part::default();
    let (path, query) = request
        .path
        .split_once('?')
        .map_or((request.path.as_str(), None), |(path, query)| {
            (path, Some(query))
        });
    part.json.insert("method".into(), json!(request.method));
    part.json.insert("path".into(), json!(example(path)));
    if let Some(expression) = expression(path) {
        part.generators.insert("path".into(), provided(&expression));
    }
    if let Some(query) = query {
        part.json.insert("query".into(), parameters(query));
    }
    let mut headers = request.headers.clone();
    let token = match interaction.caller {
        Caller::Nobody => None,
        Caller::Teacher => Some("token"),
        Caller::Expired => Some("expired_token"),
    };
    if let Some(name) = token {
        headers.insert("authorization".into(), format!("Bearer {name}"));
    }
    part.headers(&headers);
    if let Some(name) = token {
        let generator = provided(&format!("Bearer ${{{name}}}"));
        part.generate("header", "authorization", generator);
    }
    match (&request.json, &request.text, &request.multipart) {
        (Some(json), _, _) => part.json_body(json),
        (_, Some(text), _) => part.text_body(text, &headers),
        (_, _, Some(parts)) => {
            let boundary = "boundary";
            let mut text = String::new();
            for each in parts {
                text += &format!(
                    "--{boundary}\r\nContent-Disposition: form-data; name=\"{}\"",
                    each.name
                );
                if let Some(filename) = &each.filename {
                    text += &format!("; filename=\"{filename}\"");
                }
                if let Some(kind) = &each.content_type {
                    text += &format!("\r\nContent-Type: {kind}");
                }
                text += &format!("\r\n\r\n{}\r\n", example(&each.value));
            }
            text += &format!("--{boundary}--\r\n");
            let kind = format!("multipart/form-data; boundary={boundary}");
            part.json.insert("body".into(), body(json!(text), &kind));
        }
        _ => {}
    }
    part.finish(None)
}

fn response(interaction: &Interaction) -> Value {
    let response = &interaction.response;
    let mut part = Part::default();
    part.json.insert("status".into(), json!(response.status));
    part.headers(&response.headers);
    match (&response.json, &response.text) {
        (Some(json), _) => part.json_body(json),
        (_, Some(text)) => part.text_body(text, &response.headers),
        _ => {}
    }
    part.finish(response.matching.clone().map(Value::from))
}

/// A request or a response, with what a Pact says of the values in it.
#[derive(Default)]
struct Part {
    json: Map<String, Value>,
    rules: Map<String, Value>,
    generators: Map<String, Value>,
}

impl Part {
    fn headers(&mut self, headers: &BTreeMap<String, String>) {
        let mut fields = Map::new();
        for (name, value) in headers {
            let value = match words().into_iter().find(|(word, ..)| word == value) {
                Some((_, example, rules)) => {
                    self.rule("header", name, rules);
                    example.as_str().unwrap_or_default().to_owned()
                }
                None => {
                    if let Some(expression) = expression(value) {
                        self.generate("header", name, provided(&expression));
                    }
                    example(value)
                }
            };
            fields.insert(name.clone(), json!([value]));
        }
        if !fields.is_empty() {
            self.json.insert("headers".into(), fields.into());
        }
    }

    fn json_body(&mut self, json: &Value) {
        let content = self.content(&Path::root(), json);
        let body = body(content, "application/json");
        self.json.insert("body".into(), body);
    }

    fn text_body(&mut self, text: &str, headers: &BTreeMap<String, String>) {
        // As JSON the text would be a JSON string: this is a body that is not what its header says.
        let kind = headers
            .get("content-type")
            .filter(|kind| !kind.contains("json"))
            .map_or("text/plain", String::as_str);
        let body = body(json!(example(text)), kind);
        self.json.insert("body".into(), body);
    }

    /// `json` with examples in it, what they are examples of noted.
    fn content(&mut self, path: &Path, json: &Value) -> Value {
        match json {
            Value::String(text) => {
                if let Some((_, example, rules)) =
                    words().into_iter().find(|(word, ..)| word == text)
                {
                    self.rule("body", &path.to_string(), rules);
                    return example;
                }
                if let Some(expression) = expression(text) {
                    self.generate("body", &path.to_string(), provided(&expression));
                }
                json!(example(text))
            }
            Value::Array(values) => values
                .iter()
                .enumerate()
                .map(|(index, value)| self.content(&path.element(index), value))
                .collect(),
            Value::Object(members) => members
                .iter()
                .map(|(name, value)| (example(name), self.content(&path.member(name), value)))
                .collect(),
            other => other.clone(),
        }
    }

    fn rule(&mut self, category: &str, path: &str, rules: Value) {
        let category = self.rules.entry(category).or_insert_with(|| json!({}));
        category[path] = rules;
    }

    fn generate(&mut self, category: &str, path: &str, generator: Value) {
        let category = self.generators.entry(category).or_insert_with(|| json!({}));
        category[path] = generator;
    }

    /// The whole, with `rules` instead of its own if there are any.
    fn finish(mut self, rules: Option<Value>) -> Value {
        let rules = rules.unwrap_or(Value::Object(self.rules));
        if rules.as_object().is_some_and(|rules| !rules.is_empty()) {
            self.json.insert("matchingRules".into(), rules);
        }
        if !self.generators.is_empty() {
            self.json
                .insert("generators".into(), self.generators.into());
        }
        self.json.into()
    }
}

fn body(content: Value, kind: &str) -> Value {
    json!({"content": content, "contentType": kind, "encoded": false})
}

fn provided(expression: &str) -> Value {
    json!({"type": "ProviderState", "expression": expression, "dataType": "STRING"})
}

/// A query as a Pact has it: the values of each parameter.
fn parameters(query: &str) -> Value {
    let mut parameters = Map::new();
    for pair in query.split('&') {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let decoded = |text: &str| {
            percent_decode_str(&example(text))
                .decode_utf8_lossy()
                .into_owned()
        };
        let values = parameters.entry(decoded(name)).or_insert_with(|| json!([]));
        if let Value::Array(values) = values {
            values.push(json!(decoded(value)));
        }
    }
    parameters.into()
}

//! Pact V4 files as fixtures.

use std::collections::BTreeMap;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use contract::Problem;
use harness::fixture::{
    Caller, ExpectedResponse, INTERACTIONS, Interaction, NOTIFICATIONS, PLACEHOLDERS, Request,
    nearest,
};
use harness::matching::{Matching, Path};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value, json};

use super::{REST, STATE, rest, types_of_data, words};
use crate::exchange::{Exchange, Known};
use crate::files::{Files, slug};

/// What is encoded in a query: everything but the unreserved characters (RFC 3986, section 2.3).
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// The interactions and messages of the Pact `text`, which stands in the file `name`, as fixtures. Fails at the first
/// that cannot be one, with its description and the reason.
pub fn import(name: &str, text: &str, known: &Known<'_>) -> Result<Files, Problem> {
    let pact: Value = serde_json::from_str(text).map_err(|error| {
        let words = error.to_string();
        let words = words.split(" at line ").next().unwrap_or_default();
        let place = format!("{name}:{}:{}", error.line(), error.column());
        Problem::new(place, format!("is no JSON: {words}"))
    })?;
    let version = &pact["metadata"]["pactSpecification"]["version"];
    match version.as_str() {
        Some(version) if version.starts_with("4") => {}
        Some(version) => {
            let words = format!("is a Pact of version {version}: only version 4 is read");
            return Err(Problem::new(name, words));
        }
        None => {
            let words = "is no Pact: /metadata/pactSpecification/version is missing";
            return Err(Problem::new(name, words));
        }
    }
    let interactions = pact["interactions"]
        .as_array()
        .filter(|all| !all.is_empty());
    let Some(interactions) = interactions else {
        return Err(Problem::new(name, "has no interactions"));
    };
    let mut files = Files::default();
    for (index, interaction) in interactions.iter().enumerate() {
        let source = match interaction["description"].as_str() {
            Some(description) => format!("{name}: {description:?}"),
            None => format!("{name}: interaction {}", index + 1),
        };
        add(&mut files, &source, interaction, known)?;
    }
    if let Some(plugin) = pact["metadata"]["plugins"][0]["name"].as_str() {
        let words = format!("needs the plugin {plugin}: plugins are not supported");
        return Err(Problem::new(name, words));
    }
    Ok(files)
}

fn add(
    files: &mut Files,
    source: &str,
    interaction: &Value,
    known: &Known<'_>,
) -> Result<(), Problem> {
    let problem = |words: String| Problem::new(source, words);
    if interaction.get("pluginConfiguration").is_some() {
        return Err(problem("is a plugin's: plugins are not supported".into()));
    }
    let (path, fixture) = match interaction["type"].as_str() {
        Some("Synchronous/HTTP") => http(interaction, known, source, &mut files.notes),
        Some("Asynchronous/Messages") => message(interaction, source, &mut files.notes),
        Some(kind) => Err(format!(
            "is {kind}: only Synchronous/HTTP and Asynchronous/Messages are read"
        )),
        None => Err("has no type".into()),
    }
    .map_err(problem)?;
    files.add(source, path, &fixture)
}

fn message(
    interaction: &Value,
    source: &str,
    notes: &mut Vec<String>,
) -> Result<(String, Value), String> {
    let content = match content(interaction, "contents")? {
        Some(Content::Json(json)) => json,
        _ => return Err("is no JSON message".into()),
    };
    let rules = interaction.get("matchingRules").cloned();
    let is_own = interaction["comments"].get(REST).is_some();
    let mut fixture = json!({
        "title": title(interaction),
        "message": content,
    });
    let mut rules = rules.unwrap_or(json!({}));
    if rules
        .as_object_mut()
        .and_then(|rules| rules.shift_remove("metadata"))
        .is_some()
    {
        notes.push(format!(
            "{source}: the rules for its metadata are left out: a WebSocket message has none"
        ));
    }
    if !(is_own && rules == types_of_data()) {
        fixture["matching"] = rules;
    }
    let event = fixture["message"]["event"].as_str();
    let name = match key(interaction, "notifications/") {
        Some(name) if is_own => name,
        _ => format!(
            "{}.{}",
            event.ok_or("has no event: a notification is {\"event\": …, \"data\": {…}}")?,
            slug(interaction["description"].as_str().unwrap_or_default())
        ),
    };
    Ok((format!("{NOTIFICATIONS}/{name}.json"), fixture))
}

fn http(
    interaction: &Value,
    known: &Known<'_>,
    source: &str,
    notes: &mut Vec<String>,
) -> Result<(String, Value), String> {
    let Plain { exchange, json } = plain(interaction)?;
    if let Some(rest) = interaction["comments"].get(REST) {
        let name = key(interaction, "gateway/").ok_or("has no key: gateway/ROUTE/NAME")?;
        let mut fixture = json;
        rest::apply(&mut fixture, rest)?;
        // Members in the order of a fixture.
        let fixture: Interaction =
            serde_json::from_value(fixture).map_err(|error| error.to_string())?;
        return Ok((format!("{INTERACTIONS}/{name}.json"), json!(fixture)));
    }
    if interaction["request"].get("matchingRules").is_some() {
        notes.push(format!(
            "{source}: the rules for its request are left out: the example is sent as it stands"
        ));
    }
    let name = slug(&exchange.title);
    let (folder, fixture) = exchange.into_fixture(known)?;
    Ok((format!("{folder}/{name}.json"), json!(fixture)))
}

/// An interaction, and what of it can be said in a fixture without knowing what is behind the gateway.
pub(super) struct Plain {
    exchange: Exchange,
    pub json: Value,
}

pub(super) fn plain(interaction: &Value) -> Result<Plain, String> {
    let is_own = interaction["comments"].get(REST).is_some();
    let (request, response) = (&interaction["request"], &interaction["response"]);

    let mut headers = headers(request);
    let authorization = headers.remove("authorization");
    // Cookies are credentials too, and the gateway reads none.
    headers.remove("cookie");
    let generated = |header: &str| request["generators"]["header"][header]["expression"].as_str();
    let caller = match (authorization, generated("authorization")) {
        (None, _) => Caller::Nobody,
        (Some(_), Some("Bearer ${expired_token}")) => Caller::Expired,
        (Some(_), _) => Caller::Teacher,
    };
    let mut sent = Request {
        method: text(request, "method")?.to_uppercase(),
        path: text(request, "path")?.to_owned(),
        headers,
        json: None,
        text: None,
        multipart: None,
    };
    match content(request, "body") {
        Ok(Some(Content::Json(json))) => sent.json = Some(json),
        // The parts of an exported form are in its comments.
        Ok(Some(Content::Form)) if is_own => {}
        Ok(Some(Content::Form)) => {
            return Err("its request is a form, which is not supported".into());
        }
        Ok(Some(Content::Text(text))) => sent.text = Some(text),
        Ok(None) => {}
        Err(words) => return Err(format!("its request {words}")),
    }
    if sent.json.is_some()
        && sent
            .headers
            .get("content-type")
            .is_some_and(|kind| kind == "application/json")
    {
        sent.headers.remove("content-type");
    }
    generate(
        &request["generators"],
        &mut sent.path,
        &mut sent.headers,
        &mut sent.json,
        Side::Request,
    )?;
    sent.path += &query(&request["query"]);

    let mut came = ExpectedResponse {
        status: response["status"]
            .as_u64()
            .and_then(|status| u16::try_from(status).ok())
            .ok_or("its response has no status")?,
        headers: self::headers(response),
        absent_headers: Vec::new(),
        json: None,
        text: None,
        matching: None,
        contains: Vec::new(),
        absent: Vec::new(),
    };
    match content(response, "body") {
        Ok(Some(Content::Json(json))) => came.json = Some(json),
        Ok(Some(Content::Text(text))) => came.text = Some(text),
        Ok(Some(Content::Form)) => {
            return Err("its response is a form, which is not supported".into());
        }
        Ok(None) => {}
        Err(words) => return Err(format!("its response {words}")),
    }
    let mut rules = response.get("matchingRules").cloned().unwrap_or(json!({}));
    if is_own {
        typed_words(&mut rules, &mut came);
    }
    generate(
        &response["generators"],
        &mut String::new(),
        &mut came.headers,
        &mut came.json,
        Side::Response,
    )?;
    // Without rules it is a Pact's response nevertheless: more than expected may come. An exported one is exact.
    if !is_own || rules.as_object().is_some_and(|rules| !rules.is_empty()) {
        came.matching = Some(Matching::try_from(rules)?);
    }

    let title = title(interaction);
    let json =
        json!({"title": title, "proves": [], "caller": caller, "request": sent, "response": came});
    Ok(Plain {
        exchange: Exchange {
            title,
            caller,
            request: sent,
            response: came,
        },
        json,
    })
}

/// The description, with the states that are more than the values of a run.
fn title(interaction: &Value) -> String {
    let description = interaction["description"].as_str().unwrap_or_default();
    let states = interaction["providerStates"].as_array();
    let given: Vec<&str> = states
        .into_iter()
        .flatten()
        .filter_map(|state| state["name"].as_str())
        .filter(|name| !name.is_empty() && *name != STATE)
        .collect();
    if given.is_empty() {
        description.to_owned()
    } else {
        format!("{description}, given {}", given.join(" and "))
    }
}

fn text<'a>(request: &'a Value, member: &str) -> Result<&'a str, String> {
    let text = request[member].as_str();
    text.ok_or_else(|| format!("its request has no {member}"))
}

/// The rest of an exported fixture's key, which is its path.
fn key(interaction: &Value, folder: &str) -> Option<String> {
    let key = interaction["key"].as_str()?.strip_prefix(folder)?;
    let is_path = key.split('/').all(|name| {
        !name.is_empty()
            && !name.starts_with('.')
            && name
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c))
    });
    is_path.then(|| key.to_owned())
}

enum Content {
    Json(Value),
    Text(String),
    Form,
}

/// The body that is the member `name` of `part`.
fn content(part: &Value, name: &str) -> Result<Option<Content>, &'static str> {
    let Some(body) = part.get(name) else {
        return Ok(None);
    };
    let content = match body.get("content") {
        None | Some(Value::Null) => return Ok(Some(Content::Text(String::new()))),
        Some(content) => content,
    };
    let fields = headers(part);
    let kind = body["contentType"].as_str();
    let kind = kind.or(fields.get("content-type").map(String::as_str));
    if kind.is_some_and(|kind| kind.starts_with("multipart/")) {
        return Ok(Some(Content::Form));
    }
    let is_json = kind.is_none_or(|kind| kind.contains("json"));
    let text = match (&body["encoded"], content) {
        (Value::Bool(true), Value::String(text)) => decoded(text)?,
        (Value::String(encoding), Value::String(text))
            if encoding.eq_ignore_ascii_case("base64") =>
        {
            decoded(text)?
        }
        (Value::String(_), Value::String(text)) => text.clone(),
        (_, Value::String(text)) if !is_json || text.is_empty() => text.clone(),
        (_, json) => return Ok(Some(Content::Json(json.clone()))),
    };
    match serde_json::from_str(&text) {
        Ok(json) if is_json => Ok(Some(Content::Json(json))),
        Err(_) if is_json && !text.is_empty() => Err("is no JSON"),
        _ => Ok(Some(Content::Text(text))),
    }
}

fn decoded(text: &str) -> Result<String, &'static str> {
    let bytes = BASE64_STANDARD.decode(text);
    let bytes = bytes.map_err(|_| "has a body that is no base64")?;
    String::from_utf8(bytes).map_err(|_| "has a binary body, which is not supported")
}

fn headers(part: &Value) -> BTreeMap<String, String> {
    let text = |value: &Value| {
        value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned)
    };
    let fields = part["headers"].as_object();
    fields
        .into_iter()
        .flatten()
        .map(|(name, value)| {
            let value = match value {
                Value::Array(values) => values.iter().map(text).collect::<Vec<_>>().join(", "),
                value => text(value),
            };
            (name.to_lowercase(), value)
        })
        .collect()
}

fn query(parameters: &Value) -> String {
    let encoded = |text: &str| utf8_percent_encode(text, RESERVED).to_string();
    let mut query = String::new();
    for (name, values) in parameters.as_object().into_iter().flatten() {
        let one = std::slice::from_ref(values);
        for value in values.as_array().map_or(one, Vec::as_slice) {
            query.push(if query.is_empty() { '?' } else { '&' });
            query += &format!(
                "{}={}",
                encoded(name),
                encoded(value.as_str().unwrap_or_default())
            );
        }
    }
    query
}

#[derive(Clone, Copy, PartialEq)]
enum Side {
    Request,
    Response,
}

/// Puts placeholders where values come from the provider's state. Other generators make values for the consumer's own
/// tests; in a request they would make one for the provider's, and nothing here does.
fn generate(
    generators: &Value,
    path: &mut String,
    headers: &mut BTreeMap<String, String>,
    json: &mut Option<Value>,
    side: Side,
) -> Result<(), String> {
    let is_generator = |value: &Value| value.get("type").is_some();
    for (category, entries) in generators.as_object().into_iter().flatten() {
        let one = Map::from_iter([(String::new(), entries.clone())]);
        let entries = match entries.as_object() {
            Some(entries) if !is_generator(&json!(entries)) => entries,
            _ => &one,
        };
        for (place, generator) in entries {
            // The token of the run replaces whatever stands there.
            if category == "header" && place.eq_ignore_ascii_case("authorization") {
                continue;
            }
            let kind = generator["type"].as_str().unwrap_or_default();
            let what = format!("the generator {kind} for its {category} {place}");
            if kind != "ProviderState" {
                match side {
                    Side::Response => continue,
                    Side::Request => return Err(format!("{} is not supported", what.trim_end())),
                }
            }
            let text = placeholders(generator["expression"].as_str().unwrap_or_default())?;
            let target = match category.as_str() {
                "path" => Some(&mut *path),
                "header" => headers.get_mut(&place.to_lowercase()),
                "body" => {
                    let pointer = Path::read(place)?.pointer().unwrap_or_default();
                    let value = json.as_mut().and_then(|json| json.pointer_mut(&pointer));
                    match value {
                        Some(value) => {
                            *value = Value::String(text);
                            continue;
                        }
                        None => None,
                    }
                }
                _ => None,
            };
            *target.ok_or_else(|| format!("{what} stands nowhere"))? = text;
        }
    }
    Ok(())
}

/// `expression` with `{name}` for `${name}`.
fn placeholders(expression: &str) -> Result<String, String> {
    let text = expression.replace("${", "{");
    for name in expression.split("${").skip(1) {
        let name = name.split('}').next().unwrap_or_default();
        if !PLACEHOLDERS.contains(&name) {
            let suggestion = nearest(name, PLACEHOLDERS)
                .map(|name| format!("; did you mean `{name}`?"))
                .unwrap_or_default();
            return Err(format!("no value of a run is called `{name}`{suggestion}"));
        }
    }
    Ok(text)
}

/// Puts `<uuid>` and its like for the rules that an export made of them, and takes these rules away.
fn typed_words(rules: &mut Value, response: &mut ExpectedResponse) {
    let words = words();
    let word = |rules: &Value| {
        words
            .iter()
            .find(|(.., made)| made == rules)
            .map(|(word, ..)| *word)
    };
    let Some(categories) = rules.as_object_mut() else {
        return;
    };
    if let Some(Value::Object(headers)) = categories.get_mut("header") {
        headers.retain(
            |name, rules| match (word(rules), response.headers.get_mut(name)) {
                (Some(word), Some(value)) => {
                    *value = word.to_owned();
                    false
                }
                _ => true,
            },
        );
    }
    if let Some(Value::Object(body)) = categories.get_mut("body") {
        body.retain(|path, rules| {
            let pointer = Path::read(path).ok().and_then(|path| path.pointer());
            let value = pointer.and_then(|pointer| response.json.as_mut()?.pointer_mut(&pointer));
            match (word(rules), value) {
                (Some(word), Some(value)) => {
                    *value = json!(word);
                    false
                }
                _ => true,
            }
        });
    }
    categories.retain(|_, rules| rules.as_object().is_none_or(|rules| !rules.is_empty()));
}

//! HTTP, held against the routes.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{About, Schema, Violation};
use crate::document::Problem;
use crate::model::{Contract, Downstream, Response, Route};

/// Which of the two services answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Service {
    /// The API gateway.
    Gateway,
    /// The websocket service.
    Websocket,
}

/// A request, as far as it decides what may be answered.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    /// The method, in capitals.
    pub method: &'a str,
    /// The path, with its query if it has one.
    pub path: &'a str,
    /// The header fields, with names in small letters.
    pub headers: &'a [(String, String)],
    /// The body.
    pub body: &'a [u8],
}

/// A response.
#[derive(Clone, Copy, Debug)]
pub struct Reply<'a> {
    /// The status code.
    pub status: u16,
    /// The header fields, with names in small letters.
    pub headers: &'a [(String, String)],
    /// The body.
    pub body: &'a [u8],
}

pub(super) struct HttpRules {
    routes: Vec<RouteRule>,
    unknown_routes: BTreeMap<String, ResponseRule>,
}

struct RouteRule {
    services: Vec<String>,
    method: String,
    path: String,
    json_body: Option<Schema>,
    responses: Vec<ResponseRule>,
    downstream: Option<(Downstream, Option<Schema>)>,
    promises: BTreeMap<String, String>,
}

struct ResponseRule {
    status: String,
    headers: Vec<(String, bool, Schema)>,
    content: BTreeMap<String, Schema>,
}

impl Service {
    /// The word for it in `openapi.yaml`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Gateway => "gateway",
            Self::Websocket => "websocket",
        }
    }
}

impl HttpRules {
    pub(super) fn new(contract: &Contract) -> Result<Self, Problem> {
        let mut routes = Vec::new();
        for route in &contract.routes {
            routes.push(RouteRule::new(contract, route)?);
        }
        let mut unknown_routes = BTreeMap::new();
        for (service, response) in &contract.unknown_routes {
            unknown_routes.insert(service.clone(), ResponseRule::new(contract, response)?);
        }
        Ok(Self {
            routes,
            unknown_routes,
        })
    }

    pub(super) fn response(
        &self,
        service: Service,
        call: &Call<'_>,
        reply: &Reply<'_>,
    ) -> Vec<Violation> {
        match self.rule(service, call, reply.status) {
            Ok(rule) => rule.map(|rule| rule.violations(reply)).unwrap_or_default(),
            Err(problem) => vec![exchange(problem)],
        }
    }

    pub(super) fn example(
        &self,
        service: Service,
        call: &Call<'_>,
        status: u16,
        body: Option<&Value>,
    ) -> Vec<Violation> {
        match (self.rule(service, call, status), body) {
            (Ok(Some(rule)), Some(body)) => (rule.content_of("application/json"))
                .map(|schema| schema.violations(body))
                .unwrap_or_default(),
            (Ok(_), _) => Vec::new(),
            (Err(problem), _) => vec![exchange(problem)],
        }
    }

    pub(super) fn is_at(&self, service: Service, path: &str, template: &str) -> bool {
        let candidates = self.candidates(service, path);
        candidates.iter().any(|route| route.path == template)
    }

    /// What an answer with `status` has to be like; nothing where that is not for the contract to say.
    fn rule(
        &self,
        service: Service,
        call: &Call<'_>,
        status: u16,
    ) -> Result<Option<&ResponseRule>, String> {
        let candidates = self.candidates(service, call.path);
        let Some(first) = candidates.first() else {
            return match self.unknown_routes.get(service.word()) {
                Some(rule) if rule.status == status.to_string() => Ok(Some(rule)),
                Some(rule) => Err(format!(
                    "expected status {} for a path that the contract does not have, got {status}",
                    rule.status
                )),
                None => Ok(None),
            };
        };
        let own = candidates.iter().find(|route| route.method == call.method);
        match own {
            // A preflight is CORS' own business (Fetch, section 3.2).
            None if call.method == "OPTIONS" => return Ok(None),
            None if status != 405 => {
                return Err(format!(
                    "expected status 405 for {} {}, which the contract does not have, got {status}",
                    call.method, first.path
                ));
            }
            _ => {}
        }
        // A method that the path does not have is answered in the words of those that it has.
        let route = own.unwrap_or(first);
        route.response(status).map(Some).ok_or_else(|| {
            let known: Vec<&str> = route.responses.iter().map(|r| &*r.status).collect();
            format!(
                "status {status} is none that {} {} has: {}",
                route.method,
                route.path,
                known.join(", ")
            )
        })
    }

    pub(super) fn request(&self, service: Service, call: &Call<'_>) -> Vec<Violation> {
        self.candidates(service, call.path)
            .iter()
            .find(|route| route.method == call.method)
            .and_then(|route| route.json_body.as_ref())
            .map(|schema| json_violations(schema, call.body))
            .unwrap_or_default()
    }

    pub(super) fn downstream(&self, service: &str, call: &Call<'_>) -> Vec<Violation> {
        let path = without_query(call.path);
        let known = self.routes.iter().find_map(|route| {
            let (downstream, schema) = route.downstream.as_ref()?;
            let it = downstream.service == service
                && downstream.method == call.method
                && matches(&downstream.path, path);
            it.then_some((downstream, schema))
        });
        let Some((downstream, schema)) = known else {
            return vec![exchange(format!(
                "{} {path} is no call of {service} that the contract has",
                call.method
            ))];
        };
        let mut found = Vec::new();
        for name in &downstream.headers {
            if field(call.headers, name).is_none() {
                found.push(about(name, format!("the call has no header field {name}")));
            }
        }
        if let Some(schema) = schema {
            found.extend(json_violations(schema, call.body));
        }
        found
    }

    pub(super) fn promise_of_answer(&self, service: Service, call: &Call<'_>) -> Option<&str> {
        let candidates = self.candidates(service, call.path);
        let own = candidates
            .iter()
            .find(|route| route.method == call.method)?;
        own.promises.get(service.word()).map(String::as_str)
    }

    pub(super) fn promise_of_call(&self, service: &str) -> Option<&str> {
        let calls = self
            .routes
            .iter()
            .filter_map(|route| route.downstream.as_ref());
        let mut known = calls.filter(|(downstream, _)| downstream.service == service);
        known.find_map(|(downstream, _)| downstream.promise.as_deref())
    }

    pub(super) fn route(
        &self,
        service: Service,
        call: &Call<'_>,
        status: u16,
    ) -> Option<(String, String)> {
        let candidates = self.candidates(service, call.path);
        let route = candidates
            .iter()
            .find(|route| route.method == call.method)
            .or_else(|| candidates.first().filter(|_| status == 405))?;
        let response = route.response(status)?;
        Some((
            format!("{} {}", route.method, route.path),
            response.status.clone(),
        ))
    }

    /// The routes of `service` at `path`, those whose template is most literal.
    fn candidates(&self, service: Service, path: &str) -> Vec<&RouteRule> {
        let path = without_query(path);
        // The two spellings are one endpoint (contract, Websocket service).
        let path = if path == "/ws/" { "/ws" } else { path };
        let mut found: Vec<&RouteRule> = self
            .routes
            .iter()
            .filter(|route| route.services.iter().any(|name| name == service.word()))
            .filter(|route| matches(&route.path, path))
            .collect();
        let fewest = found
            .iter()
            .map(|route| route.path.matches('{').count())
            .min();
        found.retain(|route| Some(route.path.matches('{').count()) == fewest);
        found
    }
}

impl RouteRule {
    fn new(contract: &Contract, route: &Route) -> Result<Self, Problem> {
        let mut responses = Vec::new();
        for response in &route.responses {
            responses.push(ResponseRule::new(contract, response)?);
        }
        let downstream = match &route.downstream {
            None => None,
            Some(downstream) => {
                let schema = downstream.body.as_ref();
                let schema = schema
                    .map(|schema| Schema::new(contract, &route.location, schema))
                    .transpose()?;
                Some((downstream.clone(), schema))
            }
        };
        Ok(Self {
            services: route.services.clone(),
            method: route.method.clone(),
            path: route.path.clone(),
            json_body: route
                .body
                .as_ref()
                .and_then(|body| body.content.get("application/json"))
                .map(|schema| Schema::new(contract, &route.location, schema))
                .transpose()?,
            responses,
            downstream,
            promises: route.promises.clone(),
        })
    }

    /// The exact status counts before its class, and that before the default (OpenAPI 3.1, Responses Object).
    fn response(&self, status: u16) -> Option<&ResponseRule> {
        let words = [
            status.to_string(),
            format!("{}XX", status / 100),
            "default".to_owned(),
        ];
        words
            .iter()
            .find_map(|word| self.responses.iter().find(|rule| rule.status == *word))
    }
}

impl ResponseRule {
    fn new(contract: &Contract, response: &Response) -> Result<Self, Problem> {
        let schema = |schema: &Value| Schema::new(contract, &response.location, schema);
        let mut headers = Vec::new();
        for header in &response.headers {
            let name = header.name.to_lowercase();
            headers.push((name, header.required, schema(&header.schema)?));
        }
        let mut content = BTreeMap::new();
        for (media, description) in &response.content {
            content.insert(media.clone(), schema(description)?);
        }
        Ok(Self {
            status: response.status.clone(),
            headers,
            content,
        })
    }

    fn violations(&self, reply: &Reply<'_>) -> Vec<Violation> {
        let mut found = Vec::new();
        for (name, required, schema) in &self.headers {
            match field(reply.headers, name) {
                Some(value) => found.extend(
                    schema
                        .violations(&header_value(schema, value))
                        .into_iter()
                        .map(|v| about(name, format!("header field {name}: {}", v.problem))),
                ),
                None if *required => {
                    let status = reply.status;
                    let words = format!("the answer {status} has no header field {name}");
                    found.push(about(name, words));
                }
                None => {}
            }
        }
        if self.content.is_empty() {
            if !reply.body.is_empty() {
                let status = reply.status;
                found.push(whole(format!("expected no body with {status}, got one")));
            }
            return found;
        }
        let media = field(reply.headers, "content-type").unwrap_or_default();
        let media = media
            .split(';')
            .next()
            .unwrap_or_default()
            .trim()
            .to_lowercase();
        match self.content_of(&media) {
            // Whatever it is, and be it nothing, it is somebody else's.
            None if self.content.contains_key("*/*") => {}
            Some(schema) if media == "application/json" || media.ends_with("+json") => {
                found.extend(json_violations(schema, reply.body));
            }
            Some(schema) => {
                let text = Value::String(String::from_utf8_lossy(reply.body).into_owned());
                found.extend(schema.violations(&text));
            }
            None => {
                let known: Vec<&str> = self.content.keys().map(String::as_str).collect();
                found.push(whole(format!(
                    "expected a body of {}, got {media:?}",
                    known.join(" or ")
                )));
            }
        }
        found
    }

    fn content_of(&self, media: &str) -> Option<&Schema> {
        let class = media.split('/').next().unwrap_or_default();
        self.content
            .get(media)
            .or_else(|| self.content.get(&format!("{class}/*")))
    }
}

/// Whether `path` has the form of `template`. The last parameter takes the rest, slashes included: that is how the
/// gateway passes paths through, and OpenAPI has no word for it.
fn matches(template: &str, path: &str) -> bool {
    let mut parts = template.split('/').peekable();
    let mut rest = Some(path);
    while let Some(part) = parts.next() {
        let Some(current) = rest else { return false };
        let is_parameter = part.starts_with('{') && part.ends_with('}');
        if is_parameter && parts.peek().is_none() {
            return true;
        }
        let (segment, after) = match current.split_once('/') {
            Some((segment, after)) => (segment, Some(after)),
            None => (current, None),
        };
        if is_parameter {
            if segment.is_empty() {
                return false;
            }
        } else if segment != part {
            return false;
        }
        rest = after;
    }
    rest.is_none()
}

fn without_query(path: &str) -> &str {
    path.split('?').next().unwrap_or(path)
}

fn field<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    headers
        .iter()
        .find(|(field, _)| field.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.as_str())
}

/// A header field's value as its schema sees it: a number where the schema asks for one.
fn header_value(schema: &Schema, value: &str) -> Value {
    let kind = schema.schema.get("type").and_then(Value::as_str);
    match (kind, value.parse::<i64>()) {
        (Some("integer" | "number"), Ok(number)) => Value::from(number),
        _ => Value::from(value),
    }
}

fn json_violations(schema: &Schema, body: &[u8]) -> Vec<Violation> {
    match serde_json::from_slice(body) {
        Ok(value) => schema.violations(&value),
        Err(error) => vec![whole(format!("the body is no JSON: {error}"))],
    }
}

fn whole(problem: String) -> Violation {
    Violation {
        pointer: String::new(),
        problem,
        about: About::Content,
    }
}

/// About the exchange itself.
fn exchange(problem: String) -> Violation {
    Violation {
        about: About::Exchange,
        ..whole(problem)
    }
}

/// About the header field `name`.
fn about(name: &str, problem: String) -> Violation {
    Violation {
        about: About::Field(name.to_lowercase()),
        ..whole(problem)
    }
}

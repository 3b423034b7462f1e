//! HTTP routes, from `openapi.yaml` (OpenAPI 3.1).

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Contract, OPENAPI, elements, members, text};
use crate::document::Problem;
use crate::reference::{Documents, Location};

/// One method of one path.
#[derive(Clone, Debug, PartialEq)]
pub struct Route {
    /// The method, in capitals.
    pub method: String,
    /// The path with its parameters in braces.
    pub path: String,
    /// The operation's id.
    pub operation: String,
    /// The names of the security schemes, one of which is needed; none where everybody may call.
    pub security: Vec<String>,
    /// The services that have this route: `gateway`, `websocket`.
    pub services: Vec<String>,
    /// What the request may say besides its body.
    pub parameters: Vec<Parameter>,
    /// The request's body, if there is one.
    pub body: Option<Body>,
    /// What is answered.
    pub responses: Vec<Response>,
    /// The one call of a service behind that it leads to, if there is one.
    pub downstream: Option<Downstream>,
    /// By service, the promise that an answer breaks which is not one of the responses.
    pub promises: BTreeMap<String, String>,
    /// The folder of its examples, the interaction fixtures.
    pub fixtures: Option<String>,
    /// Where it stands.
    pub location: Location,
}

/// Where a parameter stands in a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ParameterPlace {
    /// In the path, in braces.
    Path,
    /// In the query.
    Query,
    /// A header field.
    Header,
    /// A cookie.
    Cookie,
}

/// Something that a request says besides its body.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameter {
    /// Its name.
    pub name: String,
    /// Where it stands.
    pub place: ParameterPlace,
    /// Whether a request without it is refused.
    pub required: bool,
    /// The schema of its value, without references.
    pub schema: Value,
    /// Where the parameter is described.
    pub location: Location,
}

/// The body of a request.
#[derive(Clone, Debug, PartialEq)]
pub struct Body {
    /// Whether a request without it is refused.
    pub required: bool,
    /// By media type, the schema without references.
    pub content: BTreeMap<String, Value>,
    /// Where it stands.
    pub location: Location,
}

/// What is answered with one status.
#[derive(Clone, Debug, PartialEq)]
pub struct Response {
    /// `200`, `2XX` or `default`.
    pub status: String,
    /// When it is answered.
    pub description: String,
    /// Its header fields.
    pub headers: Vec<Header>,
    /// By media type, the schema without references. Without any there is no body.
    pub content: BTreeMap<String, Value>,
    /// Where it stands, in the end.
    pub location: Location,
}

/// A header field of a response.
#[derive(Clone, Debug, PartialEq)]
pub struct Header {
    /// Its name.
    pub name: String,
    /// Whether every such response has it.
    pub required: bool,
    /// The schema of its value, without references.
    pub schema: Value,
}

/// A call of a service behind the gateway.
#[derive(Clone, Debug, PartialEq)]
pub struct Downstream {
    /// Which service.
    pub service: String,
    /// The method, in capitals.
    pub method: String,
    /// The path, with the route's parameters in braces.
    pub path: String,
    /// The header fields that every such call has.
    pub headers: Vec<String>,
    /// The schema of its JSON body, without references.
    pub body: Option<Value>,
    /// The promise that another call than this one breaks.
    pub promise: Option<String>,
}

const METHODS: [&str; 8] = [
    "get", "put", "post", "delete", "options", "head", "patch", "trace",
];

/// Reads the document into `contract`.
pub(super) fn read(documents: &Documents, contract: &mut Contract) -> Result<(), Problem> {
    let root = Location::new(OPENAPI, "");
    for (path, at) in members(documents, &root.member("paths")) {
        let (at, _) = documents.resolve(&at)?;
        for (method, operation) in members(documents, &at) {
            if METHODS.contains(&method.as_str()) {
                let route = route(documents, &root, &path, &at, &method, &operation)?;
                contract.routes.push(route);
            }
        }
    }
    for (service, at) in members(documents, &root.member("x-unknown-routes")) {
        let (at, value) = documents.resolve(&at)?;
        let status = text(value, "status").to_owned();
        let response = response(documents, status, &at.member("response"))?;
        contract.unknown_routes.insert(service, response);
    }
    Ok(())
}

fn route(
    documents: &Documents,
    root: &Location,
    path: &str,
    path_at: &Location,
    method: &str,
    at: &Location,
) -> Result<Route, Problem> {
    let (_, value) = documents.resolve(at)?;
    // The nearest one counts (OpenAPI 3.1, Operation Object and Path Item Object).
    let nearest = |name: &str| {
        [at, path_at, root]
            .map(|at| at.member(name))
            .into_iter()
            .find(|at| documents.at(at).is_some())
    };
    let mut security = Vec::new();
    if let Some(at) = nearest("security") {
        for requirement in elements(documents, &at) {
            let names = members(documents, &requirement);
            security.extend(names.into_iter().map(|(name, _)| name));
        }
    }
    let services = nearest("servers")
        .map(|at| elements(documents, &at))
        .unwrap_or_default()
        .iter()
        .filter_map(|at| documents.at(at))
        .map(|server| text(server, "x-service").to_owned())
        .collect();
    let mut parameters: Vec<Parameter> = Vec::new();
    for list in [path_at.member("parameters"), at.member("parameters")] {
        for parameter_at in elements(documents, &list) {
            let parameter = parameter(documents, &parameter_at)?;
            // An operation's own parameter replaces the path's.
            parameters
                .retain(|other| (other.place, &other.name) != (parameter.place, &parameter.name));
            parameters.push(parameter);
        }
    }
    let mut responses = Vec::new();
    for (status, at) in members(documents, &at.member("responses")) {
        responses.push(response(documents, status, &at)?);
    }
    Ok(Route {
        method: method.to_uppercase(),
        path: path.to_owned(),
        operation: text(value, "operationId").to_owned(),
        security,
        services,
        parameters,
        body: body(documents, &at.member("requestBody"))?,
        responses,
        downstream: downstream(documents, &at.member("x-downstream"))?,
        promises: members(documents, &at.member("x-promise"))
            .into_iter()
            .filter_map(|(service, at)| Some((service, documents.at(&at)?.as_str()?.to_owned())))
            .collect(),
        fixtures: value
            .get("x-fixtures")
            .and_then(Value::as_str)
            .map(str::to_owned),
        location: at.clone(),
    })
}

fn parameter(documents: &Documents, at: &Location) -> Result<Parameter, Problem> {
    let (at, value) = documents.resolve(at)?;
    let place = match text(value, "in") {
        "path" => ParameterPlace::Path,
        "query" => ParameterPlace::Query,
        "header" => ParameterPlace::Header,
        "cookie" => ParameterPlace::Cookie,
        other => {
            let words = format!("expected in: path, query, header or cookie, got {other:?}");
            return Err(documents.problem(&at, words));
        }
    };
    Ok(Parameter {
        name: text(value, "name").to_owned(),
        place,
        required: value.get("required") == Some(&Value::Bool(true)),
        schema: schema(documents, &at)?,
        location: at,
    })
}

fn body(documents: &Documents, at: &Location) -> Result<Option<Body>, Problem> {
    if documents.at(at).is_none() {
        return Ok(None);
    }
    let (at, value) = documents.resolve(at)?;
    Ok(Some(Body {
        required: value.get("required") == Some(&Value::Bool(true)),
        content: content(documents, &at)?,
        location: at,
    }))
}

fn response(documents: &Documents, status: String, at: &Location) -> Result<Response, Problem> {
    let (at, value) = documents.resolve(at)?;
    let mut headers = Vec::new();
    for (name, at) in members(documents, &at.member("headers")) {
        let (at, header) = documents.resolve(&at)?;
        headers.push(Header {
            name,
            required: header.get("required") == Some(&Value::Bool(true)),
            schema: schema(documents, &at)?,
        });
    }
    Ok(Response {
        status,
        description: text(value, "description").to_owned(),
        headers,
        content: content(documents, &at)?,
        location: at,
    })
}

fn content(documents: &Documents, at: &Location) -> Result<BTreeMap<String, Value>, Problem> {
    members(documents, &at.member("content"))
        .into_iter()
        .map(|(media, at)| Ok((media, schema(documents, &at)?)))
        .collect()
}

fn schema(documents: &Documents, at: &Location) -> Result<Value, Problem> {
    let at = at.member("schema");
    match documents.at(&at) {
        Some(_) => documents.inlined(&at),
        None => Ok(Value::Bool(true)),
    }
}

fn downstream(documents: &Documents, at: &Location) -> Result<Option<Downstream>, Problem> {
    let Some(value) = documents.at(at) else {
        return Ok(None);
    };
    let body = at.member("body");
    Ok(Some(Downstream {
        service: text(value, "service").to_owned(),
        method: text(value, "method").to_owned(),
        path: text(value, "path").to_owned(),
        headers: value
            .get("headers")
            .and_then(Value::as_array)
            .map(|names| {
                names
                    .iter()
                    .filter_map(Value::as_str)
                    .map(str::to_owned)
                    .collect()
            })
            .unwrap_or_default(),
        body: match documents.at(&body) {
            Some(_) => Some(documents.inlined(&body)?),
            None => None,
        },
        promise: value
            .get("promise")
            .and_then(Value::as_str)
            .map(str::to_owned),
    }))
}

//! One recorded call of the gateway as a fixture.
//!
//! A recording shows the client's side only. What the gateway asks of the service behind it, and what that must have
//! answered for the recorded response, follows from the contract's route (`x-downstream`) wherever only one answer can
//! lead to it; where it does not follow, a person has to say it.

use std::collections::BTreeMap;

use contract::Contract;
use contract::model::Route;
use harness::fixture::{
    Answer, Caller, Downstream, ExpectedRequest, ExpectedResponse, Fixture, Interaction, Request,
    Service, nearest,
};
use serde_json::{Value, json};

/// What an import knows besides the file that it reads.
pub struct Known<'a> {
    /// The contract.
    pub contract: &'a Contract,
    /// The fixtures that are there already: what they prove, similar ones prove.
    pub fixtures: &'a [Fixture<Interaction>],
    /// What the imported interactions prove, if a person says it.
    pub proves: &'a [String],
}

/// One call of the gateway, as its client saw it.
pub struct Exchange {
    /// The sentence that it stands for.
    pub title: String,
    /// Who called.
    pub caller: Caller,
    /// What was sent.
    pub request: Request,
    /// What came.
    pub response: ExpectedResponse,
}

impl Exchange {
    /// The fixture's folder, relative to the workspace, and the fixture. Fails with the reason why it cannot be made.
    pub fn into_fixture(self, known: &Known<'_>) -> Result<(String, Interaction), String> {
        let route = route(known.contract, &self.request)?;
        let values = values_of_the_run(route, &self.request);
        let Self {
            title,
            caller,
            request,
            response,
        } = self.with_placeholders(&values);
        let folder = route
            .fixtures
            .as_ref()
            .ok_or_else(|| format!("{} {} has no fixtures", route.method, route.path))?;
        let folder = format!("contracts/{folder}");
        let downstream = match (&route.downstream, caller) {
            (Some(downstream), Caller::Teacher) if route.method == request.method => {
                call_behind(route, downstream, &request, &response)?
            }
            _ => None,
        };
        let interaction = Interaction {
            proves: proves(known, &folder, caller, &request.method, response.status)?,
            title,
            caller,
            request,
            downstream,
            response,
        };
        Ok((folder, interaction))
    }

    /// The exchange with `{placeholder}` for every string that is one of `values`, and for the ids in its path.
    fn with_placeholders(mut self, values: &[(String, &'static str)]) -> Self {
        for (value, placeholder) in values {
            let segments: Vec<&str> = self
                .request
                .path
                .split('/')
                .map(|segment| {
                    if segment == value {
                        *placeholder
                    } else {
                        segment
                    }
                })
                .collect();
            self.request.path = segments.join("/");
            let bodies = [&mut self.request.json, &mut self.response.json];
            for json in bodies.into_iter().flatten() {
                replace(json, value, placeholder);
            }
            let headers = [&mut self.request.headers, &mut self.response.headers];
            for held in headers.into_iter().flat_map(BTreeMap::values_mut) {
                if held == value {
                    *held = (*placeholder).to_owned();
                }
            }
        }
        self
    }
}

/// Puts `with` for every string in `json` that is `value`.
pub fn replace(json: &mut Value, value: &str, with: &str) {
    match json {
        Value::String(text) if text == value => *text = with.to_owned(),
        Value::Array(values) => values
            .iter_mut()
            .for_each(|each| replace(each, value, with)),
        Value::Object(members) => members
            .values_mut()
            .for_each(|each| replace(each, value, with)),
        _ => {}
    }
}

/// The gateway's routes.
fn routes(contract: &Contract) -> impl Iterator<Item = &Route> {
    contract
        .routes
        .iter()
        .filter(|route| route.services.iter().any(|service| service == "gateway"))
}

/// Whether `path` is on a route of the gateway, whatever the method.
pub fn is_routed(contract: &Contract, path: &str) -> bool {
    routes(contract).any(|route| parameters(&route.path, path).is_some())
}

/// The route of a request.
fn route<'a>(contract: &'a Contract, request: &Request) -> Result<&'a Route, String> {
    let path = request.path.split('?').next().unwrap_or_default();
    // A method that a route does not have is an example of it nevertheless.
    routes(contract)
        .filter(|route| parameters(&route.path, path).is_some())
        .max_by_key(|route| route.method == request.method)
        .ok_or_else(|| {
            let suggestion = nearest(path, routes(contract).map(|route| route.path.as_str()))
                .map(|path| format!("; did you mean {path}?"))
                .unwrap_or_default();
            format!("the gateway has no route {path}{suggestion}")
        })
}

/// The values in a request that every run has its own of, each with its placeholder.
fn values_of_the_run(route: &Route, request: &Request) -> Vec<(String, &'static str)> {
    let path = request.path.split('?').next().unwrap_or_default();
    let mut values = Vec::new();
    for (name, value) in parameters(&route.path, path).unwrap_or_default() {
        match name.as_str() {
            "batch_id" => values.push((value, "{batch_id}")),
            // What stands below /v1/classes/ begins with a class's id or with nothing.
            "path" if !value.is_empty() => {
                let class = value.split('/').next().unwrap_or_default();
                if is_id(class) {
                    values.push((class.to_owned(), "{class_id}"));
                }
            }
            _ => {}
        }
    }
    if let Some(id) = request.headers.get("x-correlation-id") {
        values.push((id.clone(), "{correlation_id}"));
    }
    values
}

/// The values of a route's parameters in `path`; `None` when the path is another. `{path}` is all that follows.
fn parameters(template: &str, path: &str) -> Option<Vec<(String, String)>> {
    if let Some(prefix) = template.strip_suffix("{path}") {
        let rest = path.strip_prefix(prefix)?;
        return Some(vec![("path".to_owned(), rest.to_owned())]);
    }
    let (names, segments) = (template.split('/'), path.split('/'));
    if names.clone().count() != segments.clone().count() {
        return None;
    }
    let mut values = Vec::new();
    for (name, segment) in names.zip(segments) {
        match name
            .strip_prefix('{')
            .and_then(|name| name.strip_suffix('}'))
        {
            Some(name) if !segment.is_empty() => values.push((name.to_owned(), segment.to_owned())),
            None if name == segment => {}
            _ => return None,
        }
    }
    Some(values)
}

/// Whether `text` looks like the id of something: long, and of hexadecimal digits.
fn is_id(text: &str) -> bool {
    text.len() == 36 && text.chars().all(|c| c == '-' || c.is_ascii_hexdigit())
}

/// The one call of the service behind that leads to `response`, if there is one.
fn call_behind(
    route: &Route,
    downstream: &contract::model::Downstream,
    request: &Request,
    response: &ExpectedResponse,
) -> Result<Option<Downstream>, String> {
    let service: Service = serde_json::from_value(json!(downstream.service))
        .map_err(|error| format!("{}: {error}", downstream.service))?;
    let Some(answer) = answer(service, response)? else {
        return Ok(None);
    };
    // A route that has the same path behind passes the request on as it is.
    let passed_on = route.path == downstream.path;
    let plain = request.path.split('?').next().unwrap_or_default();
    let path = if passed_on {
        request.path.clone()
    } else {
        let values = parameters(&route.path, plain).unwrap_or_default();
        values
            .iter()
            .fold(downstream.path.clone(), |path, (name, value)| {
                path.replace(&format!("{{{name}}}"), value)
            })
    };
    let mut headers = BTreeMap::new();
    for name in &downstream.headers {
        match name.as_str() {
            "x-user-id" => headers.insert(name.clone(), "{user_id}".to_owned()),
            _ => request
                .headers
                .get(name)
                .and_then(|value| headers.insert(name.clone(), value.clone())),
        };
    }
    let body = |body: &Option<Value>| body.clone().filter(|_| passed_on);
    Ok(Some(Downstream {
        service,
        request: ExpectedRequest {
            method: downstream.method.clone(),
            path,
            headers,
            absent_headers: Vec::new(),
            json: body(&request.json),
            text: request.text.clone().filter(|_| passed_on),
            multipart: request.multipart.clone().filter(|_| passed_on),
            matching: None,
        },
        response: answer,
    }))
}

/// What the service must have answered; `None` when the gateway answers without asking it.
fn answer(service: Service, response: &ExpectedResponse) -> Result<Option<Answer>, String> {
    let is_own = is_own_error(response);
    let same = Answer {
        status: response.status,
        headers: response
            .headers
            .iter()
            .filter(|(name, _)| !["x-correlation-id", "content-type"].contains(&name.as_str()))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect(),
        json: response.json.clone(),
        text: response.text.clone(),
    };
    let short = |status, json| {
        Ok(Some(Answer {
            status,
            headers: BTreeMap::new(),
            json: Some(json),
            text: None,
        }))
    };
    match (service, response.status) {
        (_, 401 | 405) => Ok(None),
        (Service::Files | Service::Classes, 200..=499) if !is_own => Ok(Some(same)),
        (Service::Classes, 500..=599) if !is_own => Ok(Some(same)),
        (_, 400 | 422) if is_own => Ok(None),
        (Service::Orchestrator, 400 | 422) => Ok(None),
        (Service::Orchestrator, status @ (202 | 403 | 404)) => short(status, json!({})),
        (Service::Aggregator, 404) => short(404, json!({})),
        (Service::Aggregator, 403) => short(200, json!({"user_id": "{other_user_id}"})),
        (Service::Aggregator, 200) => {
            let mut batch = response.json.as_ref().map(|json| json["details"].clone());
            match batch.as_mut().and_then(Value::as_object_mut) {
                Some(details) => {
                    details.insert("user_id".into(), "{user_id}".into());
                    details.entry("overall_status").or_insert_with(|| {
                        response
                            .json
                            .as_ref()
                            .map_or(Value::Null, |j| j["status"].clone())
                    });
                    short(200, json!(details))
                }
                None => {
                    Err("a status without details does not say what the aggregator answered".into())
                }
            }
        }
        (_, status) => Err(format!(
            "a {status} does not say what the service behind the gateway did: write this fixture by hand"
        )),
    }
}

/// Whether the gateway made this error itself.
pub fn is_own_error(response: &ExpectedResponse) -> bool {
    let service = response
        .json
        .as_ref()
        .and_then(|json| json.pointer("/error/service"));
    service.is_some_and(|service| service == "api_gateway")
}

/// What the exchange proves: what a person says, or what most of the fixtures that are like it prove.
fn proves(
    known: &Known<'_>,
    folder: &str,
    caller: Caller,
    method: &str,
    status: u16,
) -> Result<Vec<String>, String> {
    if !known.proves.is_empty() {
        return Ok(known.proves.to_vec());
    }
    let alike = |fixture: &&Fixture<Interaction>| {
        let Interaction {
            caller: who,
            request,
            response,
            ..
        } = &fixture.content;
        let below = fixture.path.strip_prefix(folder);
        below.is_some_and(|below| below.starts_with('/'))
            && *who == caller
            && request.method == method
            && response.status == status
    };
    let alike: Vec<&Fixture<Interaction>> = known.fixtures.iter().filter(alike).collect();
    let times = |id: &str| {
        let proves =
            |fixture: &&&Fixture<Interaction>| fixture.content.proves.iter().any(|p| p == id);
        alike.iter().filter(proves).count()
    };
    // Of two that are as frequent the one that the contract names first.
    let most = known
        .contract
        .promises
        .iter()
        .rev()
        .map(|promise| promise.id.as_str())
        .filter(|id| times(id) > 0)
        .max_by_key(|id| times(id));
    most.map(|id| vec![id.to_owned()]).ok_or_else(|| {
        format!(
            "no fixture in {folder} has a {method} with a {status}, so what it proves is not known: say it with --proves ID"
        )
    })
}

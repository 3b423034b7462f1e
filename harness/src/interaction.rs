//! An interaction fixture played: the call, what its downstream sees and answers, what the client gets.

use std::collections::BTreeMap;
use std::time::Duration;

use contract::rules::Service;
use serde_json::Value;

use crate::audit::{call_header_promises, header_promises, is_mistake, names_otherwise};
use crate::breach::Breach;
use crate::error_shape::ErrorShape;
use crate::expectation::{self, Difference};
use crate::fixture::{self, Caller, Fixture, Interaction};
use crate::flow::{self, Actor, Entry, Recorder};
use crate::http::{self, Call, CallBody, Reply};
use crate::matching::{Body, Keys, Matching, Response};
use crate::scenario::{Failure, Outcome};
use crate::stage::Stage;
use crate::standin::{Answer, AnswerBody};

/// The status of a user who has asked too often.
const LIMITED: u16 = 429;
const CORRELATION: &str = "x-correlation-id";
const HOP_BY_HOP: &str = "classes.hop-by-hop-dropped";
const ONE_SHAPE: &str = "errors.one-shape";

impl Stage {
    /// Plays an interaction with the gateway: the call, what its downstream sees and answers, what the client gets.
    pub async fn play(&self, fixture: &Fixture<Interaction>) -> Outcome<Reply> {
        let interaction = &fixture.content;
        let values = self.placeholders();
        let teacher = self.user("teacher");
        let mut headers: Vec<(String, String)> = interaction
            .request
            .headers
            .iter()
            .map(|(name, value)| (name.clone(), values.fill(value)))
            .collect();
        match interaction.caller {
            Caller::Nobody => {}
            Caller::Teacher => {
                headers.push((
                    "authorization".into(),
                    format!("Bearer {}", self.token(&teacher)),
                ));
            }
            Caller::Expired => {
                let issuer = &self.system().issuer;
                let token = issuer.sign(&issuer.claims(&teacher.id).expired());
                let token = self.known_token("expired", token);
                headers.push(("authorization".into(), format!("Bearer {token}")));
            }
        }
        let request = &interaction.request;
        let call = Call {
            method: request.method.clone(),
            path: values.fill(&request.path),
            headers,
            body: match (&request.json, &request.text, &request.multipart) {
                (Some(json), _, _) => CallBody::Json(values.fill_json(json)),
                (_, Some(text), _) => CallBody::Text(values.fill(text)),
                (_, _, Some(parts)) => CallBody::Multipart(values.fill_parts(parts)),
                _ => CallBody::Empty,
            },
        };
        if let Some(downstream) = &interaction.downstream {
            let answer = &downstream.response;
            let headers = answer.headers.iter();
            let answer = Answer {
                status: answer.status,
                headers: headers
                    .map(|(name, value)| (name.clone(), values.fill(value)))
                    .collect(),
                body: match (&answer.json, &answer.text) {
                    (_, Some(text)) => AnswerBody::Text(values.fill(text)),
                    (Some(json), None) => AnswerBody::Json(values.fill_json(json)),
                    (None, None) => AnswerBody::Empty,
                },
                delay: Duration::ZERO,
            };
            self.standin(downstream.service).answer(self.mark(), answer);
        }
        let (reply, recorder) = self
            .send_call(&teacher.name, Service::Gateway, &call)
            .await?;
        let mut problems = self.check_downstream(interaction, &values).await?;
        if reply.status == LIMITED && interaction.response.status != LIMITED {
            // Nothing else is to be learned from it.
            let words = format!("the user has not asked too often, and got {}", reply.text());
            problems = vec![Breach::of(words, ["rate-limits.per-user"])];
            recorder.push(Entry::Response(reply.shown()));
        } else {
            let route = contract::rules::Call {
                method: &call.method,
                path: &call.path,
                headers: &call.headers,
                body: &[],
            };
            let rules = self.lines().rules();
            let promise = rules.promise_of_answer(Service::Gateway, &route);
            let errors = &self.system().profile().errors;
            let own_words = !self.system().is_reference();
            let judged = (interaction, own_words);
            let found = check_reply(judged, &values, errors, &reply, &recorder);
            // Where a success was expected, it is the route that does not do what it is for.
            let promise = promise.filter(|_| is_success(interaction.response.status));
            problems.extend(found.into_iter().map(|breach| breach.or_of(promise)));
        }
        if problems.is_empty() {
            return Ok(reply);
        }
        let place = |words: &str| format!("{}: {words}", fixture.path);
        let breaches = problems.into_iter().map(|breach| breach.with_words(place));
        Err(Failure::Broken(breaches.collect()))
    }

    /// Whether the stand-ins saw what the interaction says, and nothing else.
    async fn check_downstream(
        &self,
        interaction: &Interaction,
        values: &Placeholders,
    ) -> Outcome<Vec<Breach>> {
        let mut problems = Vec::new();
        for standin in self.system().standins.all() {
            let requests = standin.take_requests(self.mark());
            let expected = interaction
                .downstream
                .as_ref()
                .filter(|downstream| self.standin(downstream.service).name == standin.name);
            let times = requests.len();
            match (expected, times) {
                (None, 0) | (Some(_), 1) => {}
                (None, _) => problems.push(Breach::new(format!(
                    "{} should not have been called",
                    standin.name
                ))),
                (Some(_), 0) => {
                    problems.push(Breach::new(format!("{} was not called", standin.name)));
                }
                (Some(_), _) => problems.push(Breach::new(format!(
                    "{} was called {times} times",
                    standin.name
                ))),
            }
            if requests.is_empty() {
                continue;
            }
            let recorder = self.lane(standin.name, Actor::StandIn);
            for request in &requests {
                self.arrived(standin.name, request);
                let mut shown = shown_request(request).await;
                if let Some(downstream) = expected {
                    let arrived = Arrived::of(request).await;
                    let found =
                        arrived.check(standin.name, interaction, downstream, values, &mut shown);
                    let promise = self.lines().rules().promise_of_call(standin.name);
                    problems.extend(found.into_iter().map(|breach| breach.or_of(promise)));
                }
                recorder.push(Entry::Request(shown));
                if let Some(downstream) = expected {
                    recorder.push(Entry::Response(shown_answer(&downstream.response, values)));
                }
            }
        }
        Ok(problems)
    }

    fn placeholders(&self) -> Placeholders {
        let named = |placeholder: &str, value: String| (format!("{{{placeholder}}}"), value);
        Placeholders(vec![
            named("user_id", self.user("teacher").id),
            named("other_user_id", self.user("colleague").id),
            named("batch_id", self.id("batch")),
            named("class_id", self.id("class")),
            named("correlation_id", self.id("correlation")),
        ])
    }
}

/// What stands for a value of the run in fixtures.
struct Placeholders(Vec<(String, String)>);

impl Placeholders {
    fn fill(&self, text: &str) -> String {
        self.0
            .iter()
            .fold(text.to_owned(), |text, (placeholder, value)| {
                text.replace(placeholder, value)
            })
    }

    fn fill_json(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.fill(text)),
            Value::Array(values) => values.iter().map(|value| self.fill_json(value)).collect(),
            Value::Object(members) => members
                .iter()
                .map(|(name, value)| (self.fill(name), self.fill_json(value)))
                .collect(),
            other => other.clone(),
        }
    }

    fn fill_parts(&self, parts: &[fixture::Part]) -> Vec<fixture::Part> {
        parts
            .iter()
            .map(|part| fixture::Part {
                value: self.fill(&part.value),
                ..part.clone()
            })
            .collect()
    }
}

/// A request at a stand-in, its body read as what it is.
struct Arrived<'a> {
    request: &'a wiremock::Request,
    parts: Option<Vec<fixture::Part>>,
}

impl<'a> Arrived<'a> {
    async fn of(request: &'a wiremock::Request) -> Self {
        let kind = header(request, "content-type").unwrap_or_default();
        let parts = if kind.starts_with("multipart/form-data") {
            http::read_parts(&kind, request.body.clone()).await.ok()
        } else {
            None
        };
        Self { request, parts }
    }

    /// Each way in which the request is not `expected`. Values that are free are masked in `shown`.
    fn check(
        &self,
        name: &str,
        interaction: &Interaction,
        downstream: &fixture::Downstream,
        values: &Placeholders,
        shown: &mut flow::Request,
    ) -> Vec<Breach> {
        let expected = &downstream.request;
        let mut problems = Vec::new();
        let path = values.fill(&expected.path);
        if shown.method != expected.method || shown.path != path {
            problems.push(Breach::new(format!(
                "{name} should have received {} {path} and received {} {}",
                expected.method, shown.method, shown.path
            )));
        }
        let fields = |field: &str| header(self.request, field);
        problems.extend(check_headers(
            &format!("{name} received"),
            &expected.headers,
            values,
            fields,
            call_header_promises,
        ));
        problems.extend(check_absent(
            &format!("{name} received"),
            &expected.absent_headers,
            interaction,
            fields,
        ));
        if let (Some(json), Some(matching)) = (&expected.json, &expected.matching) {
            let example = Body::Json(values.fill_json(json));
            let actual = Body::read(&self.request.body, None);
            let found = matching.body(&example, &actual, Keys::AreThese);
            problems.extend(
                found
                    .iter()
                    .map(|problem| Breach::new(format!("{name} received a body: {problem}"))),
            );
        } else if let Some(json) = &expected.json {
            let json = values.fill_json(json);
            let actual = serde_json::from_slice(&self.request.body).unwrap_or(Value::Null);
            let differences = expectation::differences(&json, &actual);
            problems.extend(
                differences
                    .iter()
                    .map(|d| command_breach(format!("{name} received a body with {d}"), d)),
            );
            shown.body = flow::Body::Json(expectation::masked(&json, &actual));
        }
        if let Some(text) = &expected.text
            && self.request.body != values.fill(text).as_bytes()
        {
            problems.push(Breach::new(format!(
                "{name} should have received the body {text:?} and received {:?}",
                String::from_utf8_lossy(&self.request.body)
            )));
        }
        if let Some(parts) = &expected.multipart {
            let parts = values.fill_parts(parts);
            if self.parts.as_ref() != Some(&parts) {
                problems.push(Breach::new(format!(
                    "{name} should have received the parts {parts:?} and received {:?}",
                    self.parts
                )));
            }
        }
        problems
    }
}

/// Each way in which `reply` is not what the interaction expects; records the reply.
fn check_reply(
    (interaction, own_words): (&Interaction, bool),
    values: &Placeholders,
    errors: &ErrorShape,
    reply: &Reply,
    recorder: &Recorder,
) -> Vec<Breach> {
    let expected = &interaction.response;
    // Only an error of the gateway's own: what a service behind it says is passed on as it is.
    let own = expected.json.as_ref().map(|json| &json["error"]);
    let own = own.filter(|error| error["code"].is_string());
    let details = own.map(|error| values.fill_json(&error["details"]));
    let reply = &Reply {
        error: details.and_then(|details| errors.translate(reply, &details)),
        ..reply.clone()
    };
    let mut shown = reply.shown();
    let text = reply.text();
    let mut problems = match &expected.matching {
        Some(matching) => {
            let found = check_by_rules(matching, expected, values, reply);
            found.into_iter().map(Breach::new).collect()
        }
        None => check_by_example((interaction, own_words), values, reply, &mut shown),
    };
    let is_it = reply.status == expected.status && own.is_some();
    if is_it && reply.error.is_none() && *errors != ErrorShape::default() {
        let code = &errors.code;
        let sentence =
            format!("the answer is no error with a code at {code}, as the profile has it: {text}");
        problems.insert(0, Breach::of(sentence, [ONE_SHAPE]));
    }
    problems.extend(check_absent(
        "the answer has",
        &expected.absent_headers,
        interaction,
        |name| reply.header(name).map(str::to_owned),
    ));
    let mut checked = Vec::new();
    for part in &expected.contains {
        let part = values.fill(part);
        if !text.contains(part.as_str()) {
            problems.push(Breach::new(format!("the body does not contain {part:?}")));
        }
        checked.push(format!("contains {part:?}"));
    }
    for part in &expected.absent {
        let part = values.fill(part);
        if text.to_lowercase().contains(&part.to_lowercase()) {
            problems.push(Breach::new(format!("the body contains {part:?}")));
        }
        checked.push(format!("does not contain {part:?}"));
    }
    if expected.json.is_none() && expected.text.is_none() && !checked.is_empty() {
        shown.body = flow::Body::Checked(checked);
    }
    recorder.push(Entry::Response(shown));
    problems
}

/// Whether `status` refuses what a client got wrong as well as the one of the fixture: clients rely on which only for a
/// batch of another name and for an unknown phase.
fn is_refused_otherwise(interaction: &Interaction, status: u16) -> bool {
    const FIXED: [&str; 2] = [
        "pipelines.other-batch-refused",
        "pipelines.unknown-phase-refused",
    ];
    let is_fixed = |promise: &String| FIXED.contains(&promise.as_str());
    interaction.downstream.is_none()
        && interaction.response.status != 404
        && is_mistake(interaction.response.status)
        && is_mistake(status)
        && !interaction.proves.iter().any(is_fixed)
}

fn is_success(status: u16) -> bool {
    (200..300).contains(&status)
}

/// A sentence for each way in which `reply` is not what the rules of a consumer's contract say.
fn check_by_rules(
    matching: &Matching,
    expected: &fixture::ExpectedResponse,
    values: &Placeholders,
    reply: &Reply,
) -> Vec<String> {
    let headers = expected.headers.iter();
    let body = match (&expected.json, &expected.text) {
        (Some(json), _) => Body::Json(values.fill_json(json)),
        (None, Some(text)) if text.is_empty() => Body::Empty,
        (None, Some(text)) => Body::Text(values.fill(text)),
        (None, None) => Body::Missing,
    };
    let example = Response {
        status: expected.status,
        headers: headers
            .map(|(name, value)| (name.to_lowercase(), values.fill(value)))
            .collect(),
        body,
    };
    let actual = Response {
        status: reply.status,
        headers: reply.headers.iter().cloned().collect(),
        body: match &reply.error {
            Some(error) => Body::Json(error.clone()),
            None => Body::read(&reply.body, reply.header("content-type")),
        },
    };
    matching.response(&example, &actual)
}

/// Each way in which headers and body of `reply`, whose status is the one expected, are not those expected; in `shown`,
/// values that are free are masked. A gateway of somebody else's may have `own_words` for its errors.
///
/// What a service behind answered comes back as it is. To what the gateway says itself it may add members: which, is for
/// the schema of the answer to say, and audited.
fn check_by_example(
    (interaction, own_words): (&Interaction, bool),
    values: &Placeholders,
    reply: &Reply,
    shown: &mut flow::Response,
) -> Vec<Breach> {
    let expected = &interaction.response;
    let behind = interaction.downstream.as_ref().map(|d| &d.response);
    let passed_on = behind.is_some_and(|answer| answer.json == expected.json);
    let refused_otherwise = own_words && is_refused_otherwise(interaction, reply.status);
    if reply.status != expected.status && !refused_otherwise {
        let (status, got) = (expected.status, reply.status);
        let words = format!("expected status {status}, got {got} with {}", reply.text());
        // Whatever else is another in another answer follows from that.
        return vec![Breach::new(words)];
    }
    let mut problems = Vec::new();
    problems.extend(check_headers(
        "the answer has",
        &expected.headers,
        values,
        |name| reply.header(name).map(str::to_owned),
        header_promises,
    ));
    if let Some(json) = &expected.json {
        let json = values.fill_json(json);
        match reply.parsed() {
            Ok(actual) => {
                let differences = match passed_on {
                    true => expectation::differences(&json, &actual),
                    false => expectation::shortfalls(&json, &actual),
                };
                let owed = |difference: &&Difference| {
                    !(own_words && names_otherwise(&difference.pointer, &actual))
                };
                problems.extend(differences.iter().filter(owed).map(body_breach));
                shown.body = flow::Body::Json(expectation::masked(&json, &actual));
            }
            Err(error) => {
                let words = format!("the answer is no JSON ({error}): {}", reply.text());
                problems.push(Breach::of(words, shape_promise(reply.status)));
            }
        }
    }
    let text = reply.text();
    if let Some(wanted) = &expected.text
        && text != values.fill(wanted)
    {
        problems.push(Breach::new(format!(
            "expected the body {wanted:?}, got {text:?}"
        )));
    }
    problems
}

/// What a command says of its request, the header fields of the call say too.
fn command_breach(words: String, difference: &Difference) -> Breach {
    let name = match difference.pointer.as_str() {
        "/correlation_id" => CORRELATION,
        "/user_id" => "x-user-id",
        _ => "",
    };
    Breach::of(words, call_header_promises(name).iter().copied())
}

/// What a difference in the body of an answer breaks: the shape of errors is a promise of its own.
fn body_breach(difference: &Difference) -> Breach {
    let words = format!("the answer's body: {difference}");
    match difference.pointer.as_str() {
        "/correlation_id" | "/error/correlation_id" => {
            Breach::of(words, header_promises(CORRELATION).iter().copied())
        }
        "/error/code" => Breach::new(words),
        pointer if pointer.starts_with("/error") => Breach::of(words, [ONE_SHAPE]),
        _ => Breach::new(words),
    }
}

fn shape_promise(status: u16) -> Option<&'static str> {
    (status >= 400).then_some(ONE_SHAPE)
}

fn check_headers(
    whose: &str,
    expected: &BTreeMap<String, String>,
    values: &Placeholders,
    field: impl Fn(&str) -> Option<String>,
    promises: fn(&str) -> &'static [&'static str],
) -> Vec<Breach> {
    let mut problems = Vec::new();
    for (name, value) in expected {
        let name = name.to_lowercase();
        let value = values.fill(value);
        let breach = |words: String| Breach::of(words, promises(&name).iter().copied());
        match field(&name) {
            Some(actual) if is_field(&name, &value, &actual) => {}
            Some(actual) => problems.push(breach(format!(
                "{whose} {name}: expected {value:?}, got {actual:?}"
            ))),
            None => problems.push(breach(format!("{whose} no {name}, expected {value:?}"))),
        }
    }
    problems
}

/// Whether the header field `name` says what is expected of it.
fn is_field(name: &str, expected: &str, actual: &str) -> bool {
    let words = |list: &str| -> Vec<String> {
        list.split(',').map(|word| word.trim().to_owned()).collect()
    };
    match name {
        // A media type may have parameters that nothing hangs on, such as the charset of JSON (RFC 9110, section 8.3.1).
        "content-type" if !expected.contains(';') => actual
            .split(';')
            .next()
            .is_some_and(|kind| kind.trim().eq_ignore_ascii_case(expected)),
        // A list of methods, in any order; HEAD comes with GET or does not (RFC 9110, section 10.2.1).
        "allow" => {
            let actual = words(actual);
            words(expected).iter().all(|method| actual.contains(method))
        }
        _ => {
            let (expected, actual) = (Value::from(expected), Value::from(actual));
            expectation::differences(&expected, &actual).is_empty()
        }
    }
}

/// Each header field that is there and must not be. Those of a connection are a promise of their own.
fn check_absent(
    whose: &str,
    absent: &[String],
    interaction: &Interaction,
    field: impl Fn(&str) -> Option<String>,
) -> Vec<Breach> {
    let there = absent.iter().filter_map(|name| {
        let value = field(&name.to_lowercase())?;
        let words = format!("{whose} {name}: {value}, which must not be there");
        let hop_by_hop = interaction.proves.iter().any(|id| id == HOP_BY_HOP);
        let promises = if hop_by_hop {
            &[HOP_BY_HOP]
        } else {
            header_promises(name)
        };
        Some(Breach::of(words, promises.iter().copied()))
    });
    there.collect()
}

fn header(request: &wiremock::Request, name: &str) -> Option<String> {
    let value = request.headers.get(name)?;
    Some(String::from_utf8_lossy(value.as_bytes()).into_owned())
}

/// A request at a stand-in as a flow shows it.
pub(crate) async fn shown_request(request: &wiremock::Request) -> flow::Request {
    let query = request
        .url
        .query()
        .map(|query| format!("?{query}"))
        .unwrap_or_default();
    let headers = request
        .headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.to_str().unwrap_or("(not text)")));
    let body = match Arrived::of(request).await.parts {
        Some(parts) => http::shown_parts(&parts),
        None => http::shown_body(&request.body),
    };
    flow::Request {
        method: request.method.to_string(),
        path: format!("{}{query}", request.url.path()),
        headers: http::shown_headers(headers),
        body,
        service: None,
    }
}

fn shown_answer(answer: &fixture::Answer, values: &Placeholders) -> flow::Response {
    let mut headers: Vec<(String, String)> = answer
        .headers
        .iter()
        .map(|(name, value)| (name.to_lowercase(), values.fill(value)))
        .collect();
    headers.sort();
    flow::Response {
        status: answer.status,
        headers,
        all_headers: Vec::new(),
        body: match (&answer.json, &answer.text) {
            (Some(json), _) => flow::Body::Json(values.fill_json(json)),
            (None, Some(text)) => flow::Body::Text(values.fill(text)),
            (None, None) => flow::Body::Empty,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use serde_json::json;

    #[rstest]
    #[case::a_charset(
        "content-type",
        "application/json",
        "Application/JSON; charset=utf-8",
        true
    )]
    #[case::another_type("content-type", "application/json", "application/jsonp", false)]
    #[case::a_wanted_parameter("content-type", "text/csv; header=present", "text/csv", false)]
    #[case::methods_in_any_order("allow", "PUT,GET", "GET, HEAD, PUT", true)]
    #[case::a_method_too_few("allow", "GET,PUT", "GET, HEAD", false)]
    #[case::a_free_value("etag", "<text>", "7", true)]
    #[case::another_value("location", "/v1", "/v2", false)]
    fn a_header_field_is_compared_as_what_it_is(
        #[case] name: &str,
        #[case] expected: &str,
        #[case] actual: &str,
        #[case] is: bool,
    ) {
        assert_eq!(is_field(name, expected, actual), is);
    }

    #[rstest]
    #[case::the_gateways_own_words(json!({"status": "s", "details": {}}), &[])]
    #[case::passed_on(
        json!({"user_id": "u"}),
        &["the answer's body: /more: expected nothing, got true"]
    )]
    fn only_to_its_own_words_may_a_gateway_add(
        #[case] mut answer: Value,
        #[case] sentences: &[&str],
    ) {
        let interaction: Interaction = serde_json::from_value(json!({
            "title": "t", "proves": [], "caller": "teacher",
            "request": {"method": "GET", "path": "/p"},
            "downstream": {
                "service": "aggregator",
                "request": {"method": "GET", "path": "/p"},
                "response": {"status": 200, "json": {"user_id": "u"}},
            },
            "response": {"status": 200, "json": answer},
        }))
        .unwrap();
        answer["more"] = json!(true);
        let reply = Reply {
            status: 200,
            headers: Vec::new(),
            body: answer.to_string().into_bytes(),
            error: None,
        };
        let found = check_by_example(
            (&interaction, false),
            &Placeholders(Vec::new()),
            &reply,
            &mut reply.shown(),
        );
        let found: Vec<&str> = found.iter().map(Breach::words).collect();
        assert_eq!(found, sentences);
    }

    #[rstest]
    #[case::as_described(415, "UNSUPPORTED_MEDIA_TYPE", "files.bad-body-refused", &[])]
    #[case::another_status_and_another_code(422, "INVALID_FILES", "files.bad-body-refused", &[])]
    #[case::no_code(422, "", "files.bad-body-refused", &["the answer's body: /error/code: expected \"UNSUPPORTED_MEDIA_TYPE\", got \"\""])]
    #[case::an_error_of_the_gateway(500, "OOPS", "files.bad-body-refused", &["expected status 415, got 500 with {\"error\":{\"code\":\"OOPS\"}}"])]
    #[case::where_the_status_is_fixed(400, "INVALID_BODY", "pipelines.unknown-phase-refused", &["expected status 415, got 400 with {\"error\":{\"code\":\"INVALID_BODY\"}}"])]
    fn a_gateway_of_somebody_elses_refuses_a_mistake_in_its_own_words(
        #[case] status: u16,
        #[case] code: &str,
        #[case] promise: &str,
        #[case] sentences: &[&str],
    ) {
        let interaction: Interaction = serde_json::from_value(json!({
            "title": "t", "proves": [promise], "caller": "teacher",
            "request": {"method": "POST", "path": "/p"},
            "response": {"status": 415, "json": {"error": {"code": "UNSUPPORTED_MEDIA_TYPE"}}},
        }))
        .unwrap();
        let reply = Reply {
            status,
            headers: Vec::new(),
            body: json!({"error": {"code": code}}).to_string().into_bytes(),
            error: None,
        };
        let found = check_by_example(
            (&interaction, true),
            &Placeholders(Vec::new()),
            &reply,
            &mut reply.shown(),
        );
        let found: Vec<&str> = found.iter().map(Breach::words).collect();
        assert_eq!(found, sentences);
    }

    #[rstest]
    #[case::of_the_type(json!({"id": "b-1", "count": 7, "new": true}), &[])]
    #[case::not_of_the_type(
        json!({"id": "b-1", "count": "7"}),
        &["$.count: expected an integer, got \"7\""]
    )]
    #[case::an_example_without_a_rule(
        json!({"id": "b-2", "count": 7}),
        &["$.id: expected \"b-1\", got \"b-2\""]
    )]
    fn with_rules_an_expected_answer_is_an_example(
        #[case] body: Value,
        #[case] sentences: &[&str],
    ) {
        let expected: fixture::ExpectedResponse = serde_json::from_value(json!({
            "status": 200,
            "json": {"id": "{batch_id}", "count": 2},
            "matching": {"body": {"$.count": {"matchers": [{"match": "integer"}]}}},
        }))
        .unwrap();
        let matching = expected.matching.as_ref().unwrap();
        let values = Placeholders(vec![("{batch_id}".into(), "b-1".into())]);
        let reply = Reply {
            status: 200,
            headers: vec![("content-type".into(), "application/json".into())],
            body: body.to_string().into_bytes(),
            error: None,
        };
        assert_eq!(
            check_by_rules(matching, &expected, &values, &reply),
            sentences
        );
    }
}

//! HTTP: calls of the two services, and what the stand-ins behind the gateway see and answer.

use std::time::Duration;

use contract::rules::{self, Service};
use serde_json::{Value, json};

use super::Stage;
use crate::flow::{self, Actor, Entry, Recorder};
use crate::http::{Call, CallBody, Reply};
use crate::scenario::{Outcome, ensure};
use crate::standin::{Answer, StandIn};
use crate::{expectation, fixture, interaction};

impl Stage {
    /// Calls the gateway as actor `name`.
    pub async fn call(&self, name: &str, call: &Call) -> Outcome<Reply> {
        let (reply, recorder) = self.send_call(name, Service::Gateway, call).await?;
        recorder.push(Entry::Response(reply.shown()));
        Ok(reply)
    }

    /// Calls the gateway, unseen by the flow: for calls whose number is chance.
    pub async fn call_unseen(&self, call: &Call) -> Outcome<Reply> {
        self.exchange(Service::Gateway, call).await
    }

    /// Calls an HTTP route of the websocket service as actor `name`. The flow shows those members of the JSON answer
    /// that `expected` has, free values masked as it says.
    pub async fn call_websocket_service(
        &self,
        name: &str,
        call: &Call,
        expected: &Value,
    ) -> Outcome<Reply> {
        let (reply, recorder) = self.send_call(name, Service::Websocket, call).await?;
        let mut shown = reply.shown();
        if let flow::Body::Json(actual) = &mut shown.body {
            *actual = expectation::masked(expected, actual);
            if let (Some(members), Some(expected)) = (actual.as_object_mut(), expected.as_object())
            {
                members.retain(|name, _| expected.contains_key(name));
            }
        }
        recorder.push(Entry::Response(shown));
        Ok(reply)
    }

    /// Reads the websocket service's metrics as actor `name`; the flow says only that they were read.
    pub async fn websocket_metrics(&self, name: &str) -> Outcome<String> {
        let call = Call::get("/metrics");
        let (reply, recorder) = self.send_call(name, Service::Websocket, &call).await?;
        recorder.push(Entry::Response(flow::Response {
            body: flow::Body::Empty,
            ..reply.shown()
        }));
        ensure(reply.status == 200, || {
            format!("GET /metrics answered {}", reply.status)
        })?;
        Ok(reply.text())
    }

    /// Tells the stand-in for `service` to answer this stage's requests with `status` and `json`.
    pub fn stand_in_answers(&self, service: fixture::Service, status: u16, json: &Value) {
        let answer = Answer::json(status, json);
        self.standin(service).answer(&self.0.mark, answer);
    }

    /// The same, but the answer comes only after `delay`.
    pub fn stand_in_answers_after(
        &self,
        delay: Duration,
        service: fixture::Service,
        status: u16,
        json: &Value,
    ) {
        let answer = Answer {
            delay,
            ..Answer::json(status, json)
        };
        self.standin(service).answer(&self.0.mark, answer);
    }

    /// Takes the requests of this stage that `service` has received, and records them with `answered` as the status.
    pub async fn requests_at(
        &self,
        service: fixture::Service,
        answered: u16,
    ) -> Outcome<Vec<(String, Value)>> {
        let standin = self.standin(service);
        let recorder = self.lane(standin.name, Actor::StandIn);
        let mut seen = Vec::new();
        for request in standin.take_requests(&self.0.mark) {
            self.arrived(standin.name, &request);
            recorder.push(Entry::Request(interaction::shown_request(&request).await));
            recorder.push(Entry::Response(flow::Response {
                status: answered,
                headers: Vec::new(),
                all_headers: Vec::new(),
                body: flow::Body::Empty,
            }));
            let path = request.url.path().to_owned();
            seen.push((
                path,
                serde_json::from_slice(&request.body).unwrap_or(Value::Null),
            ));
        }
        Ok(seen)
    }

    pub(crate) async fn send_call(
        &self,
        name: &str,
        service: Service,
        call: &Call,
    ) -> Outcome<(Reply, Recorder)> {
        let recorder = self.lane(name, Actor::Caller);
        recorder.push(Entry::Request(call.shown(service)));
        if let CallBody::Json(json) = &call.body {
            self.lock().redactor.note_sent(json);
        }
        Ok((self.exchange(service, call).await?, recorder))
    }

    /// Sends `call` and holds the answer against the contract.
    async fn exchange(&self, service: Service, call: &Call) -> Outcome<Reply> {
        let endpoint = self.endpoint(service)?;
        let on_the_wire = Call {
            path: match service {
                Service::Gateway => self.0.system.profile().gateway_target(&call.path),
                Service::Websocket => call.path.clone(),
            },
            ..call.clone()
        };
        let mut reply = on_the_wire.send(&self.0.lines.http, &endpoint).await?;
        reply.error = self.errors(service).translate(&reply, &json!({}));
        let body = match &call.body {
            CallBody::Json(json) => json.to_string().into_bytes(),
            CallBody::Text(text) => text.clone().into_bytes(),
            CallBody::Empty | CallBody::Multipart(_) => Vec::new(),
        };
        let sent = rules::Call {
            method: &call.method,
            path: &call.path,
            headers: &call.headers,
            body: &body,
        };
        let judged = reply.judged();
        let answer = rules::Reply {
            status: judged.status,
            headers: &judged.headers,
            body: &judged.body,
        };
        self.lock().audit.called(service, &sent, &answer);
        drop(judged);
        Ok(reply)
    }

    /// Holds a call that reached a stand-in against the contract.
    pub(crate) fn arrived(&self, standin: &str, request: &wiremock::Request) {
        let headers: Vec<(String, String)> = (request.headers.iter())
            .map(|(name, value)| (name.to_string(), value.to_str().unwrap_or_default().into()))
            .collect();
        let call = rules::Call {
            method: request.method.as_str(),
            path: request.url.path(),
            headers: &headers,
            body: &request.body,
        };
        self.lock().audit.arrived(standin, &call);
    }

    pub(crate) fn standin(&self, service: fixture::Service) -> &StandIn {
        let standins = &self.0.system.standins;
        match service {
            fixture::Service::Aggregator => &standins.aggregator,
            fixture::Service::Files => &standins.files,
            fixture::Service::Classes => &standins.classes,
            fixture::Service::Orchestrator => &standins.orchestrator,
        }
    }
}

//! What is behind the gateway: it answers with the fixtures' answers, and publishes what a backend would publish then.
//!
//! - `answers`: the fixtures' answers, with the ids of the call
//! - `batches`: whose each batch is, and how far: the status route agrees with what was published

mod answers;
mod batches;

use std::sync::Arc;
use std::time::Duration;

use harness::fixture::{FixtureError, Message, Service};
use harness::system::System;
use serde_json::{Value, json};
use tokio::sync::mpsc::{self, UnboundedSender};
use tokio::time::sleep;
use wiremock::{Request, ResponseTemplate};

use super::backplane;
use super::notifications::Notifications;
use super::pipeline::{Run, correlation};
use answers::{Answers, Found, part};
use batches::{Batches, Progress};

/// How long passes before each message: long enough to watch, and for the answer to arrive first.
const PACE: Duration = Duration::from_secs(1);

/// The services behind the gateway. Clones are the same services.
#[derive(Clone)]
pub struct Backend(Arc<Inner>);

struct Inner {
    answers: Answers,
    notifications: Arc<Notifications>,
    batches: Batches,
}

/// What is published to a user, one after the other.
struct Story {
    user: String,
    events: Vec<Event>,
}

struct Event {
    message: Message,
    /// How far a batch is then.
    progress: Option<(String, Progress)>,
}

/// Who asks, and for what.
struct Call<'a> {
    user: String,
    correlation_id: String,
    found: Found<'a>,
    body: &'a [u8],
}

impl Backend {
    /// Answers from `contracts/fixtures/gateway`, and publishes `notifications`.
    pub fn new(notifications: Arc<Notifications>) -> Result<Self, FixtureError> {
        Ok(Self(Arc::new(Inner {
            answers: Answers::read()?,
            notifications,
            batches: Batches::default(),
        })))
    }

    /// Stands in for the services behind the gateway of `system` from now on.
    pub fn stand_in(&self, system: &Arc<System>) {
        let (begin, mut begun) = mpsc::unbounded_channel::<Story>();
        let standins = &system.standins;
        for (service, standin) in [
            (Service::Aggregator, &standins.aggregator),
            (Service::Files, &standins.files),
            (Service::Classes, &standins.classes),
            (Service::Orchestrator, &standins.orchestrator),
        ] {
            let (backend, begin) = (self.clone(), begin.clone());
            standin.answer_otherwise(move |request: &Request| {
                backend.answer(service, request, &begin)
            });
        }
        let (backend, system) = (self.clone(), Arc::clone(system));
        tokio::spawn(async move {
            while let Some(story) = begun.recv().await {
                tokio::spawn(backend.clone().tell(story, Arc::clone(&system)));
            }
        });
    }

    async fn tell(self, story: Story, system: Arc<System>) {
        for event in story.events {
            sleep(PACE).await;
            if let Some((batch_id, progress)) = event.progress {
                self.0.batches.progress(&batch_id, progress);
            }
            // A backend that finds no Redis goes on too: the client refetches.
            let _ = backplane::publish(&system, &story.user, event.message.text()).await;
        }
    }

    fn answer(
        &self,
        service: Service,
        request: &Request,
        begin: &UnboundedSender<Story>,
    ) -> ResponseTemplate {
        let (method, path) = (request.method.as_str(), request.url.path());
        let Some(found) = self.0.answers.find(service, method, path) else {
            let words = format!("no fixture of the playground answers {method} {path}");
            return ResponseTemplate::new(404).set_body_json(json!({"detail": words}));
        };
        let header = |name| {
            let value = request.headers.get(name).map_or(&[][..], |v| v.as_bytes());
            String::from_utf8_lossy(value).into_owned()
        };
        let call = Call {
            user: header("x-user-id"),
            correlation_id: header("x-correlation-id"),
            found,
            body: &request.body,
        };
        let user = call.user.clone();
        let (answer, events) = match service {
            Service::Aggregator => (self.status(call), Vec::new()),
            Service::Orchestrator => self.command(call),
            Service::Files => self.upload(call),
            Service::Classes => self.class(call),
        };
        if !events.is_empty() {
            // The process may be ending: then nobody is told any more.
            let _ = begin.send(Story { user, events });
        }
        answer
    }

    /// How far a batch is. The aggregator is not told who asks: whose the batch is, is for the gateway to compare.
    fn status(&self, mut call: Call<'_>) -> ResponseTemplate {
        let batch_id = call.found.value("batch_id");
        let Some(batch) = self.0.batches.get(&batch_id) else {
            return ResponseTemplate::new(404);
        };
        call.user.clone_from(&batch.owner);
        call.filled(|body| batch.progress.write(body))
    }

    /// Begins a pipeline.
    fn command(&self, call: Call<'_>) -> (ResponseTemplate, Vec<Event>) {
        let command: Value = serde_json::from_slice(call.body).unwrap_or_default();
        let batch_id = call.found.value("batch_id");
        if !self.0.batches.claim(&batch_id, &call.user) {
            return (ResponseTemplate::new(403), Vec::new());
        }
        let run = Run {
            batch_id: batch_id.clone(),
            pipeline: command["requested_pipeline"]
                .as_str()
                .unwrap_or_default()
                .to_owned(),
            correlation_id: call.correlation_id.clone(),
        };
        let steps = run.steps(&self.0.notifications).into_iter();
        let events = steps.map(|step| Event {
            message: step.message,
            progress: Some((
                batch_id.clone(),
                Progress {
                    pipeline: run.pipeline.clone(),
                    status: step.status,
                    phase: step.phase,
                },
            )),
        });
        (call.filled(|_| ()), events.collect())
    }

    /// Takes files.
    fn upload(&self, mut call: Call<'_>) -> (ResponseTemplate, Vec<Event>) {
        let Some(batch_id) = part(call.body, "batch_id") else {
            let words = json!({"detail": "the form has no batch_id"});
            return (ResponseTemplate::new(400).set_body_json(words), Vec::new());
        };
        if !self.0.batches.claim(&batch_id, &call.user) {
            return (ResponseTemplate::new(403), Vec::new());
        }
        let id = ("batch_id", json!(batch_id));
        call.found.values.push(("batch_id", batch_id));
        let events = self.told(&call, id);
        (call.filled(|_| ()), events)
    }

    /// Manages a class.
    fn class(&self, mut call: Call<'_>) -> (ResponseTemplate, Vec<Event>) {
        let mut class_id = call.found.value("class_id");
        if class_id.is_empty() {
            class_id = uuid::Uuid::new_v4().to_string();
            call.found.values.push(("class_id", class_id.clone()));
        }
        let events = self.told(&call, ("class_id", json!(class_id)));
        (call.filled(|_| ()), events)
    }

    /// What is published after `call`, about the thing with this id.
    fn told(&self, call: &Call<'_>, id: (&str, Value)) -> Vec<Event> {
        let values: Vec<_> = [Some(id), correlation(&call.correlation_id)]
            .into_iter()
            .flatten()
            .collect();
        let name = call.found.notification;
        let message = name.and_then(|name| self.0.notifications.message(name, &values));
        let event = |message| Event {
            message,
            progress: None,
        };
        message.map(event).into_iter().collect()
    }
}

impl Call<'_> {
    /// The fixture's answer with the call's values, after `change` had its way with a JSON body.
    fn filled(mut self, change: impl FnOnce(&mut Value)) -> ResponseTemplate {
        self.found.values.push(("user_id", self.user));
        self.found
            .values
            .push(("correlation_id", self.correlation_id));
        self.found.answer(change)
    }
}

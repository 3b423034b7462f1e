//! The running system as the page's buttons see it.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use harness::fixture::{Fixture, Notification};
use harness::system::{Part, Runtime, StartError, System};
use harness::token::Claims;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::time::sleep;

use super::backplane;
use super::door::Door;
use super::forward::Forwarder;
use super::notifications::Notifications;
use super::script::{Script, Step};

/// How long a good token is good, in seconds: a day of work.
const DAY: i64 = 24 * 60 * 60;
/// How long a brief one is.
const BRIEF: i64 = 5;

/// The system, and what has been done to it.
pub struct Playground {
    /// What is played with.
    pub system: Arc<System>,
    /// The way to the websocket service.
    pub websocket: Forwarder,
    /// One thing is done to the system at a time.
    pub faults: tokio::sync::Mutex<()>,
    /// Where browsers may come from.
    pub origins: Vec<String>,
    /// Where the parts run.
    pub runtime: Runtime,
    /// What can be published by name.
    pub notifications: Arc<Notifications>,
    /// What the services are asked with.
    pub http: reqwest::Client,
    addresses: Addresses,
    scripted: Mutex<Option<Scripted>>,
}

/// The ports that stay the same.
#[derive(Clone, Copy)]
pub struct Addresses {
    /// The page.
    pub page: u16,
    /// The websocket service.
    pub websocket: u16,
    /// The API gateway.
    pub gateway: u16,
}

/// What a token is good for.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A day.
    #[default]
    Good,
    /// A few seconds.
    Brief,
    /// Nothing any more.
    Expired,
    /// Nothing: somebody else signed it.
    Forged,
}

/// How far a script is.
#[derive(Clone, Debug, Serialize)]
struct Scripted {
    file: String,
    /// Which step, from 1.
    step: usize,
    steps: usize,
    publish: String,
    to: String,
    /// Why it could not be published.
    problem: Option<String>,
}

impl Playground {
    /// Opens `websocket` and `gateway` for the services of `system`.
    pub fn open(
        (system, runtime): (Arc<System>, Runtime),
        addresses: Addresses,
        origins: Vec<String>,
        notifications: Arc<Notifications>,
        [websocket, gateway]: [Door; 2],
    ) -> Result<Self, StartError> {
        let endpoint = |part| {
            system
                .endpoint(part)
                .map_err(|error| StartError(error.to_string()))
        };
        let websocket = Forwarder::open(websocket, endpoint(Part::WebsocketService)?);
        // It lives in its tasks.
        let _ = Forwarder::open(gateway, endpoint(Part::ApiGateway)?);
        let http = reqwest::Client::builder().no_proxy().build();
        Ok(Self {
            http: http.map_err(|error| StartError(format!("no HTTP client: {error}")))?,
            system,
            websocket,
            faults: tokio::sync::Mutex::default(),
            origins,
            runtime,
            notifications,
            addresses,
            scripted: Mutex::default(),
        })
    }

    /// What a page has to know once.
    pub fn setup(&self) -> Value {
        let issuer = &self.system.issuer;
        let fixtures = self.notifications.all().iter();
        let closes = harness::contract::contract().map(|contract| &contract.closes);
        let closes = closes.into_iter().flatten().map(|close| {
            json!({"name": close.name, "code": close.code, "when": close.when, "client": close.client})
        });
        json!({
            "websocket": self.addresses.websocket_url(),
            "gateway": self.addresses.gateway_url(),
            "page": self.addresses.page_url(),
            "runtime": self.runtime.to_string(),
            "secret": issuer.secret(),
            "issuer": issuer.name,
            "audience": issuer.audience,
            "algorithm": format!("{:?}", issuer.algorithm),
            "origins": self.origins,
            "fixtures": fixtures.map(shown).collect::<Vec<_>>(),
            "closes": closes.collect::<Vec<_>>(),
        })
    }

    /// What may have changed since.
    pub async fn state(&self) -> Value {
        json!({
            "redis": self.runs(Part::Redis).await,
            "service": self.runs(Part::WebsocketService).await,
            "connections": self.connections().await.ok(),
            "script": *self.scripted.lock().unwrap_or_else(PoisonError::into_inner),
        })
    }

    /// Whether `part` runs.
    pub async fn runs(&self, part: Part) -> bool {
        self.system.exit(part).await.is_none()
    }

    /// A token of this kind for `user`.
    pub fn token(&self, user: &str, kind: Kind) -> String {
        let issuer = &self.system.issuer;
        let claims: Claims = issuer.claims(user);
        match kind {
            Kind::Good => issuer.sign(&claims.expiring_in(DAY)),
            Kind::Brief => issuer.sign(&claims.expiring_in(BRIEF)),
            Kind::Expired => issuer.sign(&claims.expired()),
            Kind::Forged => issuer.forge(&claims),
        }
    }

    /// Publishes `message` to `user`, as it stands. Returns how many websocket services took it.
    pub async fn publish(&self, user: &str, message: String) -> Result<u64, String> {
        backplane::publish(&self.system, user, message).await
    }

    /// Plays `script` for as long as the process lives.
    pub fn play(self: &Arc<Self>, script: Script) {
        let playground = Arc::clone(self);
        tokio::spawn(async move {
            for (index, step) in script.steps.iter().enumerate().cycle() {
                let published = playground.publish(&step.user, step.message.clone()).await;
                playground.note(&script, index, step, published.err());
                sleep(step.pause).await;
            }
        });
    }

    fn note(&self, script: &Script, index: usize, step: &Step, problem: Option<String>) {
        let scripted = Scripted {
            file: script.file.clone(),
            step: index + 1,
            steps: script.steps.len(),
            publish: step.fixture.clone(),
            to: step.user.clone(),
            problem,
        };
        *self.scripted.lock().unwrap_or_else(PoisonError::into_inner) = Some(scripted);
    }
}

impl Addresses {
    fn page_url(self) -> String {
        format!("http://localhost:{}", self.page)
    }

    fn websocket_url(self) -> String {
        format!("ws://localhost:{}/ws", self.websocket)
    }

    fn gateway_url(self) -> String {
        format!("http://localhost:{}", self.gateway)
    }
}

/// Where everything is, for the terminal.
impl fmt::Display for Playground {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let addresses = self.addresses;
        let page = addresses.page_url();
        let secret = self.system.issuer.secret().unwrap_or_default();
        writeln!(f, "the playground is up, in {}:", self.runtime)?;
        writeln!(f, "  page               {page}")?;
        writeln!(
            f,
            "  websocket service  {}?token=…",
            addresses.websocket_url()
        )?;
        writeln!(f, "  api gateway        {}", addresses.gateway_url())?;
        writeln!(f, "  a user's token     {page}/api/token?user=teacher")?;
        writeln!(f, "  JWT secret         {secret}")?;
        write!(f, "Ctrl-C takes it down")
    }
}

fn shown(fixture: &Fixture<Notification>) -> Value {
    let content = &fixture.content;
    json!({
        "name": fixture.name,
        "title": content.title,
        "category": content.message.data.get("category"),
        "message": content.message,
    })
}

//! A saboteur between the suite and a healthy system: it breaks one promise of the contract, for one stage.
//!
//! Every stage that a saboteur stands before has doors of its own, to the websocket service and to the gateway, and a page
//! of its own at the stand-ins; so several promises can be broken at the same time on one system, each for its own
//! scenarios. With nothing to break it is a pipe: whatever passes, passes byte for byte, and ends as it would have ended.
//!
//! - `list`: what it can do, and the promise that each thing breaks
//! - `door`: listeners, and what is done with who comes
//! - `pipe`: a connection carried on as it is
//! - `frame`: WebSocket frames
//! - `socket`: a WebSocket connection whose frames are changed
//! - `exchange`: HTTP messages, changed
//! - `upgrade`: a request for an upgrade, and what becomes of it
//! - `token`: what tokens say, good or bad
//! - `scene`: what the saboteur knows, and its own line to Redis

mod door;
mod exchange;
mod frame;
mod list;
mod pipe;
mod scene;
mod socket;
mod token;
mod upgrade;

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::task::JoinSet;

use crate::endpoint::Endpoint;
use crate::scenario::{Failure, Outcome};
use crate::system::{Exit, Part, System};
use exchange::{Answer, Request};
use frame::Frame;
pub(crate) use list::idle;
pub use list::{all, missing, select};
use scene::Scene;
use socket::Line;
use upgrade::Upgrade;

/// One way to break a promise.
#[derive(Clone, Copy)]
pub struct Sabotage {
    /// What people call it.
    pub name: &'static str,
    /// The id of the promise that it breaks.
    pub promise: &'static str,
    /// What it does.
    pub sentence: &'static str,
    deed: Deed,
}

/// Who stands between a stage and its system.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub enum Between {
    /// Nobody: the stage reaches the system itself.
    #[default]
    Nobody,
    /// A saboteur, with something to break or nothing.
    Saboteur(Option<&'static Sabotage>),
}

/// What a sabotage does, and to what.
#[derive(Clone, Copy)]
enum Deed {
    /// To a request for an upgrade of the websocket service or the gateway, before either sees it.
    Upgrade(fn(&mut Upgrade, &Scene)),
    /// To the frames that the websocket service sends: those that came together become these.
    FromService(fn(&mut Line, Vec<Frame>) -> Vec<Frame>),
    /// To a frame that a client sends: it becomes these.
    FromClient(fn(&mut Line, Frame) -> Vec<Frame>),
    /// To an HTTP request, of either service.
    Request(fn(&mut Request, &Scene)),
    /// To the answer to an HTTP request, of either service.
    Answer(fn(&Request, &mut Answer, &Scene)),
    /// To a call of the gateway that arrives at a stand-in.
    Arrival(fn(&mut wiremock::Request)),
    /// Besides, whenever a message is published to a user of the stage: the user's id, and the bytes.
    Published(fn(&Scene, &str, &[u8])),
    /// To what is seen of the websocket service's log.
    Log(fn(&mut Vec<String>)),
    /// To what is seen of a part's end.
    Exit(fn(Part, Option<Exit>) -> Option<Exit>),
}

/// What stands between one stage and its system. Dropping it ends the connections through it.
#[must_use = "dropping it ends the connections through it"]
pub(crate) struct Saboteur {
    /// Where the stage reaches each part that there may be.
    addresses: Vec<(Part, SocketAddr)>,
    sabotage: Option<&'static Sabotage>,
    /// Aborted when it is dropped.
    _doors: JoinSet<()>,
}

/// A sabotage is known by its name.
impl PartialEq for Sabotage {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Sabotage {}

impl Saboteur {
    /// Takes its place between `system` and the stage with `mark`, and breaks nothing unless there is a `sabotage`.
    pub async fn begin(
        system: &Arc<System>,
        mark: &str,
        sabotage: Option<&'static Sabotage>,
    ) -> Outcome<Self> {
        let trouble =
            |error: std::io::Error| Failure::System(format!("the saboteur cannot listen: {error}"));
        let mut parts = Vec::new();
        let services = system.replicas(Part::WebsocketService).into_iter();
        let second = [Part::SecondWebsocketService];
        for part in (services.chain(second)).chain(system.replicas(Part::ApiGateway)) {
            if let Ok(endpoint) = system.endpoint(part) {
                parts.push((part, address(&endpoint).await?));
            }
        }
        let scene = Arc::new(Scene::new(Arc::clone(system), mark, parts.clone()));
        let mut doors = JoinSet::new();
        let mut addresses = Vec::new();
        for (part, _) in parts {
            let address = door::open(part, &scene, sabotage, &mut doors).map_err(trouble)?;
            addresses.push((part, address));
        }
        match sabotage.map(|sabotage| sabotage.deed) {
            // Among several servers nobody hears everything: such a sabotage is for systems with one.
            Some(Deed::Published(_)) if system.has_several_servers() => {}
            Some(Deed::Published(deed)) => {
                doors.spawn(scene::overhear(scene, deed).await?);
            }
            Some(Deed::Arrival(deed)) => {
                for standin in system.standins.all() {
                    standin.tamper(mark, deed);
                }
            }
            _ => {}
        }
        Ok(Self {
            addresses,
            sabotage,
            _doors: doors,
        })
    }

    /// Where the stage reaches `part`.
    pub fn door(&self, part: Part) -> Option<SocketAddr> {
        let mut addresses = self.addresses.iter();
        addresses.find_map(|(other, address)| (*other == part).then_some(*address))
    }

    /// What the stage sees of a log.
    pub fn log(&self, mut lines: Vec<String>) -> Vec<String> {
        if let Some(Deed::Log(deed)) = self.sabotage.map(|sabotage| sabotage.deed) {
            deed(&mut lines);
        }
        lines
    }

    /// What the stage sees of the end of `part`.
    pub fn exit(&self, part: Part, exit: Option<Exit>) -> Option<Exit> {
        match self.sabotage.map(|sabotage| sabotage.deed) {
            Some(Deed::Exit(deed)) => deed(part, exit),
            _ => exit,
        }
    }
}

/// Where a part is really, whose bytes a saboteur can read.
async fn address(endpoint: &Endpoint) -> Outcome<SocketAddr> {
    if endpoint.has_tls() {
        let words = format!("{endpoint} speaks TLS, and a saboteur cannot stand before it");
        return Err(Failure::System(words));
    }
    let found = endpoint.address().await;
    found.map_err(|error| Failure::System(error.to_string()))
}

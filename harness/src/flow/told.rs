//! A flow as it is told: what each actor did and saw, values masked, as data; and its text, which a person reads without a
//! manual.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What is told of a flow.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Told {
    /// A lane for each actor, in the order of print.
    pub lanes: Vec<Lane>,
}

/// What is told of one actor, or of those of a crowd that are alike.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Lane {
    /// The actor's name: `backend`, `teacher/1`, `aggregator` …
    pub name: String,
    /// Who it is.
    pub role: Role,
    /// The same in words, with how many are alike: `WebSocket client`.
    pub what: String,
    /// What it did and saw, in its own order.
    pub steps: Vec<Step>,
}

/// Who has a lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Whoever runs the system.
    Operator,
    /// Somebody who calls over HTTP.
    Caller,
    /// A service behind the gateway.
    StandIn,
    /// A backend service that publishes.
    Backend,
    /// A WebSocket client.
    Client,
}

/// One thing that an actor did or saw.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// What kind of thing it is.
    pub kind: Kind,
    /// Whether it leaves the actor or reaches it; none where nothing travels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arrow: Option<Arrow>,
    /// The words for it.
    pub head: String,
    /// The service that it asks, where it is a request to one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<Service>,
    /// What belongs to it: header fields, a body, what was published.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub body: Vec<Block>,
    /// The numbers of the first and the last message that it is about, if it is about numbered ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub messages: Option<(usize, usize)>,
    /// Whether it should not have happened: a message once too often, or one that is not the receiver's.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub forbidden: bool,
    /// Where a drawing of all lanes has it, from 1. Within a lane this is the lane's order; between lanes, where there is
    /// no order, it is the one in which the harness recorded the steps.
    #[serde(default)]
    pub place: usize,
}

/// What kind of thing a step is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A message is published.
    Publish,
    /// An HTTP request, upgrades included.
    Request,
    /// An HTTP response.
    Response,
    /// A WebSocket message, ping or pong.
    Message,
    /// A close frame.
    Close,
    /// Whatever was to arrive has arrived.
    Fence,
    /// The scenario or the stream says something.
    Note,
}

/// A service that is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Service {
    /// The API gateway.
    Gateway,
    /// The websocket service.
    Websocket,
}

/// Which way something travels, from the actor's point of view.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Arrow {
    /// It leaves the actor.
    Out,
    /// It reaches the actor.
    In,
}

/// What belongs to a step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Block {
    /// JSON, printed over several lines.
    Json(Value),
    /// Text as it stands.
    Text(String),
}

impl Told {
    /// The text of it.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for lane in &self.lanes {
            if !text.is_empty() {
                text.push('\n');
            }
            let _ = writeln!(text, "{} ({})", lane.name, lane.what);
            text.push_str(&lane.text());
        }
        text
    }
}

impl Lane {
    /// The text of its steps.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        for step in &self.steps {
            let arrow = match step.arrow {
                Some(Arrow::Out) => "-> ",
                Some(Arrow::In) => "<- ",
                None => "   ",
            };
            let line = format!("{arrow}{}", step.head);
            let _ = writeln!(text, "  {}", line.trim_end());
            for block in &step.body {
                let block = match block {
                    Block::Json(value) => serde_json::to_string_pretty(value).unwrap_or_default(),
                    Block::Text(block) => block.clone(),
                };
                for line in block.lines() {
                    let _ = writeln!(text, "     {}", line.trim_end());
                }
            }
        }
        text
    }
}

impl Step {
    /// A step of this kind, which travels as `arrow` says and has these words.
    pub(crate) fn new(kind: Kind, arrow: Option<Arrow>, head: impl Into<String>) -> Self {
        Self {
            kind,
            arrow,
            head: head.into(),
            service: None,
            body: Vec::new(),
            messages: None,
            forbidden: false,
            place: 0,
        }
    }
}

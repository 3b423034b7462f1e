//! What is asked of a system before something is done to it.

use std::sync::Arc;

use super::{Lines, Stage};
use crate::breach::{Breach, Breaks};
use crate::profile::Capability;
use crate::scenario::{Failure, Outcome};
use crate::system::System;

/// How many connections the service has, by its own count.
const CONNECTIONS: &str = "websocket_active_connections";
/// How many messages each user is sent: more than a service can lose one of every few of by chance.
const MESSAGES: usize = 12;

impl Stage {
    /// Checks, on a stage aside of which no flow tells, that what is published to two users arrives at each of their
    /// connections. Where it does not, what follows would look as if something else were broken: a service that loses a
    /// message now and then is not one that a slow client slows down.
    pub async fn on_an_ordinary_day(&self) -> Outcome {
        Self::ordinary_day(Arc::clone(&self.0.system), self.0.lines.clone()).await
    }

    /// The same on a system that has no stage yet.
    pub async fn ordinary_day(system: Arc<System>, lines: Lines) -> Outcome {
        let aside = Self::new(system, lines);
        let outcome = aside.ordinary().await;
        let redacted = outcome.map_err(|failure| failure.redacted(&mut aside.redactor()));
        aside.leave();
        redacted
    }

    /// Checks, on a system of nobody else's, that no connection of such a day is still counted: what follows waits for that
    /// gauge. A service without one is not asked.
    pub(crate) async fn all_gone(system: Arc<System>, lines: Lines) -> Outcome {
        if system.profile().lack(Capability::Counts).is_some() {
            return Ok(());
        }
        let aside = Self::new(system, lines);
        let outcome = match aside.metric(CONNECTIONS).await {
            Ok(_) => aside.until_metric(CONNECTIONS, 0).await,
            Err(_) => Ok(()),
        };
        aside.leave();
        outcome.map_err(day).breaks("metrics.gauges-return")
    }

    async fn ordinary(&self) -> Outcome {
        let (teacher, colleague) = (self.user("teacher"), self.user("colleague"));
        for user in [&teacher, &teacher, &colleague] {
            self.connect(user).await?;
        }
        for number in 1..=MESSAGES {
            for user in [&teacher, &colleague] {
                // No two alike: of one that comes twice it is known whose it was.
                let data = format!(r#"{{"number":{number},"for":"{}"}}"#, user.name);
                let text = format!(r#"{{"event":"ordinary","data":{data}}}"#);
                self.publish_bytes(user, "ordinary", text.as_bytes())
                    .await?;
            }
        }
        self.settle().await.map_err(day)
    }
}

/// The same failure, with the day it was on.
fn day(failure: Failure) -> Failure {
    let before = |breach: Breach| breach.with_words(|words| format!("on an ordinary day {words}"));
    match failure {
        Failure::Broken(breaches) => Failure::Broken(breaches.into_iter().map(before).collect()),
        other => other,
    }
}

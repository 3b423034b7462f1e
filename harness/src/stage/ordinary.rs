//! What is asked of a system before something is done to it.

use std::sync::Arc;

use super::{Lines, Stage};
use crate::breach::Breach;
use crate::scenario::{Failure, Outcome};
use crate::system::System;

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
        self.settle().await.map_err(|failure| match failure {
            Failure::Broken(breaches) => {
                let before = |breach: Breach| {
                    breach.with_words(|words| format!("on an ordinary day {words}"))
                };
                Failure::Broken(breaches.into_iter().map(before).collect())
            }
            other => other,
        })
    }
}

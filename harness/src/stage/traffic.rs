//! Numbered messages that are published while something else happens.
//!
//! How many there are is chance, and which arrive where a connection ends: so no flow tells of them one by one. The ledger
//! does, as of every other message, and a client's lane says in one line what became of them.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::{Stage, User};
use crate::client::Client;
use crate::flow::{Actor, Entry};
use crate::ledger::{End, Telling};
use crate::scenario::{Failure, Outcome};

/// How long nothing is published after a message to each user: a pace that leaves a small machine something to do besides.
const PAUSE: Duration = Duration::from_millis(2);
/// How many messages of a burst are on their way to Redis at once.
const PORTION: usize = 1000;
/// What numbered messages look like, for flows.
const FORM: &str = r#"{"event":"numbered","data":{"number":…}}"#;

/// Numbered messages published without an end. Dropping it ends them without waiting for the last.
#[must_use = "dropping it ends the traffic"]
pub struct Traffic {
    stage: Stage,
    stopped: Arc<AtomicBool>,
    task: JoinHandle<()>,
}

impl Stage {
    /// From now on publishes numbered messages to `users`, to each in turn, whatever happens to Redis meanwhile.
    pub fn traffic(&self, users: &[&User]) -> Traffic {
        let names: Vec<&str> = users.iter().map(|user| user.name.as_str()).collect();
        self.backend_notes(&format!(
            "publishes numbered messages to {}, one after the other: {FORM}",
            names.join(" and ")
        ));
        let users: Vec<User> = users.iter().map(|user| (*user).clone()).collect();
        let stopped = Arc::new(AtomicBool::new(false));
        let (stage, stop) = (self.clone(), Arc::clone(&stopped));
        let task = tokio::spawn(async move {
            while !stop.load(Ordering::SeqCst) {
                // A Redis that takes nothing is what some scenarios are about: those messages are in doubt.
                let _ = stage.publish_numbered(&users).await;
                sleep(PAUSE).await;
            }
        });
        Traffic {
            stage: self.clone(),
            stopped,
            task,
        }
    }

    /// Publishes `each` numbered messages to each of `users`, by turns and without a pause.
    pub async fn burst(&self, users: &[User], each: usize) -> Outcome {
        let (all, count) = (each * users.len(), users.len());
        self.backend_notes(&format!(
            "publishes {all} numbered messages at once, {each} to each of {count} users: {FORM}"
        ));
        let rounds = (PORTION / count.max(1)).max(1);
        let mut left = each;
        while left > 0 {
            let now = left.min(rounds);
            self.publish_numbered(&vec![users; now].concat()).await?;
            left -= now;
        }
        Ok(())
    }

    /// Publishes one numbered message for each entry of `users`. If Redis does not say that it took them they are in doubt.
    async fn publish_numbered(&self, users: &[User]) -> Outcome {
        let mut pipeline = redis::pipe();
        let mut numbers = Vec::new();
        {
            let mut state = self.lock();
            for user in users {
                let number = state.ledger.len() + 1;
                let text = format!(r#"{{"event":"numbered","data":{{"number":{number}}}}}"#);
                let bytes = text.as_bytes();
                (state.ledger).publish(&user.name, "numbered", bytes, Telling::Untold);
                self.0.published.store(number, Ordering::SeqCst);
                pipeline
                    .cmd("PUBLISH")
                    .arg(self.0.system.channel(&user.id))
                    .arg(bytes);
                numbers.push(number);
            }
        }
        let sent = self.send(&pipeline).await;
        if sent.is_err() {
            let mut state = self.lock();
            numbers.into_iter().for_each(|n| state.ledger.doubt(n));
        }
        sent
    }

    /// Says in the lane of each of `clients` what became of the numbered messages that were published to it since the last
    /// time. For when the ledger found nothing wrong.
    pub(super) fn tell_of_traffic(&self, clients: &[Client], is_known: impl Fn(u16) -> bool) {
        let mut state = self.lock();
        let state = &mut *state;
        let users: BTreeSet<&str> = (state.ledger.published().iter())
            .filter(|message| message.telling == Telling::Untold)
            .map(|message| message.user.as_str())
            .collect();
        for client in clients
            .iter()
            .filter(|client| users.contains(client.user()))
        {
            let end = client.end(&is_known);
            let since = (state.told.get(client.name()).copied()).unwrap_or(client.promise().1);
            let until = end.map_or(state.ledger.len(), |end| end.published);
            let untold = (state.ledger.published().iter())
                .take(until)
                .skip(since)
                .any(|message| message.telling == Telling::Untold && message.user == client.user());
            if untold {
                client.note(outcome(end));
                state.told.insert(client.name().to_owned(), until);
            }
        }
    }

    fn backend_notes(&self, words: &str) {
        let recorder = self.lane("backend", Actor::Backend);
        recorder.push(Entry::Note(words.to_owned()));
    }
}

impl Traffic {
    /// Ends the traffic once the last message has been taken or refused.
    pub async fn stop(mut self) -> Outcome {
        self.stopped.store(true, Ordering::SeqCst);
        let ended = (&mut self.task).await;
        ended.map_err(|panic| Failure::Bug(format!("the traffic panicked: {panic}")))?;
        self.stage.backend_notes("publishes no more of them");
        Ok(())
    }
}

impl Drop for Traffic {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What the ledger knows of numbered messages when nothing is wrong with them.
fn outcome(end: Option<End>) -> &'static str {
    match end {
        None => "every numbered message to it has arrived, once and in order",
        Some(_) => {
            "the numbered messages to it arrived once and in order, up to here; the end of the connection tells of the rest"
        }
    }
}

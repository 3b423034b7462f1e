//! Numbered messages that are published while something else happens.
//!
//! How many there are is chance, and which arrive where a connection ends: so no flow tells of them one by one. The ledger
//! does, as of every other message, and a client's lane says in one line what became of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::{Stage, User};
use crate::client::Client;
use crate::flow::{Actor, Entry};
use crate::ledger::{Published, Telling};
use crate::scenario::{Failure, Outcome, ensure};

/// How long nothing is published after a message to each user: a pace that leaves a small machine something to do besides.
const PAUSE: Duration = Duration::from_millis(2);
/// How many messages of a burst are on their way to Redis at once.
const PORTION: usize = 1000;
/// How many long messages are published to each user between two looks at what they do.
const AT_ONCE: usize = 8;
/// How many bytes of long messages are published to one user at most: more than a queue and the kernel's buffers hold of
/// what is not read.
const MOST: usize = 32 << 20;
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
    /// From now on publishes numbered messages to `users`, to each in turn, whatever happens to Redis meanwhile. Nothing else
    /// may be published to them until it stops, or what is on its way may overtake.
    pub fn traffic(&self, users: &[&User]) -> Traffic {
        let users: Vec<User> = users.iter().map(|user| (*user).clone()).collect();
        self.backend_notes(&format!(
            "publishes numbered messages to {}, one after the other: {FORM}",
            names(&users)
        ));
        let stopped = Arc::new(AtomicBool::new(false));
        let (stage, stop) = (self.clone(), Arc::clone(&stopped));
        let task = tokio::spawn(async move {
            while !stop.load(Ordering::SeqCst) {
                // A Redis that takes nothing is what some scenarios are about: those messages are in doubt.
                let _ = stage.publish_numbered(&users, "").await;
                sleep(PAUSE).await;
            }
        });
        Traffic {
            stage: self.clone(),
            stopped,
            task,
        }
    }

    /// Publishes numbered messages of `length` bytes and more to each of `users`, until the websocket service's metric
    /// `name`, one without labels, is `value`.
    pub async fn flood_until(
        &self,
        users: &[User],
        length: usize,
        name: &str,
        value: u32,
    ) -> Outcome {
        self.backend_notes(&format!(
            "publishes long numbered messages to {}, as many as it takes",
            names(users)
        ));
        let filler = "x".repeat(length);
        let mut bytes = 0;
        while self.metric(name).await? != f64::from(value) {
            ensure(bytes < MOST, || {
                format!(
                    "{name} is not {value} after {bytes} bytes to each of {}",
                    names(users)
                )
            })?;
            self.publish_numbered(&[users; AT_ONCE].concat(), &filler)
                .await?;
            bytes += AT_ONCE * length;
        }
        self.operator_notes(&format!("reads /metrics until {name} is {value}"));
        Ok(())
    }

    /// Publishes `each` numbered messages to each of `users`, by turns and without a pause.
    pub async fn burst(&self, users: &[User], each: usize) -> Outcome {
        let (all, count, names) = (each * users.len(), users.len(), names(users));
        self.backend_notes(&format!(
            "publishes {all} numbered messages at once, {each} to each of {names}: {FORM}"
        ));
        let rounds = (PORTION / count.max(1)).max(1);
        let mut left = each;
        while left > 0 {
            let now = left.min(rounds);
            self.publish_numbered(&vec![users; now].concat(), "")
                .await?;
            left -= now;
        }
        Ok(())
    }

    /// Publishes one numbered message for each entry of `users`.
    async fn publish_numbered(&self, users: &[User], filler: &str) -> Outcome {
        let mut publications = Vec::new();
        let mut numbers = Vec::new();
        let more = match filler {
            "" => String::new(),
            filler => format!(r#","filler":"{filler}""#),
        };
        let text = |number| {
            let text = format!(r#"{{"event":"numbered","data":{{"number":{number}{more}}}}}"#);
            text.into_bytes()
        };
        for user in users {
            let (number, publication) = self.enter(user, "numbered", Telling::Untold, text);
            publications.push(publication);
            numbers.push(number);
        }
        self.send_entered(&publications, &numbers).await
    }

    /// Says in the lane of each of `clients` that got numbered messages since the last time that they were as they should
    /// be. For when the ledger found nothing wrong.
    pub(super) fn tell_of_traffic(&self, clients: &[Client]) {
        for client in clients {
            let told = {
                let mut state = self.lock();
                let ledger = &state.ledger;
                let arrived = ledger.identify(client.user(), client.promise().0, &client.texts());
                let untold = |message: &&Published| message.telling == Telling::Untold;
                let came = arrived.into_iter().flatten().filter(untold).count();
                came == state
                    .told
                    .insert(client.name().to_owned(), came)
                    .unwrap_or_default()
            };
            if !told {
                client.note(match client.is_open() {
                    true => "every numbered message to it has arrived, once and in order",
                    false => {
                        "the numbered messages to it arrived once and in order; how the connection ended says that later ones may be missing"
                    }
                });
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

/// How a flow calls `users`: a crowd by its name and size.
fn names(users: &[User]) -> String {
    let alike = users.chunk_by(|a, b| a.crowd.is_some() && a.crowd == b.crowd);
    let names: Vec<String> = alike
        .map(|users| match &users[0].crowd {
            Some(crowd) if users.len() > 1 => format!("{} users called {crowd}", users.len()),
            crowd => crowd.as_ref().unwrap_or(&users[0].name).clone(),
        })
        .collect();
    names.join(" and ")
}

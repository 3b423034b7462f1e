//! Numbered messages that are published while something else happens.
//!
//! How many there are is chance, and which arrive where a connection ends: so no flow tells of them one by one. The ledger
//! does, as of every other message, and a client's lane says in one line what became of them.

use std::iter::repeat_n;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::{Stage, User};
use crate::breach::Breach;
use crate::client::{Client, LONG_PATIENCE};
use crate::flow::{Actor, Entry};
use crate::ledger::{Published, Telling};
use crate::scenario::{Failure, Outcome};

/// How long nothing is published after a message to each user: a pace that any service keeps, so that Redis need not
/// keep much for it.
const PAUSE: Duration = Duration::from_millis(5);
/// How many messages of a burst are published to each user at once: they fit into any queue of a client that reads.
const PORTION: usize = 100;
/// What is published at once to a user whose client does not read, how many messages and of how many bytes each. First large
/// ones, which fill the kernel's buffers, and a queue that is bounded in bytes.
const LARGE: (usize, usize) = (8, 100_000);
/// Then many: a queue may be bounded in messages, whatever their size.
const MANY: (usize, usize) = (PORTION, 1_000);
/// 16 MB, and 20 MB in 20,000 messages: more than all of these hold on any machine.
const LARGE_PORTIONS: usize = 20;
const MANY_PORTIONS: usize = 200;
/// What is broken when those who read wait for those who do not.
const ALONE: &str = "connections.slow-consumer-alone";
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

    /// Publishes `each` numbered messages to each of `users`, by turns, in portions that fit into the queue of any client that
    /// reads: the next one follows once everybody who is connected has the last.
    pub async fn burst(&self, users: &[User], each: usize) -> Outcome {
        let (all, names) = (each * users.len(), names(users));
        self.backend_notes(&format!(
            "publishes {all} numbered messages, {each} to each of {names}: {FORM}"
        ));
        let mut left = each;
        while left > 0 {
            let now = left.min(PORTION);
            self.publish_numbered(&vec![users; now].concat(), "")
                .await?;
            left -= now;
            if left > 0 && !self.have_arrived(&self.open_clients()).await?.is_empty() {
                // Who has lost some, and whether that is wrong, the fence tells.
                return self.settle().await;
            }
        }
        Ok(())
    }

    /// Publishes to each of `flooded`, portion by portion, and one message to each of `others`, until the websocket service's
    /// metric `name`, one without labels, is `value`: however long the queues are of those who do not read, and the kernel's
    /// buffers before them. Each portion follows once all who read, which are `reading`, have the last.
    pub async fn flood_until(
        &self,
        (flooded, others): (&[User], &[User]),
        reading: &[Client],
        (name, value): (&str, u32),
    ) -> Outcome {
        self.tell_of_flood(flooded);
        self.flood((flooded, others), reading, (name, value)).await
    }

    pub(crate) fn tell_of_flood(&self, flooded: &[User]) {
        self.backend_notes(&format!(
            "publishes long numbered messages to {}, as many as it takes",
            names(flooded)
        ));
    }

    /// The same, unseen by the flow.
    pub(crate) async fn flood(
        &self,
        (flooded, others): (&[User], &[User]),
        reading: &[Client],
        (name, value): (&str, u32),
    ) -> Outcome {
        let names = names(flooded);
        let mut portions = repeat_n(LARGE, LARGE_PORTIONS).chain(repeat_n(MANY, MANY_PORTIONS));
        let (mut count, mut bytes) = (0, 0);
        while self.metric(name).await? > f64::from(value) {
            let Some((messages, length)) = portions.next() else {
                return Err(Failure::broken(format!(
                    "{name} should be {value}; it is not after {count} messages of {bytes} bytes together to each of {names}"
                )));
            };
            self.publish_numbered(&vec![flooded; messages].concat(), &"x".repeat(length))
                .await?;
            if !others.is_empty() {
                self.publish_numbered(others, "").await?;
            }
            (count, bytes) = (count + messages, bytes + messages * length);
            // Something may arrive all the time, and at the pace of those who hardly read.
            let arrived = timeout(LONG_PATIENCE, self.have_arrived(reading)).await;
            let lost = arrived.unwrap_or_else(|_| {
                let seconds = LONG_PATIENCE.as_secs();
                let words =
                    format!("{count} messages have not reached all who read in {seconds} s");
                Ok(vec![Breach::new(words)])
            })?;
            if !lost.is_empty() {
                let alone = |lost: Breach| Breach::of(lost.words(), [ALONE]);
                return Err(Failure::Broken(lost.into_iter().map(alone).collect()));
            }
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

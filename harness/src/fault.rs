//! Faults that a scenario injects into its own system, and what must become of the parts.
//!
//! - `link`: a stretch of network, through a proxy of the harness
//! - `redis`: Redis killed, hung, started, and its subscribers thrown out
//! - `failover`: a second Redis, which becomes the master
//! - `ensemble`: servers of a cluster, or of a master with sentinels, killed, started and moved
//! - `downstreams`: services behind the gateway in trouble
//! - `services`: services killed and started again, and a second websocket service

mod downstreams;
mod ensemble;
mod failover;
mod link;
mod redis;
mod services;

pub use link::Link;

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::breach::Breaks;
use crate::client::{LONG_PATIENCE, PATIENCE};
use crate::flow::{Actor, Entry, Recorder};
use crate::handshake::{Answer, Handshake, shake_hands};
use crate::http::Call;
use crate::metrics;
use crate::scenario::{Failure, Outcome, ensure};
use crate::stage::{Stage, User};
use crate::system::{EXIT_DEADLINE, Exit, Part};

/// How long a program may take to find that it lacks a variable: on a busy machine an interpreter loads for seconds.
const LOADING: Duration = Duration::from_secs(30);
/// How often a metric is read, or a replica asked, while it is waited for.
const POLL_INTERVAL: Duration = Duration::from_millis(10);

impl Stage {
    /// Sends SIGTERM to `part`.
    pub async fn terminate(&self, part: Part) -> Outcome {
        self.operator_notes(&format!("sends SIGTERM to {part}"));
        self.of_system(self.system().terminate(part).await)
    }

    /// Waits until `part`, which was told to, has ended: the websocket service with status 0 within 10 seconds (contract,
    /// Shutdown), the gateway somehow, once its deadlines are over.
    pub async fn expect_goodbye(&self, part: Part) -> Outcome {
        let owes_nothing = part == Part::ApiGateway;
        let (patience, promise) = if owes_nothing {
            (LONG_PATIENCE, "gateway.shutdown")
        } else {
            (EXIT_DEADLINE, "shutdown.goodbye")
        };
        let exit = self.until_exit(part, patience).await;
        let seconds = patience.as_secs();
        let Some(exit) = exit else {
            let words = format!("{part} was told to end and still runs after {seconds} s");
            return Err(Failure::broken(words)).breaks(promise);
        };
        ensure(owes_nothing || exit.status == Some(0), || {
            format!("{part} should have ended with exit status 0; it {exit}")
        })
        .breaks(promise)?;
        self.operator_notes(&format!("{part} {exit}"));
        Ok(())
    }

    /// Starts a second websocket service, like the first one but without the variable `absent`, and waits until it
    /// has ended with an error.
    pub async fn expect_no_start_without(&self, absent: &str) -> Outcome {
        let part = Part::SecondWebsocketService;
        self.operator_notes(&format!("starts a websocket service without {absent}"));
        self.of_system(self.system().start_second_without(absent).await)?;
        let exit = self.until_exit(part, LOADING).await;
        let ended = exit.map_or("still runs".to_owned(), |exit| exit.to_string());
        ensure(
            exit.is_some_and(|exit| exit.status.is_some_and(|s| s != 0)),
            || format!("without {absent} the service should end with an error; it {ended}"),
        )?;
        self.operator_notes("it ends with an error");
        Ok(())
    }

    async fn until_exit(&self, part: Part, patience: Duration) -> Option<Exit> {
        let exit = self.system().until_exit(part, patience).await;
        match self.saboteur() {
            Some(saboteur) => saboteur.exit(part, exit),
            None => exit,
        }
    }

    /// Tries to connect `user` while the websocket service ends: anything but an upgrade will do.
    pub async fn expect_no_upgrade(&self, user: &User) -> Outcome {
        self.expect_none(self.good_handshake(user)?).await?;
        self.operator_notes(&format!("{} gets no upgrade any more", user.name));
        Ok(())
    }

    /// The same over `link`.
    pub async fn expect_no_upgrade_over(&self, link: &Link, user: &User) -> Outcome {
        let mut handshake = self.good_handshake(user)?;
        handshake.endpoint = link.endpoint();
        self.expect_none(handshake).await?;
        let words = format!("{} gets no upgrade over {}", user.name, link.name());
        self.operator_notes(&words);
        Ok(())
    }

    async fn expect_none(&self, handshake: Handshake) -> Outcome {
        // Who no longer listens, or answers with an error, differs by runtime; no flow shows it.
        if let Ok(Answer::Upgraded(_)) = shake_hands(&handshake, &Recorder::default()).await {
            let words =
                "an upgrade came where none was to come: the service ends, or nothing leads to it";
            return Err(Failure::broken(words));
        }
        Ok(())
    }

    /// Waits until the websocket service's metric `name`, one without labels, is `value`.
    ///
    /// A metric has no event, so it is asked again and again.
    pub async fn until_metric(&self, name: &str, value: u32) -> Outcome {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let read = self.metric(name).await?;
            if read == f64::from(value) {
                self.operator_notes(&format!("reads /metrics until {name} is {value}"));
                return Ok(());
            }
            ensure(Instant::now() < deadline, || {
                let seconds = PATIENCE.as_secs();
                format!("{name} in /metrics should be {value}; after {seconds} s it is {read}")
            })?;
            sleep(POLL_INTERVAL).await;
        }
    }

    /// Waits, however long it takes, until the websocket service's metric `name`, one without labels, is at most `value`:
    /// beside a step that brings this about or fails.
    pub async fn until_metric_falls(&self, name: &str, value: u32) -> Outcome {
        self.metric_falls(name, value).await?;
        self.operator_notes(&format!("reads /metrics until {name} is {value}"));
        Ok(())
    }

    async fn metric_falls(&self, name: &str, value: u32) -> Outcome {
        while self.metric(name).await? > f64::from(value) {
            sleep(POLL_INTERVAL).await;
        }
        Ok(())
    }

    /// The value of the websocket service's metric `name`, one without labels, unseen by the flow.
    pub async fn metric(&self, name: &str) -> Outcome<f64> {
        let call = Call::get("/metrics");
        let endpoint = self.endpoint_of(Part::WebsocketService)?;
        let reply = call.send(self.lines().http(), &endpoint).await?;
        let text = reply.text();
        let series = metrics::series(&text, name);
        let value = series.into_iter().find(|series| series.labels.is_empty());
        let value = value.map(|series| series.value);
        value.ok_or_else(|| Failure::broken(format!("/metrics has no {name}: {text}")))
    }

    /// Waits until `part` has printed a line that contains `words`; returns all that it has printed.
    pub async fn until_printed(&self, part: Part, words: &str) -> Outcome<Vec<String>> {
        match self.system().until_printed(part, words).await {
            Ok(lines) => Ok(match self.saboteur() {
                Some(saboteur) => saboteur.log(lines),
                None => lines,
            }),
            Err(lines) => Err(Failure::broken(format!(
                "{part} should have printed a line with {words:?}; it printed:\n{}",
                lines.join("\n")
            ))),
        }
    }

    /// Writes a sentence into the lane of whoever runs the system.
    pub fn operator_notes(&self, words: &str) {
        self.note_fault(words);
        self.lane("operator", Actor::Operator)
            .push(Entry::Note(words.to_owned()));
    }

    fn of_system(&self, result: Result<(), String>) -> Outcome {
        result.map_err(Failure::System)
    }
}

//! Faults that a scenario injects into its own system, and what must become of the parts.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::client::PATIENCE;
use crate::fixture::Service;
use crate::flow::{Actor, Entry, Recorder};
use crate::handshake::{Answer, shake_hands};
use crate::http::Call;
use crate::metrics;
use crate::runner::until_accepting;
use crate::scenario::{Failure, Outcome, ensure};
use crate::stage::{Stage, User};
use crate::standin::Trouble;
use crate::system::{EXIT_DEADLINE, Part};

/// How long a program may take to find that it lacks a variable: on a busy machine an interpreter loads for seconds.
const LOADING: Duration = Duration::from_secs(30);
/// How often a metric is read while it is waited for.
const METRIC_INTERVAL: Duration = Duration::from_millis(15);

impl Stage {
    /// Kills Redis: every connection to it is gone, and nothing listens where it was.
    pub async fn kill_redis(&self) -> Outcome {
        self.operator_notes("kills redis");
        self.of_system(self.system().kill(Part::Redis).await)
    }

    /// Starts Redis again, empty, and waits until the websocket service has found it by itself.
    pub async fn start_redis(&self) -> Outcome {
        self.operator_notes("starts redis again");
        self.of_system(self.system().start_part(Part::Redis).await)?;
        self.lines().reopen(self.system()).await?;
        until_accepting(self.system(), self.lines())
            .await
            .map_err(|failure| Failure::broken(format!("redis is back, and {failure}")))
    }

    /// Sends SIGTERM to `part`.
    pub async fn terminate(&self, part: Part) -> Outcome {
        self.operator_notes(&format!("sends SIGTERM to {part}"));
        self.of_system(self.system().terminate(part).await)
    }

    /// Waits until `part`, which was told to, has ended with status 0 (contract, Shutdown: within 10 seconds).
    pub async fn expect_goodbye(&self, part: Part) -> Outcome {
        let exit = self.system().until_exit(part, EXIT_DEADLINE).await;
        let seconds = EXIT_DEADLINE.as_secs();
        let Some(exit) = exit else {
            return Err(Failure::broken(format!(
                "{part} was told to end and still runs after {seconds} s"
            )));
        };
        ensure(exit.status == Some(0), || {
            format!("{part} should have ended with exit status 0; it {exit}")
        })?;
        self.operator_notes(&format!("{part} {exit}"));
        Ok(())
    }

    /// Starts a second websocket service, like the first one but without the variable `absent`, and waits until it
    /// has ended with an error and printed the variable's name.
    pub async fn expect_no_start_without(&self, absent: &str) -> Outcome {
        let part = Part::SecondWebsocketService;
        self.operator_notes(&format!("starts a websocket service without {absent}"));
        self.of_system(self.system().start_second_without(absent).await)?;
        let exit = self.system().until_exit(part, LOADING).await;
        let ended = exit.map_or("still runs".to_owned(), |exit| exit.to_string());
        ensure(
            exit.is_some_and(|exit| exit.status.is_some_and(|s| s != 0)),
            || format!("without {absent} the service should end with an error; it {ended}"),
        )?;
        self.operator_notes("it ends with an error");
        self.until_printed(part, absent).await?;
        self.operator_notes(&format!("and names {absent}"));
        Ok(())
    }

    /// From now on the service behind the gateway is in `trouble`, for good.
    pub async fn stand_in_fails(&self, service: Service, trouble: Trouble) -> Outcome {
        let standin = self.standin(service);
        let words = match trouble {
            Trouble::Silent => "from here on it reads requests and never answers",
            Trouble::Trickling => "from here on its answers come a byte at a time, for ever",
            Trouble::Gone => "from here on nobody listens at its address",
        };
        self.lane(standin.name, Actor::StandIn)
            .push(Entry::Note(words.to_owned()));
        standin.fail(trouble).await.map_err(Failure::System)
    }

    /// Waits until the service behind the gateway has been called `count` times.
    pub async fn until_called(&self, service: Service, count: usize) -> Outcome {
        let standin = self.standin(service);
        let called = standin.until_called(count).await;
        ensure(called, || {
            format!("{} should have been called {count} times", standin.name)
        })
    }

    /// Tries to connect `user` while the websocket service ends: anything but an upgrade will do.
    pub async fn expect_no_upgrade(&self, user: &User) -> Outcome {
        let path = format!("/ws?token={}", self.token(user));
        let handshake = self.handshake_as(user, &path, Vec::new())?;
        // Who no longer listens, or answers with an error, differs by runtime; no flow shows it.
        if let Ok(Answer::Upgraded(_)) = shake_hands(&handshake, &Recorder::default()).await {
            return Err(Failure::broken(format!(
                "{} was upgraded by a service that was told to end",
                user.name
            )));
        }
        self.operator_notes(&format!("{} gets no upgrade any more", user.name));
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
            sleep(METRIC_INTERVAL).await;
        }
    }

    /// The value of the websocket service's metric `name`, one without labels, unseen by the flow.
    pub async fn metric(&self, name: &str) -> Outcome<f64> {
        let call = Call::get("/metrics");
        let endpoint = self.system().endpoint(Part::WebsocketService)?;
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
            Ok(lines) => Ok(lines),
            Err(lines) => Err(Failure::broken(format!(
                "{part} should have printed a line with {words:?}; it printed:\n{}",
                lines.join("\n")
            ))),
        }
    }

    /// Writes a sentence into the lane of whoever runs the system.
    pub fn operator_notes(&self, words: &str) {
        self.lane("operator", Actor::Operator)
            .push(Entry::Note(words.to_owned()));
    }

    fn of_system(&self, result: Result<(), String>) -> Outcome {
        result.map_err(Failure::System)
    }
}

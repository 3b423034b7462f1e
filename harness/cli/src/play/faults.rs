//! What can be done to the system: Redis killed, the service stopped, a client that reads too slowly.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use harness::system::EXIT_DEADLINE;
use harness::system::Part;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::time::{Instant, sleep, timeout};
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Message;

use super::backplane::Backplane;
use super::playground::{Kind, Playground};

/// How long the service may take until it takes connections.
const DEADLINE: Duration = Duration::from_secs(20);
/// How often it is asked meanwhile: neither has an event.
const INTERVAL: Duration = Duration::from_millis(10);
/// How long one attempt to connect may take.
const ATTEMPT: Duration = Duration::from_secs(2);

/// How many messages are published at once to overflow a queue: they fit into the queue of a client that reads.
const PORTION: usize = 8;
/// How long one of them is, in bytes, at least.
const LENGTH: usize = 100_000;
/// 80 MB: more than the kernel's buffers and a bounded queue hold on any machine.
const MOST: usize = 800;
/// What is published then, and its field that is filled up.
const FILLER: (&str, &str) = ("batch_files_uploaded", "message");
/// Who asks whether the service takes connections.
const PROBE: &str = "the-playground-itself";

/// What it took to overflow queues.
#[derive(Debug, Serialize)]
pub struct Overflow {
    messages: usize,
    bytes: usize,
}

/// How many connections there are.
#[derive(Debug, Deserialize, Serialize)]
pub struct Connections {
    #[serde(rename(deserialize = "total_connections"))]
    open: usize,
    #[serde(rename(deserialize = "max_connections_per_user"))]
    limit: usize,
}

impl Playground {
    /// Kills Redis, unless it is gone.
    pub async fn kill_redis(&self) -> Result<(), String> {
        let _turn = self.faults.lock().await;
        if self.runs(Part::Redis).await {
            self.system.kill(Part::Redis).await?;
        }
        Ok(())
    }

    /// Starts Redis, unless it runs, and waits until the websocket service has found it.
    pub async fn start_redis(&self) -> Result<(), String> {
        let _turn = self.faults.lock().await;
        if !self.runs(Part::Redis).await {
            self.system.start_part(Part::Redis).await?;
        }
        match self.runs(Part::WebsocketService).await {
            true => self.until_accepting().await,
            false => Ok(()),
        }
    }

    /// Tells the websocket service to end, as a deployment does, and waits until it has.
    pub async fn stop_service(&self) -> Result<(), String> {
        let _turn = self.faults.lock().await;
        let part = Part::WebsocketService;
        if self.runs(part).await {
            self.system.terminate(part).await?;
            let ended = self.system.until_exit(part, EXIT_DEADLINE).await;
            ended.ok_or("the websocket service was told to end and still runs")?;
        }
        Ok(())
    }

    /// Starts the websocket service, unless it runs, and waits until it takes connections.
    pub async fn start_service(&self) -> Result<(), String> {
        let _turn = self.faults.lock().await;
        if !self.runs(Part::WebsocketService).await {
            self.system.start_part(Part::WebsocketService).await?;
        }
        match self.runs(Part::Redis).await {
            true => self.until_accepting().await,
            false => Ok(()),
        }
    }

    /// Holds what is on its way to the connections of `user`, as a client does that does not read, and publishes until
    /// the service gives them up.
    pub async fn overflow(&self, user: &str) -> Result<Overflow, String> {
        let _turn = self.faults.lock().await;
        let held = self.websocket.hold(user);
        let nobody = || format!("nobody is connected as {user}: connect first");
        if held.count() == 0 {
            return Err(nobody());
        }
        let mut backplane = Backplane::connect(&self.system).await?;
        let message = self.filler()?;
        let portion = vec![message.clone(); PORTION];
        let mut messages = 0;
        // The service drops its subscription with the user's last connection.
        while backplane.publish(&self.system, user, &portion).await? > 0 {
            messages += PORTION;
            if messages > MOST {
                return Err(format!(
                    "{messages} long messages were published, and the service keeps {user} connected"
                ));
            }
            sleep(INTERVAL).await;
        }
        if messages == 0 {
            return Err(nobody());
        }
        Ok(Overflow {
            messages,
            bytes: messages * message.len(),
        })
    }

    /// A notification of the contract that is long.
    fn filler(&self) -> Result<String, String> {
        let (name, field) = FILLER;
        let words = "This message fills a queue. ".repeat(LENGTH / 28 + 1);
        let message = self.notifications.message(name, &[(field, json!(words))]);
        let message = message.ok_or_else(|| format!("there is no fixture {name}"))?;
        Ok(message.text())
    }

    /// The websocket service's connections, as it counts them.
    pub async fn connections(&self) -> Result<Connections, String> {
        let url = format!("{}/healthz/websocket", self.websocket.target());
        let asked = async {
            self.http
                .get(&url)
                .timeout(ATTEMPT)
                .send()
                .await?
                .json()
                .await
        };
        asked.await.map_err(|error: reqwest::Error| {
            format!("the websocket service does not say how many are connected: {error}")
        })
    }

    /// Waits until the websocket service takes a good connection and keeps it.
    async fn until_accepting(&self) -> Result<(), String> {
        let deadline = Instant::now() + DEADLINE;
        while !matches!(timeout(ATTEMPT, self.accepts()).await, Ok(true)) {
            if Instant::now() > deadline {
                let seconds = DEADLINE.as_secs();
                return Err(format!(
                    "the websocket service takes no connection after {seconds} s"
                ));
            }
            sleep(INTERVAL).await;
        }
        Ok(())
    }

    async fn accepts(&self) -> bool {
        let (target, token) = (self.websocket.target(), self.token(PROBE, Kind::Good));
        let url = format!("ws://{}/ws?token={token}", target.authority());
        let Ok((mut socket, _)) = connect_async(url).await else {
            return false;
        };
        // A pong comes from a connection that is kept; one that is not gets a close.
        let asked = socket.send(Message::Ping("there?".into())).await;
        let kept = asked.is_ok() && matches!(socket.next().await, Some(Ok(Message::Pong(_))));
        let _ = socket.close(None).await;
        kept
    }
}

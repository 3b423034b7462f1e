//! The page that scenarios are played in: a tab at an origin, its WebSockets, and the guide's client.

use browser::{Browser, Pages, Tab};
use harness::client::Client;
use harness::data::data;
use harness::fault::Link;
use harness::scenario::{Failure, Outcome};
use harness::stage::{Guest, Sight, Stage, User};
use harness::system::ORIGIN;
use serde_json::{Value, json};

const GUIDE: &str = "contracts/MIGRATION.md";
/// Where the page finds the guide's client.
const CLIENT: &str = "/client.js";
/// The guide's pause between attempts in milliseconds: short, since there is nobody to wait for.
pub const PAUSE: u64 = 20;

/// A page, and the stage that it is a client on.
pub struct Page {
    pub stage: Stage,
    pub tab: Tab,
    /// Where it finds the websocket service.
    service: String,
    /// Its connections, and the number of each in the page.
    connections: Vec<(usize, Client)>,
}

/// Plays `play` in a page from an origin that is allowed, in a browser that is gone afterwards.
pub async fn in_a_page<F>(stage: Stage, play: impl FnOnce(Page) -> F) -> Outcome
where
    F: Future<Output = Outcome>,
{
    in_a_page_from(ORIGIN, stage, play).await
}

/// The same in a page from `origin`.
pub async fn in_a_page_from<F>(origin: &str, stage: Stage, play: impl FnOnce(Page) -> F) -> Outcome
where
    F: Future<Output = Outcome>,
{
    let browser = Browser::start().await?;
    let played = async {
        let pages = Pages::default().with_module(CLIENT, &guides_client()?);
        let page = Page {
            tab: browser.open_at(origin, pages).await?,
            service: stage.websocket_url()?,
            connections: Vec::new(),
            stage,
        };
        play(page).await
    };
    let outcome = played.await;
    browser.stop().await;
    outcome
}

impl Page {
    /// From here on the page finds the websocket service over `network`.
    pub fn connect_over(&mut self, network: &Link) {
        self.service = self.stage.websocket_url_over(network);
    }

    /// Opens a WebSocket for `user` with a good token, as any page does; it has to open.
    pub async fn connect(&mut self, user: &User) -> Outcome<Client> {
        let guest = self.stage.expect_guest(user);
        let token = self.stage.token(user);
        self.open_socket(&token).await?;
        self.connection(guest).await
    }

    /// Opens a WebSocket with `token`, and waits for nothing.
    pub async fn open_socket(&self, token: &str) -> Outcome {
        let url = json!(format!("{}/ws?token={token}", self.service));
        Ok(self.tab.run(&format!("new WebSocket({url})")).await?)
    }

    /// Starts the guide's client, which takes one of `tokens` after the other, and the last again and again.
    ///
    /// The page keeps what it is told: `received`, how often it `refetched`, why it `stopped`, and the `pauses` that it made.
    pub async fn start_client(&self, tokens: &[String]) -> Outcome {
        let (service, tokens) = (json!(self.service), json!(tokens));
        let script = format!(
            "const {{ connect }} = await import(\"{CLIENT}\");
            const tokens = {tokens};
            const wait = globalThis.setTimeout;
            Object.assign(globalThis, {{ received: [], refetched: 0, stopped: null, pauses: [] }});
            globalThis.setTimeout = (run, pause) => {{ pauses.push(pause); return wait(run, pause); }};
            globalThis.stop = connect({{
              service: {service},
              getToken: async () => tokens.length > 1 ? tokens.shift() : tokens[0],
              refetch: () => {{ refetched += 1; }},
              onNotification: (notification) => received.push(notification),
              onStop: (...why) => {{ stopped = why; }},
              pause: {PAUSE},
            }});"
        );
        Ok(self.tab.run(&script).await?)
    }

    /// The next connection that the page makes, for `guest`; it has to open.
    pub async fn connection(&mut self, guest: Guest) -> Outcome<Client> {
        let mut socket = self.tab.socket().await?;
        match socket.opened().await? {
            Ok(()) => Ok(self.connected(guest, socket)),
            Err(sight) => Err(Failure::broken(format!(
                "the page's connection should have opened; its CloseEvent shows {}",
                shown(&sight)
            ))),
        }
    }

    /// The next connection of the page that opens, after any number that do not.
    pub async fn connection_in_the_end(&mut self, guest: Guest) -> Outcome<Client> {
        loop {
            let mut socket = self.tab.socket().await?;
            if socket.opened().await?.is_ok() {
                return Ok(self.connected(guest, socket));
            }
        }
    }

    fn connected(&mut self, guest: Guest, socket: browser::Socket) -> Client {
        let path = socket
            .url
            .strip_prefix(&self.service)
            .unwrap_or(&socket.url);
        let (number, path) = (socket.number, path.to_owned());
        let place = format!("in a page of {ORIGIN}");
        let client = guest.connected(&place, &path, socket.sights());
        self.connections.push((number, client.clone()));
        client
    }

    /// What the page keeps as `name`.
    pub async fn kept(&self, name: &str) -> Outcome<Value> {
        Ok(self.tab.evaluate(name).await?)
    }

    /// Waits until everything has arrived, and lets the page close what is open.
    pub async fn leave(self) -> Outcome {
        self.stage.settle().await?;
        for (number, client) in &self.connections {
            if client.is_open() {
                let script = format!("globalThis.stop?.(); sockets[{number} - 1].close(1000)");
                let closing = async { Ok(self.tab.run(&script).await?) };
                client.close_elsewhere(closing).await?;
            }
        }
        Ok(())
    }
}

/// What a `CloseEvent` shows.
pub fn shown(sight: &Sight) -> String {
    match sight {
        Sight::Closed {
            code,
            reason,
            clean,
        } => format!("code {code}, reason {reason:?}, wasClean {clean}"),
        other => format!("no close: {other:?}"),
    }
}

/// The code under "After:" in the guide, as it is printed.
fn guides_client() -> Outcome<String> {
    let missing = || Failure::Bug(format!("{GUIDE} prints no code under \"After:\""));
    let guide = data().read(GUIDE);
    let guide = guide.map_err(|error| Failure::Bug(format!("{GUIDE}: {error}")))?;
    let (_, after) = guide
        .split_once("\nAfter:\n\n```js\n")
        .ok_or_else(missing)?;
    let (code, _) = after.split_once("\n```\n").ok_or_else(missing)?;
    Ok(code.to_owned())
}

//! From a stable port to where a part of the system is now.
//!
//! A part that is started again may be on another port, and a container's is another one each time: whoever has the
//! stable address does not notice. The way from the service to one user's clients can be held, which is what a network
//! or a client that is too slow does.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use harness::endpoint::{Endpoint, Stream};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::sleep;

use super::door::Door;

/// How much is passed on at once, in bytes.
const PORTION: usize = 16 * 1024;
/// In how many bytes a request has to say who comes.
const LINE_LIMIT: usize = 16 * 1024;
/// How long a listener rests that cannot accept: the process has no more descriptors.
const REST: Duration = Duration::from_millis(50);

/// Forwards for as long as the process lives. Clones are the same forwarder.
#[derive(Clone)]
pub struct Forwarder(Arc<Mutex<State>>);

struct State {
    target: Endpoint,
    /// The connections through it, by number.
    open: BTreeMap<u64, Connection>,
    next: u64,
}

#[derive(Default)]
struct Connection {
    user: Option<String>,
    held: watch::Sender<bool>,
}

/// The way to one user's clients, held until this is dropped.
#[must_use = "dropping it lets everything through again"]
pub struct Held(Vec<watch::Sender<bool>>);

impl Forwarder {
    /// Forwards what comes to `door` to `target`.
    pub fn open(door: Door, target: Endpoint) -> Self {
        let forwarder = Self(Arc::new(Mutex::new(State {
            target,
            open: BTreeMap::new(),
            next: 0,
        })));
        for listener in door.listeners {
            tokio::spawn(forwarder.clone().listen(listener));
        }
        forwarder
    }

    /// Where the part is.
    pub fn target(&self) -> Endpoint {
        self.lock().target.clone()
    }

    /// Holds what the service sends to the connections that are open as `user`.
    pub fn hold(&self, user: &str) -> Held {
        let state = self.lock();
        let theirs = state
            .open
            .values()
            .filter(|c| c.user.as_deref() == Some(user));
        let held: Vec<_> = theirs.map(|connection| connection.held.clone()).collect();
        for connection in &held {
            connection.send_replace(true);
        }
        Held(held)
    }

    async fn listen(self, listener: TcpListener) {
        loop {
            match listener.accept().await {
                Ok((client, _)) => {
                    tokio::spawn(self.clone().connect(client));
                }
                Err(_) => sleep(REST).await,
            }
        }
    }

    /// A client of a part that does not run is let go at once.
    async fn connect(self, client: TcpStream) {
        let target = self.target();
        if let Ok(service) = target.connect().await {
            // What is small should not wait for more; a socket that refuses is only slower.
            let _ = client.set_nodelay(true);
            let number = self.enter();
            // An error ends one connection, and both sides see its end.
            let _ = self.forward(number, client, service).await;
            self.lock().open.remove(&number);
        }
    }

    async fn forward(&self, number: u64, client: TcpStream, service: Stream) -> io::Result<()> {
        let held = match self.lock().open.get(&number) {
            Some(connection) => connection.held.subscribe(),
            None => return Ok(()),
        };
        let (from_client, to_client) = client.into_split();
        let (from_service, to_service) = tokio::io::split(service);
        tokio::try_join!(
            self.up(number, from_client, to_service),
            down(from_service, to_client, held),
        )?;
        Ok(())
    }

    /// What the client sends, of which the first line says who it is.
    async fn up(
        &self,
        number: u64,
        mut client: OwnedReadHalf,
        mut service: WriteHalf<Stream>,
    ) -> io::Result<()> {
        let mut portion = vec![0; PORTION];
        let mut line = Some(Vec::new());
        loop {
            let length = client.read(&mut portion).await?;
            let bytes = &portion[..length];
            if bytes.is_empty() {
                return service.shutdown().await;
            }
            if let Some(begun) = &mut line {
                begun.extend_from_slice(bytes);
                let end = begun.iter().position(|byte| *byte == b'\n');
                if let Some(end) = end {
                    self.name(number, &begun[..end]);
                }
                if end.is_some() || begun.len() > LINE_LIMIT {
                    line = None;
                }
            }
            service.write_all(bytes).await?;
        }
    }

    fn enter(&self) -> u64 {
        let mut state = self.lock();
        state.next += 1;
        let number = state.next;
        state.open.insert(number, Connection::default());
        number
    }

    fn name(&self, number: u64, line: &[u8]) {
        if let Some(connection) = self.lock().open.get_mut(&number) {
            connection.user = user(line);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    /// How many connections are held.
    pub fn count(&self) -> usize {
        self.0.len()
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        for connection in &self.0 {
            connection.send_replace(false);
        }
    }
}

/// What the service sends, while it is not held.
async fn down(
    mut service: ReadHalf<Stream>,
    mut client: OwnedWriteHalf,
    mut held: watch::Receiver<bool>,
) -> io::Result<()> {
    let mut portion = vec![0; PORTION];
    loop {
        let length = service.read(&mut portion).await?;
        // An error means that the connection is forgotten, and so never held again.
        let _ = held.wait_for(|held| !held).await;
        if length == 0 {
            return client.shutdown().await;
        }
        client.write_all(&portion[..length]).await?;
    }
}

/// Who comes, by the token in a request's first line. Whether the token is good is for the service to say.
fn user(line: &[u8]) -> Option<String> {
    let line = std::str::from_utf8(line).ok()?;
    let (_, query) = line.split(' ').nth(1)?.split_once('?')?;
    let token = query
        .split('&')
        .find_map(|part| part.strip_prefix("token="))?;
    let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    let claims: Value = serde_json::from_slice(&claims).ok()?;
    Some(claims["sub"].as_str()?.to_owned())
}

#[cfg(test)]
mod tests {
    use harness::token::Claims;
    use tokio::time::timeout;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(10);

    #[test]
    fn a_request_says_who_comes_by_its_token() {
        let token = Claims::good("Åsa").sign("a secret");
        let line = format!("GET /ws?a=b&token={token} HTTP/1.1\r");
        assert_eq!(user(line.as_bytes()).as_deref(), Some("Åsa"));
        assert_eq!(user(b"GET /ws?token=abc HTTP/1.1\r"), None);
        assert_eq!(user(b"GET /healthz HTTP/1.1\r"), None);
    }

    #[tokio::test]
    async fn what_is_held_comes_later_and_whole() {
        let service = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let door = Door::open("a test", 0, "").await.unwrap();
        let port = door.port();
        let forwarder = Forwarder::open(door, Endpoint::http(service.local_addr().unwrap()));
        let mut client = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        let token = Claims::good("anna").sign("a secret");
        let request = format!("GET /ws?token={token} HTTP/1.1\r\n\r\n");
        client.write_all(request.as_bytes()).await.unwrap();
        let (mut accepted, _) = service.accept().await.unwrap();
        let mut arrived = vec![0; request.len()];
        accepted.read_exact(&mut arrived).await.unwrap();

        assert_eq!(forwarder.hold("somebody else").count(), 0);
        let held = forwarder.hold("anna");
        assert_eq!(held.count(), 1);
        accepted.write_all(b"hello").await.unwrap();
        drop(accepted);
        drop(held);
        let mut came = String::new();
        let read = timeout(PATIENCE, client.read_to_string(&mut came));
        read.await.unwrap().unwrap();
        assert_eq!(came, "hello");
    }

    #[tokio::test]
    async fn whoever_connects_reaches_the_part_once_it_is_back() {
        let door = Door::open("a test", 0, "").await.unwrap();
        let port = door.port();
        let first = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let target = first.local_addr().unwrap();
        let _forwarder = Forwarder::open(door, Endpoint::http(target));
        drop(first);
        let mut refused = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        let end = timeout(PATIENCE, refused.read_u8()).await.unwrap();
        assert!(end.is_err());

        let second = TcpListener::bind(target).await.unwrap();
        let _client = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        timeout(PATIENCE, second.accept()).await.unwrap().unwrap();
    }
}

//! A running websocket service, and clients for it.

use std::net::SocketAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures_util::{SinkExt, StreamExt};
use jsonwebtoken::{EncodingKey, Header};
use notification_services::settings::Environment;
use notification_services::websocket::{self, Settings};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::error::Error;
use tokio_tungstenite::tungstenite::protocol::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};
use tokio_util::sync::CancellationToken;

use crate::scripted_redis::{Link, Redis};

pub const SECRET: &str = "the secret of these tests";

/// Longer than a loaded machine ever takes.
pub const PATIENCE: Duration = Duration::from_secs(20);

pub struct Service {
    pub address: SocketAddr,
}

pub struct Client {
    pub socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
}

impl Service {
    /// A service on `redis`, with more variables.
    pub async fn start(redis: SocketAddr, variables: &[(&str, &str)]) -> Self {
        Self::run(redis, variables).await.0
    }

    /// The same, with what ends it and what tells that it has ended.
    pub async fn run(
        redis: SocketAddr,
        variables: &[(&str, &str)],
    ) -> (Self, CancellationToken, JoinHandle<()>) {
        let redis_url = format!("redis://{redis}");
        let defaults = [
            ("JWT_SECRET_KEY", SECRET),
            ("REDIS_URL", &redis_url),
            ("WEBSOCKET_REDIS_HEALTH_INTERVAL", "3600"),
        ];
        let mut environment: Environment = defaults
            .iter()
            .chain(variables)
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        let settings = Settings::from_environment(&mut environment);
        let settings = environment.finish(settings).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shutdown = CancellationToken::new();
        let ended = tokio::spawn(websocket::run(listener, settings, shutdown.clone()));
        (Self { address }, shutdown, ended)
    }

    /// A service that is connected to its Redis.
    pub async fn with_redis(variables: &[(&str, &str)]) -> (Self, Redis, Link) {
        let redis = Redis::start().await;
        let service = Self::start(redis.address(), variables).await;
        let link = service.link(&redis).await;
        (service, redis, link)
    }

    /// The service's next connection to Redis, once the service knows that it has it.
    pub async fn link(&self, redis: &Redis) -> Link {
        self.known(redis.link().await).await
    }

    /// `link`, greeted just now, once the service knows that it has it.
    pub async fn known(&self, mut link: Link) -> Link {
        // Whoever comes before the service has read Redis' greeting is refused.
        loop {
            tokio::select! {
                command = link.command() => {
                    assert_eq!(command, "SUBSCRIBE ws:probe");
                    break;
                }
                refused = async { self.connect("probe").await.close().await } => {
                    assert_eq!(refused.0, 1011);
                }
            }
        }
        // The probe went when the other branch won.
        link.confirm("subscribe", "ws:probe").await;
        link.expect("UNSUBSCRIBE ws:probe").await;
        link.confirm("unsubscribe", "ws:probe").await;
        link
    }

    /// A client of `user`, whatever becomes of it after the upgrade.
    pub async fn connect(&self, user: &str) -> Client {
        self.connect_with(&token(&claims(user))).await
    }

    pub async fn connect_with(&self, token: &str) -> Client {
        let path = format!("/ws?token={token}");
        self.upgrade(&path, &[]).await.expect("an upgrade")
    }

    /// A client of `user`, the first: Redis confirms the subscription.
    pub async fn subscribe(&self, link: &mut Link, user: &str) -> Client {
        let channel = format!("ws:{user}");
        let confirm = async {
            link.expect(&format!("SUBSCRIBE {channel}")).await;
            link.confirm("subscribe", &channel).await;
        };
        tokio::join!(self.connect(user), confirm).0
    }

    /// The outcome of an upgrade request with more headers: a client, or the status of the refusal.
    pub async fn upgrade(
        &self,
        path: &str,
        headers: &[(&'static str, &str)],
    ) -> Result<Client, u16> {
        let url = format!("ws://{}{path}", self.address);
        let mut request = url.into_client_request().unwrap();
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        let connecting = timeout(PATIENCE, tokio_tungstenite::connect_async(request));
        match connecting.await.expect("waited in vain for an upgrade") {
            Ok((socket, _)) => Ok(Client { socket }),
            Err(Error::Http(response)) => Err(response.status().as_u16()),
            Err(error) => panic!("expected an answer to the upgrade: {error}"),
        }
    }

    /// Status and body of a page.
    pub async fn page(&self, path: &str) -> (u16, String) {
        let url = format!("http://{}{path}", self.address);
        let client = reqwest::Client::builder().timeout(PATIENCE).build();
        let response = client.unwrap().get(url).send().await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    }

    /// The value of a metric, by its name and labels as `/metrics` shows them.
    pub async fn metric(&self, name: &str) -> u64 {
        let (_, text) = self.page("/metrics").await;
        let value = text
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value
            .unwrap_or_else(|| panic!("no {name} in\n{text}"))
            .parse()
            .unwrap()
    }
}

impl Client {
    /// The next message, which must be text.
    pub async fn text(&mut self) -> String {
        match self.next().await {
            Some(Ok(Message::Text(text))) => text.as_str().to_owned(),
            other => panic!("expected text: {other:?}"),
        }
    }

    /// Waits for the service's close: its code and its reason, which must be JSON of at most 123 bytes.
    pub async fn close(mut self) -> (u16, Value) {
        let close = match self.next().await {
            Some(Ok(Message::Close(Some(close)))) => close,
            other => panic!("expected a close: {other:?}"),
        };
        assert!(close.reason.len() <= 123, "{}", close.reason);
        assert!(
            matches!(self.next().await, None | Some(Err(_))),
            "something after the close"
        );
        let reason = serde_json::from_str(&close.reason).expect("a reason in JSON");
        (close.code.into(), reason)
    }

    /// Goes without a close, by a reset.
    pub fn reset(self) {
        let MaybeTlsStream::Plain(stream) = self.socket.get_ref() else {
            unreachable!("nothing here is encrypted");
        };
        stream.set_zero_linger().unwrap();
    }

    pub async fn say(&mut self, message: Message) {
        self.socket.send(message).await.unwrap();
    }

    pub async fn next(&mut self) -> Option<Result<Message, Error>> {
        timeout(PATIENCE, self.socket.next())
            .await
            .expect("waited in vain for something from the service")
    }
}

/// Good claims of `user` for an hour.
pub fn claims(user: &str) -> Value {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    json!({
        "sub": user,
        "exp": now.as_secs() + 3600,
        "aud": "huleedu-platform",
        "iss": "huleedu-identity-service",
    })
}

pub fn token(claims: &Value) -> String {
    let key = EncodingKey::from_secret(SECRET.as_bytes());
    jsonwebtoken::encode(&Header::default(), claims, &key).unwrap()
}

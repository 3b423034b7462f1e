//! The upgrade of an HTTP connection to a WebSocket (RFC 6455, section 4.1), and whatever else it is answered.

use contract::rules::Service;
use http_body_util::{BodyExt, Empty};
use hyper::body::Bytes;
use hyper::header::{AUTHORIZATION, CONNECTION, HeaderMap, UPGRADE};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::client::generate_key;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;

use crate::client::LONG_PATIENCE;
use crate::endpoint::{Endpoint, Stream};
use crate::error_shape::ErrorShape;
use crate::flow::{Body, Entry, Recorder, Request, Response};
use crate::http::{Reply, owned};
use crate::scenario::{Failure, Outcome};

/// An upgraded connection.
pub type Socket = WebSocketStream<TokioIo<Upgraded>>;

/// An upgrade request to be sent.
#[derive(Clone, Debug)]
pub struct Handshake {
    /// Which of the services it is.
    pub service: Service,
    /// The server.
    pub endpoint: Endpoint,
    /// The path with its query, as the contract and flows write it.
    pub path: String,
    /// The same as it is sent.
    pub target: String,
    /// The token, if it is sent in a header field. No flow shows that: `path` has the token where the contract wants it.
    pub bearer: Option<String>,
    /// What the server's errors look like.
    pub errors: ErrorShape,
    /// Header fields besides those of every upgrade.
    pub headers: Vec<(String, String)>,
}

/// What became of an upgrade request.
pub enum Answer {
    /// The server switched protocols.
    Upgraded(Box<Socket>),
    /// The server answered as to any other request.
    Refused(Reply),
}

impl Answer {
    /// The same; a refusal that is an error in the shape of `errors` says what it is in the contract's.
    fn translated(self, errors: &ErrorShape) -> Self {
        match self {
            Self::Refused(refusal) => {
                let error = errors.translate(&refusal, &json!({}));
                Self::Refused(Reply { error, ..refusal })
            }
            upgraded @ Self::Upgraded(_) => upgraded,
        }
    }
}

/// Why there was no answer, or none that can be understood.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error("{0}")]
    Http(#[from] hyper::Error),
    #[error("{0}")]
    Upgrade(&'static str),
}

/// Sends `handshake` and records it with its answer.
pub async fn shake_hands(handshake: &Handshake, recorder: &Recorder) -> Outcome<Answer> {
    let key = generate_key();
    let request = request(handshake, &key)
        .map_err(|error| Failure::Bug(format!("bad handshake: {error}")))?;
    recorder.push(Entry::Request(Request {
        method: "GET (upgrade)".into(),
        path: handshake.path.clone(),
        headers: handshake.headers.clone(),
        body: Body::Empty,
        service: Some(handshake.service),
    }));
    let endpoint = &handshake.endpoint;
    let stream = endpoint
        .connect()
        .await
        .map_err(|error| Failure::System(error.to_string()))?;
    match timeout(LONG_PATIENCE, answer(stream, request, &key)).await {
        Ok(Ok(answer)) => {
            let answer = answer.translated(&handshake.errors);
            recorder.push(Entry::Response(match &answer {
                Answer::Upgraded(_) => Response {
                    status: 101,
                    headers: Vec::new(),
                    all_headers: Vec::new(),
                    body: Body::Empty,
                },
                Answer::Refused(refusal) => refusal.shown(),
            }));
            Ok(answer)
        }
        Ok(Err(error)) => {
            let words = format!(
                "the answer to the upgrade of {} is no handshake: {error}",
                handshake.path
            );
            Err(Failure::broken(endpoint.explain(words).await))
        }
        Err(_) => Err(Failure::broken(format!(
            "no answer to the upgrade of {} in {} s",
            handshake.path,
            LONG_PATIENCE.as_secs()
        ))),
    }
}

fn request(
    handshake: &Handshake,
    key: &str,
) -> Result<hyper::Request<Empty<Bytes>>, hyper::http::Error> {
    let mut request = hyper::Request::get(&handshake.target)
        .header("host", handshake.endpoint.authority())
        .header(CONNECTION, "Upgrade")
        .header(UPGRADE, "websocket")
        .header("sec-websocket-version", "13")
        .header("sec-websocket-key", key);
    if let Some(token) = &handshake.bearer {
        request = request.header(AUTHORIZATION, format!("Bearer {token}"));
    }
    for (name, value) in &handshake.headers {
        request = request.header(name, value);
    }
    request.body(Empty::new())
}

/// The whole answer: a refusal with its body, however many pieces that comes in.
async fn answer(
    stream: Stream,
    request: hyper::Request<Empty<Bytes>>,
    key: &str,
) -> Result<Answer, Trouble> {
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    // Ends with the connection: on its own once the sender is gone.
    tokio::spawn(connection.with_upgrades());
    let response = sender.send_request(request).await?;
    if response.status() != hyper::StatusCode::SWITCHING_PROTOCOLS {
        return Ok(Answer::Refused(Reply {
            status: response.status().as_u16(),
            headers: owned(response.headers()),
            body: response.into_body().collect().await?.to_bytes().to_vec(),
            error: None,
        }));
    }
    if let Some(problem) = not_an_upgrade(response.headers(), key) {
        return Err(Trouble::Upgrade(problem));
    }
    let upgraded = TokioIo::new(hyper::upgrade::on(response).await?);
    let socket = WebSocketStream::from_raw_socket(upgraded, Role::Client, None).await;
    Ok(Answer::Upgraded(Box::new(socket)))
}

/// What is wrong with the header fields of a `101` (RFC 6455, section 4.1); nothing was offered that it could choose.
fn not_an_upgrade(headers: &HeaderMap, key: &str) -> Option<&'static str> {
    let field = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let says = |name: &str, word: &str| {
        field(name).is_some_and(|list| {
            list.split(',')
                .any(|item| item.trim().eq_ignore_ascii_case(word))
        })
    };
    if !says("upgrade", "websocket") || !says("connection", "upgrade") {
        Some("the 101 does not upgrade to a websocket")
    } else if field("sec-websocket-accept") != Some(&derive_accept_key(key.as_bytes())) {
        Some("the 101 has not the Sec-WebSocket-Accept of this request")
    } else if field("sec-websocket-protocol").is_some() {
        Some("the 101 chooses a subprotocol, and none was offered")
    } else if field("sec-websocket-extensions").is_some() {
        Some("the 101 chooses an extension, and none was offered")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rstest::rstest;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;
    use tokio::time::sleep;

    use super::*;

    #[rstest]
    #[case::good(&[], None)]
    #[case::other_letters(&[("upgrade", "WebSocket"), ("connection", "keep-alive, Upgrade")], None)]
    #[case::other_protocol(&[("upgrade", "h2c")], Some("the 101 does not upgrade to a websocket"))]
    #[case::other_key(
        &[("sec-websocket-accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")],
        Some("the 101 has not the Sec-WebSocket-Accept of this request")
    )]
    #[case::an_extension(
        &[("sec-websocket-extensions", "permessage-deflate")],
        Some("the 101 chooses an extension, and none was offered")
    )]
    fn a_101_is_an_upgrade_to_what_was_asked_for(
        #[case] fields: &[(&'static str, &'static str)],
        #[case] problem: Option<&str>,
    ) {
        let key = generate_key();
        let accept = derive_accept_key(key.as_bytes());
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("upgrade", "websocket"),
            ("connection", "Upgrade"),
            ("sec-websocket-accept", &accept),
        ]
        .iter()
        .chain(fields)
        {
            headers.insert(*name, value.parse().unwrap());
        }
        assert_eq!(not_an_upgrade(&headers, &key), problem);
    }

    #[tokio::test]
    async fn a_refusal_has_its_whole_body_when_that_comes_after_its_head() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 4096];
            let _ = stream.read(&mut request).await.unwrap();
            let head = b"HTTP/1.1 404 Not Found\r\ncontent-length: 2\r\n\r\n";
            stream.write_all(head).await.unwrap();
            sleep(Duration::from_millis(20)).await;
            stream.write_all(b"{}").await.unwrap();
            sleep(LONG_PATIENCE).await;
        });
        let handshake = Handshake {
            service: Service::Websocket,
            endpoint: Endpoint::http(address),
            path: "/ws".into(),
            target: "/ws".into(),
            bearer: None,
            errors: ErrorShape::default(),
            headers: Vec::new(),
        };
        let Answer::Refused(reply) = shake_hands(&handshake, &Recorder::default()).await.unwrap()
        else {
            panic!("it was refused");
        };
        assert_eq!((reply.status, reply.text().as_str()), (404, "{}"));
    }
}

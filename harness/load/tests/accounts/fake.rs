//! A websocket service that does one thing wrong to the messages of a load.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures_util::{SinkExt, StreamExt};
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
use tokio_tungstenite::tungstenite::{Bytes, Message};
use tokio_tungstenite::{WebSocketStream, accept_hdr_async};

/// What is done to the third message of a connection, or with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    /// Nothing: all is well.
    Nothing,
    /// It comes in two frames, with a ping between them.
    Pieces,
    /// It comes twice.
    Twice,
    /// It never comes.
    Never,
    /// It comes after the fourth.
    Late,
    /// It comes to somebody else as well.
    Leaked,
    /// It comes with a space behind it.
    Changed,
    /// The connection is closed instead, with this code.
    Closed(u16),
    /// The connection ends instead.
    Ended,
    /// Nothing, and a client has to say first what it wants to hear of: messages come in JSON then.
    Enveloped,
}

type Routes = Arc<Mutex<HashMap<String, Vec<UnboundedSender<Bytes>>>>>;

/// The number of the message that is meant, as its text has it: the first is the one that proves that all are connected.
const THIRD: &[u8] = b"\"number\":                   3,";

/// Serves until this process ends; the port on loopback.
pub async fn serve(deed: Deed, redis: &str) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut messages = redis::Client::open(redis)
        .unwrap()
        .get_async_pubsub()
        .await
        .unwrap();
    messages.psubscribe("ws:*").await.unwrap();
    let routes = Routes::default();
    let route = Arc::clone(&routes);
    tokio::spawn(async move {
        let mut messages = messages.into_on_message();
        while let Some(message) = messages.next().await {
            let user = message
                .get_channel_name()
                .trim_start_matches("ws:")
                .to_owned();
            let payload = Bytes::copy_from_slice(message.get_payload_bytes());
            let routes = route.lock().unwrap_or_else(PoisonError::into_inner);
            let leaks = deed == Deed::Leaked && is_third(&payload);
            for (receiver, connections) in routes.iter() {
                if *receiver == user || leaks {
                    for connection in connections {
                        let _ = connection.send(payload.clone());
                    }
                }
            }
        }
    });
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(connection(stream, deed, Arc::clone(&routes)));
        }
    });
    port
}

async fn connection(stream: TcpStream, deed: Deed, routes: Routes) {
    let (sender, mut messages) = unbounded_channel();
    let mut sender = Some(sender);
    // What it takes to be answered is what it takes to be subscribed.
    #[expect(clippy::result_large_err, reason = "the library's own type")]
    let subscribe = |request: &Request, response: Response| -> Result<Response, ErrorResponse> {
        if deed != Deed::Enveloped {
            enter(&routes, subject(request.uri().query()), &mut sender);
        }
        Ok(response)
    };
    let Ok(mut socket) = accept_hdr_async(stream, subscribe).await else {
        return;
    };
    loop {
        tokio::select! {
            received = socket.next() => match received {
                Some(Ok(Message::Text(text))) => {
                    let user = text.strip_prefix("about ws:").unwrap_or_default().to_owned();
                    enter(&routes, user, &mut sender);
                    if !deliver(&mut socket, Bytes::from_static(b"{\"about\":true}")).await {
                        return;
                    }
                }
                Some(Ok(_)) => {}
                _ => return,
            },
            message = messages.recv() => {
                let Some(mut message) = message else { return };
                if deed == Deed::Enveloped {
                    let text = String::from_utf8_lossy(&message);
                    message = json!({"about": {"message": text}}).to_string().into();
                }
                let goes_on = match is_third(&message) {
                    true => spoil(&mut socket, deed, message, &mut messages).await,
                    false => deliver(&mut socket, message).await,
                };
                if !goes_on {
                    return;
                }
            }
        }
    }
}

/// From now on `sender` gets what comes for `user`.
fn enter(routes: &Routes, user: String, sender: &mut Option<UnboundedSender<Bytes>>) {
    let mut routes = routes.lock().unwrap_or_else(PoisonError::into_inner);
    routes.entry(user).or_default().extend(sender.take());
}

/// False when the connection is to end.
async fn spoil(
    socket: &mut WebSocketStream<TcpStream>,
    deed: Deed,
    message: Bytes,
    messages: &mut UnboundedReceiver<Bytes>,
) -> bool {
    match deed {
        Deed::Nothing | Deed::Leaked | Deed::Enveloped => deliver(socket, message).await,
        Deed::Pieces => {
            let (first, second) = (message.slice(..50), message.slice(50..));
            let text = OpCode::Data(Data::Text);
            let rest = OpCode::Data(Data::Continue);
            let pieces = [
                Message::Frame(Frame::message(first, text, false)),
                Message::Ping(Bytes::from_static(b"there?")),
                Message::Frame(Frame::message(second, rest, true)),
            ];
            for piece in pieces {
                if socket.send(piece).await.is_err() {
                    return false;
                }
            }
            // A client that is there answers.
            matches!(socket.next().await, Some(Ok(Message::Pong(pong))) if pong == "there?")
        }
        Deed::Twice => deliver(socket, message.clone()).await && deliver(socket, message).await,
        Deed::Never => true,
        Deed::Late => match messages.recv().await {
            Some(fourth) => deliver(socket, fourth).await && deliver(socket, message).await,
            None => false,
        },
        Deed::Changed => deliver(socket, [&message[..], b" "].concat().into()).await,
        Deed::Closed(code) => {
            let reason = "{}".into();
            let close = CloseFrame {
                code: code.into(),
                reason,
            };
            let _ = socket.close(Some(close)).await;
            while let Some(Ok(_)) = socket.next().await {}
            false
        }
        Deed::Ended => false,
    }
}

async fn deliver(socket: &mut WebSocketStream<TcpStream>, message: Bytes) -> bool {
    match message.try_into() {
        Ok(text) => socket.send(Message::Text(text)).await.is_ok(),
        Err(_) => false,
    }
}

fn is_third(message: &[u8]) -> bool {
    message.windows(THIRD.len()).any(|part| part == THIRD)
}

/// `sub` of the token in a query.
fn subject(query: Option<&str>) -> String {
    let claims = query.unwrap().split('.').nth(1).unwrap();
    let claims = URL_SAFE_NO_PAD.decode(claims).unwrap();
    let claims: serde_json::Value = serde_json::from_slice(&claims).unwrap();
    claims["sub"].as_str().unwrap().to_owned()
}

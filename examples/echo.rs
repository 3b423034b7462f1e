//! An echo server on the websocket service's upgrade and frame path, for protocol conformance suites:
//!
//! ```text
//! cargo run --release --example echo -- 127.0.0.1:9001
//! wstest -m fuzzingclient -s fuzzingclient.json
//! ```

use std::io;
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{Request, Response};
use hyper::body::Incoming;
use notification_services::shutdown;
use notification_services::websocket::close::Close;
use notification_services::websocket::connection::Rules;
use notification_services::websocket::decoder::Kind;
use notification_services::websocket::frame::{self, Opcode};
use notification_services::websocket::handshake::Handshake;
use notification_services::websocket::listen::{Answer, Handler, serve};
use notification_services::websocket::queue::{Queue, Sent};
use notification_services::websocket::session::Session;
use tokio::net::TcpListener;

/// Conformance suites send messages of up to 16 MiB.
const RULES: Rules = Rules {
    ping_interval: Duration::from_secs(3600),
    idle_timeout: Duration::from_secs(3600),
    message_limit: 16 << 20,
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> io::Result<()> {
    let address = std::env::args().nth(1);
    let address = address.as_deref().unwrap_or("127.0.0.1:9001");
    let listener = TcpListener::bind(address).await?;
    eprintln!("echo on ws://{}", listener.local_addr()?);
    let ended = shutdown::on_signal()?;
    tokio::select! {
        // The clients of an echo need no goodbye.
        () = ended.cancelled() => {}
        () = serve(listener, EchoServer, RULES, ended.clone()) => {}
    }
    Ok(())
}

struct EchoServer;

impl Handler for EchoServer {
    type Session = Echo;

    async fn handle(&self, request: Request<Incoming>) -> Answer<Echo> {
        match Handshake::read(request.version(), request.headers()) {
            Ok(handshake) => Answer::Upgrade {
                response: handshake.response(),
                session: Echo::default(),
                id: "echo".into(),
            },
            Err(mistake) => {
                let mut response = Response::new(format!("{mistake:?}\n").into());
                *response.status_mut() = http::StatusCode::BAD_REQUEST;
                Answer::Response(response)
            }
        }
    }
}

/// Sends every message back, whole.
#[derive(Default)]
struct Echo {
    message: Vec<u8>,
    /// How many messages were sent back.
    messages: usize,
}

impl Session for Echo {
    fn receive(&mut self, kind: Kind, bytes: &[u8], last: bool) -> Option<Bytes> {
        self.message.extend_from_slice(bytes);
        last.then(|| {
            let opcode = match kind {
                Kind::Text => Opcode::Text,
                Kind::Binary => Opcode::Binary,
            };
            frame::encode(opcode, &std::mem::take(&mut self.message))
        })
    }

    fn poll(&mut self, _: &mut Context<'_>, _: &mut Queue) -> Poll<Close> {
        Poll::Pending
    }

    fn sent(&mut self, sent: Sent) {
        self.messages += sent.messages;
    }

    fn messages(&self) -> usize {
        self.messages
    }

    fn end(&mut self) {}

    fn expires_at(&self) -> Option<SystemTime> {
        None
    }
}

//! From a listening socket to open WebSockets: accept, speak HTTP until an upgrade, then hand the socket over.

use std::convert::Infallible;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1::{self, Parts};
use hyper::service::{HttpService, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, error, warn};

use super::connection::{CLOSE_DEADLINE, Connection, Rules};
use super::session::Session;

/// What answers HTTP requests.
pub trait Handler: Send + Sync + 'static {
    /// What the connections it upgrades are for.
    type Session: Session + 'static;

    /// The answer to `request`.
    fn handle(
        &self,
        request: Request<Incoming>,
    ) -> impl Future<Output = Answer<Self::Session>> + Send;
}

/// The answer to one HTTP request.
pub enum Answer<S> {
    /// A response, after which HTTP goes on.
    Response(Response<Full<Bytes>>),
    /// A response with status 101, after which the connection is the session's.
    Upgrade {
        /// The response.
        response: Response<Full<Bytes>>,
        /// What the connection is for.
        session: S,
        /// How logs and reasons name the connection.
        id: Arc<str>,
    },
}

/// How long a client may take to send the head of a request, and how long it may be silent between two.
const HEADER_DEADLINE: Duration = Duration::from_secs(10);

/// How long a connection may speak HTTP at all. An upgrade takes a moment, and scrapers connect anew.
const HTTP_LIFETIME: Duration = Duration::from_secs(60);

/// How long a request may take once its connection is to end.
const GRACE: Duration = Duration::from_secs(2);

/// The largest head of a request, in bytes: a token, and cookies that the browser adds.
const HEAD_LIMIT: usize = 32 * 1024;

/// How long to wait when the system has no resources for another connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Accepts connections until `shutdown`, then waits until all of them have ended.
///
/// Telling the sessions to close is the caller's part; a session that is told to takes at most
/// [`CLOSE_DEADLINE`], whatever its client does.
pub async fn serve<H: Handler>(
    listener: TcpListener,
    handler: H,
    rules: Rules,
    shutdown: CancellationToken,
) {
    let handler = Arc::new(handler);
    let connections = TaskTracker::new();
    while let Some(accepted) = shutdown.run_until_cancelled(listener.accept()).await {
        match accepted {
            Ok((stream, _)) => {
                // Fails only for a connection that is lost already, which reading it will tell.
                let _ = stream.set_nodelay(true);
                let speak = speak(
                    stream,
                    handler.clone(),
                    rules,
                    connections.clone(),
                    shutdown.clone(),
                );
                connections.spawn(speak);
            }
            Err(error) if is_of_one_connection(&error) => {
                debug!(%error, "failed to accept a connection")
            }
            Err(error) => {
                warn!(%error, "failed to accept connections");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    connections.close();
    if timeout(CLOSE_DEADLINE + GRACE, connections.wait())
        .await
        .is_err()
    {
        error!(
            connections = connections.len(),
            "connections are left that did not end in time"
        );
    }
}

/// Speaks HTTP on `stream`, and starts the session if that ends in an upgrade.
async fn speak<H: Handler>(
    stream: TcpStream,
    handler: Arc<H>,
    rules: Rules,
    connections: TaskTracker,
    shutdown: CancellationToken,
) {
    // Held by this connection alone: however it ends, what was admitted is dropped with it.
    let upgraded = Arc::new(Mutex::new(None));
    let service = service_fn(|request| {
        let (handler, upgraded) = (handler.clone(), upgraded.clone());
        Box::pin(async move {
            Ok::<_, Infallible>(match handler.handle(request).await {
                Answer::Response(response) => response,
                Answer::Upgrade {
                    response,
                    session,
                    id,
                } => {
                    *upgraded.lock().unwrap_or_else(PoisonError::into_inner) = Some((session, id));
                    response
                }
            })
        })
    });
    let http = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_DEADLINE)
        .max_buf_size(HEAD_LIMIT)
        .serve_connection(TokioIo::new(stream), service);
    let Some(parts) = finish(http, &shutdown).await else {
        return;
    };
    let upgraded = upgraded
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .take();
    if let Some((session, id)) = upgraded {
        let stream = parts.io.into_inner();
        connections.spawn(Connection::new(stream, parts.read_buf, session, rules, id));
    }
}

/// Drives `http` to its end, and gives back the socket unless it was lost or took too long.
async fn finish<S>(
    mut http: http1::Connection<TokioIo<TcpStream>, S>,
    shutdown: &CancellationToken,
) -> Option<Parts<TokioIo<TcpStream>, S>>
where
    S: HttpService<Incoming, ResBody = Full<Bytes>> + Unpin,
    S::Future: Unpin,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let ended = tokio::select! {
        ended = poll_fn(|context| http.poll_without_shutdown(context)) => Some(ended),
        () = sleep(HTTP_LIFETIME) => None,
        () = shutdown.cancelled() => None,
    };
    let ended = match ended {
        Some(ended) => ended,
        None => {
            Pin::new(&mut http).graceful_shutdown();
            let ended = poll_fn(|context| http.poll_without_shutdown(context));
            timeout(GRACE, ended).await.ok()?
        }
    };
    match ended {
        Ok(()) => Some(http.into_parts()),
        Err(error) => {
            debug!(%error, "connection lost while it spoke HTTP");
            None
        }
    }
}

/// Whether accepting failed for the connection that was to be accepted, and not for those to come.
fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
    )
}

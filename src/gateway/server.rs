//! Connections, and how they end.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_io_timeout::TimeoutStream;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;
use tracing::{debug, warn};

use super::settings::Deadlines;

// How long a client whose request was answered before it was read to its end may go on sending. Closing at once would
// reset the connection, and a reset takes the answer with it (RFC 9112, section 9.6).
const LINGER: Duration = Duration::from_secs(2);

/// Serves `router` until `shutdown`; then lets requests under way finish, but not past the shutdown deadline.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    deadlines: Deadlines,
    shutdown: CancellationToken,
) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = shutdown.cancelled() => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(connection(stream, router.clone(), deadlines.client, shutdown.clone()));
                }
                // Out of descriptors or memory: others have to end before it is worth asking again.
                Err(error) => {
                    warn!(%error, "failed to accept a connection");
                    sleep(Duration::from_millis(50)).await;
                }
            },
            Some(_) = connections.join_next() => {}
        }
    }
    drop(listener);
    let ended = async { while connections.join_next().await.is_some() {} };
    if timeout(deadlines.shutdown, ended).await.is_err() {
        warn!(open = connections.len(), "connections are cut off");
        connections.shutdown().await;
    }
}

async fn connection(
    stream: TcpStream,
    router: Router,
    patience: Duration,
    shutdown: CancellationToken,
) {
    if let Err(error) = stream.set_nodelay(true) {
        debug!(%error, "failed to set TCP_NODELAY");
    }
    // A client that takes nothing of its answer would hold the connection for ever: a deadline on the answer's body
    // is not asked while there is no room to write.
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(patience));

    let service = service_fn(move |request: Request<Incoming>| {
        Box::pin(router.clone().oneshot(request.map(Body::new)))
    });
    let mut http = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(patience)
        .serve_connection(TokioIo::new(Box::pin(stream)), service);
    let served = tokio::select! {
        served = poll_fn(|context| http.poll_without_shutdown(context)) => served,
        () = shutdown.cancelled() => {
            Pin::new(&mut http).graceful_shutdown();
            poll_fn(|context| http.poll_without_shutdown(context)).await
        }
    };
    match served {
        Ok(()) => {
            let stream = http.into_parts().io.into_inner();
            if let Err(error) = linger(stream).await {
                debug!(%error, "connection did not end in order");
            }
        }
        Err(error) => debug!(%error, "connection failed"),
    }
}

async fn linger(mut stream: Pin<Box<TimeoutStream<TcpStream>>>) -> io::Result<()> {
    stream.shutdown().await?;
    let rest = async {
        let mut discarded = [0; 16 * 1024];
        while stream.read(&mut discarded).await? > 0 {}
        Ok(())
    };
    timeout(LINGER, rest).await.unwrap_or(Ok(()))
}

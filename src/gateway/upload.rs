//! A client's body on its way through: never held, always bounded, and known to whoever waits for it.

use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, Bytes};
use http_body::{Frame, SizeHint};
use sync_wrapper::SyncWrapper;
use tokio::sync::watch;
use tokio::time::{Sleep, sleep};

/// Whose turn it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// The service behind has not asked for more yet.
    Downstream,
    /// The service behind has asked for more than the client has sent.
    Client,
    /// The last byte is passed on.
    Sent,
    /// The body will not come to its end.
    Failed(Fault),
}

/// Why a client's body did not come to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It is longer than the gateway takes.
    TooLarge,
    /// It takes too long.
    TooSlow,
    /// The client has broken off, or what it sends is not HTTP.
    Broken,
}

/// A body that says how far it is. Its length, where the client gave one, is still known.
pub struct Upload {
    inner: SyncWrapper<Body>,
    size: SizeHint,
    left: u64,
    deadline: Pin<Box<Sleep>>,
    progress: watch::Sender<Progress>,
}

/// `body`, which fails after `longest` bytes or after `deadline`, and how far it is.
pub fn watched(
    body: Body,
    longest: u64,
    deadline: Duration,
) -> (Upload, watch::Receiver<Progress>) {
    let begin = if http_body::Body::is_end_stream(&body) {
        Progress::Sent
    } else {
        Progress::Downstream
    };
    let (progress, receiver) = watch::channel(begin);
    let upload = Upload {
        size: http_body::Body::size_hint(&body),
        inner: SyncWrapper::new(body),
        left: longest,
        deadline: Box::pin(sleep(deadline)),
        progress,
    };
    (upload, receiver)
}

impl Upload {
    fn fail(&self, fault: Fault) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        self.progress.send_replace(Progress::Failed(fault));
        Poll::Ready(Some(Err(fault)))
    }

    fn poll_inner(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        http_body::Body::poll_frame(Pin::new(self.inner.get_mut()), context)
    }
}

impl http_body::Body for Upload {
    type Data = Bytes;
    type Error = Fault;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        if self.deadline.as_mut().poll(context).is_ready() {
            return self.fail(Fault::TooSlow);
        }
        let polled = self.poll_inner(context);
        if polled.is_pending() {
            // Asking again is no progress.
            self.progress.send_if_modified(|now| {
                std::mem::replace(now, Progress::Client) != Progress::Client
            });
        }
        match ready!(polled) {
            None => {
                self.progress.send_replace(Progress::Sent);
                Poll::Ready(None)
            }
            Some(Err(_)) => self.fail(Fault::Broken),
            Some(Ok(frame)) => {
                let length = frame.data_ref().map_or(0, |data| data.len() as u64);
                let Some(left) = self.left.checked_sub(length) else {
                    return self.fail(Fault::TooLarge);
                };
                self.left = left;
                // A body of known length is not asked for more after its last byte.
                self.size = http_body::Body::size_hint(self.inner.get_mut());
                let last = http_body::Body::is_end_stream(self.inner.get_mut());
                self.progress.send_replace(if last {
                    Progress::Sent
                } else {
                    Progress::Downstream
                });
                Poll::Ready(Some(Ok(frame)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        *self.progress.borrow() == Progress::Sent
    }

    fn size_hint(&self) -> SizeHint {
        self.size
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooLarge => "the client's body is too long",
            Self::TooSlow => "the client's body takes too long",
            Self::Broken => "the client's body breaks off",
        })
    }
}

impl Error for Fault {}

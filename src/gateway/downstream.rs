//! Calls to the services behind, each with its deadlines.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes};
use http::{HeaderMap, Method, Response};
use http_body::{Frame, SizeHint};
use http_body_util::{BodyExt, Limited};
use reqwest::Url;
use reqwest::redirect::Policy;
use tokio::sync::watch;
use tokio::time::{Sleep, sleep, timeout};
use tracing::{Instrument, warn};

use super::error::{ApiError, Code};
use super::metrics::Metrics;
use super::settings::{Deadlines, Sizes};
use super::upload::{self, Fault, Progress};
use crate::telemetry;

// Below the 5 s after which common servers close an idle connection: a request that meets the closing one fails, and
// one with a streamed body cannot be sent again.
const IDLE: Duration = Duration::from_secs(4);

/// What all calls share: the pool of connections, the limits, the counters.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    deadlines: Deadlines,
    sizes: Sizes,
    metrics: Arc<Metrics>,
}

/// One service behind the gateway.
pub struct Downstream {
    client: Client,
    service: &'static str,
    base: String,
}

/// Why there is no answer to pass on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// No connection to the service.
    Unreachable,
    /// The service did not take the request, begin its answer or end it in time.
    TimedOut,
    /// The service broke off, or its answer is not HTTP, is too long or is none.
    Broken,
    /// The client's own body did not come to its end.
    Client(Fault),
}

impl Client {
    /// A client without connections.
    pub fn new(
        deadlines: Deadlines,
        sizes: Sizes,
        metrics: Arc<Metrics>,
    ) -> Result<Self, reqwest::Error> {
        let http = reqwest::Client::builder()
            .connect_timeout(deadlines.connect)
            .pool_idle_timeout(IDLE)
            .redirect(Policy::none())
            .retry(reqwest::retry::never())
            .no_proxy()
            .build()?;
        Ok(Self {
            http,
            deadlines,
            sizes,
            metrics,
        })
    }

    /// The service at `base`; `service` is its name in metrics and logs.
    pub fn to(&self, service: &'static str, base: Url) -> Downstream {
        Downstream {
            client: self.clone(),
            service,
            base: base.as_str().trim_end_matches('/').to_owned(),
        }
    }
}

impl Downstream {
    /// Sends a request whose `path` (with its query) is already encoded, and waits for the head of the answer.
    ///
    /// The body streams: it is read as fast as the service takes it, and the answer may begin before its end.
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        mut headers: HeaderMap,
        body: Body,
    ) -> Result<Response<reqwest::Body>, Failure> {
        let trace = telemetry::call(&method, self.service, &mut headers);
        let begun = Instant::now();
        let answer = self.answer(method, path, headers, body);
        let answer = answer.instrument(trace.clone()).await;
        let outcome = match &answer {
            Ok(answer) => {
                telemetry::answered(&trace, answer.status(), None);
                answer.status().as_str().to_owned()
            }
            Err(failure) => {
                telemetry::failed(&trace, failure.label());
                failure.label().to_owned()
            }
        };
        self.client
            .metrics
            .downstream(self.service, &outcome, begun.elapsed());
        answer
    }

    /// The whole body of `answer`, in memory.
    pub async fn read(&self, answer: Response<reqwest::Body>) -> Result<Bytes, Failure> {
        let body = Limited::new(answer.into_body(), self.client.sizes.json).collect();
        match timeout(self.client.deadlines.body, body).await {
            Ok(Ok(body)) => Ok(body.to_bytes()),
            Ok(Err(error)) => {
                warn!(service = self.service, ?error, "failed to read an answer");
                Err(Failure::Broken)
            }
            Err(_) => {
                warn!(service = self.service, "an answer did not end in time");
                Err(Failure::TimedOut)
            }
        }
    }

    /// `answer` with its body as a stream, which fails at the body deadline: its head is sent by then, so breaking off
    /// is all that is left to say.
    pub fn stream(&self, answer: Response<reqwest::Body>) -> Response<Body> {
        answer.map(|inner| {
            Body::new(Timed {
                inner,
                deadline: Box::pin(sleep(self.client.deadlines.body)),
            })
        })
    }

    /// `location` as clients of the gateway see it, if it is an address of this service.
    pub fn outside<'a>(&self, location: &'a str) -> Option<&'a str> {
        location
            .strip_prefix(&self.base)
            .filter(|path| path.starts_with('/'))
    }

    async fn answer(
        &self,
        method: Method,
        path: &str,
        headers: HeaderMap,
        body: Body,
    ) -> Result<Response<reqwest::Body>, Failure> {
        let url = Url::parse(&format!("{}{path}", self.base)).map_err(|error| {
            warn!(service = self.service, %error, "failed to address a request");
            Failure::Broken
        })?;
        let deadlines = self.client.deadlines;
        let mut request = reqwest::Request::new(method, url);
        *request.headers_mut() = headers;
        let (body, progress) = upload::watched(body, self.client.sizes.upload, deadlines.upload);
        if *progress.borrow() != Progress::Sent {
            *request.body_mut() = Some(reqwest::Body::wrap(body));
        }
        let answer = tokio::select! {
            answer = self.client.http.execute(request) => answer,
            failure = overdue(progress.clone(), deadlines) => {
                warn!(service = self.service, ?failure, "a request did not get through in time");
                return Err(failure);
            }
        };
        match answer {
            // Nothing asked for another protocol, so a switch to one is no answer.
            Ok(answer) if !answer.status().is_informational() => Ok(answer.into()),
            Ok(answer) => {
                warn!(service = self.service, status = %answer.status(), "an answer is none");
                Err(Failure::Broken)
            }
            Err(error) => {
                let error = error.without_url();
                let failure = match *progress.borrow() {
                    Progress::Failed(fault) => Failure::Client(fault),
                    _ if error.is_timeout() => Failure::TimedOut,
                    _ if error.is_connect() => Failure::Unreachable,
                    _ => Failure::Broken,
                };
                warn!(service = self.service, ?failure, ?error, "a request failed");
                Err(failure)
            }
        }
    }
}

impl Failure {
    /// The word for this failure in metrics.
    pub fn label(self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::TimedOut => "timeout",
            Self::Broken => "broken",
            Self::Client(_) => "client",
        }
    }
}

impl From<Failure> for ApiError {
    fn from(failure: Failure) -> Self {
        let (code, message) = match failure {
            Failure::Unreachable => (
                Code::ServiceUnavailable,
                "a service behind the gateway cannot be reached",
            ),
            Failure::TimedOut => (
                Code::DownstreamTimeout,
                "a service behind the gateway took too long",
            ),
            Failure::Broken => (
                Code::DownstreamError,
                "a service behind the gateway gave no usable answer",
            ),
            Failure::Client(Fault::TooLarge) => (
                Code::PayloadTooLarge,
                "the body is longer than the gateway takes",
            ),
            Failure::Client(Fault::TooSlow) => (
                Code::RequestTimeout,
                "the body did not come to its end in time",
            ),
            Failure::Client(Fault::Broken) => (Code::InvalidBody, "the body breaks off"),
        };
        Self::new(code, message)
    }
}

// Ends when whoever's turn it is has let its time pass.
async fn overdue(mut progress: watch::Receiver<Progress>, deadlines: Deadlines) -> Failure {
    loop {
        let now = *progress.borrow_and_update();
        let (patience, failure) = match now {
            Progress::Client => (deadlines.client, Failure::Client(Fault::TooSlow)),
            Progress::Downstream | Progress::Sent => (deadlines.first_byte, Failure::TimedOut),
            Progress::Failed(fault) => return Failure::Client(fault),
        };
        let waiting = sleep(patience);
        tokio::pin!(waiting);
        tokio::select! {
            () = &mut waiting => return failure,
            changed = progress.changed() => if changed.is_err() {
                // The body is dropped: nothing more will be sent, and only the answer is waited for.
                waiting.await;
                return Failure::TimedOut;
            }
        }
    }
}

struct Timed {
    inner: reqwest::Body,
    deadline: Pin<Box<Sleep>>,
}

impl http_body::Body for Timed {
    type Data = Bytes;
    type Error = axum::BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::BoxError>>> {
        if self.deadline.as_mut().poll(context).is_ready() {
            return Poll::Ready(Some(Err("the answer did not end in time".into())));
        }
        Pin::new(&mut self.inner)
            .poll_frame(context)
            .map_err(Into::into)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

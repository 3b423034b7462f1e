//! How requests go out: each over a connection of its own, with TLS or without, each path as it stands.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http_body_util::BodyExt;
use hyper::Uri;
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tower_service::Service;

use super::{Call, CallBody, Reply, form, owned};
use crate::endpoint::{Endpoint, Stream, Unreachable};
use crate::system::root_cause;

/// What sends requests.
#[derive(Clone)]
pub struct Http {
    client: Client<Connector, reqwest::Body>,
    /// It makes the requests, forms above all, and sends none: it would resolve dot segments in a path.
    requests: reqwest::Client,
}

/// Connects to the endpoints that it knows.
#[derive(Clone)]
struct Connector(Arc<[Endpoint]>);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoReply {
    /// No connection: a sentence that names the endpoint.
    #[error("{0}")]
    Unreachable(String),
    /// A connection, and no HTTP response on it.
    #[error("{0}")]
    Unanswered(String),
    /// The request is none.
    #[error("{0}")]
    Unsendable(String),
}

impl Http {
    /// One that sends to `endpoints`.
    pub fn to(endpoints: impl IntoIterator<Item = Endpoint>) -> Result<Self, String> {
        let endpoints = endpoints.into_iter().collect();
        let requests = reqwest::Client::builder().no_proxy().build();
        Ok(Self {
            client: Client::builder(TokioExecutor::new())
                // A server may end an idle connection the moment a request is sent on it: every call has one of its own.
                .pool_max_idle_per_host(0)
                .build(Connector(endpoints)),
            requests: requests.map_err(|error| format!("no HTTP client: {error}"))?,
        })
    }

    /// Sends `call` and reads the whole answer.
    pub(crate) async fn send(&self, call: &Call, endpoint: &Endpoint) -> Result<Reply, NoReply> {
        let (head, body) = self.begin(call, endpoint).await?.into_parts();
        let body = body.collect().await;
        let body = body.map_err(|error| NoReply::Unanswered(root_cause(&error)))?;
        Ok(Reply {
            status: head.status.as_u16(),
            headers: owned(&head.headers),
            body: body.to_bytes().to_vec(),
            error: None,
        })
    }

    /// Sends `call` and reads the head of the answer.
    pub(crate) async fn begin(
        &self,
        call: &Call,
        endpoint: &Endpoint,
    ) -> Result<hyper::Response<Incoming>, NoReply> {
        let request = self.request(call, endpoint).map_err(NoReply::Unsendable)?;
        self.client.request(request).await.map_err(|error| {
            let words = root_cause(&error);
            if error.is_connect() {
                NoReply::Unreachable(words)
            } else {
                NoReply::Unanswered(words)
            }
        })
    }

    fn request(
        &self,
        call: &Call,
        endpoint: &Endpoint,
    ) -> Result<hyper::Request<reqwest::Body>, String> {
        let method = call.method.parse::<hyper::Method>();
        let method = method.map_err(|error| format!("method {:?}: {error}", call.method))?;
        let base = endpoint.http_base();
        let mut request = self.requests.request(method, &base);
        for (name, value) in &call.headers {
            request = request.header(name, value);
        }
        let request = match &call.body {
            CallBody::Empty => request,
            CallBody::Json(value) => request.json(value),
            CallBody::Text(text) => request.body(text.clone()),
            CallBody::Multipart(parts) => request.multipart(form(parts)?),
        };
        let request = request.build().map_err(|error| root_cause(&error))?;
        let mut request =
            hyper::Request::<reqwest::Body>::try_from(request).map_err(|e| e.to_string())?;
        let uri = format!("{base}{}", call.path).parse::<Uri>();
        *request.uri_mut() = uri.map_err(|error| error.to_string())?;
        Ok(request)
    }
}

impl Service<Uri> for Connector {
    type Response = TokioIo<Stream>;
    type Error = Unreachable;
    type Future = Pin<Box<dyn Future<Output = Result<TokioIo<Stream>, Unreachable>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Unreachable>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        // A request's URI begins with its endpoint's base: a pool's key is that, and nothing more.
        let base = uri.to_string();
        let at = |endpoint: &&Endpoint| endpoint.http_base() == base.trim_end_matches('/');
        let endpoint = self.0.iter().find(at).cloned();
        Box::pin(async move {
            let endpoint = endpoint.ok_or_else(|| Unreachable::unknown(&base))?;
            Ok(TokioIo::new(endpoint.connect().await?))
        })
    }
}

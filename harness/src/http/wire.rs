//! How requests go out: over connections that are kept, to any endpoint, each path as it stands.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use http_body_util::BodyExt;
use hyper::Uri;
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tower_service::Service;

use super::{Call, CallBody, Reply, form, owned};
use crate::endpoint::{Endpoint, Stream, Trust, Unreachable};
use crate::scenario::{Failure, Outcome};
use crate::system::root_cause;

/// What sends requests. Clones share their connections.
#[derive(Clone)]
pub struct Http {
    client: Client<Connector, reqwest::Body>,
    /// It makes the requests, forms above all, and sends none: it would resolve dot segments in a path.
    requests: reqwest::Client,
}

/// Connects to where a URL leads.
#[derive(Clone)]
struct Connector(Option<Trust>);

impl Http {
    /// One that believes the certificates that `trust` does; without, it sends nothing over TLS.
    pub fn new(trust: Option<Trust>) -> Result<Self, String> {
        let requests = reqwest::Client::builder().no_proxy().build();
        Ok(Self {
            client: Client::builder(TokioExecutor::new()).build(Connector(trust)),
            requests: requests.map_err(|error| format!("no HTTP client: {error}"))?,
        })
    }

    /// Sends `call` and reads the whole answer.
    pub(super) async fn send(&self, call: &Call, endpoint: &Endpoint) -> Outcome<Reply> {
        let (method, path) = (&call.method, &call.path);
        let request = self.request(call, endpoint)?;
        let broken = |error: &(dyn std::error::Error + 'static)| {
            Failure::Broken(format!(
                "{method} {path} was not answered: {}",
                root_cause(error)
            ))
        };
        let response = match self.client.request(request).await {
            Ok(response) => response,
            Err(error) if error.is_connect() => return Err(Failure::System(root_cause(&error))),
            Err(error) => return Err(broken(&error)),
        };
        let (head, body) = response.into_parts();
        let body = body.collect().await.map_err(|error| broken(&error))?;
        Ok(Reply {
            status: head.status.as_u16(),
            headers: owned(&head.headers),
            body: body.to_bytes().to_vec(),
        })
    }

    fn request(&self, call: &Call, endpoint: &Endpoint) -> Outcome<hyper::Request<reqwest::Body>> {
        let bug = |error: &dyn std::fmt::Display| {
            Failure::Bug(format!("{} {}: {error}", call.method, call.path))
        };
        let method =
            reqwest::Method::from_bytes(call.method.as_bytes()).map_err(|error| bug(&error))?;
        let base = format!("{}://{}", endpoint.http_scheme(), endpoint.authority());
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
        let request = request.build().map_err(|error| bug(&root_cause(&error)))?;
        let mut request =
            hyper::Request::<reqwest::Body>::try_from(request).map_err(|error| bug(&error))?;
        *request.uri_mut() = format!("{base}{}", call.path)
            .parse()
            .map_err(|error| bug(&error))?;
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
        let endpoint = Endpoint::of_uri(&uri, self.0.as_ref());
        Box::pin(async move { Ok(TokioIo::new(endpoint?.connect().await?)) })
    }
}

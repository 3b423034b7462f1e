//! How requests go out: each over a connection of its own, with TLS or without, its path as it stands.

use hyper::Uri;
use hyper::body::Incoming;
use hyper::header::{HOST, HeaderValue};
use hyper_util::rt::TokioIo;

use http_body_util::BodyExt;

use super::{Call, CallBody, Reply, form, owned};
use crate::endpoint::Endpoint;
use crate::system::root_cause;

/// What sends requests.
#[derive(Clone)]
pub struct Http {
    /// It makes them, forms above all, and sends none: it would resolve dot segments in a path.
    requests: reqwest::Client,
}

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
    /// One that follows no proxy of the environment.
    pub fn new() -> Result<Self, String> {
        let requests = reqwest::Client::builder().no_proxy().build();
        Ok(Self {
            requests: requests.map_err(|error| format!("no HTTP client: {error}"))?,
        })
    }

    /// Sends `call` and reads the whole answer.
    pub(crate) async fn send(&self, call: &Call, endpoint: &Endpoint) -> Result<Reply, NoReply> {
        let (head, body) = self.begin(call, endpoint).await?.into_parts();
        let body = body.collect().await.map_err(|error| unanswered(&error))?;
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
        let stream = endpoint.connect().await;
        let stream = stream.map_err(|error| NoReply::Unreachable(error.to_string()))?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| unanswered(&error))?;
        // Ends with the answer, or with whoever reads it no further.
        tokio::spawn(connection);
        let answer = sender.send_request(request).await;
        answer.map_err(|error| unanswered(&error))
    }

    fn request(
        &self,
        call: &Call,
        endpoint: &Endpoint,
    ) -> Result<hyper::Request<reqwest::Body>, String> {
        let method = call.method.parse::<hyper::Method>();
        let method = method.map_err(|error| format!("method {:?}: {error}", call.method))?;
        let mut request = self.requests.request(method, endpoint.http_base());
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
        let uri = call.path.parse::<Uri>();
        *request.uri_mut() = uri.map_err(|error| error.to_string())?;
        let host = HeaderValue::try_from(endpoint.authority());
        let host = host.map_err(|error| error.to_string())?;
        request.headers_mut().entry(HOST).or_insert(host);
        Ok(request)
    }
}

fn unanswered(error: &hyper::Error) -> NoReply {
    NoReply::Unanswered(root_cause(error))
}

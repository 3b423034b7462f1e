//! HTTP messages, changed.

use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;

use futures_util::{StreamExt, stream};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::task::yield_now;

use super::Deed;
use super::door::{Head, connect};
use super::scene::Scene;
use super::token::{self, Said};
use crate::token::Issuer;

/// A request on its way to a service.
#[derive(Clone, Debug, Default)]
pub(super) struct Request {
    pub method: String,
    /// Path and query.
    pub target: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// The port of the stand-in that is asked instead of the service.
    pub instead: Option<u16>,
}

/// An answer on its way to a client.
#[derive(Clone, Debug, Default)]
pub(super) struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// It never comes.
    pub withheld: bool,
    /// The connection ends instead.
    pub cut: bool,
    /// The service ended it before its body was whole.
    broken: bool,
}

type Body = UnsyncBoxBody<Bytes, io::Error>;

type Trouble = Box<dyn std::error::Error + Send + Sync>;

/// Serves the requests on a client's connection.
pub(super) async fn serve(
    client: TcpStream,
    head: Head,
    address: SocketAddr,
    scene: &Arc<Scene>,
    deed: Deed,
) -> io::Result<()> {
    let (client_in, client_out) = client.into_split();
    let begun = io::Cursor::new(head.bytes()).chain(client_in);
    let service = service_fn(|request| exchange(request, address, scene, deed));
    hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(tokio::io::join(begun, client_out)), service)
        .await
        .map_err(io::Error::other)
}

async fn exchange(
    request: hyper::Request<Incoming>,
    address: SocketAddr,
    scene: &Scene,
    deed: Deed,
) -> Result<hyper::Response<Body>, Trouble> {
    let mut request = Request::read(request).await?;
    if let Deed::Request(deed) = deed {
        deed(&mut request, scene);
    }
    let address = match request.instead {
        Some(port) => (Ipv4Addr::LOCALHOST, port).into(),
        None => address,
    };
    let mut answer = request.ask(address).await?;
    if let Deed::Answer(deed) = deed {
        deed(&request, &mut answer, scene);
    }
    if answer.cut {
        return Err("the connection is cut".into());
    }
    if answer.withheld {
        return std::future::pending::<Result<_, Infallible>>()
            .await
            .map_err(Into::into);
    }
    answer.written()
}

impl Request {
    async fn read(request: hyper::Request<Incoming>) -> Result<Self, Trouble> {
        let (parts, body) = request.into_parts();
        Ok(Self {
            method: parts.method.to_string(),
            target: parts.uri.to_string(),
            headers: fields(&parts.headers),
            body: body.collect().await?.to_bytes().to_vec(),
            instead: None,
        })
    }

    async fn ask(&self, address: SocketAddr) -> Result<Answer, Trouble> {
        let stream = TokioIo::new(connect(address).await?);
        let (mut sender, connection) = hyper::client::conn::http1::handshake(stream).await?;
        let driver = tokio::spawn(connection);
        let mut request = hyper::Request::builder()
            .method(&*self.method)
            .uri(&self.target);
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        let body = Full::new(Bytes::from(self.body.clone()));
        let answer = sender.send_request(request.body(body)?).await?;
        let (parts, body) = answer.into_parts();
        let mut answer = Answer {
            status: parts.status.as_u16(),
            headers: fields(&parts.headers),
            ..Answer::default()
        };
        let mut body = pin!(body);
        while let Some(frame) = body.frame().await {
            match frame.map(|frame| frame.into_data()) {
                Ok(Ok(data)) => answer.body.extend_from_slice(&data),
                // Trailers are nobody's business here.
                Ok(Err(_)) => {}
                Err(_) => {
                    answer.broken = true;
                    break;
                }
            }
        }
        driver.abort();
        Ok(answer)
    }

    pub fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    pub fn is_to(&self, method: &str, ending: &str) -> bool {
        self.method == method && self.path().ends_with(ending)
    }

    /// The header field `name`, in small letters.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        headers.find_map(|(field, value)| (field == name).then_some(value.as_str()))
    }

    /// Sets the header field `name`, in small letters.
    pub fn set(&mut self, name: &str, value: &str) {
        self.headers.retain(|(field, _)| field != name);
        self.headers.push((name.to_owned(), value.to_owned()));
    }

    /// What its bearer token says.
    pub fn said(&self) -> Option<Said> {
        Said::by(self.header("authorization")?.strip_prefix("Bearer ")?)
    }

    /// Gives it a good token of `user`.
    pub fn authorize(&mut self, issuer: &Issuer, user: &str) {
        let token = token::good(issuer, user);
        self.set("authorization", &format!("Bearer {token}"));
    }

    /// The body as JSON, changed, if it is JSON.
    pub fn change(&mut self, change: impl FnOnce(&mut Value)) {
        changed(&mut self.body, change);
    }
}

impl Answer {
    fn written(self) -> Result<hyper::Response<Body>, Trouble> {
        let mut answer = hyper::Response::builder().status(self.status);
        for (name, value) in &self.headers {
            answer = answer.header(name, value);
        }
        let bytes = Bytes::from(self.body);
        let body = match self.broken {
            false => Full::new(bytes)
                .map_err(|never| match never {})
                .boxed_unsync(),
            true => {
                let begun = stream::once(async { Ok(Frame::data(bytes)) });
                let end = stream::once(async {
                    // What has begun is sent while nothing else is there.
                    yield_now().await;
                    Err(io::ErrorKind::ConnectionReset.into())
                });
                BodyExt::boxed_unsync(StreamBody::new(begun.chain(end)))
            }
        };
        Ok(answer.body(body)?)
    }

    /// Whether it says that something went wrong.
    pub fn is_error(&self) -> bool {
        self.status >= 400
    }

    /// Removes the header field `name`, in small letters.
    pub fn drop_header(&mut self, name: &str) {
        self.headers.retain(|(field, _)| field != name);
    }

    /// Sets the header field `name`, in small letters.
    pub fn set(&mut self, name: &str, value: &str) {
        self.drop_header(name);
        self.headers.push((name.to_owned(), value.to_owned()));
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Another text as the body.
    pub fn say(&mut self, text: &str) {
        self.body = text.as_bytes().to_owned();
    }

    /// The body as JSON, changed, if it is JSON.
    pub fn change(&mut self, change: impl FnOnce(&mut Value)) {
        changed(&mut self.body, change);
    }
}

fn changed(body: &mut Vec<u8>, change: impl FnOnce(&mut Value)) {
    if let Ok(mut json) = serde_json::from_slice(body) {
        change(&mut json);
        *body = json.to_string().into_bytes();
    }
}

/// The header fields; those that frame the body are made anew where it is sent.
fn fields(headers: &hyper::HeaderMap) -> Vec<(String, String)> {
    let framing = ["content-length", "transfer-encoding"];
    let mut fields = crate::http::owned(headers);
    fields.retain(|(name, _)| !framing.contains(&name.as_str()));
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_answer_that_breaks_off_begins() {
        let answer = Answer {
            status: 200,
            body: b"begun".to_vec(),
            broken: true,
            ..Answer::default()
        };
        let mut body = answer.written().unwrap().into_body();
        let begun = body.frame().await.unwrap().unwrap();
        assert_eq!(begun.into_data().unwrap(), "begun");
        assert!(body.frame().await.unwrap().is_err());
    }
}

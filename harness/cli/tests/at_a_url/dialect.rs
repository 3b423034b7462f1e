//! A gateway that says the same in other words: its errors have another shape.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderValue};
use hyper::service::service_fn;
use hyper::{Request, Response, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// The paths that were asked for.
#[derive(Clone, Default)]
pub struct Paths(Arc<Mutex<Vec<String>>>);

impl Paths {
    pub fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

/// Stands before the gateway at `behind` until this process ends; its port on loopback.
pub async fn serve(behind: String, paths: Paths) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let client = Client::builder(TokioExecutor::new()).build_http();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (client, behind, paths) = (client.clone(), behind.clone(), paths.clone());
            let answer = service_fn(move |request| {
                pass(client.clone(), behind.clone(), paths.clone(), request)
            });
            let connection = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), answer);
            tokio::spawn(connection);
        }
    });
    port
}

async fn pass(
    client: Client<HttpConnector, Incoming>,
    behind: String,
    paths: Paths,
    mut request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let path = request.uri().path_and_query().unwrap().to_string();
    *request.uri_mut() = format!("http://{behind}{path}").parse::<Uri>().unwrap();
    paths.0.lock().unwrap().push(path);
    let (mut head, body) = client.request(request).await.unwrap().into_parts();
    let mut body = body.collect().await.unwrap().to_bytes();
    if let Some(error) = translated(&body) {
        body = error.to_string().into();
        head.headers.remove(CONTENT_LENGTH);
        let kind = HeaderValue::from_static("application/problem+json");
        head.headers.insert(CONTENT_TYPE, kind);
    }
    Ok(Response::from_parts(head, Full::new(body)))
}

fn translated(body: &[u8]) -> Option<Value> {
    let json: Value = serde_json::from_slice(body).ok()?;
    let error = json.get("error")?;
    Some(json!({
        "detail": {"type": error["code"], "text": "Something else."},
        "trace": error["correlation_id"],
        "more": {"service": "gw"},
    }))
}

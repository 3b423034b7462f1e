//! Requests to the gateway and the services, and what they answered.
//!
//! - `wire`: how they go out

mod wire;

use std::borrow::Cow;

use contract::rules::Service;
use serde_json::Value;
use tokio::time::timeout;

use crate::client::LONG_PATIENCE;
use crate::endpoint::Endpoint;
use crate::fixture::Part;
use crate::flow::{self, Body};
use crate::scenario::{Failure, Outcome};
pub use wire::Http;
pub(crate) use wire::NoReply;

/// Response header fields that a reader of a flow wants to see; the others are the transport's or the clock's.
const SHOWN_HEADERS: [&str; 12] = [
    "allow",
    "access-control-allow-origin",
    "content-disposition",
    "content-type",
    "etag",
    "location",
    "retry-after",
    "upgrade",
    "www-authenticate",
    "x-correlation-id",
    "x-request-source",
    "x-user-id",
];

/// A request to be sent.
#[derive(Clone, Debug)]
pub struct Call {
    /// The method.
    pub method: String,
    /// The path with its query, sent as it stands.
    pub path: String,
    /// Header fields, in order.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: CallBody,
}

/// The body of a request.
#[derive(Clone, Debug)]
pub enum CallBody {
    /// No body.
    Empty,
    /// JSON.
    Json(Value),
    /// Text.
    Text(String),
    /// multipart/form-data (RFC 7578).
    Multipart(Vec<Part>),
}

/// What came back.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The status code.
    pub status: u16,
    /// The header fields, names in lower case, in the order in which they came.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
    /// What it says in the contract's shape, where it is an error in another.
    pub error: Option<Value>,
}

impl Call {
    /// A `GET` without header fields.
    pub fn get(path: impl Into<String>) -> Self {
        Self {
            method: "GET".to_owned(),
            path: path.into(),
            headers: Vec::new(),
            body: CallBody::Empty,
        }
    }

    /// Sends the request to `endpoint` and reads the whole answer.
    pub async fn send(&self, http: &Http, endpoint: &Endpoint) -> Outcome<Reply> {
        let name = format!("{} {}", self.method, self.path);
        match timeout(LONG_PATIENCE, http.send(self, endpoint)).await {
            Ok(Ok(reply)) => Ok(reply),
            Ok(Err(NoReply::Unreachable(words))) => Err(Failure::System(words)),
            Ok(Err(NoReply::Unanswered(words))) => {
                Err(Failure::broken(format!("{name} was not answered: {words}")))
            }
            Ok(Err(NoReply::Unsendable(words))) => Err(Failure::Bug(format!("{name}: {words}"))),
            Err(_) => {
                let seconds = LONG_PATIENCE.as_secs();
                let words = format!("no whole answer to {name} in {seconds} s");
                Err(Failure::broken(words))
            }
        }
    }

    /// The request as a flow shows it.
    pub fn shown(&self, service: Service) -> flow::Request {
        flow::Request {
            method: self.method.clone(),
            path: self.path.clone(),
            headers: self.headers.clone(),
            body: match &self.body {
                CallBody::Empty => Body::Empty,
                CallBody::Json(value) => Body::Json(value.clone()),
                CallBody::Text(text) => Body::Text(text.clone()),
                CallBody::Multipart(parts) => shown_parts(parts),
            },
            service: Some(service),
        }
    }
}

impl Reply {
    /// The value of a header field; `name` in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(field, _)| field == name)
            .map(|(_, value)| value.as_str())
    }

    /// The body as text; what is not UTF-8 is replaced.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON, an error in the contract's shape.
    pub fn json(&self) -> Outcome<Value> {
        self.parsed().map_err(|error| {
            Failure::broken(format!("the body is no JSON ({error}): {}", self.text()))
        })
    }

    /// The same; the error is what is wrong with the text.
    pub(crate) fn parsed(&self) -> serde_json::Result<Value> {
        match &self.error {
            Some(error) => Ok(error.clone()),
            None => serde_json::from_slice(&self.body),
        }
    }

    /// The response as the contract's documents see it: an error in the contract's shape, which is JSON.
    pub(crate) fn judged(&self) -> Cow<'_, Self> {
        let Some(error) = &self.error else {
            return Cow::Borrowed(self);
        };
        let mut judged = self.clone();
        judged.body = error.to_string().into_bytes();
        for (name, value) in &mut judged.headers {
            if name == "content-type" {
                *value = "application/json".to_owned();
            }
        }
        Cow::Owned(judged)
    }

    /// The response as a flow shows it.
    pub fn shown(&self) -> flow::Response {
        let judged = self.judged();
        let headers = judged.headers.iter();
        flow::Response {
            status: self.status,
            headers: shown_headers(headers.map(|(n, v)| (n.as_str(), v.as_str()))),
            all_headers: judged.headers.clone(),
            body: shown_body(&judged.body),
        }
    }
}

/// Those of `headers` that a flow shows, sorted by name.
pub(crate) fn shown_headers<'a>(
    headers: impl Iterator<Item = (&'a str, &'a str)>,
) -> Vec<(String, String)> {
    let mut shown: Vec<(String, String)> = headers
        .filter(|(name, _)| SHOWN_HEADERS.contains(name))
        .map(|(name, value)| {
            // A boundary is made anew for every request.
            let value = value.split("; boundary=").next().unwrap_or(value);
            (name.to_owned(), value.to_owned())
        })
        .collect();
    shown.sort();
    shown
}

/// A body as a flow shows it: JSON as JSON, else as text.
pub(crate) fn shown_body(bytes: &[u8]) -> Body {
    if bytes.is_empty() {
        return Body::Empty;
    }
    match serde_json::from_slice(bytes) {
        Ok(value) => Body::Json(value),
        Err(_) => Body::Text(String::from_utf8_lossy(bytes).into_owned()),
    }
}

/// The parts of a multipart body as a flow shows them, a line each.
pub(crate) fn shown_parts(parts: &[Part]) -> Body {
    let lines: Vec<String> = parts
        .iter()
        .map(|part| match (&part.filename, &part.content_type) {
            (Some(file), Some(kind)) => {
                format!("{}: file {file} ({kind}): {}", part.name, part.value)
            }
            (Some(file), None) => format!("{}: file {file}: {}", part.name, part.value),
            _ => format!("{}: {}", part.name, part.value),
        })
        .collect();
    Body::Text(lines.join("\n"))
}

/// The parts of a multipart/form-data body, in order.
pub(crate) async fn read_parts(content_type: &str, body: Vec<u8>) -> Result<Vec<Part>, String> {
    let boundary = multer::parse_boundary(content_type).map_err(|error| error.to_string())?;
    let whole = futures_util::stream::once(async move { Ok::<_, std::io::Error>(body) });
    let mut multipart = multer::Multipart::new(whole, boundary);
    let mut parts = Vec::new();
    while let Some(field) = multipart
        .next_field()
        .await
        .map_err(|error| error.to_string())?
    {
        parts.push(Part {
            name: field.name().unwrap_or_default().to_owned(),
            filename: field.file_name().map(str::to_owned),
            content_type: field.content_type().map(ToString::to_string),
            value: field.text().await.map_err(|error| error.to_string())?,
        });
    }
    Ok(parts)
}

fn form(parts: &[Part]) -> Result<reqwest::multipart::Form, String> {
    let mut form = reqwest::multipart::Form::new();
    for part in parts {
        let mut field = reqwest::multipart::Part::text(part.value.clone());
        if let Some(name) = &part.filename {
            field = field.file_name(name.clone());
        }
        if let Some(kind) = &part.content_type {
            field = field
                .mime_str(kind)
                .map_err(|error| format!("content type {kind:?}: {error}"))?;
        }
        form = form.part(part.name.clone(), field);
    }
    Ok(form)
}

/// Header fields as text, with names in lower case.
pub(crate) fn owned(headers: &reqwest::header::HeaderMap) -> Vec<(String, String)> {
    headers
        .iter()
        .map(|(name, value)| {
            let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            (name.as_str().to_owned(), value)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_parts_of_a_form_are_read_in_order() {
        let body = "--b\r\nContent-Disposition: form-data; name=\"batch_id\"\r\n\r\n7\r\n\
                    --b\r\nContent-Disposition: form-data; name=\"files\"; filename=\"a.txt\"\r\n\
                    Content-Type: text/plain\r\n\r\nEssay\r\n--b--\r\n";
        let parts = read_parts("multipart/form-data; boundary=b", body.into())
            .await
            .unwrap();
        let lines = "batch_id: 7\nfiles: file a.txt (text/plain): Essay";
        assert_eq!(shown_parts(&parts), Body::Text(lines.into()));
    }

    #[test]
    fn a_flow_shows_header_fields_that_mean_something_and_no_boundary() {
        let headers = [
            ("date", "today"),
            ("x-correlation-id", "c"),
            ("content-type", "multipart/form-data; boundary=x"),
        ];
        assert_eq!(
            shown_headers(headers.into_iter()),
            [
                ("content-type".into(), "multipart/form-data".into()),
                ("x-correlation-id".into(), "c".into())
            ]
        );
    }
}

//! Which path answers what.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{
    ALLOW, CONTENT_TYPE, HeaderMap, HeaderValue, ORIGIN, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use serde_json::{Value, json};
use tracing::{Instrument, info};
use uuid::Uuid;

use super::admission::{Admission, Stopped};
use super::handshake::{Handshake, Mistake};
use super::health::Health;
use super::listen::{Answer, Handler};
use super::metrics::{Metrics, Outcome};
use super::session::Session;
use super::settings::Origins;
use crate::telemetry;

/// The routes of the websocket service.
pub struct Routes {
    /// Where browsers may come from.
    pub origins: Origins,
    /// Who is let in.
    pub admission: Admission,
    /// What the health routes tell.
    pub health: Health,
    /// What `/metrics` tells.
    pub metrics: Arc<Metrics>,
}

type Plain = Response<Full<Bytes>>;

impl Handler for Routes {
    type Session = Box<dyn Session>;

    async fn handle(&self, request: Request<Incoming>) -> Answer<Self::Session> {
        let id = correlation_id(request.headers());
        if let "/ws" | "/ws/" = request.uri().path() {
            let trace = telemetry::request(request.method(), "/ws", request.headers(), &id);
            let answer = self.upgrade(&request, id).instrument(trace.clone()).await;
            let (Answer::Response(response) | Answer::Upgrade { response, .. }) = &answer;
            telemetry::answered(&trace, response.status(), None);
            return answer;
        }
        Answer::Response(self.page(&request, &id).await)
    }
}

impl Routes {
    async fn upgrade(&self, request: &Request<Incoming>, id: Arc<str>) -> Answer<Box<dyn Session>> {
        let headers = request.headers();
        if !headers
            .get_all(ORIGIN)
            .iter()
            .all(|origin| self.origins.allow(origin))
        {
            self.metrics.upgrade(Outcome::Origin);
            info!(correlation_id = %id, "upgrade refused: origin is not allowed");
            let message = "this origin is not in CORS_ORIGINS";
            return Answer::Response(error(
                StatusCode::FORBIDDEN,
                "ORIGIN_NOT_ALLOWED",
                message,
                &id,
            ));
        }
        if request.method() != Method::GET {
            return Answer::Response(method_not_allowed("GET", &id));
        }
        let handshake = match Handshake::read(request.version(), headers) {
            Ok(handshake) => handshake,
            Err(mistake) => return Answer::Response(no_handshake(mistake, &id)),
        };
        match self.admission.decide(request.uri().query(), &id).await {
            Ok(session) => Answer::Upgrade {
                response: handshake.response(),
                session,
                id,
            },
            Err(Stopped) => {
                let message = "the service is shutting down";
                let status = StatusCode::SERVICE_UNAVAILABLE;
                Answer::Response(error(status, "SERVICE_SHUTDOWN", message, &id))
            }
        }
    }

    async fn page(&self, request: &Request<Incoming>, id: &str) -> Plain {
        let path = request.uri().path();
        if !matches!(
            path,
            "/healthz" | "/healthz/redis" | "/healthz/websocket" | "/metrics"
        ) {
            return error(StatusCode::NOT_FOUND, "NOT_FOUND", "no such path", id);
        }
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            return method_not_allowed("GET, HEAD", id);
        }
        match path {
            "/healthz" => json(StatusCode::OK, &self.health.service()),
            "/healthz/websocket" => json(StatusCode::OK, &self.health.connections()),
            "/healthz/redis" => match self.health.redis().await {
                Ok(healthy) => json(StatusCode::OK, &healthy),
                Err(unhealthy) => json(StatusCode::SERVICE_UNAVAILABLE, &unhealthy),
            },
            _ => {
                let mut response = Response::new(Full::from(self.metrics.text()));
                let kind = HeaderValue::from_static(prometheus::TEXT_FORMAT);
                response.headers_mut().insert(CONTENT_TYPE, kind);
                response
            }
        }
    }
}

/// The request's `X-Correlation-ID` if it is short and plain, else a new one.
fn correlation_id(headers: &HeaderMap) -> Arc<str> {
    headers
        .get("x-correlation-id")
        .and_then(|value| value.to_str().ok())
        .filter(|id| {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte);
            (1..=64).contains(&id.len()) && id.bytes().all(plain)
        })
        .map_or_else(|| Uuid::new_v4().to_string().into(), Arc::from)
}

fn no_handshake(mistake: Mistake, id: &str) -> Plain {
    match mistake {
        Mistake::UpgradeRequired => {
            let message = "this path speaks WebSocket, version 13";
            let mut response = error(
                StatusCode::UPGRADE_REQUIRED,
                "UPGRADE_REQUIRED",
                message,
                id,
            );
            let headers = response.headers_mut();
            headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
            headers.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
            response
        }
        Mistake::Malformed(message) => error(StatusCode::BAD_REQUEST, "BAD_HANDSHAKE", message, id),
    }
}

fn method_not_allowed(allowed: &'static str, id: &str) -> Plain {
    let message = "this path does not take this method";
    let mut response = error(
        StatusCode::METHOD_NOT_ALLOWED,
        "METHOD_NOT_ALLOWED",
        message,
        id,
    );
    response
        .headers_mut()
        .insert(ALLOW, HeaderValue::from_static(allowed));
    response
}

/// An error in the shape of a close reason.
fn error(status: StatusCode, code: &str, message: &str, id: &str) -> Plain {
    json(
        status,
        &json!({"error_code": code, "message": message, "correlation_id": id}),
    )
}

fn json(status: StatusCode, body: &Value) -> Plain {
    let mut response = Response::new(Full::from(body.to_string()));
    *response.status_mut() = status;
    let kind = HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::sane("Support-Case:7_a.b", true)]
    #[case::longest(
        "x234567890123456789012345678901234567890123456789012345678901234",
        true
    )]
    #[case::empty("", false)]
    #[case::too_long(
        "x2345678901234567890123456789012345678901234567890123456789012345",
        false
    )]
    #[case::quotes("\"}", false)]
    #[case::blank("a b", false)]
    fn a_correlation_id_is_taken_over_when_it_is_sane(
        #[case] sent: &'static str,
        #[case] taken: bool,
    ) {
        let mut headers = HeaderMap::new();
        headers.insert("x-correlation-id", HeaderValue::from_static(sent));
        let id = correlation_id(&headers);
        assert_eq!(*id == *sent, taken, "{id}");
        assert!(taken || Uuid::parse_str(&id).is_ok(), "{id}");
    }
}

//! `/v1/classes/{path}`: class management, passed through as it is.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Request, State};
use axum::response::Response;
use http::{HeaderValue, header};
use http_body::Body as _;

use super::caller::{self, Caller};
use super::correlation::{self, CorrelationId};
use super::downstream::Failure;
use super::error::{ApiError, Code};
use super::routes::Gateway;
use super::upload::Fault;
use super::{headers, path};

const PREFIX: &str = "/v1/classes/";

/// Streams the request to class management and its answer back, whatever its status.
pub async fn pass(
    State(gateway): State<Arc<Gateway>>,
    Extension(caller): Extension<Caller>,
    Extension(id): Extension<CorrelationId>,
    request: Request,
) -> Result<Response, ApiError> {
    let (head, body) = request.into_parts();
    let below = head.uri.path().strip_prefix(PREFIX).unwrap_or_default();
    path::check(below).map_err(|reason| ApiError::new(Code::InvalidPath, reason.to_string()))?;
    if body.size_hint().lower() > gateway.sizes.upload {
        return Err(Failure::Client(Fault::TooLarge).into());
    }

    let mut passed = headers::of_request(&head.headers);
    passed.insert(correlation::HEADER, id.to_header());
    passed.insert(caller::HEADER, caller.header);
    let target = match head.uri.query() {
        Some(query) => format!("{PREFIX}{below}?{query}"),
        None => format!("{PREFIX}{below}"),
    };
    let answer = gateway
        .classes
        .send(head.method, &target, passed, body)
        .await?;

    let mut response = gateway.classes.stream(answer);
    *response.headers_mut() = headers::of_answer(response.headers());
    redirect_outside(&gateway, &mut response);
    Ok(response)
}

// A redirect to class management's own address would send the client where it cannot go, and tell it what is there.
fn redirect_outside(gateway: &Gateway, response: &mut Response) {
    let outside = response
        .headers()
        .get(header::LOCATION)
        .and_then(|location| location.to_str().ok())
        .and_then(|location| gateway.classes.outside(location))
        .and_then(|path| HeaderValue::from_str(path).ok());
    if let Some(path) = outside {
        response.headers_mut().insert(header::LOCATION, path);
    }
}

//! `POST /v1/files/batch`: essays on their way to the file service, which looks into them; the gateway does not.

use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, Method, StatusCode, header};
use http_body::Body as _;

use super::caller::{self, Caller};
use super::correlation::{self, CorrelationId};
use super::downstream::Failure;
use super::error::{ApiError, Code};
use super::routes::Gateway;
use super::upload::Fault;

/// Passes the body on as it comes in, and the answer back where the contract knows its status.
pub async fn upload(
    State(gateway): State<Arc<Gateway>>,
    Extension(caller): Extension<Caller>,
    Extension(id): Extension<CorrelationId>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let media = headers
        .get(header::CONTENT_TYPE)
        .filter(|media| {
            media
                .to_str()
                .is_ok_and(|media| multer::parse_boundary(media).is_ok())
        })
        .ok_or_else(|| {
            ApiError::new(
                Code::UnsupportedMediaType,
                "the body has to be multipart/form-data with a boundary",
            )
        })?;
    if body.size_hint().lower() > gateway.sizes.upload {
        return Err(Failure::Client(Fault::TooLarge).into());
    }
    let headers = HeaderMap::from_iter([
        (header::CONTENT_TYPE, media.clone()),
        (correlation::HEADER, id.to_header()),
        (caller::HEADER, caller.header),
    ]);
    let answer = gateway
        .files
        .send(Method::POST, "/v1/files/batch", headers, body)
        .await
        .map_err(unavailable)?;
    match answer.status() {
        status @ (StatusCode::CREATED
        | StatusCode::BAD_REQUEST
        | StatusCode::FORBIDDEN
        | StatusCode::NOT_FOUND) => {
            let media = answer.headers().get(header::CONTENT_TYPE).cloned();
            let body = gateway.files.read(answer).await.map_err(unavailable)?;
            let headers: HeaderMap = media
                .map(|media| (header::CONTENT_TYPE, media))
                .into_iter()
                .collect();
            Ok((status, headers, Body::from(body)).into_response())
        }
        _ => Err(unavailable(Failure::Broken)),
    }
}

// The contract has one word for a file service that fails, whichever way: 503.
fn unavailable(failure: Failure) -> ApiError {
    match failure {
        Failure::Broken => ApiError::new(Code::ServiceUnavailable, "the file service failed"),
        failure => failure.into(),
    }
}

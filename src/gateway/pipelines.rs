//! `POST /v1/batches/{batch_id}/pipelines`: asks the orchestrator to run a pipeline on a batch.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::{Extension, Json};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::timeout;

use super::caller::{self, Caller};
use super::correlation::{self, CorrelationId};
use super::downstream::Failure;
use super::error::{ApiError, Code};
use super::path;
use super::routes::Gateway;
use super::upload::Fault;

const PHASES: [&str; 5] = [
    "spellcheck",
    "cj_assessment",
    "nlp",
    "ai_feedback",
    "student_matching",
];

// Members that the contract does not name are ignored, above all `user_id`: the token alone says who asks.
#[derive(Deserialize)]
struct Command {
    requested_pipeline: String,
    batch_id: Option<String>,
    #[serde(default)]
    is_retry: bool,
    retry_reason: Option<String>,
}

/// Answers 202 once the orchestrator has taken the command.
pub async fn request(
    State(gateway): State<Arc<Gateway>>,
    Extension(caller): Extension<Caller>,
    Extension(id): Extension<CorrelationId>,
    batch_id: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
    body: Body,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    let batch_id = batch_id.map(|Path(id)| id).unwrap_or_default();
    let batch_id = path::batch_id(&batch_id)?;
    let body = read(&gateway, &headers, body).await?;
    let command = command(&body, batch_id)?;

    let forwarded = json!({
        "batch_id": batch_id,
        "user_id": caller.user_id,
        "requested_pipeline": command.requested_pipeline,
        "is_retry": command.is_retry,
        "retry_reason": command.retry_reason,
        "correlation_id": id.as_str(),
    });
    let headers = HeaderMap::from_iter([
        (
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        ),
        (correlation::HEADER, id.to_header()),
        (caller::HEADER, caller.header),
    ]);
    let path = format!("/internal/v1/batches/{batch_id}/pipelines");
    let answer = gateway
        .orchestrator
        .send(Method::POST, &path, headers, forwarded.to_string().into())
        .await?;
    match answer.status() {
        status if status.is_success() => Ok((
            StatusCode::ACCEPTED,
            Json(json!({
                "status": "accepted",
                "message": format!("the {} pipeline is requested", command.requested_pipeline),
                "batch_id": batch_id,
                "correlation_id": id.as_str(),
            })),
        )),
        StatusCode::NOT_FOUND => Err(ApiError::new(Code::BatchNotFound, "there is no such batch")),
        StatusCode::FORBIDDEN => Err(ApiError::new(
            Code::Forbidden,
            "this batch is not the caller's",
        )),
        _ => Err(Failure::Broken.into()),
    }
}

async fn read(gateway: &Gateway, headers: &HeaderMap, body: Body) -> Result<Bytes, ApiError> {
    if !is_json(headers) {
        return Err(ApiError::new(
            Code::UnsupportedMediaType,
            "the body has to be application/json",
        ));
    }
    let body = Limited::new(body, gateway.sizes.json).collect();
    match timeout(gateway.deadlines.client, body).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            Err(Failure::Client(Fault::TooLarge).into())
        }
        Ok(Err(_)) => Err(Failure::Client(Fault::Broken).into()),
        Err(_) => Err(Failure::Client(Fault::TooSlow).into()),
    }
}

fn command(body: &[u8], batch_id: &str) -> Result<Command, ApiError> {
    let body: Value = serde_json::from_slice(body).map_err(|error| {
        ApiError::new(Code::InvalidBody, format!("the body is not JSON: {error}"))
    })?;
    let command = Command::deserialize(body)
        .map_err(|error| ApiError::new(Code::ValidationError, error.to_string()))?;
    if !PHASES.contains(&command.requested_pipeline.as_str()) {
        return Err(
            ApiError::new(Code::ValidationError, "requested_pipeline is not a phase")
                .with("field", "requested_pipeline")
                .with("known", PHASES.as_slice()),
        );
    }
    match &command.batch_id {
        Some(other) if other != batch_id => Err(ApiError::new(
            Code::BatchIdMismatch,
            "batch_id in the body is not the one in the path",
        )),
        _ => Ok(command),
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .is_some_and(|media| media.trim().eq_ignore_ascii_case("application/json"))
}

//! `GET /v1/batches/{batch_id}/status`: how far a batch of the caller's is.

use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::{Extension, Json};
use http::{HeaderMap, Method, StatusCode};
use serde_json::{Map, Value, json};

use super::caller::Caller;
use super::correlation::{self, CorrelationId};
use super::downstream::Failure;
use super::error::{ApiError, Code};
use super::path;
use super::routes::Gateway;

/// Answers `{"status","details"}`: `details` is what the aggregator says without `user_id`, and `status` its
/// `overall_status`.
pub async fn read(
    State(gateway): State<Arc<Gateway>>,
    Extension(caller): Extension<Caller>,
    Extension(id): Extension<CorrelationId>,
    batch_id: Result<Path<String>, PathRejection>,
) -> Result<Json<Value>, ApiError> {
    let batch_id = batch_id.map(|Path(id)| id).unwrap_or_default();
    let batch_id = path::batch_id(&batch_id)?;

    let headers = HeaderMap::from_iter([(correlation::HEADER, id.to_header())]);
    let path = format!("/internal/v1/batches/{batch_id}/status");
    let answer = gateway
        .aggregator
        .send(Method::GET, &path, headers, axum::body::Body::empty())
        .await?;
    match answer.status() {
        StatusCode::OK => {}
        StatusCode::NOT_FOUND => {
            return Err(ApiError::new(Code::BatchNotFound, "there is no such batch"));
        }
        _ => return Err(Failure::Broken.into()),
    }
    let body = gateway.aggregator.read(answer).await?;
    let details = serde_json::from_slice(&body).map_err(|_| Failure::Broken)?;
    Ok(Json(seen_by(&caller, details)?))
}

fn seen_by(caller: &Caller, mut details: Map<String, Value>) -> Result<Value, ApiError> {
    // `shift_remove` keeps the order of the rest. Without an owner nobody may see it.
    if details.shift_remove("user_id") != Some(Value::from(caller.user_id.as_str())) {
        return Err(ApiError::new(
            Code::Forbidden,
            "this batch is not the caller's",
        ));
    }
    let Some(status @ Value::String(_)) = details.get("overall_status").cloned() else {
        return Err(Failure::Broken.into());
    };
    Ok(json!({"status": status, "details": details}))
}

//! Who asks.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::{HeaderMap, HeaderName, HeaderValue, header};

use super::error::ApiError;
use super::routes::Gateway;
use crate::auth::{Refusal, Verifier};

/// Where the caller's id travels to the services behind; they trust it, so only the gateway may set it.
pub const HEADER: HeaderName = HeaderName::from_static("x-user-id");

/// The user whose token came with the request.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The token's `sub`.
    pub user_id: String,
    /// The same as the value of [`HEADER`].
    pub header: HeaderValue,
}

/// Lets a request pass with its [`Caller`], or answers 401.
pub async fn authenticate(
    State(gateway): State<Arc<Gateway>>,
    mut request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    let caller = caller(&gateway.verifier, request.headers())?;
    request.extensions_mut().insert(caller);
    Ok(next.run(request).await)
}

fn caller(verifier: &Verifier, headers: &HeaderMap) -> Result<Caller, ApiError> {
    let refused = |refusal: Refusal| {
        ApiError::unauthenticated(refusal.to_string()).with("reason", refusal.label())
    };
    let token = bearer(headers).map_err(refused)?;
    let user_id = verifier.verify(token).map_err(refused)?.user_id;
    // HTTP trims blanks at the ends of a value and leaves bytes beyond ASCII to guesswork: either could make one
    // user another on the far side.
    let header = HeaderValue::from_str(&user_id)
        .ok()
        .filter(|_| user_id.bytes().all(|byte| byte.is_ascii_graphic()))
        .ok_or_else(|| {
            ApiError::unauthenticated("token subject has characters other than visible ASCII")
                .with("reason", "unusable_subject")
        })?;
    Ok(Caller { user_id, header })
}

// RFC 6750, section 2.1; the scheme's case does not matter (RFC 9110, section 11.1).
fn bearer(headers: &HeaderMap) -> Result<&str, Refusal> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let value = values.next().ok_or(Refusal::Missing)?;
    if values.next().is_some() {
        return Err(Refusal::Malformed);
    }
    let value = value.to_str().map_err(|_| Refusal::Malformed)?;
    match value.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => Ok(token.trim()),
        _ => Err(Refusal::Missing),
    }
}

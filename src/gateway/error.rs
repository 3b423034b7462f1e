//! The one shape of every error that the gateway answers with:
//! `{"error":{"code","message","correlation_id","service","timestamp","details"}}` (contract, "API gateway").

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::{HeaderName, HeaderValue, StatusCode, header};
use serde_json::{Map, Value, json};

use super::correlation::CorrelationId;

/// What went wrong, as a word that clients may branch on. The set is closed and each word has one status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// 400: the body is not what its content type says.
    InvalidBody,
    /// 400: the batch id in the path is not one segment of letters, digits, `-` and `_`.
    InvalidBatchId,
    /// 400: the body names another batch than the path.
    BatchIdMismatch,
    /// 400: the path would leave its route, or has another meaning once decoded.
    InvalidPath,
    /// 401: no token, or one that is refused.
    AuthenticationError,
    /// 403: what is asked for belongs to somebody else.
    Forbidden,
    /// 404: no such route.
    RouteNotFound,
    /// 404: no such batch.
    BatchNotFound,
    /// 405: the route exists, for other methods.
    MethodNotAllowed,
    /// 408: the client took too long to send its request.
    RequestTimeout,
    /// 413: the body is longer than the gateway takes.
    PayloadTooLarge,
    /// 415: the route needs a body of another type.
    UnsupportedMediaType,
    /// 422: a member of the body has a value that the contract does not know.
    ValidationError,
    /// 429: too many requests of this user; `Retry-After` says when to ask again.
    RateLimitExceeded,
    /// 500: the gateway itself failed.
    InternalError,
    /// 502: a service behind answered with an error, or with something that cannot be understood.
    DownstreamError,
    /// 503: a service behind cannot be reached, or the file service failed.
    ServiceUnavailable,
    /// 504: a service behind took too long.
    DownstreamTimeout,
}

/// An error on its way to the client. As a response it is only a status and headers until
/// rendered, where the correlation id is known.
#[derive(Clone, Debug)]
pub struct ApiError {
    code: Code,
    message: String,
    details: Map<String, Value>,
    // Boxed because most errors have none, and every result has room for one.
    header: Option<Box<(HeaderName, HeaderValue)>>,
}

impl Code {
    /// The status that goes with this code.
    pub fn status(self) -> StatusCode {
        match self {
            Self::InvalidBody
            | Self::InvalidBatchId
            | Self::BatchIdMismatch
            | Self::InvalidPath => StatusCode::BAD_REQUEST,
            Self::AuthenticationError => StatusCode::UNAUTHORIZED,
            Self::Forbidden => StatusCode::FORBIDDEN,
            Self::RouteNotFound | Self::BatchNotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::RequestTimeout => StatusCode::REQUEST_TIMEOUT,
            Self::PayloadTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::ValidationError => StatusCode::UNPROCESSABLE_ENTITY,
            Self::RateLimitExceeded => StatusCode::TOO_MANY_REQUESTS,
            Self::InternalError => StatusCode::INTERNAL_SERVER_ERROR,
            Self::DownstreamError => StatusCode::BAD_GATEWAY,
            Self::ServiceUnavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::DownstreamTimeout => StatusCode::GATEWAY_TIMEOUT,
        }
    }

    /// This code as it stands in the body and in the metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InvalidBody => "INVALID_BODY",
            Self::InvalidBatchId => "INVALID_BATCH_ID",
            Self::BatchIdMismatch => "BATCH_ID_MISMATCH",
            Self::InvalidPath => "INVALID_PATH",
            Self::AuthenticationError => "AUTHENTICATION_ERROR",
            Self::Forbidden => "FORBIDDEN",
            Self::RouteNotFound => "ROUTE_NOT_FOUND",
            Self::BatchNotFound => "BATCH_NOT_FOUND",
            Self::MethodNotAllowed => "METHOD_NOT_ALLOWED",
            Self::RequestTimeout => "REQUEST_TIMEOUT",
            Self::PayloadTooLarge => "PAYLOAD_TOO_LARGE",
            Self::UnsupportedMediaType => "UNSUPPORTED_MEDIA_TYPE",
            Self::ValidationError => "VALIDATION_ERROR",
            Self::RateLimitExceeded => "RATE_LIMIT_EXCEEDED",
            Self::InternalError => "INTERNAL_ERROR",
            Self::DownstreamError => "DOWNSTREAM_ERROR",
            Self::ServiceUnavailable => "SERVICE_UNAVAILABLE",
            Self::DownstreamTimeout => "DOWNSTREAM_TIMEOUT",
        }
    }
}

impl ApiError {
    /// An error whose message is for the developer of the client; it must not repeat anything secret.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            details: Map::new(),
            header: None,
        }
    }

    /// This error with one more member in `details`.
    #[must_use]
    pub fn with(mut self, detail: &str, value: impl Into<Value>) -> Self {
        self.details.insert(detail.to_owned(), value.into());
        self
    }

    /// This error with the header that its status calls for.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.header = Some(Box::new((name, value)));
        self
    }

    /// A 401 with the challenge that RFC 9110, section 11.6.1, asks for.
    pub fn unauthenticated(message: impl Into<String>) -> Self {
        Self::new(Code::AuthenticationError, message)
            .with_header(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))
    }

    /// What went wrong, as a word.
    pub fn code(&self) -> Code {
        self.code
    }

    /// `response` with the body of the error that it carries, if it carries one.
    pub(super) fn rendered(mut response: Response, id: &CorrelationId) -> (Response, Option<Code>) {
        let Some(error) = response.extensions_mut().remove::<Self>() else {
            return (response, None);
        };
        let body = json!({"error": {
            "code": error.code.as_str(),
            "message": error.message,
            "correlation_id": id.as_str(),
            "service": "api_gateway",
            "timestamp": jiff::Timestamp::now().to_string(),
            "details": error.details,
        }});
        let mut rendered = (error.code.status(), Json(body)).into_response();
        // The headers that other layers have set (Allow, CORS) stay; the content's own come from the new body.
        response.headers_mut().remove(header::CONTENT_LENGTH);
        for (name, value) in response.headers() {
            rendered.headers_mut().append(name, value.clone());
        }
        (rendered, Some(error.code))
    }
}

impl IntoResponse for ApiError {
    fn into_response(mut self) -> Response {
        let mut response = self.code.status().into_response();
        if let Some((name, value)) = self.header.take().map(|header| *header) {
            response.headers_mut().insert(name, value);
        }
        response.extensions_mut().insert(self);
        response
    }
}

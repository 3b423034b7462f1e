//! The gateway's errors in another shape than the contract's, read as if they had it.

use serde_json::{Value, json};

use crate::http::Reply;

/// Where in an error's body its parts are: JSON pointers (RFC 6901).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrorShape {
    /// The word that a program decides by.
    pub code: String,
    /// The sentence for people, if it is to be judged that there is one.
    pub message: Option<String>,
    /// The request's correlation id, if it is to be judged.
    pub correlation_id: Option<String>,
}

/// The contract's own.
impl Default for ErrorShape {
    fn default() -> Self {
        Self {
            code: "/error/code".to_owned(),
            message: Some("/error/message".to_owned()),
            correlation_id: Some("/error/correlation_id".to_owned()),
        }
    }
}

impl ErrorShape {
    /// The error that `reply` is, in the contract's shape; nothing where it is in that shape already, or is no error.
    ///
    /// What this shape has no place for is as the contract wants it, so that it is not judged: the details are `details`.
    pub fn translate(&self, reply: &Reply, details: &Value) -> Option<Value> {
        if *self == Self::default() || reply.status < 400 {
            return None;
        }
        let body: Value = serde_json::from_slice(&reply.body).ok()?;
        let code = body.pointer(&self.code)?;
        let mut error = json!({
            "code": code,
            "message": "(not judged)",
            "correlation_id": reply.header("x-correlation-id").unwrap_or("(none)"),
            "service": "api_gateway",
            "timestamp": "1970-01-01T00:00:00Z",
            "details": details,
        });
        for (name, pointer) in [
            ("message", &self.message),
            ("correlation_id", &self.correlation_id),
        ] {
            if let Some(pointer) = pointer {
                error[name] = body.pointer(pointer).cloned().unwrap_or_default();
            }
        }
        Some(json!({ "error": error }))
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn reply(status: u16, body: &Value) -> Reply {
        Reply {
            status,
            headers: vec![("x-correlation-id".to_owned(), "c-1".to_owned())],
            body: body.to_string().into_bytes(),
            error: None,
        }
    }

    fn shape(message: Option<&str>, correlation_id: Option<&str>) -> ErrorShape {
        ErrorShape {
            code: "/detail/type".to_owned(),
            message: message.map(str::to_owned),
            correlation_id: correlation_id.map(str::to_owned),
        }
    }

    #[rstest]
    #[case::code_alone(shape(None, None), json!("(not judged)"), json!("c-1"))]
    #[case::all(shape(Some("/detail/text"), Some("/trace")), json!("No."), json!("t-1"))]
    #[case::what_is_missing(shape(Some("/text"), None), json!(null), json!("c-1"))]
    fn an_error_in_another_shape_is_read_as_the_contracts(
        #[case] shape: ErrorShape,
        #[case] message: Value,
        #[case] correlation_id: Value,
    ) {
        let body =
            json!({"detail": {"type": "FORBIDDEN", "text": "No."}, "trace": "t-1", "more": 1});
        let expected = json!({"error": {
            "code": "FORBIDDEN",
            "message": message,
            "correlation_id": correlation_id,
            "service": "api_gateway",
            "timestamp": "1970-01-01T00:00:00Z",
            "details": {"field": "f"},
        }});
        let details = json!({"field": "f"});
        assert_eq!(
            shape.translate(&reply(403, &body), &details),
            Some(expected)
        );
    }

    #[rstest]
    #[case::of_the_contract(ErrorShape::default(), 403, json!({"error": {"code": "FORBIDDEN"}}))]
    #[case::no_error(shape(None, None), 200, json!({"detail": {"type": "batch"}}))]
    #[case::somebody_elses(shape(None, None), 404, json!({"reason": "no such class"}))]
    fn everything_else_stays_as_it_is(
        #[case] shape: ErrorShape,
        #[case] status: u16,
        #[case] body: Value,
    ) {
        assert_eq!(shape.translate(&reply(status, &body), &json!({})), None);
    }
}

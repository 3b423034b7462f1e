//! The id that ties one request together across services.

use http::{HeaderMap, HeaderName, HeaderValue};
use uuid::Uuid;

/// Where the id travels: from the client, to the services behind, and back.
pub const HEADER: HeaderName = HeaderName::from_static("x-correlation-id");

const LONGEST: usize = 128;

/// An id that is safe in a header, in a log line and in JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CorrelationId(HeaderValue);

impl CorrelationId {
    /// The id that came with a request, or a new one when it brought none, several, or one that is not 1 to 128
    /// letters, digits and `-_.:`.
    pub fn taken_or_made(headers: &HeaderMap) -> Self {
        let mut values = headers.get_all(HEADER).iter();
        match (values.next(), values.next()) {
            (Some(value), None) if is_sane(value.as_bytes()) => Self(value.clone()),
            _ => Self::made(),
        }
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        self.0.to_str().unwrap_or_default() // it is ASCII: both constructors see to that
    }

    /// The id as the value of [`HEADER`].
    pub fn to_header(&self) -> HeaderValue {
        self.0.clone()
    }

    fn made() -> Self {
        let mut buffer = Uuid::encode_buffer();
        let id = Uuid::new_v4().hyphenated().encode_lower(&mut buffer);
        Self(HeaderValue::from_str(id).unwrap_or(HeaderValue::from_static("none")))
    }
}

fn is_sane(id: &[u8]) -> bool {
    (1..=LONGEST).contains(&id.len())
        && id
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.:".contains(byte))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn headers(values: &[&str]) -> HeaderMap {
        values
            .iter()
            .map(|value| (HEADER, HeaderValue::from_str(value).unwrap()))
            .collect()
    }

    #[rstest]
    #[case::a_uuid("3f0c8b1e-7c55-4a53-9f4e-0d6f0f7f2f11")]
    #[case::a_word("trace:batch_7.retry-2")]
    fn a_sane_id_is_taken(#[case] id: &str) {
        assert_eq!(CorrelationId::taken_or_made(&headers(&[id])).as_str(), id);
    }

    #[rstest]
    #[case::nothing(&[])]
    #[case::empty(&[""])]
    #[case::a_sentence(&["two words"])]
    #[case::markup(&["<script>"])]
    #[case::two(&["one", "two"])]
    fn any_other_is_replaced(#[case] values: &[&str]) {
        let id = CorrelationId::taken_or_made(&headers(values));
        assert!(Uuid::parse_str(id.as_str()).is_ok(), "{id:?}");
    }

    #[test]
    fn an_endless_id_is_replaced() {
        let id = CorrelationId::taken_or_made(&headers(&["x".repeat(LONGEST + 1).as_str()]));
        assert_eq!(id.as_str().len(), 36);
    }
}

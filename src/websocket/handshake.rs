//! The opening handshake, the server's side (RFC 6455, section 4.2).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{
    CONNECTION, HeaderMap, HeaderName, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY,
    SEC_WEBSOCKET_VERSION, UPGRADE,
};
use http::{Response, StatusCode, Version};
use sha1::{Digest, Sha1};

/// A handshake that keeps every rule: what it needs to be answered.
#[derive(Debug, PartialEq, Eq)]
pub struct Handshake {
    accept: HeaderValue,
}

/// Why a request is no handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mistake {
    /// The request asks for no WebSocket of version 13: 426, which names what to ask for.
    UpgradeRequired,
    /// The request asks for one, wrongly: 400; the words say how.
    Malformed(&'static str),
}

impl Handshake {
    /// Reads the handshake in the headers of a GET request.
    pub fn read(version: Version, headers: &HeaderMap) -> Result<Self, Mistake> {
        if version < Version::HTTP_11 {
            return Err(Mistake::Malformed("an upgrade needs HTTP/1.1"));
        }
        if !names(headers, UPGRADE, "websocket") {
            return Err(Mistake::UpgradeRequired);
        }
        if !names(headers, CONNECTION, "upgrade") {
            return Err(Mistake::Malformed("header Connection does not say Upgrade"));
        }
        if headers
            .get(SEC_WEBSOCKET_VERSION)
            .map(HeaderValue::as_bytes)
            != Some(b"13")
        {
            return Err(Mistake::UpgradeRequired);
        }
        let mut keys = headers.get_all(SEC_WEBSOCKET_KEY).iter();
        match (keys.next(), keys.next()) {
            (Some(key), None) if STANDARD.decode(key).is_ok_and(|key| key.len() == 16) => {
                Ok(Self {
                    accept: accept(key.as_bytes()),
                })
            }
            _ => Err(Mistake::Malformed(
                "header Sec-WebSocket-Key is not one key of 16 bytes in base64",
            )),
        }
    }

    /// The answer that ends HTTP on the connection: 101.
    pub fn response<B: Default>(self) -> Response<B> {
        let mut response = Response::new(B::default());
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        let headers = response.headers_mut();
        headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(SEC_WEBSOCKET_ACCEPT, self.accept);
        response
    }
}

/// Whether a header that is a comma-separated list names `token`, in any case.
fn names(headers: &HeaderMap, header: HeaderName, token: &str) -> bool {
    headers
        .get_all(header)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|item| item.trim().eq_ignore_ascii_case(token))
}

fn accept(key: &[u8]) -> HeaderValue {
    let mut digest = Sha1::new();
    digest.update(key);
    digest.update(b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"); // RFC 6455, section 1.3
    let encoded = STANDARD.encode(digest.finalize());
    HeaderValue::from_str(&encoded).expect("base64 is visible ASCII")
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    const GOOD: [(&str, &str); 4] = [
        ("connection", "keep-alive, Upgrade"),
        ("upgrade", "WebSocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ];

    fn headers(changed: &str, value: &str) -> HeaderMap {
        GOOD.into_iter()
            .map(|(name, good)| (name, if name == changed { value } else { good }))
            .filter(|(_, value)| !value.is_empty())
            .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
            .collect()
    }

    #[test]
    fn the_sample_key_of_the_rfc_gets_its_sample_answer() {
        let handshake = Handshake::read(Version::HTTP_11, &headers("", "")).unwrap();
        let response: Response<()> = handshake.response();
        assert_eq!(response.status(), 101);
        assert_eq!(
            response.headers()[SEC_WEBSOCKET_ACCEPT],
            "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
        );
    }

    #[rstest]
    #[case::plain_get("upgrade", "", None)]
    #[case::other_protocol("upgrade", "h2c", None)]
    #[case::old_version("sec-websocket-version", "8", None)]
    #[case::no_version("sec-websocket-version", "", None)]
    #[case::no_connection("connection", "keep-alive", Some("Connection"))]
    #[case::no_key("sec-websocket-key", "", Some("Key"))]
    #[case::short_key("sec-websocket-key", "c2hvcnQ=", Some("Key"))]
    #[case::no_base64("sec-websocket-key", "*", Some("Key"))]
    fn a_broken_rule_is_named(
        #[case] header: &str,
        #[case] value: &str,
        #[case] malformed: Option<&str>,
    ) {
        let mistake = Handshake::read(Version::HTTP_11, &headers(header, value)).unwrap_err();
        match (mistake, malformed) {
            (Mistake::UpgradeRequired, None) => {}
            (Mistake::Malformed(words), Some(word)) if words.contains(word) => {}
            other => panic!("expected otherwise: {other:?}"),
        }
    }

    #[test]
    fn two_keys_and_old_http_are_refused() {
        let mut two = headers("", "");
        two.append(SEC_WEBSOCKET_KEY, GOOD[3].1.parse().unwrap());
        assert!(Handshake::read(Version::HTTP_11, &two).is_err());
        assert!(Handshake::read(Version::HTTP_10, &headers("", "")).is_err());
    }
}

//! What of a message's head goes on to the other side.

use http::{HeaderMap, HeaderName, header};

use super::{caller, correlation};

// RFC 9110, section 7.6.1, and the older names that still travel. `Expect` is answered by the gateway itself.
const HOP_BY_HOP: [&str; 10] = [
    "connection",
    "expect",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// The client's headers as a service behind may see them: without those that are about the connection, those that the
/// gateway sets itself, and whatever looks like the latter once `-` and `_` are the same, as they are to CGI.
pub fn of_request(headers: &HeaderMap) -> HeaderMap {
    end_to_end(headers, |name| {
        let plain = name.as_str().replace('_', "-");
        name == header::HOST
            || name == header::CONTENT_LENGTH
            || plain == caller::HEADER.as_str()
            || plain == correlation::HEADER.as_str()
    })
}

/// A service's headers as the client may see them: without those that are about the connection, and without those
/// that the gateway is the authority on.
pub fn of_answer(headers: &HeaderMap) -> HeaderMap {
    end_to_end(headers, |name| {
        name == correlation::HEADER
            || name == caller::HEADER
            || name.as_str().starts_with("access-control-")
    })
}

fn end_to_end(headers: &HeaderMap, dropped: impl Fn(&HeaderName) -> bool) -> HeaderMap {
    let named: Vec<String> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|name| name.trim().to_ascii_lowercase())
        .collect();
    headers
        .iter()
        .filter(|(name, _)| {
            !HOP_BY_HOP.contains(&name.as_str())
                && !named.iter().any(|named| named == name.as_str())
                && !dropped(name)
        })
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        lines
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()))
            .collect()
    }

    #[test]
    fn what_is_about_the_connection_stays_behind_in_both_directions() {
        let headers_in = headers(&[
            ("connection", "keep-alive, X-Hop"),
            ("connection", "x-second"),
            ("keep-alive", "timeout=5"),
            ("te", "trailers"),
            ("transfer-encoding", "chunked"),
            ("upgrade", "h2c"),
            ("x-hop", "1"),
            ("x-second", "2"),
            ("accept-language", "sv"),
            ("accept-language", "en"),
        ]);
        let expected = headers(&[("accept-language", "sv"), ("accept-language", "en")]);
        assert_eq!(of_request(&headers_in), expected);
        assert_eq!(of_answer(&headers_in), expected);
    }

    #[test]
    fn a_client_cannot_say_who_it_is() {
        let headers_in = headers(&[
            ("x-user-id", "eve"),
            ("x_user_id", "eve"),
            ("x-user_id", "eve"),
        ]);
        assert_eq!(of_request(&headers_in), HeaderMap::new());
    }

    #[test]
    fn a_service_does_not_decide_which_origins_may_read() {
        let headers_in = headers(&[("access-control-allow-origin", "*"), ("etag", "7")]);
        assert_eq!(of_answer(&headers_in), headers(&[("etag", "7")]));
    }
}

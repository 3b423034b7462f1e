//! The contract's requests as a system has them that has other paths, or wants the token elsewhere.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;

use super::{Profile, template};

/// What stands for itself in a path (RFC 3986, section 2.3).
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');
/// Where the contract has the WebSocket.
const WEBSOCKET: &str = "/ws";
/// Where the contract has the gateway's former one, before the client's id.
const LEGACY: &str = "/ws/v1/status/";

/// Where the websocket service looks for the token of an upgrade.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum TokenIn {
    /// In the query, as `token`.
    #[default]
    Query,
    /// In the header field `Authorization`, as a bearer token.
    Header,
}

/// How clients of a service subscribe that is told by each what it wants to hear of, once it is connected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscribe {
    /// The text that a client sends after the `101`, with `{channel}` in it.
    pub send: String,
    /// Where a message is in what comes, which is JSON, as a pointer (RFC 6901). What has no string there is no message;
    /// the first of these confirms the subscription.
    pub message: String,
}

impl Subscribe {
    /// The text that a client sends who wants to hear of `channel`.
    pub fn text(&self, channel: &str) -> String {
        template::fill(&self.send, &[("channel", channel.to_owned())])
    }
}

/// An upgrade request as the websocket service has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upgrade {
    /// The path with its query.
    pub target: String,
    /// The token, if it is sent in a header field.
    pub bearer: Option<String>,
}

impl Profile {
    /// The upgrade that the contract has at `path`, for the user with this id.
    pub fn upgrade(&self, path: &str, user_id: &str) -> Upgrade {
        let (path, query) = path.split_at(path.find('?').unwrap_or(path.len()));
        let mut parameters: Vec<&str> = query.split(['?', '&']).filter(|p| !p.is_empty()).collect();
        let mut bearer = None;
        if self.token_in == TokenIn::Header {
            parameters.retain(|parameter| match parameter.strip_prefix("token=") {
                Some(token) => {
                    bearer = Some(token.to_owned());
                    false
                }
                None => true,
            });
        }
        let mut target = match path.strip_prefix(WEBSOCKET) {
            Some(rest) => {
                let id = utf8_percent_encode(user_id, UNRESERVED).to_string();
                let at = template::fill(&self.path, &[("user_id", id)]);
                format!("{}{rest}", at.trim_end_matches('/'))
            }
            None => path.to_owned(),
        };
        if !parameters.is_empty() {
            target = format!("{target}?{}", parameters.join("&"));
        }
        Upgrade { target, bearer }
    }

    /// The gateway's request that the contract has at `path`.
    pub fn gateway_target(&self, path: &str) -> String {
        let Some(rest) = path.strip_prefix(LEGACY) else {
            return path.to_owned();
        };
        let (client, query) = rest.split_at(rest.find('?').unwrap_or(rest.len()));
        let values = [("client_id", client.to_owned())];
        template::fill(&self.legacy_path, &values) + query
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use rstest::rstest;

    use super::*;

    /// The profile of a websocket service that says `lines`, and of a gateway.
    fn profile(lines: &str) -> Profile {
        let text = format!(
            "[websocket]\n{lines}\n[gateway]\nlegacy_path = \"/old/{{client_id}}/ws\"\n\
             [token]\nissuer = \"i\"\naudience = \"a\"\n"
        );
        Profile::parse("p.toml", &text, Path::new("/nowhere")).unwrap()
    }

    const LEGACY_ENDPOINT: &str = "path = \"/ws/v1/status/{user_id}\"\ntoken_in = \"header\"";

    #[rstest]
    #[case::the_contracts("", "/ws?token=t", "/ws?token=t", None)]
    #[case::without_a_token("", "/ws", "/ws", None)]
    #[case::elsewhere("path = \"/live/\"", "/ws/?token=t", "/live/?token=t", None)]
    #[case::of_the_user(
        "path = \"/users/{user_id}/ws\"",
        "/ws?token=t",
        "/users/%C3%A5%2F1/ws?token=t",
        None
    )]
    #[case::in_a_header("token_in = \"header\"", "/ws?token=t", "/ws", Some("t"))]
    #[case::beside_others("token_in = \"header\"", "/ws?a=b&token=t&c", "/ws?a=b&c", Some("t"))]
    #[case::the_legacy_endpoint(
        LEGACY_ENDPOINT,
        "/ws?token=t",
        "/ws/v1/status/%C3%A5%2F1",
        Some("t")
    )]
    #[case::no_token_in_a_header(LEGACY_ENDPOINT, "/ws", "/ws/v1/status/%C3%A5%2F1", None)]
    #[case::an_empty_one(LEGACY_ENDPOINT, "/ws?token=", "/ws/v1/status/%C3%A5%2F1", Some(""))]
    #[case::another_path(LEGACY_ENDPOINT, "/healthz", "/healthz", None)]
    fn an_upgrade_goes_where_the_profile_says(
        #[case] lines: &str,
        #[case] path: &str,
        #[case] target: &str,
        #[case] bearer: Option<&str>,
    ) {
        let expected = Upgrade {
            target: target.to_owned(),
            bearer: bearer.map(str::to_owned),
        };
        assert_eq!(profile(lines).upgrade(path, "å/1"), expected);
    }

    #[rstest]
    #[case::the_former_websocket("/ws/v1/status/c-1?token=t", "/old/c-1/ws?token=t")]
    #[case::anything_else("/v1/batches/b-1/status", "/v1/batches/b-1/status")]
    fn the_gateways_former_websocket_is_where_the_profile_says(
        #[case] path: &str,
        #[case] target: &str,
    ) {
        assert_eq!(profile("").gateway_target(path), target);
    }
}

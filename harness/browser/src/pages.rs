//! What a tab finds at an origin that no server has: so a page has any origin, `https` ones included.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chromiumoxide::Page;
use chromiumoxide::cdp::browser_protocol::fetch::{
    EventRequestPaused, FulfillRequestParams, HeaderEntry,
};

/// Files by their paths. The root is an empty page unless it is among them; everything else is a 404.
#[derive(Clone, Debug, Default)]
pub struct Pages(BTreeMap<String, (&'static str, String)>);

const EMPTY: &str =
    "<!doctype html><html lang=\"en\"><title>a page</title><link rel=\"icon\" href=\"data:,\">";

impl Pages {
    /// With the JavaScript module `text` at `path`.
    pub fn with_module(mut self, path: &str, text: &str) -> Self {
        let file = ("text/javascript; charset=utf-8", text.to_owned());
        self.0.insert(path.to_owned(), file);
        self
    }

    /// Answers one request of a tab at `origin`.
    pub(crate) async fn answer(
        &self,
        origin: &str,
        request: &EventRequestPaused,
        page: &Page,
    ) -> chromiumoxide::error::Result<()> {
        let path = request.request.url.strip_prefix(origin).unwrap_or_default();
        let (status, kind, text) = match (self.0.get(path), path) {
            (Some((kind, text)), _) => (200, *kind, text.as_str()),
            (None, "/") => (200, "text/html; charset=utf-8", EMPTY),
            (None, _) => (404, "text/plain", "no such page"),
        };
        let answer = FulfillRequestParams {
            request_id: request.request_id.clone(),
            response_code: status,
            response_headers: Some(vec![HeaderEntry::new("content-type", kind)]),
            binary_response_headers: None,
            body: Some(STANDARD.encode(text).into()),
            response_phrase: None,
        };
        page.execute(answer).await?;
        Ok(())
    }
}

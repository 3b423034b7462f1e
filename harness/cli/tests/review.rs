//! `cargo review --web` answers its own page, and nobody else.

mod changed;

use changed::{CHANGED, Review, leave_pending, write_report};
use reqwest::{Client, RequestBuilder};
use serde_json::{Value, json};

struct Page {
    http: Client,
    origin: String,
    token: String,
}

impl Page {
    fn of(review: &Review) -> Self {
        let (origin, token) = review.page.split_once("/?token=").unwrap();
        Self {
            http: Client::builder().no_proxy().build().unwrap(),
            origin: origin.to_owned(),
            token: token.to_owned(),
        }
    }

    fn pending(&self) -> RequestBuilder {
        let url = format!("{}/api/pending", self.origin);
        self.http.get(url).header("x-review-token", &self.token)
    }

    /// As the page asks, from `origin`, with `token`.
    fn decide(&self, origin: &str, token: &str, digest: &Value) -> RequestBuilder {
        let body = json!({"id": CHANGED, "digest": digest, "verdict": "reject"});
        let url = format!("{}/api/review", self.origin);
        let asked = self.http.post(url).header("x-review-token", token);
        asked.header("origin", origin).json(&body)
    }
}

async fn status(request: RequestBuilder) -> u16 {
    request.send().await.unwrap().status().as_u16()
}

#[tokio::test]
async fn only_the_page_itself_can_accept_and_reject() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    write_report(path).await.map_err(words).unwrap();
    leave_pending(path).unwrap();
    let waits = path.join(format!("snapshots/{CHANGED}.snap.new"));
    let review = Review::start(path).await.map_err(words).unwrap();
    let page = Page::of(&review);
    let (own, token) = (page.origin.as_str(), page.token.as_str());

    let answer = page.pending().send().await.unwrap();
    let pending: Value = answer.json().await.unwrap();
    assert_eq!(pending[CHANGED]["shown"], true);
    let digest = &pending[CHANGED]["digest"];

    // Another site's page, one that guesses, one that was led here by another name.
    let refused = [
        page.decide("https://elsewhere.example", token, digest),
        page.decide("null", token, digest),
        page.decide(own, "a guess", digest),
        page.decide(own, token, digest)
            .header("host", "rebound.example"),
        page.pending().header("host", "rebound.example"),
        page.pending().header("origin", "https://elsewhere.example"),
        page.http.get(format!("{own}/")),
        page.http.get(format!("{own}/?token=guess")),
        page.http.get(format!("{own}/api/pending?token={token}")),
    ];
    for request in refused {
        let asked = format!("{request:?}");
        assert_eq!(status(request).await, 403, "{asked}");
    }
    // A flow that is not the one that was shown.
    assert_eq!(
        status(page.decide(own, token, &json!("another"))).await,
        409
    );
    assert!(waits.exists(), "nobody has decided yet");

    assert_eq!(status(page.decide(own, token, digest)).await, 200);
    assert!(!waits.exists(), "it is rejected");
    assert_eq!(status(page.decide(own, token, digest)).await, 409);
    review.end().await.map_err(words).unwrap();
}

fn words(failed: libtest_mimic::Failed) -> String {
    failed.message().unwrap_or_default().to_owned()
}

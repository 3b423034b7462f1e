//! `cargo review --web`: the report's page, served to this machine alone, with accept and reject at each flow that waits.
//!
//! Whoever can ask the server can change reviewed flows, so that it answers only who knows the token of its address, under
//! that address: neither another site's page nor a name that was made to lead here gets through.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Query, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use harness::report::document::Document;
use harness::report::review_page;
use harness::snapshot::pending::{Pending, Unsettled, pending};
use harness::system::StartError;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::signal::ctrl_c;
use uuid::Uuid;

use crate::verify::{block_on, recorded, usage};
use crate::{Status, no_folder};

/// The header field in which the page repeats the token of its address.
const TOKEN: &str = "x-review-token";

/// What is reviewed.
struct Desk {
    document: Document,
    /// `host:port`, as the page's address has it.
    authority: String,
    token: String,
}

/// What became of a request that is not granted.
struct Refused(StatusCode, String);

#[derive(Deserialize)]
struct Ticket {
    #[serde(default)]
    token: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Decision {
    id: String,
    digest: String,
    verdict: Verdict,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Verdict {
    Accept,
    Reject,
}

/// A flow that waits, as the page knows it.
#[derive(Serialize)]
struct Waiting {
    digest: String,
    /// Whether it is the flow that the page shows.
    shown: bool,
}

/// Serves the report of the results in `from` at `port` until a Ctrl-C.
pub fn run(port: u16, from: Option<PathBuf>) -> Status {
    if harness::data::data().folder().is_none() {
        return no_folder();
    }
    let document = match recorded(from) {
        Ok(document) => document,
        Err(message) => return usage(&message),
    };
    match pending() {
        Ok(waiting) if waiting.is_empty() => {
            println!("no flow waits for review");
            return Status::Kept;
        }
        Ok(_) => {}
        Err(error) => return usage(&format!("snapshots cannot be read: {error}")),
    }
    let served = block_on(async {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await;
        let listener = listener.map_err(|error| {
            StartError(format!(
                "port {port} cannot be listened on: {error}; --port chooses another"
            ))
        })?;
        let address = listener.local_addr();
        let address = address.map_err(|error| StartError(error.to_string()))?;
        let desk = Desk {
            document,
            authority: address.to_string(),
            token: Uuid::new_v4().simple().to_string(),
        };
        let words = format!(
            "review  http://{}/?token={}\nCtrl-C ends it\n",
            desk.authority, desk.token
        );
        // Whoever reads it may have read enough.
        let _ = io::stdout().write_all(words.as_bytes());
        let ended = async {
            // Where no signal can be handled the process ends with it.
            let _ = ctrl_c().await;
        };
        tokio::select! {
            served = axum::serve(listener, router(Arc::new(desk))) => {
                served.map_err(|error| StartError(error.to_string()))
            }
            () = ended => Ok(()),
        }
    });
    served.map_or_else(|status| status, |()| Status::Kept)
}

fn router(desk: Arc<Desk>) -> Router {
    Router::new()
        .route("/", get(page))
        .route("/api/pending", get(waiting))
        .route("/api/review", post(decide))
        .layer(middleware::from_fn_with_state(Arc::clone(&desk), admit))
        .with_state(desk)
}

/// Lets through who asks this very address, from its own page, with its token.
async fn admit(
    State(desk): State<Arc<Desk>>,
    Query(ticket): Query<Ticket>,
    request: Request<Body>,
    next: Next,
) -> Response {
    let headers = request.headers();
    let says = |name: header::HeaderName| headers.get(name).map(HeaderValue::as_bytes);
    let own = format!("http://{}", desk.authority);
    let at_home = says(header::HOST) == Some(desk.authority.as_bytes());
    // A browser says where a request that changes something comes from.
    let from_here = match says(header::ORIGIN) {
        Some(origin) => origin == own.as_bytes(),
        None => request.method() == Method::GET,
    };
    let token = match request.uri().path() {
        "/" => Some(ticket.token.as_bytes()),
        _ => headers.get(TOKEN).map(HeaderValue::as_bytes),
    };
    if !at_home || !from_here || token != Some(desk.token.as_bytes()) {
        let words = "only the page at the address that `review --web` printed is answered";
        return Refused(StatusCode::FORBIDDEN, words.to_owned()).into_response();
    }
    let mut response = next.run(request).await;
    let headers: &mut HeaderMap = response.headers_mut();
    for (name, value) in [
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

async fn page(State(desk): State<Arc<Desk>>) -> Html<String> {
    Html(review_page(&desk.document))
}

async fn waiting(
    State(desk): State<Arc<Desk>>,
) -> Result<Json<BTreeMap<String, Waiting>>, Refused> {
    let waiting = all()?.into_iter().map(|one| {
        let mut scenarios = desk.document.scenarios.iter();
        let shown = scenarios.any(|scenario| {
            let flow = scenario.flow.as_deref().unwrap_or_default();
            scenario.id == one.id && flow.trim_end() == one.flow.trim_end()
        });
        let digest = one.digest;
        (one.id, Waiting { digest, shown })
    });
    Ok(Json(waiting.collect()))
}

async fn decide(
    desk: State<Arc<Desk>>,
    Json(decision): Json<Decision>,
) -> Result<Json<BTreeMap<String, Waiting>>, Refused> {
    let found = all()?.into_iter().find(|one| one.id == decision.id);
    let shown = found.filter(|one| one.digest == decision.digest);
    let settled = match (shown, decision.verdict) {
        (Some(one), Verdict::Accept) => one.accept(),
        (Some(one), Verdict::Reject) => one.reject(),
        (None, _) => Err(Unsettled::Another(decision.id)),
    };
    settled.map_err(|unsettled| {
        let status = match unsettled {
            Unsettled::Another(_) => StatusCode::CONFLICT,
            Unsettled::Failed(_) => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Refused(status, format!("{unsettled}; load the page again"))
    })?;
    waiting(desk).await
}

fn all() -> Result<Vec<Pending>, Refused> {
    pending().map_err(|error| {
        let words = format!("snapshots cannot be read: {error}");
        Refused(StatusCode::INTERNAL_SERVER_ERROR, words)
    })
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        (self.0, Json(json!({"error": self.1}))).into_response()
    }
}

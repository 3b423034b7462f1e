//! The page, and the routes that it calls. They are there for a frontend's own tests too: a token, a message published,
//! a fault.

use std::sync::{Arc, LazyLock};

use axum::extract::{Query, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};
use tower_http::cors::CorsLayer;

use super::door::Door;
use super::playground::{Kind, Playground};

/// The page, whole.
static PAGE: LazyLock<String> = LazyLock::new(|| {
    include_str!("page/page.html")
        .replace("/* page.css */", include_str!("page/page.css"))
        .replace("/* page.js */", SCRIPT)
});

/// One scope: a file may use what an earlier one declares.
const SCRIPT: &str = concat!(
    include_str!("page/elements.js"),
    include_str!("page/server.js"),
    include_str!("page/connection.js"),
    include_str!("page/users.js"),
    include_str!("page/publish.js"),
    include_str!("page/gateway.js"),
    include_str!("page/system.js"),
);

type Shared = State<Arc<Playground>>;

/// What could not be done, for the page to show.
struct Refused(StatusCode, String);

#[derive(Deserialize)]
struct TokenOf {
    user: String,
    #[serde(default)]
    kind: Kind,
}

/// A message as text, or a fixture by its name.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Publish {
    user: String,
    message: Option<String>,
    fixture: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    runs: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Victim {
    user: String,
}

/// Serves the page at `door` for as long as the process lives.
pub fn serve(door: Door, playground: &Arc<Playground>) {
    let router = router(playground);
    for listener in door.listeners {
        let served = axum::serve(listener, router.clone());
        tokio::spawn(async move { served.await });
    }
}

fn router(playground: &Arc<Playground>) -> Router {
    let origins = playground.origins.iter();
    let origins: Vec<HeaderValue> = origins.filter_map(|origin| origin.parse().ok()).collect();
    let cors = CorsLayer::new()
        .allow_origin(origins)
        .allow_methods([Method::GET, Method::POST])
        .allow_headers([header::CONTENT_TYPE]);
    Router::new()
        .route("/", get(|| async { Html(PAGE.as_str()) }))
        .route("/api/setup", get(setup))
        .route("/api/state", get(state))
        .route("/api/token", get(token))
        .route("/api/token.txt", get(token_alone))
        // All of these need a content type that no other site's form can send.
        .route("/api/publish", post(publish))
        .route("/api/redis", post(redis))
        .route("/api/service", post(service))
        .route("/api/overflow", post(overflow))
        .layer(cors)
        .with_state(Arc::clone(playground))
}

async fn setup(State(playground): Shared) -> Json<Value> {
    Json(playground.setup())
}

async fn state(State(playground): Shared) -> Json<Value> {
    Json(playground.state().await)
}

async fn token(
    State(playground): Shared,
    Query(wanted): Query<TokenOf>,
) -> Result<Json<Value>, Refused> {
    let token = token_alone(State(playground), Query(wanted)).await?;
    Ok(Json(json!({"token": token})))
}

/// For a shell, which reads no JSON.
async fn token_alone(
    State(playground): Shared,
    Query(wanted): Query<TokenOf>,
) -> Result<String, Refused> {
    some_user(&wanted.user)?;
    Ok(playground.token(&wanted.user, wanted.kind))
}

async fn publish(
    State(playground): Shared,
    Json(wanted): Json<Publish>,
) -> Result<Json<Value>, Refused> {
    some_user(&wanted.user)?;
    let unknown = |problem| Refused(StatusCode::NOT_FOUND, problem);
    let message = match (wanted.message, wanted.fixture) {
        (Some(message), None) => message,
        (None, Some(name)) => {
            let fixture = playground.notifications.named(&name).map_err(unknown)?;
            fixture.content.message.text()
        }
        _ => {
            let words = "a message as text, or the name of a fixture, and not both";
            return Err(Refused(StatusCode::UNPROCESSABLE_ENTITY, words.to_owned()));
        }
    };
    let problems = problems(&message);
    let services = playground.publish(&wanted.user, message).await;
    let services = services.map_err(unavailable)?;
    Ok(Json(json!({"services": services, "problems": problems})))
}

/// What the contract has against `message`. It is published all the same: a client has to live with what comes.
fn problems(message: &str) -> Vec<String> {
    let parsed: Value = match serde_json::from_str(message) {
        Ok(parsed) => parsed,
        Err(error) => return vec![format!("it is no JSON: {error}")],
    };
    let rules = harness::contract::rules();
    let violations = rules.map(|rules| rules.message(&parsed));
    let violations = violations.into_iter().flatten();
    violations.map(|violation| violation.to_string()).collect()
}

async fn redis(
    State(playground): Shared,
    Json(wanted): Json<Wanted>,
) -> Result<Json<Value>, Refused> {
    let done = match wanted.runs {
        true => playground.start_redis().await,
        false => playground.kill_redis().await,
    };
    done.map_err(unavailable)?;
    Ok(state(State(playground)).await)
}

async fn service(
    State(playground): Shared,
    Json(wanted): Json<Wanted>,
) -> Result<Json<Value>, Refused> {
    let done = match wanted.runs {
        true => playground.start_service().await,
        false => playground.stop_service().await,
    };
    done.map_err(unavailable)?;
    Ok(state(State(playground)).await)
}

async fn overflow(
    State(playground): Shared,
    Json(victim): Json<Victim>,
) -> Result<Json<Value>, Refused> {
    let overflow = playground
        .overflow(&victim.user)
        .await
        .map_err(unavailable)?;
    Ok(Json(json!(overflow)))
}

fn some_user(user: &str) -> Result<(), Refused> {
    match user {
        "" => Err(Refused(
            StatusCode::UNPROCESSABLE_ENTITY,
            "a user's id is not empty".to_owned(),
        )),
        _ => Ok(()),
    }
}

fn unavailable(problem: String) -> Refused {
    Refused(StatusCode::SERVICE_UNAVAILABLE, problem)
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        (self.0, Json(json!({"error": self.1}))).into_response()
    }
}

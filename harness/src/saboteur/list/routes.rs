//! Classes, the former WebSocket route, other origins, and how often a user may ask.

use serde_json::json;

use super::super::exchange::{Answer, Request};
use super::super::scene::Scene;
use super::super::upgrade::{Course, Upgrade};
use super::super::{Deed, Sabotage};
use super::{recoded, sabotage};

const PASSED_ON: &str = "classes.passed-on";
const CALLER: &str = "classes.caller-is-the-user";
const HOP: &str = "classes.hop-by-hop-dropped";
const PREFIX: &str = "classes.prefix-kept";
const TIMEOUT: &str = "classes.downstream-timeout";
const CORS: &str = "cors.configured-origins";
const PER_USER: &str = "rate-limits.per-user";
const BY_ROUTE: &str = "rate-limits.by-route";
const HEALTH_FREE: &str = "rate-limits.health-free";
const WITHOUT_REDIS: &str = "rate-limits.without-redis";
const GONE: &str = "legacy.route-gone";

const ALLOWED: &str = "access-control-allow-origin";
/// What is refused for being too much.
const TOO_MUCH: u16 = 429;
/// Fewer requests than any limit.
const FEW: usize = 3;
/// More than the limit of any route.
const MANY: usize = 150;

pub(super) const ALL: &[Sabotage] = &[
    sabotage(
        "query-lost",
        PASSED_ON,
        "forwards without the query",
        Deed::Arrival(|request| request.url.set_query(None)),
    ),
    sabotage(
        "body-lost",
        PASSED_ON,
        "forwards without the body",
        Deed::Arrival(|request| request.body.clear()),
    ),
    sabotage(
        "method-changed",
        PASSED_ON,
        "forwards every call as a GET",
        Deed::Arrival(|request| request.method = "GET".parse().unwrap_or_default()),
    ),
    sabotage(
        "decode-path",
        PASSED_ON,
        "decodes the path that it forwards",
        Deed::Arrival(|request| {
            let path = request.url.path().replace("%20", "+");
            request.url.set_path(&path);
        }),
    ),
    sabotage(
        "errors-are-200",
        PASSED_ON,
        "answers 200 whatever class management answers",
        Deed::Answer(|_, answer, _| answer.status = 200),
    ),
    sabotage(
        "header-lost",
        PASSED_ON,
        "loses a header field of class management's answer",
        Deed::Answer(|_, answer, _| {
            answer.drop_header("etag");
            answer.drop_header("location");
        }),
    ),
    sabotage(
        "answer-cut",
        PASSED_ON,
        "passes half of class management's answer on",
        Deed::Answer(|_, answer, _| answer.body.truncate(answer.body.len() / 2)),
    ),
    sabotage(
        "caller-not-told",
        CALLER,
        "sends no X-User-ID",
        Deed::Arrival(|request| {
            request.headers.remove("x-user-id");
        }),
    ),
    sabotage(
        "client-user-id",
        CALLER,
        "passes a client's own X-User-ID on",
        Deed::Arrival(|request| field(request, "x-user-id", "somebody-else")),
    ),
    sabotage(
        "hop-by-hop-passed",
        HOP,
        "passes hop-by-hop fields of a request on",
        Deed::Arrival(|request| {
            field(request, "te", "trailers");
            field(request, "x-hop", "1");
        }),
    ),
    sabotage(
        "hop-by-hop-returned",
        HOP,
        "passes hop-by-hop fields of an answer on",
        Deed::Answer(|_, answer, _| answer.set("proxy-authenticate", "Basic")),
    ),
    sabotage(
        "path-escape",
        PREFIX,
        "follows a path out of /v1/classes/",
        Deed::Request(|request, scene| {
            if is_devious(request.path()) {
                request.instead = scene.standin("classes");
                request.target = "/internal".to_owned();
            }
        }),
    ),
    sabotage(
        "path-resolved",
        PREFIX,
        "resolves the dots of a path and serves what it finds there",
        Deed::Request(|request, _| {
            if is_devious(request.path()) {
                request.target = "/v1/classes/internal".to_owned();
            }
        }),
    ),
    sabotage(
        "double-slash",
        PREFIX,
        "takes two slashes for one",
        Deed::Request(|request, _| request.target = request.target.replace("//", "/")),
    ),
    sabotage(
        "classes-timeout-is-502",
        TIMEOUT,
        "answers 502 when class management is too slow",
        Deed::Answer(|_, answer, _| recoded(answer, 504, 502)),
    ),
    sabotage(
        "classes-wait-without-end",
        TIMEOUT,
        "waits without end for class management",
        Deed::Answer(|_, answer, _| answer.withheld = answer.status == 504),
    ),
    sabotage(
        "cors-any",
        CORS,
        "allows every origin",
        Deed::Answer(|request, answer, _| {
            if let Some(origin) = request.header("origin") {
                answer.set(ALLOWED, origin);
            }
        }),
    ),
    sabotage(
        "cors-none",
        CORS,
        "allows no origin",
        Deed::Answer(|_, answer, _| answer.drop_header(ALLOWED)),
    ),
    sabotage(
        "cors-without-methods",
        CORS,
        "allows a configured origin no method",
        Deed::Answer(|_, answer, _| answer.drop_header("access-control-allow-methods")),
    ),
    sabotage(
        "no-rate-limit",
        PER_USER,
        "limits nobody",
        Deed::Answer(|_, answer, _| let_pass(answer, 202)),
    ),
    sabotage(
        "no-default-limit",
        PER_USER,
        "limits pipelines and uploads alone",
        Deed::Answer(|request, answer, _| {
            if request.method == "GET" {
                let_pass(answer, 200);
            }
        }),
    ),
    sabotage(
        "no-retry-after",
        PER_USER,
        "answers 429 without Retry-After",
        Deed::Answer(|_, answer, _| answer.drop_header("retry-after")),
    ),
    sabotage(
        "limit-too-low",
        PER_USER,
        "refuses the fourth request",
        Deed::Answer(|_, answer, scene| {
            if scene.next() > FEW {
                answer.status = TOO_MUCH;
            }
        }),
    ),
    sabotage(
        "one-limit-for-all",
        PER_USER,
        "counts all users together",
        Deed::Answer(|_, answer, scene| refuse_from_then_on(answer, scene)),
    ),
    sabotage(
        "no-upload-limit",
        BY_ROUTE,
        "does not limit uploads",
        Deed::Answer(|request, answer, _| {
            if request.is_to("POST", "/files/batch") {
                let_pass(answer, 201);
            }
        }),
    ),
    sabotage(
        "one-limit-for-all-routes",
        BY_ROUTE,
        "lets who has used up one limit use no other route",
        Deed::Answer(|_, answer, scene| refuse_from_then_on(answer, scene)),
    ),
    sabotage(
        "health-limited",
        HEALTH_FREE,
        "limits /healthz",
        Deed::Answer(|request, answer, scene| limit(request, answer, scene, "/healthz")),
    ),
    sabotage(
        "metrics-limited",
        HEALTH_FREE,
        "limits /metrics",
        Deed::Answer(|request, answer, scene| limit(request, answer, scene, "/metrics")),
    ),
    sabotage(
        "closed-without-redis",
        WITHOUT_REDIS,
        "answers 503 while Redis is away",
        Deed::Answer(|_, answer, scene| {
            if !scene.redis_is_there() {
                answer.status = 503;
            }
        }),
    ),
    sabotage(
        "limited-without-redis",
        WITHOUT_REDIS,
        "limits by itself while Redis is away",
        Deed::Answer(|_, answer, scene| {
            if scene.next() > 10 {
                answer.status = TOO_MUCH;
            }
        }),
    ),
    sabotage(
        "legacy-101",
        GONE,
        "kept its WebSocket route",
        Deed::Upgrade(|upgrade, _| {
            if upgrade.is_legacy() {
                upgrade.course = Course::Closed(1000, "");
            }
        }),
    ),
    sabotage(
        "legacy-301",
        GONE,
        "redirects the former route",
        Deed::Upgrade(|upgrade, _| {
            if upgrade.is_legacy() {
                let location = ("location", "/ws".to_owned());
                upgrade.course = Course::Answered(301, vec![location], String::new());
            }
        }),
    ),
    sabotage(
        "legacy-403",
        GONE,
        "refuses an upgrade of the former route with 403",
        Deed::Upgrade(|upgrade, _| legacy(upgrade, 403)),
    ),
    sabotage(
        "legacy-410",
        GONE,
        "answers 410 on the former route",
        Deed::Upgrade(|upgrade, _| legacy(upgrade, 410)),
    ),
    sabotage(
        "legacy-426",
        GONE,
        "answers 426 on the former route",
        Deed::Upgrade(|upgrade, _| legacy(upgrade, 426)),
    ),
    sabotage(
        "legacy-401",
        GONE,
        "asks for a token on the former route",
        Deed::Upgrade(|upgrade, _| {
            if upgrade.is_legacy() && upgrade.header("authorization").is_none() {
                upgrade.answer(401, "{}");
            }
        }),
    ),
    sabotage(
        "legacy-get-426",
        GONE,
        "answers 426 to a plain GET of the former route",
        Deed::Answer(|request, answer, _| {
            if request.path().starts_with("/ws/v1/") {
                answer.status = 426;
            }
        }),
    ),
];

/// Whether a path tries to leave its folder.
fn is_devious(path: &str) -> bool {
    let path = path.to_lowercase();
    path.contains("..") || path.contains("%2e") || path.contains("%252e")
}

fn field(request: &mut wiremock::Request, name: &'static str, value: &'static str) {
    let value = reqwest::header::HeaderValue::from_static(value);
    request.headers.insert(name, value);
}

/// What is refused for being too much gets `status` instead.
fn let_pass(answer: &mut Answer, status: u16) {
    if answer.status == TOO_MUCH {
        answer.status = status;
        answer.say(&json!({"status": "accepted"}).to_string());
    }
}

/// Once one request is refused for being too much all are.
fn refuse_from_then_on(answer: &mut Answer, scene: &Scene) {
    if answer.status == TOO_MUCH || scene.counted() > 0 {
        scene.next();
        answer.status = TOO_MUCH;
    }
}

fn limit(request: &Request, answer: &mut Answer, scene: &Scene, path: &str) {
    if request.path() == path && scene.next() > MANY {
        answer.status = TOO_MUCH;
    }
}

fn legacy(upgrade: &mut Upgrade, status: u16) {
    if upgrade.is_legacy() {
        upgrade.answer(status, "{}");
    }
}

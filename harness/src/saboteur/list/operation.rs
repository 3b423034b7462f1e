//! What both services say of themselves: health, metrics, the log, and how they start and end.

use serde_json::{Value, json};

use super::super::exchange::{Answer, Request};
use super::super::{Deed, Sabotage};
use super::sabotage;
use crate::system::{Exit, Part};

const SERVICE: &str = "health.service";
const REDIS: &str = "health.redis";
const REDIS_DOWN: &str = "health.redis-down";
const CONNECTIONS: &str = "health.connections";
const NAMES: &str = "metrics.names";
const NO_USER: &str = "metrics.no-user-label";
const GAUGES: &str = "metrics.gauges-return";
const JSON_LINES: &str = "logs.json-lines";
const NO_TOKEN: &str = "logs.no-token";
const SECRET: &str = "settings.secret-required";
const GATEWAY_HEALTH: &str = "gateway.health";
const GATEWAY_METRICS: &str = "gateway.metrics";
const GATEWAY_SHUTDOWN: &str = "gateway.shutdown";
const LEGACY_METRICS: &str = "legacy.metrics-gone";

const GAUGE: &str = "websocket_active_connections";

pub(super) const ALL: &[Sabotage] = &[
    sabotage(
        "health-without-uptime",
        SERVICE,
        "says nothing of uptime_seconds in /healthz",
        Deed::Answer(|request, answer, _| without(request, answer, "/healthz", "uptime_seconds")),
    ),
    sabotage(
        "health-is-500",
        SERVICE,
        "answers 500 at /healthz",
        Deed::Answer(|request, answer, _| instead(request, answer, "/healthz", 500)),
    ),
    sabotage(
        "unhealthy-with-redis",
        REDIS,
        "answers 503 at /healthz/redis although Redis answers",
        Deed::Answer(|request, answer, _| instead(request, answer, "/healthz/redis", 503)),
    ),
    sabotage(
        "no-status-of-redis",
        REDIS,
        "says nothing of status in /healthz/redis",
        Deed::Answer(|request, answer, _| without(request, answer, "/healthz/redis", "status")),
    ),
    sabotage(
        "healthy-without-redis",
        REDIS_DOWN,
        "answers 200 at /healthz/redis without Redis",
        Deed::Answer(|request, answer, _| {
            if request.path() == "/healthz/redis" {
                answer.status = 200;
                answer.change(|json| json["status"] = json!("healthy"));
            }
        }),
    ),
    sabotage(
        "password-in-health",
        REDIS_DOWN,
        "shows the URL of Redis, with its password, in /healthz/redis",
        Deed::Answer(|request, answer, scene| {
            if request.path() == "/healthz/redis" {
                let url = format!("redis://:{}@redis", scene.redis_password());
                answer.change(|json| json["message"] = json!(url));
            }
        }),
    ),
    sabotage(
        "health-waits-for-redis",
        REDIS_DOWN,
        "never answers at /healthz/redis without Redis",
        Deed::Answer(|request, answer, _| {
            answer.withheld = request.path() == "/healthz/redis" && answer.is_error();
        }),
    ),
    sabotage(
        "health-counts-nobody",
        CONNECTIONS,
        "always counts 0 in /healthz/websocket",
        Deed::Answer(|request, answer, _| {
            if request.path() == "/healthz/websocket" {
                answer.change(|json| json["total_connections"] = json!(0));
            }
        }),
    ),
    sabotage(
        "health-without-limit",
        CONNECTIONS,
        "says nothing of the limit in /healthz/websocket",
        Deed::Answer(|request, answer, _| {
            without(
                request,
                answer,
                "/healthz/websocket",
                "max_connections_per_user",
            );
        }),
    ),
    sabotage(
        "metric-renamed",
        NAMES,
        "calls websocket_messages_sent_total otherwise",
        Deed::Answer(|request, answer, _| {
            let new = "websocket_sent_total";
            metrics(request, answer, |text| {
                text.replace("websocket_messages_sent_total", new)
            });
        }),
    ),
    sabotage(
        "metric-missing",
        NAMES,
        "has no metric of validated tokens",
        Deed::Answer(|request, answer, _| {
            metrics(request, answer, |text| {
                text.replace("jwt_validation_total", "jwt_total")
            });
        }),
    ),
    sabotage(
        "metric-still",
        NAMES,
        "counts no message that it sends",
        Deed::Answer(|request, answer, _| {
            metrics(request, answer, |text| {
                valued(&text, "websocket_messages_sent_total", |_| 0)
            });
        }),
    ),
    sabotage(
        "user-label-in-metrics",
        NO_USER,
        "has a label per user",
        Deed::Answer(|request, answer, scene| {
            let line = |user| format!("websocket_user_messages_total{{user=\"{user}\"}} 1\n");
            let lines: String = scene.users().into_iter().map(line).collect();
            metrics(request, answer, |text| text + &lines);
        }),
    ),
    sabotage(
        "gauge-drifts",
        GAUGES,
        "never lowers the gauge of active connections",
        Deed::Answer(|request, answer, scene| {
            metrics(request, answer, |text| {
                valued(&text, GAUGE, |value| scene.most(value))
            });
        }),
    ),
    sabotage(
        "text-log",
        JSON_LINES,
        "logs a line that is not JSON",
        Deed::Log(|lines| lines.push("a client has come".to_owned())),
    ),
    sabotage(
        "log-without-correlation-id",
        JSON_LINES,
        "leaves the correlation id of a connection out",
        Deed::Log(|lines| {
            for line in lines {
                if let Ok(Value::Object(mut said)) = serde_json::from_str(line) {
                    said.remove("correlation_id");
                    *line = Value::Object(said).to_string();
                }
            }
        }),
    ),
    sabotage(
        "token-in-log",
        NO_TOKEN,
        "logs the target of an upgrade with its token",
        Deed::Log(|lines| {
            let target = "/ws?token=eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0.c2lnbmF0dXJl";
            lines.push(
                json!({"level": "INFO", "message": "upgraded", "target": target}).to_string(),
            );
        }),
    ),
    sabotage(
        "start-without-secret",
        SECRET,
        "starts without JWT_SECRET_KEY",
        Deed::Exit(|part, exit| match part {
            Part::SecondWebsocketService => None,
            _ => exit,
        }),
    ),
    sabotage(
        "exit-0-without-secret",
        SECRET,
        "ends without JWT_SECRET_KEY as if all were well",
        Deed::Exit(|part, exit| match part {
            Part::SecondWebsocketService => Some(Exit { status: Some(0) }),
            _ => exit,
        }),
    ),
    sabotage(
        "gateway-health-without-uptime",
        GATEWAY_HEALTH,
        "says nothing of uptime_seconds in the gateway's /healthz",
        Deed::Answer(|request, answer, _| without(request, answer, "/healthz", "uptime_seconds")),
    ),
    sabotage(
        "gateway-health-is-text",
        GATEWAY_HEALTH,
        "answers with a word at the gateway's /healthz",
        Deed::Answer(|request, answer, _| {
            if request.path() == "/healthz" {
                answer.say("ok");
            }
        }),
    ),
    sabotage(
        "path-as-endpoint",
        GATEWAY_METRICS,
        "counts by path instead of route template",
        Deed::Answer(|request, answer, _| {
            metrics(request, answer, |text| {
                text.lines().map(|line| by_path(line) + "\n").collect()
            });
        }),
    ),
    sabotage(
        "no-status-label",
        GATEWAY_METRICS,
        "counts requests without their status",
        Deed::Answer(|request, answer, _| {
            metrics(request, answer, |text| {
                text.replace("http_status=", "code=")
            });
        }),
    ),
    sabotage(
        "drop-requests",
        GATEWAY_SHUTDOWN,
        "ends without answering what it has begun",
        Deed::Answer(|request, answer, _| {
            answer.cut = request.path().starts_with("/v1/classes/");
        }),
    ),
    sabotage(
        "gateway-never-exits",
        GATEWAY_SHUTDOWN,
        "does not exit when the gateway is told to end",
        Deed::Exit(|part, exit| match part {
            Part::ApiGateway => None,
            _ => exit,
        }),
    ),
    sabotage(
        "legacy-metric",
        LEGACY_METRICS,
        "kept a WebSocket metric in the gateway",
        Deed::Answer(|request, answer, _| {
            metrics(request, answer, |text| {
                text + "gateway_websocket_connections 0\n"
            });
        }),
    ),
];

fn without(request: &Request, answer: &mut Answer, path: &str, member: &str) {
    if request.path() == path {
        answer.change(|json| {
            if let Some(members) = json.as_object_mut() {
                members.shift_remove(member);
            }
        });
    }
}

fn instead(request: &Request, answer: &mut Answer, path: &str, status: u16) {
    if request.path() == path {
        answer.status = status;
    }
}

fn metrics(request: &Request, answer: &mut Answer, change: impl FnOnce(String) -> String) {
    if request.path() == "/metrics" {
        let text = change(answer.text());
        answer.say(&text);
    }
}

/// A line of metrics in which the template of a batch's status is a path: which name it has in it is the gateway's own.
fn by_path(line: &str) -> String {
    let (begins, ends) = ("\"/v1/batches/", "/status\"");
    match line.split_once(begins) {
        Some((before, rest)) if rest.contains(ends) => {
            let after = rest.split_once(ends).map_or("", |(_, after)| after);
            format!("{before}{begins}7/state\"{after}")
        }
        _ => line.to_owned(),
    }
}

/// `text` with another value of the metric `name`, one without labels.
fn valued(text: &str, name: &str, change: impl Fn(usize) -> usize) -> String {
    let line = |line: &str| match line.split_once(' ') {
        Some((metric, value)) if metric == name => {
            // Some write a whole number as 3.0.
            let value: f64 = value.parse().unwrap_or_default();
            format!("{name} {}\n", change(value as usize))
        }
        _ => format!("{line}\n"),
    };
    text.lines().map(line).collect()
}

/// A member of JSON that is an object or nothing.
pub(super) fn text_of(json: &str, member: &str) -> Option<String> {
    let json: Value = serde_json::from_str(json).ok()?;
    json[member].as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::a_template(
        "r{endpoint=\"/v1/batches/{id}/status\",s=\"1\"} 2",
        "r{endpoint=\"/v1/batches/7/state\",s=\"1\"} 2"
    )]
    #[case::another_route("r{endpoint=\"/metrics\"} 2", "r{endpoint=\"/metrics\"} 2")]
    fn a_template_becomes_a_path(#[case] line: &str, #[case] changed: &str) {
        assert_eq!(by_path(line), changed);
    }

    #[test]
    fn one_metric_has_another_value() {
        let text = "# TYPE a gauge\na 1.0\nab 1\n";
        assert_eq!(
            valued(text, "a", |value| value + 1),
            "# TYPE a gauge\na 2\nab 1\n"
        );
    }
}

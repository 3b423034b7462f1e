//! What the service is told by its environment.

use std::fmt;
use std::num::{NonZeroU32, NonZeroUsize};
use std::time::Duration;

use http::HeaderValue;

use super::connection::Rules;
use super::link::Words;
use super::outbox::Bounds;
use crate::auth::Verifier;
use crate::redis_url::RedisUrl;
use crate::settings::Environment;

/// The settings of one websocket service.
#[derive(Clone)]
pub struct Settings {
    /// `WEBSOCKET_PORT`: where to listen.
    pub port: u16,
    /// `REDIS_URL`: the backplane.
    pub redis: RedisUrl,
    /// `WEBSOCKET_SHARDED_PUBSUB`: whether backend services `SPUBLISH`, and not `PUBLISH`.
    pub words: Words,
    /// `WEBSOCKET_REDIS_HEALTH_INTERVAL`: how often Redis is asked whether it is there and still the master, and how long
    /// it may take.
    pub redis_health_interval: Duration,
    /// `REDIS_CHANNEL_PREFIX`: a user's channel is `{prefix}:{user_id}`.
    pub channel_prefix: String,
    /// `WEBSOCKET_MAX_CONNECTIONS_PER_USER`: one more is closed with 4000.
    pub connections_per_user: usize,
    /// `WEBSOCKET_GLOBAL_CONNECTION_LIMIT`: one more on all services together is closed with 4000; none unless it is set.
    pub global_limit: Option<NonZeroU32>,
    /// `WEBSOCKET_PING_INTERVAL` and `WEBSOCKET_IDLE_TIMEOUT`.
    pub rules: Rules,
    /// `WEBSOCKET_QUEUE_MESSAGES` and `WEBSOCKET_QUEUE_BYTES`: past either a connection is closed with 1013.
    pub queue: Bounds,
    /// `CORS_ORIGINS`: where browsers may come from.
    pub origins: Origins,
    /// `JWT_SECRET_KEY`, `JWT_ALGORITHM`, `JWT_AUDIENCE` and `JWT_ISSUER`.
    pub verifier: Verifier,
    /// `ENVIRONMENT`: shown in the health answer.
    pub environment: String,
}

/// The origins from which browsers may connect (RFC 6454, section 6.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origins(Vec<String>);

const GLOBAL_LIMIT: &str = "WEBSOCKET_GLOBAL_CONNECTION_LIMIT";

/// The longest message that a client may send, in bytes.
const MESSAGE_LIMIT: usize = 64 * 1024;

impl Settings {
    /// Reads every variable; what is wrong with them `environment` knows.
    pub fn from_environment(environment: &mut Environment) -> Option<Self> {
        let verifier = Verifier::from_environment(environment, "");
        let redis = redis(environment);
        let origins = Origins::from_environment(environment);
        let port = environment.parsed("WEBSOCKET_PORT", 8080, "a port number");
        let channel_prefix = environment.text("REDIS_CHANNEL_PREFIX", "ws");
        let connections_per_user = count(environment, "WEBSOCKET_MAX_CONNECTIONS_PER_USER", 5);
        let global_limit = match environment.text(GLOBAL_LIMIT, "").as_str() {
            "" => None,
            text => text
                .parse()
                .map_err(|_| {
                    environment.reject(GLOBAL_LIMIT, text, "a whole number greater than zero")
                })
                .ok(),
        };
        let rules = Rules {
            ping_interval: environment.seconds("WEBSOCKET_PING_INTERVAL", Duration::from_secs(30)),
            idle_timeout: environment.seconds("WEBSOCKET_IDLE_TIMEOUT", Duration::from_secs(300)),
            message_limit: MESSAGE_LIMIT,
        };
        let words = match environment.parsed("WEBSOCKET_SHARDED_PUBSUB", false, "true or false") {
            true => Words::Sharded,
            false => Words::Plain,
        };
        let redis_health_interval =
            environment.seconds("WEBSOCKET_REDIS_HEALTH_INTERVAL", Duration::from_secs(1));
        let queue = Bounds {
            messages: count(environment, "WEBSOCKET_QUEUE_MESSAGES", 1024),
            bytes: count(environment, "WEBSOCKET_QUEUE_BYTES", 1 << 20),
        };
        let name = environment.text("ENVIRONMENT", "development");
        // Only now may anything be missing: every variable has been looked at.
        Some(Self {
            port,
            redis: redis?,
            words,
            redis_health_interval,
            channel_prefix,
            connections_per_user,
            global_limit,
            rules,
            queue,
            origins,
            verifier: verifier?,
            environment: name,
        })
    }
}

impl fmt::Debug for Settings {
    /// Without secrets: for the log.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Settings")
            .field("port", &self.port)
            .field("redis", &self.redis)
            .field("words", &self.words)
            .field("redis_health_interval", &self.redis_health_interval)
            .field("channel_prefix", &self.channel_prefix)
            .field("connections_per_user", &self.connections_per_user)
            .field("global_limit", &self.global_limit)
            .field("rules", &self.rules)
            .field("queue", &self.queue)
            .field("origins", &self.origins.0)
            .field("environment", &self.environment)
            .finish_non_exhaustive()
    }
}

fn count(environment: &mut Environment, name: &str, default: usize) -> usize {
    let default = NonZeroUsize::new(default).unwrap_or(NonZeroUsize::MIN);
    environment
        .parsed(name, default, "a whole number greater than zero")
        .get()
}

fn redis(environment: &mut Environment) -> Option<RedisUrl> {
    let url = environment.text("REDIS_URL", "redis://localhost:6379");
    RedisUrl::parse(&url)
        // Not the value: it may hold a password.
        .map_err(|expected| environment.reject("REDIS_URL", "(hidden)", expected))
        .ok()
}

impl Origins {
    fn from_environment(environment: &mut Environment) -> Self {
        const NAME: &str = "CORS_ORIGINS";
        let origins = environment.list(NAME, "");
        for origin in &origins {
            let host = origin.split_once("://").map_or("", |(_, host)| host);
            if host.is_empty() || host.contains(['/', '*', '@', ' ']) {
                environment.reject(
                    NAME,
                    origin,
                    "origins such as https://app.example, comma-separated",
                );
            }
        }
        Self(origins)
    }

    /// Whether a page of this `Origin` may connect. Scheme and host have no case.
    pub fn allow(&self, origin: &HeaderValue) -> bool {
        let origin = origin.as_bytes();
        self.0
            .iter()
            .any(|own| own.as_bytes().eq_ignore_ascii_case(origin))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn environment(variables: &[(&str, &str)]) -> Environment {
        variables
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn the_defaults_are_those_of_the_contract() {
        let mut environment = environment(&[("JWT_SECRET_KEY", "secret")]);
        let settings = Settings::from_environment(&mut environment);
        let settings = environment.finish(settings).unwrap();
        assert_eq!(settings.port, 8080);
        assert_eq!(settings.redis.to_string(), "redis://localhost:6379/0");
        assert_eq!(settings.words, Words::Plain);
        assert_eq!(settings.channel_prefix, "ws");
        assert_eq!(settings.connections_per_user, 5);
        assert_eq!(settings.global_limit, None);
        assert_eq!(settings.rules.ping_interval, Duration::from_secs(30));
        assert_eq!(settings.rules.idle_timeout, Duration::from_secs(300));
        assert_eq!(settings.rules.message_limit, 65_536);
        assert_eq!(settings.redis_health_interval, Duration::from_secs(1));
        assert_eq!(
            (settings.queue.messages, settings.queue.bytes),
            (1024, 1 << 20)
        );
        assert_eq!(settings.origins, Origins(Vec::new()));
        assert_eq!(settings.environment, "development");
        assert!(!format!("{settings:?}").contains("secret"));
    }

    #[test]
    fn every_bad_variable_is_named_and_no_secret_shown() {
        let mut environment = environment(&[
            ("REDIS_URL", "rediss://me:hush@redis"),
            ("WEBSOCKET_SHARDED_PUBSUB", "maybe"),
            ("WEBSOCKET_PORT", "99999"),
            ("WEBSOCKET_MAX_CONNECTIONS_PER_USER", "0"),
            ("WEBSOCKET_GLOBAL_CONNECTION_LIMIT", "0"),
            ("WEBSOCKET_PING_INTERVAL", "-1"),
            ("WEBSOCKET_IDLE_TIMEOUT", "soon"),
            ("WEBSOCKET_REDIS_HEALTH_INTERVAL", "0"),
            ("WEBSOCKET_QUEUE_MESSAGES", "1.5"),
            ("WEBSOCKET_QUEUE_BYTES", "many"),
            ("CORS_ORIGINS", "https://app.example,*"),
        ]);
        let settings = Settings::from_environment(&mut environment);
        let error = environment.finish(settings).err().unwrap();
        let message = error.to_string();
        for name in [
            "JWT_SECRET_KEY",
            "REDIS_URL",
            "WEBSOCKET_SHARDED_PUBSUB",
            "WEBSOCKET_PORT",
            "WEBSOCKET_MAX_CONNECTIONS_PER_USER",
            "WEBSOCKET_GLOBAL_CONNECTION_LIMIT",
            "WEBSOCKET_PING_INTERVAL",
            "WEBSOCKET_IDLE_TIMEOUT",
            "WEBSOCKET_REDIS_HEALTH_INTERVAL",
            "WEBSOCKET_QUEUE_MESSAGES",
            "WEBSOCKET_QUEUE_BYTES",
            "CORS_ORIGINS",
        ] {
            assert_eq!(message.matches(name).count(), 1, "{name} in {message}");
        }
        assert!(!message.contains("hush"), "{message}");
    }

    #[rstest]
    #[case::same("https://app.example", true)]
    #[case::case_of_the_host("https://APP.example", true)]
    #[case::other_port("https://app.example:444", false)]
    #[case::other_scheme("http://app.example", false)]
    #[case::opaque("null", false)]
    fn an_origin_is_allowed_whole(#[case] origin: &'static str, #[case] allowed: bool) {
        let mut environment =
            environment(&[("CORS_ORIGINS", "https://app.example, http://b:3000")]);
        let origins = Origins::from_environment(&mut environment);
        assert_eq!(origins.allow(&HeaderValue::from_static(origin)), allowed);
    }
}

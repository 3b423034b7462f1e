//! What the environment decides, and the defaults where it is silent.

use std::fmt;
use std::time::Duration;

use http::HeaderValue;
use reqwest::Url;

use crate::auth::Verifier;
use crate::redis_url::RedisUrl;
use crate::settings::Environment;

/// What every variable of the gateway starts with.
pub const PREFIX: &str = "API_GATEWAY_";

/// The configuration of one gateway. Its `Debug` form shows no secret.
pub struct Settings {
    /// The port to listen on; 0 lets the system choose. `PORT`, 4001.
    pub port: u16,
    /// The word for this deployment in `/healthz`. `ENVIRONMENT`, "development".
    pub environment: String,
    /// What makes a caller's token acceptable. `JWT_SECRET_KEY` and its companions.
    pub verifier: Verifier,
    /// The services behind.
    pub downstreams: Downstreams,
    /// Where the replicas share their rate limits. `REDIS_URL`, `redis://localhost:6379`.
    pub redis: RedisUrl,
    /// How long a request waits for Redis before it passes unlimited. `REDIS_TIMEOUT`, 0.25 s.
    pub redis_deadline: Duration,
    /// The origins whose pages may read answers. `CORS_ORIGINS`, a list with commas, empty.
    pub cors_origins: Vec<HeaderValue>,
    /// How often a user may ask.
    pub rates: Rates,
    /// How long anybody is waited for.
    pub deadlines: Deadlines,
    /// How much is taken.
    pub sizes: Sizes,
}

/// Where the services behind the gateway are: `http://` URLs without a trailing slash, all of them required.
#[derive(Clone)]
pub struct Downstreams {
    /// The result aggregator. `RESULT_AGGREGATOR_URL`.
    pub aggregator: Url,
    /// The file service. `FILE_SERVICE_URL`.
    pub files: Url,
    /// Class management. `CMS_API_URL`.
    pub classes: Url,
    /// The batch orchestrator. `BATCH_ORCHESTRATOR_URL`.
    pub orchestrator: Url,
}

/// Requests that a user may make in one window, per budget.
#[derive(Clone, Copy, Debug)]
pub struct Rates {
    /// Every route without a budget of its own. `RATE_LIMIT_DEFAULT`, 100.
    pub default: u32,
    /// Pipeline requests. `RATE_LIMIT_PIPELINES`, 10.
    pub pipelines: u32,
    /// File uploads. `RATE_LIMIT_FILES`, 5.
    pub files: u32,
    /// How long a window lasts from its first request. `RATE_LIMIT_WINDOW`, 60 s.
    pub window: Duration,
}

/// How long anybody is waited for.
#[derive(Clone, Copy, Debug)]
pub struct Deadlines {
    /// For a connection to a service behind. `CONNECT_TIMEOUT`, 2 s.
    pub connect: Duration,
    /// For a service behind to take the next part of a request, and to begin its answer once it has the whole.
    /// `FIRST_BYTE_TIMEOUT`, 10 s.
    pub first_byte: Duration,
    /// From the beginning of its answer to the end. `BODY_TIMEOUT`, 30 s.
    pub body: Duration,
    /// For a client's whole upload. `UPLOAD_TIMEOUT`, 300 s.
    pub upload: Duration,
    /// For a client to send a request's head, a JSON body or the next part of an upload, and to take the next part
    /// of an answer. `CLIENT_TIMEOUT`, 30 s.
    pub client: Duration,
    /// For requests under way once the gateway is told to stop. `SHUTDOWN_TIMEOUT`, 8 s.
    pub shutdown: Duration,
}

/// How much is taken, in bytes.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    /// Of a body that has to be held in memory: a JSON request, an answer that is inspected. `MAX_JSON_BYTES`, 1 MiB.
    pub json: usize,
    /// Of a body that streams through from a client. `MAX_UPLOAD_BYTES`, 256 MiB.
    pub upload: u64,
}

impl Settings {
    /// Reads every variable; those that are bad are noted in `environment`.
    pub fn from_environment(environment: &mut Environment) -> Option<Self> {
        let seconds = |environment: &mut Environment, name: &str, default: f64| {
            environment.seconds(&prefixed(name), Duration::from_secs_f64(default))
        };
        let port = environment.parsed(&prefixed("PORT"), 4001, "a port number");
        let label = environment.text(&prefixed("ENVIRONMENT"), "development");
        let verifier = Verifier::from_environment(environment, PREFIX);
        let aggregator = service(environment, "RESULT_AGGREGATOR_URL");
        let files = service(environment, "FILE_SERVICE_URL");
        let classes = service(environment, "CMS_API_URL");
        let orchestrator = service(environment, "BATCH_ORCHESTRATOR_URL");
        let redis = redis(environment);
        let redis_deadline = seconds(environment, "REDIS_TIMEOUT", 0.25);
        let cors_origins = origins(environment);
        let rates = Rates {
            default: count(environment, "RATE_LIMIT_DEFAULT", 100),
            pipelines: count(environment, "RATE_LIMIT_PIPELINES", 10),
            files: count(environment, "RATE_LIMIT_FILES", 5),
            window: seconds(environment, "RATE_LIMIT_WINDOW", 60.0),
        };
        let deadlines = Deadlines {
            connect: seconds(environment, "CONNECT_TIMEOUT", 2.0),
            first_byte: seconds(environment, "FIRST_BYTE_TIMEOUT", 10.0),
            body: seconds(environment, "BODY_TIMEOUT", 30.0),
            upload: seconds(environment, "UPLOAD_TIMEOUT", 300.0),
            client: seconds(environment, "CLIENT_TIMEOUT", 30.0),
            shutdown: seconds(environment, "SHUTDOWN_TIMEOUT", 8.0),
        };
        let sizes = Sizes {
            json: count(environment, "MAX_JSON_BYTES", 1024 * 1024) as usize,
            upload: count(environment, "MAX_UPLOAD_BYTES", 256 * 1024 * 1024).into(),
        };
        Some(Self {
            port,
            environment: label,
            verifier: verifier?,
            downstreams: Downstreams {
                aggregator: aggregator?,
                files: files?,
                classes: classes?,
                orchestrator: orchestrator?,
            },
            redis: redis?,
            redis_deadline,
            cors_origins,
            rates,
            deadlines,
            sizes,
        })
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("port", &self.port)
            .field("environment", &self.environment)
            .field("jwt_secret_key", &"***")
            .field("downstreams", &self.downstreams)
            .field("redis", &self.redis)
            .field("redis_deadline", &self.redis_deadline)
            .field("cors_origins", &self.cors_origins)
            .field("rates", &self.rates)
            .field("deadlines", &self.deadlines)
            .field("sizes", &self.sizes)
            .finish()
    }
}

impl fmt::Debug for Downstreams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Downstreams")
            .field("aggregator", &masked(&self.aggregator))
            .field("files", &masked(&self.files))
            .field("classes", &masked(&self.classes))
            .field("orchestrator", &masked(&self.orchestrator))
            .finish()
    }
}

fn prefixed(name: &str) -> String {
    format!("{PREFIX}{name}")
}

fn masked(url: &Url) -> String {
    let mut url = url.clone();
    if url.password().is_some() && url.set_password(Some("***")).is_err() {
        return "***".to_owned();
    }
    url.into()
}

fn count(environment: &mut Environment, name: &str, default: u32) -> u32 {
    let name = prefixed(name);
    let expected = "a whole number greater than zero";
    match environment.parsed(&name, default, expected) {
        0 => {
            environment.reject(&name, "0", expected);
            default
        }
        count => count,
    }
}

// A URL's value is never repeated in a message: it may hold a password.
fn service(environment: &mut Environment, name: &str) -> Option<Url> {
    let name = prefixed(name);
    let value = environment.required(&name)?;
    let url = Url::parse(value.trim_end_matches('/')).ok().filter(|url| {
        url.scheme() == "http"
            && url.has_host()
            && url.query().is_none()
            && url.fragment().is_none()
    });
    if url.is_none() {
        environment.reject(
            &name,
            "(hidden)",
            "an http:// URL without query and fragment",
        );
    }
    url
}

fn redis(environment: &mut Environment) -> Option<RedisUrl> {
    let name = prefixed("REDIS_URL");
    let url = environment.text(&name, "redis://localhost:6379");
    RedisUrl::parse(&url)
        .map_err(|expected| environment.reject(&name, "(hidden)", expected))
        .ok()
}

fn origins(environment: &mut Environment) -> Vec<HeaderValue> {
    let name = prefixed("CORS_ORIGINS");
    environment
        .list(&name, "")
        .into_iter()
        .filter_map(|origin| {
            // A browser sends the origin in exactly this form (RFC 6454, section 6.2); anything else never matches.
            let exact = Url::parse(&origin).is_ok_and(|url| {
                url.origin().is_tuple() && url.origin().ascii_serialization() == origin
            });
            if !exact {
                environment.reject(
                    &name,
                    &origin,
                    "origins as browsers send them: scheme://host or scheme://host:port",
                );
            }
            HeaderValue::try_from(origin).ok().filter(|_| exact)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn read(variables: &[(&str, &str)]) -> Result<Settings, Vec<String>> {
        let services = [
            ("JWT_SECRET_KEY", "hunter2"),
            ("RESULT_AGGREGATOR_URL", "http://aggregator:8000"),
            ("FILE_SERVICE_URL", "http://files:8000"),
            ("CMS_API_URL", "http://user:hunter2@classes:8000/"),
            ("BATCH_ORCHESTRATOR_URL", "http://orchestrator:8000"),
            ("REDIS_URL", "redis://:hunter2@redis:6379/1"),
        ];
        let mut environment: Environment = services
            .iter()
            .chain(variables)
            .map(|(name, value)| (prefixed(name), (*value).to_owned()))
            .collect();
        let settings = Settings::from_environment(&mut environment);
        environment.finish(settings).map_err(|error| error.problems)
    }

    #[test]
    fn the_defaults_are_the_contracts() {
        let settings = read(&[]).unwrap();
        assert_eq!(settings.port, 4001);
        let rates = settings.rates;
        assert_eq!((rates.default, rates.pipelines, rates.files), (100, 10, 5));
        assert_eq!(rates.window, Duration::from_secs(60));
        let deadlines = settings.deadlines;
        let seconds = [
            (deadlines.connect, 2),
            (deadlines.first_byte, 10),
            (deadlines.body, 30),
            (deadlines.upload, 300),
            (deadlines.client, 30),
            (deadlines.shutdown, 8), // a container gets ten
        ];
        for (deadline, seconds) in seconds {
            assert_eq!(deadline, Duration::from_secs(seconds));
        }
        assert_eq!(settings.redis_deadline, Duration::from_millis(250));
        assert_eq!(
            (settings.sizes.json, settings.sizes.upload),
            (1 << 20, 256 << 20)
        );
        assert_eq!(settings.environment, "development");
        assert!(settings.cors_origins.is_empty());
    }

    #[test]
    fn no_secret_is_shown() {
        let shown = format!("{:?}", read(&[]).unwrap());
        assert!(!shown.contains("hunter2"), "{shown}");
        assert!(shown.contains("user:***@classes"), "{shown}");
    }

    #[test]
    fn a_bad_variable_is_named_without_the_secret_in_it() {
        let problems = read(&[
            ("FILE_SERVICE_URL", "https://user:hunter2@files"),
            ("REDIS_URL", "http://:hunter2@redis"),
        ])
        .unwrap_err();
        assert_eq!(
            problems,
            [
                "API_GATEWAY_FILE_SERVICE_URL=(hidden): expected an http:// URL without query and fragment",
                "API_GATEWAY_REDIS_URL=(hidden): expected redis://[[user]:password@]host[:port][/database], or \
                 redis+sentinel:// or redis+cluster:// with several hosts",
            ]
        );
    }

    #[rstest]
    #[case("PORT", "70000")]
    #[case("RESULT_AGGREGATOR_URL", "aggregator:8000")]
    #[case("RESULT_AGGREGATOR_URL", "http://aggregator/?x=1")]
    #[case("CORS_ORIGINS", "*")]
    #[case("CORS_ORIGINS", "https://app.example/")]
    #[case("CORS_ORIGINS", "app.example")]
    #[case("RATE_LIMIT_FILES", "0")]
    #[case("RATE_LIMIT_WINDOW", "-1")]
    #[case("FIRST_BYTE_TIMEOUT", "soon")]
    #[case("MAX_UPLOAD_BYTES", "1e9")]
    fn a_bad_value_is_a_problem(#[case] name: &str, #[case] value: &str) {
        let problems = read(&[(name, value)]).unwrap_err();
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(problems[0].starts_with(&prefixed(name)), "{problems:?}");
    }

    #[rstest]
    #[case("http://localhost:3000, https://app.example", 2)]
    #[case("https://app.example:8443", 1)]
    fn origins_are_taken_as_browsers_send_them(#[case] value: &str, #[case] count: usize) {
        assert_eq!(
            read(&[("CORS_ORIGINS", value)]).unwrap().cors_origins.len(),
            count
        );
    }
}

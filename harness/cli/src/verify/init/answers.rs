//! What a profile has to say, and what is wrong with it. What can be said at all, the profile itself decides.

use std::path::Path;
use std::str::FromStr;

use harness::profile::Profile;
use harness::token::{AUDIENCE, ISSUER};

use super::text;

/// How a part is started or reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum How {
    /// As a child process: the program and its arguments.
    Command(Vec<String>),
    /// In a container: the image's name and tag.
    Image(String),
    /// It runs already.
    Url(String),
}

/// What is known without asking.
#[derive(Clone, Debug, Default)]
pub struct Given {
    pub websocket: Option<How>,
    pub gateway: Option<How>,
    pub redis: Option<String>,
    pub secret: Option<String>,
    pub issuer: Option<String>,
    pub audience: Option<String>,
    pub path: Option<String>,
}

/// All that a profile says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answers {
    pub websocket: Option<How>,
    pub gateway: Option<How>,
    /// Where Redis is; without it a run starts one, if it needs one.
    pub redis: Option<String>,
    /// What tokens are signed with; without it a run makes a secret.
    pub secret: Option<String>,
    pub issuer: String,
    pub audience: String,
    pub path: String,
}

/// Where the contract's websocket service is asked for an upgrade.
pub const PATH: &str = "/ws";

impl How {
    /// Whether it is started and stopped by somebody else.
    pub fn is_url(&self) -> bool {
        matches!(self, Self::Url(_))
    }
}

impl FromStr for How {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let unknown = || {
            format!(
                "expected command:PROGRAM ARGUMENTS, image:NAME:TAG or url:SCHEME://HOST:PORT; it is {text:?}"
            )
        };
        let (kind, value) = text.split_once(':').ok_or_else(unknown)?;
        let value = value.trim();
        match kind.trim() {
            _ if value.is_empty() => Err(unknown()),
            "command" => shlex::split(value)
                .map(Self::Command)
                .ok_or_else(|| format!("a quote in the command is never closed: {value}")),
            "image" => Ok(Self::Image(value.to_owned())),
            "url" => Ok(Self::Url(value.to_owned())),
            // The scheme says what it is.
            _ if value.starts_with("//") => Ok(Self::Url(text.trim().to_owned())),
            _ => Err(unknown()),
        }
    }
}

impl Given {
    /// Whether a part is somebody else's, who has a secret then.
    pub fn is_elsewhere(&self) -> bool {
        let parts = [&self.websocket, &self.gateway];
        parts.into_iter().flatten().any(How::is_url)
    }

    /// Whether messages are published in a Redis that is somebody else's. Behind a gateway alone there are none.
    pub fn needs_redis(&self) -> bool {
        self.is_elsewhere() && self.websocket.is_some()
    }

    /// The first thing without which there is no profile.
    pub fn missing(&self) -> Option<String> {
        let words = if self.websocket.is_none() && self.gateway.is_none() {
            "--websocket or --gateway is missing: how the part to verify is started or reached"
        } else if self.needs_redis() && self.redis.is_none() {
            "--redis is missing: a part at a url has a Redis already, and messages are published there"
        } else if self.is_elsewhere() && self.secret.is_none() {
            "--secret is missing: a part at a url checks tokens with a secret of its own"
        } else {
            return None;
        };
        Some(words.to_owned())
    }

    /// What is given, and the contract's words for the rest.
    pub fn or_defaults(self) -> Answers {
        Answers {
            websocket: self.websocket,
            gateway: self.gateway,
            redis: self.redis,
            secret: self.secret,
            issuer: self.issuer.unwrap_or_else(|| ISSUER.to_owned()),
            audience: self.audience.unwrap_or_else(|| AUDIENCE.to_owned()),
            path: self.path.unwrap_or_else(|| PATH.to_owned()),
        }
    }
}

impl Answers {
    /// Whether the suite has no business with any Redis: a gateway that runs already is verified, and nothing else.
    pub fn needs_no_redis(&self) -> bool {
        self.websocket.is_none() && self.gateway.as_ref().is_some_and(How::is_url)
    }

    /// What a profile that says this would be refused for.
    pub fn problem(&self) -> Option<String> {
        let text = text::profile(self, "profile");
        let read = Profile::parse("profile", &text, Path::new("."));
        read.err().map(|error| error.problem)
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::command("command:python3 service.py", How::Command(vec!["python3".into(), "service.py".into()]))]
    #[case::quotes("command: a 'b c'", How::Command(vec!["a".into(), "b c".into()]))]
    #[case::image("image:host:5000/name:1.0", How::Image("host:5000/name:1.0".into()))]
    #[case::url("url:ws://h:80", How::Url("ws://h:80".into()))]
    #[case::url_alone("http://h:80", How::Url("http://h:80".into()))]
    fn a_kind_and_a_value_say_how(#[case] text: &str, #[case] how: How) {
        assert_eq!(text.parse(), Ok(how));
    }

    #[rstest]
    #[case::no_kind("service.py")]
    #[case::unknown_kind("comand:service.py")]
    #[case::no_value("command:")]
    #[case::open_quote("command:'a")]
    fn what_says_nothing_is_told(#[case] text: &str) {
        let problem = text.parse::<How>().unwrap_err();
        assert!(
            problem.contains(text.trim_start_matches("command:")),
            "{problem}"
        );
    }

    #[rstest]
    #[case::nothing(None, None, None, Some("--websocket or --gateway is missing"))]
    #[case::started(Some("command:x"), None, None, None)]
    #[case::no_redis(Some("url:ws://h"), None, Some("s"), Some("--redis is missing"))]
    #[case::no_secret(
        Some("url:ws://h"),
        Some("redis://h"),
        None,
        Some("--secret is missing")
    )]
    #[case::all(Some("url:ws://h"), Some("redis://h"), Some("s"), None)]
    fn the_flag_that_is_missing_is_named(
        #[case] websocket: Option<&str>,
        #[case] redis: Option<&str>,
        #[case] secret: Option<&str>,
        #[case] missing: Option<&str>,
    ) {
        let given = Given {
            websocket: websocket.map(|how| how.parse().unwrap()),
            redis: redis.map(str::to_owned),
            secret: secret.map(str::to_owned),
            ..Given::default()
        };
        let said = given.missing();
        assert_eq!(said.is_some(), missing.is_some(), "{said:?}");
        assert!(
            said.unwrap_or_default()
                .starts_with(missing.unwrap_or_default())
        );
    }
}

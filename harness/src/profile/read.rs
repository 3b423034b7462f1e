//! The file, checked: what is wrong with it is said before anything starts.
//!
//! - `file`: the file as it is written
//! - `part`: one part's section

mod file;
mod part;

use std::fs;
use std::path::Path;

use jsonwebtoken::Algorithm;

use super::template;
use super::{NO_SERVICES, Profile, Service, Source, Subscribe};
use crate::data;
use crate::error_shape::ErrorShape;
use crate::fixture::{FixtureError, nearest, with_suggestion};
use crate::token::Key;
use file::{File, GatewayError, Token};
use part::Part;

impl Profile {
    /// The profile in the file `path`, which messages call `name`.
    pub(super) fn read(path: &Path, name: &str) -> Result<Self, FixtureError> {
        let text = fs::read_to_string(path).map_err(|error| FixtureError {
            place: name.to_owned(),
            problem: format!("cannot be read: {error}"),
        })?;
        // Children run here, so the folder must not depend on where this process is.
        let folder = fs::canonicalize(path).ok();
        let folder = folder.as_deref().and_then(Path::parent);
        let profile = Self::parse(name, &text, folder.unwrap_or(Path::new(".")))?;
        let source = Text { name, text: &text };
        source.check_startable(&profile, data::checkout())?;
        Ok(profile)
    }

    /// What `text` says; `name` is how messages call the file, and `folder` is where it is.
    pub fn parse(name: &str, text: &str, folder: &Path) -> Result<Self, FixtureError> {
        let source = Text { name, text };
        let file: File = toml::from_str(text).map_err(|error| {
            let at = error
                .span()
                .map_or(String::new(), |span| source.line_at(span.start));
            FixtureError {
                place: format!("{name}{at}"),
                problem: with_suggestion(error.message().trim_end()),
            }
        })?;
        source.profile(file, folder)
    }
}

/// A profile's text: to say where in it something is wrong.
struct Text<'a> {
    name: &'a str,
    text: &'a str,
}

impl Text<'_> {
    fn profile(&self, file: File, folder: &Path) -> Result<Profile, FixtureError> {
        let trust = self.trust(&file, folder)?;
        let publish = self.publish(file.backplane.publish)?;
        let nothing_is_published = file.websocket.is_none()
            && (file.gateway.as_ref()).is_some_and(|gateway| gateway.url.is_some());
        let redis = match file.redis {
            None if publish.is_some() || nothing_is_published => None,
            redis => Some(redis.unwrap_or_default()),
        };
        let redis = redis.map(|redis| {
            self.service(Part {
                section: "redis",
                url: redis.url,
                command: redis.command,
                image: redis.image,
                port: redis.port,
                arguments: redis.arguments,
                environment: redis.environment,
                ready: "tcp".to_owned(),
                replicas: None,
                trust: trust.as_ref(),
            })
        });
        let path = file
            .websocket
            .as_ref()
            .map_or_else(file::ws, |part| part.path.clone());
        if !path.starts_with('/') || path.contains('?') {
            let problem = format!("a path begins with / and has no query; it is {path:?}");
            return Err(self.wrong("websocket", "path", problem));
        }
        self.check_names(&path, &["user_id"])?;
        let token_in = file.websocket.as_ref().map(|part| part.token_in);
        let token_in = token_in.unwrap_or_default();
        let subscribe = file.websocket.as_ref();
        let subscribe = self.subscribe(subscribe.and_then(|part| part.subscribe.as_ref()))?;
        let legacy_path = (file.gateway.as_ref())
            .map_or_else(file::ws_v1_status, |part| part.legacy_path.clone());
        if !legacy_path.starts_with('/') || legacy_path.contains('?') {
            let problem = format!("a path begins with / and has no query; it is {legacy_path:?}");
            return Err(self.wrong("gateway", "legacy_path", problem));
        }
        self.check_names(&legacy_path, &["client_id"])?;
        let errors = self.errors(file.gateway.as_ref().and_then(|part| part.error.as_ref()))?;
        let websocket = file.websocket.map(|part| {
            self.service(Part {
                section: "websocket",
                url: part.url,
                command: part.command,
                image: part.image,
                port: part.port,
                arguments: part.arguments,
                environment: part.environment,
                ready: part.ready,
                replicas: part.replicas,
                trust: trust.as_ref(),
            })
        });
        let gateway = file.gateway.map(|part| {
            self.service(Part {
                section: "gateway",
                url: part.url,
                command: part.command,
                image: part.image,
                port: part.port,
                arguments: part.arguments,
                environment: part.environment,
                ready: part.ready,
                replicas: part.replicas,
                trust: trust.as_ref(),
            })
        });
        let (algorithm, key) = self.key(&file.token, folder)?;
        let profile = Profile {
            file: self.name.to_owned(),
            folder: folder.to_owned(),
            redis: redis.transpose()?,
            websocket: websocket.transpose()?,
            gateway: gateway.transpose()?,
            path,
            token_in,
            subscribe,
            legacy_path,
            errors,
            standins: file.standins,
            issuer: file.token.issuer,
            audience: file.token.audience,
            key,
            algorithm,
            channel: file.backplane.channel,
            publish,
            optimized: false,
            lacks: file.lacks,
            sharded: file.backplane.sharded,
            speaks: file.backplane.speaks,
        };
        self.check_together(&profile)?;
        Ok(profile)
    }

    /// A service without a source is built in the project's checkout.
    fn check_startable(
        &self,
        profile: &Profile,
        checkout: Option<&Path>,
    ) -> Result<(), FixtureError> {
        let own =
            |(section, part): &(&str, &Service)| *section != "redis" && part.source == Source::Own;
        match profile.parts().find(own) {
            Some((section, _)) if checkout.is_none() => {
                let problem = format!("{NO_SERVICES}: give its `command`, `image` or `url`");
                Err(self.wrong(section, "", problem))
            }
            _ => Ok(()),
        }
    }

    /// What no section can know alone.
    fn check_together(&self, profile: &Profile) -> Result<(), FixtureError> {
        let at_url = |part: &Service| matches!(part.source, Source::Url(_));
        if profile.websocket.is_none() && profile.gateway.is_none() {
            let problem =
                "there is nothing to verify: a profile has [websocket], [gateway] or both";
            return Err(self.wrong("", "", problem));
        }
        for (section, part) in profile.parts() {
            if at_url(part) && profile.redis.as_ref().is_some_and(|redis| !at_url(redis)) {
                let problem = "a part at a url has a Redis already, and messages must be published there: \
                               give [redis] its url, or [backplane] a command as publish and no [redis]";
                return Err(self.wrong(section, "url", problem));
            }
            if at_url(part) && section != "redis" && profile.key.is_none() {
                let problem = "a part at a url checks tokens with a secret of its own: give it as secret of [token]";
                return Err(self.wrong(section, "url", problem));
            }
            if profile.redis.is_none()
                && let Some((key, name)) = redis_value(part)
            {
                let problem = format!(
                    "{{{name}}}: there is no Redis that the harness knows of; give [redis] its url, or the service the \
                     address itself"
                );
                return Err(self.wrong(section, key, problem));
            }
            let templates = part.environment.values();
            let uses_secret = templates
                .flat_map(|t| template::names(t))
                .any(|n| n == "jwt_secret");
            if uses_secret && matches!(profile.key, Some(Key::Pem(_))) {
                let problem = format!(
                    "{{jwt_secret}}: with {:?} there is no secret; give the service its public key instead",
                    profile.algorithm
                );
                return Err(self.wrong(section, "environment", problem));
            }
        }
        if profile.standins.is_some() && !profile.gateway.as_ref().is_some_and(at_url) {
            let problem =
                "the stand-ins have fixed ports only for a gateway at a url: leave the section out";
            return Err(self.wrong("standins", "", problem));
        }
        if profile.publish.is_some()
            && profile
                .redis
                .as_ref()
                .is_some_and(|redis| redis.source == Source::Own)
        {
            let problem = "a program cannot know where the suite's own Redis is: leave [redis] out, or leave publish out";
            return Err(self.wrong("backplane", "publish", problem));
        }
        let url = profile.redis.as_ref().and_then(Service::url);
        if profile.sharded && !url.is_some_and(|url| url.url().starts_with("redis+cluster://")) {
            let problem = "only in a cluster somebody else runs: [redis] needs a url, as in redis+cluster://host:6379,host:6379";
            return Err(self.wrong("backplane", "sharded", problem));
        }
        if template::names(&profile.channel).collect::<Vec<_>>() != ["user_id"] {
            let problem = format!(
                "a channel holds {{user_id}} once and no other name in braces; it is {:?}",
                profile.channel
            );
            return Err(self.wrong("backplane", "channel", problem));
        }
        Ok(())
    }

    fn key(&self, token: &Token, folder: &Path) -> Result<(Algorithm, Option<Key>), FixtureError> {
        let wrong = |key: &str, problem: &str| Err(self.wrong("token", key, problem));
        let known = ["HS256", "HS384", "HS512", "RS256", "ES256"];
        let algorithm = match token.algorithm.parse() {
            Ok(algorithm) if known.contains(&token.algorithm.as_str()) => algorithm,
            _ => {
                let other = &token.algorithm;
                let problem = format!("{other:?} is not supported: one of {}", known.join(", "));
                return wrong("algorithm", &problem);
            }
        };
        let symmetric = token.algorithm.starts_with("HS");
        match (symmetric, &token.secret, &token.key_file) {
            (true, _, Some(_)) => {
                wrong("key_file", "an HS algorithm has a `secret` and no key file")
            }
            (false, Some(_), _) => wrong(
                "secret",
                "an RS or ES algorithm has a `key_file` and no secret",
            ),
            (false, None, None) => wrong("algorithm", "an RS or ES algorithm needs a `key_file`"),
            (true, Some(secret), None) if secret.is_empty() => wrong("secret", "is empty"),
            (true, secret, None) => Ok((algorithm, secret.clone().map(Key::Secret))),
            (false, None, Some(path)) => {
                let pem = match fs::read_to_string(folder.join(path)) {
                    Ok(pem) => pem,
                    Err(error) => {
                        return wrong("key_file", &format!("{path} cannot be read: {error}"));
                    }
                };
                let key = Key::Pem(pem);
                match key.encoding(algorithm) {
                    Ok(_) => Ok((algorithm, Some(key))),
                    Err(error) => {
                        let kind = &token.algorithm;
                        let problem =
                            format!("{path} is no private key for {kind} as PEM: {error}");
                        wrong("key_file", &problem)
                    }
                }
            }
        }
    }

    /// How clients subscribe, checked.
    fn subscribe(&self, said: Option<&file::Subscribe>) -> Result<Option<Subscribe>, FixtureError> {
        let Some(file::Subscribe { send, message }) = said else {
            return Ok(None);
        };
        let section = "websocket.subscribe";
        self.check_names(send, &["channel"])?;
        if template::names(send).next().is_none() {
            let problem = format!(
                "{{channel}} belongs into it: what a client wants to hear of; it is {send:?}"
            );
            return Err(self.wrong(section, "send", problem));
        }
        self.check_pointer(section, "message", message)?;
        Ok(Some(Subscribe {
            send: send.clone(),
            message: message.clone(),
        }))
    }

    fn check_pointer(&self, section: &str, key: &str, pointer: &str) -> Result<(), FixtureError> {
        if pointer.starts_with('/') {
            return Ok(());
        }
        let problem =
            format!("a JSON pointer begins with /, as in \"/error/code\"; it is {pointer:?}");
        Err(self.wrong(section, key, problem))
    }

    /// What the gateway's errors look like, checked.
    fn errors(&self, error: Option<&GatewayError>) -> Result<ErrorShape, FixtureError> {
        let Some(error) = error else {
            return Ok(ErrorShape::default());
        };
        let shape = ErrorShape {
            code: error.code.clone(),
            message: error.message.clone(),
            correlation_id: error.correlation_id.clone(),
        };
        for (key, pointer) in [
            ("code", Some(&shape.code)),
            ("message", shape.message.as_ref()),
            ("correlation_id", shape.correlation_id.as_ref()),
        ] {
            if let Some(pointer) = pointer {
                self.check_pointer("gateway.error", key, pointer)?;
            }
        }
        Ok(shape)
    }

    /// The program that publishes, checked.
    fn publish(&self, command: Option<Vec<String>>) -> Result<Option<Vec<String>>, FixtureError> {
        let Some(command) = command else {
            return Ok(None);
        };
        let wrong = |problem: &str| Err(self.wrong("backplane", "publish", problem));
        if command.first().is_none_or(String::is_empty) {
            return wrong(
                "a command is the program and its arguments, as in [\"publish.sh\", \"{channel}\"]",
            );
        }
        for word in &command {
            self.check_names(word, &["channel"])?;
        }
        let mut arguments = command.iter().skip(1);
        if !arguments.any(|word| template::names(word).next().is_some()) {
            return wrong(
                "nothing tells the program where to publish: {channel} belongs into an argument",
            );
        }
        Ok(Some(command))
    }

    /// Whether the names in `template` are all of `known`.
    fn check_names(&self, template: &str, known: &[&str]) -> Result<(), FixtureError> {
        for name in template::names(template) {
            if !known.contains(&name) {
                let suggestion = nearest(name, known.iter().copied())
                    .map(|name| format!("; did you mean {{{name}}}?"))
                    .unwrap_or_default();
                let word = format!("{{{name}}}");
                let at = self
                    .text
                    .find(&word)
                    .map_or(String::new(), |at| self.line_at(at));
                return Err(FixtureError {
                    place: format!("{}{at}", self.name),
                    problem: format!("{word} stands for nothing{suggestion}"),
                });
            }
        }
        Ok(())
    }

    /// An error at `key` of `section`, at the section where it has no such key, or in the file.
    fn wrong(&self, section: &str, key: &str, problem: impl Into<String>) -> FixtureError {
        let mut within = "";
        // `[gateway.error]` may be written as `error.…` or `error = …` of `[gateway]`.
        let (parent, child) = section.split_once('.').unwrap_or(("", section));
        let (mut of_section, mut of_key) = (None, None);
        for (number, line) in self.text.lines().enumerate() {
            let line = line.trim();
            if let Some(name) = line.strip_prefix('[').and_then(|l| l.split(']').next()) {
                within = name;
                if name == section {
                    of_section = of_section.or(Some(number + 1));
                }
            }
            let is_key = |rest: &str| rest.trim_start().starts_with(['=', '.']);
            let is_it = |key: &str| line.strip_prefix(key).is_some_and(is_key);
            let inline = |rest: &str| rest.trim_start().starts_with('=');
            if !key.is_empty()
                && (within == section && is_it(key)
                    || within == parent && is_it(&format!("{child}.{key}"))
                    || within == parent && line.strip_prefix(child).is_some_and(inline))
            {
                of_key = of_key.or(Some(number + 1));
            }
        }
        let at = of_key
            .or(of_section)
            .map_or(String::new(), |line| format!(":{line}"));
        let what = match (section, key) {
            ("", "") => String::new(),
            ("", key) => format!("{key}: "),
            (section, "") => format!("[{section}]: "),
            (section, key) => format!("[{section}] {key}: "),
        };
        FixtureError {
            place: format!("{}{at}", self.name),
            problem: format!("{what}{}", problem.into()),
        }
    }

    fn line_at(&self, offset: usize) -> String {
        let before = self.text.get(..offset).unwrap_or_default();
        format!(":{}", 1 + before.matches('\n').count())
    }
}

/// The first value of Redis that `part` asks for, and the key that it does it with.
fn redis_value(part: &Service) -> Option<(&'static str, &str)> {
    let of_arguments = match part.source {
        Source::Command(_) => "command",
        _ => "arguments",
    };
    let environment = part.environment.values().map(|text| ("environment", text));
    let arguments = part.source.arguments().iter();
    let arguments = arguments.map(|text| (of_arguments, text));
    let mut names = environment
        .chain(arguments)
        .flat_map(|(key, text)| template::names(text).map(move |name| (key, name)));
    names.find(|(_, name)| name.starts_with("redis_"))
}

#[cfg(test)]
mod tests;

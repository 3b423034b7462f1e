//! One part's section, and the urls of all of them, checked.

use std::collections::BTreeMap;
use std::fs;
use std::num::{NonZeroU8, NonZeroU16};
use std::path::Path;

use super::super::{Image, Ready, Service, Source, template};
use super::Text;
use super::file::File;
use crate::backplane::{self, Servers};
use crate::endpoint::{Endpoint, Trust, of_scheme};
use crate::fixture::FixtureError;

/// What the sections of all parts have.
pub struct Part<'a> {
    pub section: &'static str,
    pub url: Option<String>,
    pub command: Option<Vec<String>>,
    pub image: Option<String>,
    pub port: Option<NonZeroU16>,
    pub arguments: Option<Vec<String>>,
    pub environment: BTreeMap<String, String>,
    pub ready: String,
    pub replicas: Option<NonZeroU8>,
    pub trust: Option<&'a Trust>,
}

impl Text<'_> {
    /// A part, checked.
    pub fn service(&self, part: Part<'_>) -> Result<Service, FixtureError> {
        let section = part.section;
        if part.image.is_none() {
            for (key, given) in [
                ("port", part.port.is_some()),
                ("arguments", part.arguments.is_some()),
            ] {
                if given {
                    let problem =
                        "is of an image's container, and the part has no `image`: leave it out";
                    return Err(self.wrong(section, key, problem));
                }
            }
        }
        let replicas = match part.replicas.map_or(1, NonZeroU8::get) {
            2.. if part.url.is_some() => {
                let problem = "what is at a url is as many as it is: leave it out";
                return Err(self.wrong(section, "replicas", problem));
            }
            many @ 10.. => {
                let problem = format!("at most 9 are started on one machine; it is {many}");
                return Err(self.wrong(section, "replicas", problem));
            }
            replicas => replicas,
        };
        let source = match (part.url, part.command, part.image) {
            (None, None, None) => Source::Own,
            (Some(_), None, None) if !part.environment.is_empty() => {
                let problem =
                    "a part at a url is not started here, so it gets no environment: leave it out";
                return Err(self.wrong(section, "environment", problem));
            }
            (Some(url), None, None) => Source::Url(self.endpoint(section, &url, part.trust)?),
            (None, Some(command), None) if command.first().is_none_or(String::is_empty) => {
                let problem = "a command is the program and its arguments, as in [\"python3\", \"service.py\"]";
                return Err(self.wrong(section, "command", problem));
            }
            (None, Some(command), None) => Source::Command(command),
            (None, None, Some(name)) => Source::Image(Image {
                name: name
                    .parse()
                    .map_err(|problem: String| self.wrong(section, "image", problem))?,
                port: part.port,
                arguments: part.arguments,
            }),
            (url, _, _) => {
                let key = if url.is_some() { "url" } else { "command" };
                let problem = "a part has one of `image`, `command` and `url`: keep one";
                return Err(self.wrong(section, key, problem));
            }
        };
        let arguments = source.arguments();
        for template in part.environment.values().chain(arguments) {
            self.check_names(template, &template::NAMES)?;
        }
        if matches!(source, Source::Command(_)) {
            let mut templates = part.environment.values().chain(arguments);
            if !templates.any(|t| template::names(t).any(|name| name == "port")) {
                let problem = "nothing tells the part where to listen: {port} belongs into its command or environment";
                return Err(self.wrong(section, "command", problem));
            }
        }
        let ready = match part.ready.as_str() {
            "tcp" => Ready::Tcp,
            path if path.starts_with('/') => Ready::Path(path.to_owned()),
            other => {
                let problem =
                    format!("ready is a path, as in \"/healthz\", or \"tcp\"; it is {other:?}");
                return Err(self.wrong(section, "ready", problem));
            }
        };
        Ok(Service {
            source,
            environment: part.environment,
            ready,
            replicas,
        })
    }

    /// Whose certificates are believed, if a url asks for TLS.
    pub fn trust(&self, file: &File, folder: &Path) -> Result<Option<Trust>, FixtureError> {
        let urls = [
            file.redis.as_ref().and_then(|part| part.url.as_ref()),
            file.websocket.as_ref().and_then(|part| part.url.as_ref()),
            file.gateway.as_ref().and_then(|part| part.url.as_ref()),
        ];
        let tls = urls.into_iter().flatten().any(|url| {
            let scheme = url.split(':').next().unwrap_or_default();
            of_scheme(&scheme.to_lowercase()).is_some_and(|(tls, _)| tls)
        });
        let wrong = |problem: String| self.wrong("", "ca_file", problem);
        let authority = match &file.ca_file {
            Some(_) if !tls => {
                return Err(wrong(
                    "no url begins with wss, https or rediss: leave it out".to_owned(),
                ));
            }
            Some(path) => {
                let read = fs::read(folder.join(path));
                Some(read.map_err(|error| wrong(format!("{path} cannot be read: {error}")))?)
            }
            None => None,
        };
        if !tls {
            return Ok(None);
        }
        let path = file.ca_file.as_deref().unwrap_or_default();
        Trust::of_system_and(authority.as_deref())
            .map(Some)
            .map_err(|problem| wrong(format!("{path} {problem}")))
    }

    /// What a part's url leads to. No message repeats a url: it may hold a password.
    fn endpoint(
        &self,
        section: &str,
        url: &str,
        trust: Option<&Trust>,
    ) -> Result<Endpoint, FixtureError> {
        let wrong = |problem: String| self.wrong(section, "url", problem);
        if section == "redis"
            && let Some(servers) = Servers::of_url(url)
        {
            let servers =
                servers.map_err(|example| wrong(format!("it should be as in {example}")))?;
            let first = reqwest::Url::parse(servers.first());
            let endpoint = first.ok().and_then(|first| Endpoint::among(&first, url));
            return endpoint.ok_or_else(|| wrong("names no host".to_owned()));
        }
        let parsed =
            reqwest::Url::parse(url).map_err(|error| wrong(format!("is no URL: {error}")))?;
        let (schemes, example): (&[&str], &str) = match section {
            "redis" => (&["redis", "rediss"], "redis://host:6379"),
            "websocket" => (&["ws", "wss", "http", "https"], "ws://host:8080"),
            _ => (&["http", "https"], "http://host:4001"),
        };
        let scheme = parsed.scheme();
        if !schemes.contains(&scheme) {
            return Err(wrong(format!(
                "the scheme is {scheme}; it should be as in {example}"
            )));
        }
        let Some(endpoint) = Endpoint::of_url(&parsed, trust) else {
            return Err(wrong(format!(
                "names no host; it should be as in {example}"
            )));
        };
        if section == "redis" {
            return match backplane::settings(url) {
                Ok(_) => Ok(endpoint),
                Err(error) => Err(wrong(format!("is no URL of a Redis: {error}"))),
            };
        }
        if parsed.path() != "/" || parsed.query().is_some() {
            let place = if section == "websocket" {
                "; the path is a key of its own"
            } else {
                ""
            };
            return Err(wrong(format!(
                "has a path or a query; it should be as in {example}{place}"
            )));
        }
        Ok(endpoint)
    }
}

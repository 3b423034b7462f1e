//! A system profile: what is verified, and how each part of it is started or reached.
//!
//! `harness/profiles/reference.toml` documents every key. Every message names the file, the line where there is one, what
//! was expected and what came.
//!
//! - `read`: the file, checked
//! - `image`: an image, as a profile names it
//! - `template`: values of a run in commands and environments
//! - `wire`: the contract's requests as the system has them

mod image;
mod read;
pub(crate) mod template;
mod wire;

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use serde::de::IntoDeserializer;
use serde::{Deserialize, Deserializer};

use crate::data::{self, PROGRAM};
use crate::endpoint::Endpoint;
use crate::error_shape::ErrorShape;
use crate::fixture::FixtureError;
use crate::system::{Chromium, Runtime};
use crate::token::Key;
pub use image::{Image, ImageName};
pub use wire::{Subscribe, TokenIn, Upgrade};

/// What to verify, and how to start or reach it.
#[derive(Clone, Debug)]
pub struct Profile {
    /// The file, as messages call it.
    pub file: String,
    /// Where commands run.
    pub folder: PathBuf,
    /// Redis, which backend services publish in; none where only `publish` reaches it.
    pub redis: Option<Service>,
    /// The websocket service, unless it is left out.
    pub websocket: Option<Service>,
    /// The API gateway, unless it is left out.
    pub gateway: Option<Service>,
    /// Where the websocket service is asked for an upgrade; `{user_id}` in it is who asks.
    pub path: String,
    /// Where it looks for the token.
    pub token_in: TokenIn,
    /// How its clients subscribe, where they do it themselves.
    pub subscribe: Option<Subscribe>,
    /// Where the gateway's WebSocket was, which is gone, with `{client_id}` in it.
    pub legacy_path: String,
    /// What the gateway's errors look like.
    pub errors: ErrorShape,
    /// Where the stand-ins listen for a gateway that somebody else started.
    pub standins: Option<StandInPorts>,
    /// `iss` of a good token.
    pub issuer: String,
    /// `aud` of a good token.
    pub audience: String,
    /// What signs a good token; without one a run makes its own secret.
    pub key: Option<Key>,
    /// The algorithm of a good token.
    pub algorithm: jsonwebtoken::Algorithm,
    /// The channel that backend services publish to, with `{user_id}` in it.
    pub channel: String,
    /// The program that publishes, with its arguments, which are templates; none where Redis is reached from here.
    pub publish: Option<Vec<String>>,
    /// Whether backend services publish with `SPUBLISH`.
    pub sharded: bool,
    /// Whether cargo optimizes the reference services that are started: for who measures them. No file says so.
    pub optimized: bool,
    lacks: Vec<Lack>,
    speaks: Vec<Speaks>,
}

/// One part of the system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// How it is started or reached.
    pub source: Source,
    /// Its variables, as templates.
    pub environment: BTreeMap<String, String>,
    /// When it can be used.
    pub ready: Ready,
    /// How many of it there are, of one that is started here.
    pub replicas: u8,
}

/// How a part is started or reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// The suite's own.
    Own,
    /// Started in a container.
    Image(Image),
    /// Started as a child process, with this program and these arguments, which are templates.
    Command(Vec<String>),
    /// Somebody else's.
    Url(Endpoint),
}

/// When a part can be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ready {
    /// Once `GET` of this path answers with 200.
    Path(String),
    /// Once it accepts connections.
    Tcp,
}

/// Where the stand-ins for the services behind the gateway listen.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct StandInPorts {
    /// The address that they listen on.
    #[serde(default = "loopback")]
    pub host: IpAddr,
    /// The result aggregator's port.
    pub aggregator_port: u16,
    /// The file service's port.
    pub files_port: u16,
    /// The class management service's port.
    pub classes_port: u16,
    /// The batch orchestrator's port.
    pub orchestrator_port: u16,
}

/// What a scenario may need of a system.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "lowercase")]
pub enum Capability {
    /// A websocket service. A profile without one leaves its section out.
    #[serde(skip)]
    Websocket,
    /// An API gateway. A profile without one leaves its section out.
    #[serde(skip)]
    Gateway,
    /// A gateway that calls the stand-ins.
    #[serde(skip)]
    Downstreams,
    /// Messages can be published as fast as a scenario likes: many without a pause, or some in a moment.
    #[serde(skip)]
    Bursts,
    /// The services find Redis through sentinels.
    #[serde(skip)]
    Sentinel,
    /// The services find Redis in a cluster.
    #[serde(skip)]
    Cluster,
    /// The websocket service takes what is published with `SPUBLISH`.
    #[serde(skip)]
    Sharded,
    /// Parts may be killed and started again.
    Faults,
    /// Limits can be set by the contract's environment variables.
    Settings,
    /// The websocket service's standard output is its log.
    Logs,
    /// A service's metrics and health count everything that reaches it: behind a balancer each of several counts its own.
    Counts,
    /// A user's connections are limited: where there are replicas, on all of them together.
    Limit,
    /// A browser may come from [`ORIGIN`](crate::system::ORIGIN).
    Origin,
    /// This machine has a browser, and its pages can connect as the contract has it.
    #[serde(skip)]
    Browser,
}

/// What the services' clients of Redis know besides one server.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Speaks {
    /// A master that sentinels name: `redis+sentinel://`.
    Sentinel,
    /// A cluster: `redis+cluster://`.
    Cluster,
    /// `SPUBLISH`, where WEBSOCKET_SHARDED_PUBSUB is true.
    Sharded,
}

/// What a profile says that its system does not have.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Lack {
    Capability(Capability),
    /// An environment variable that sets a limit.
    Variable(String),
}

impl<'de> Deserialize<'de> for Lack {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let word = String::deserialize(deserializer)?;
        let is_variable = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
        if !word.is_empty() && word.chars().all(is_variable) {
            return Ok(Self::Variable(word));
        }
        Capability::deserialize(word.into_deserializer()).map(Self::Capability)
    }
}

/// Why a program that stands alone cannot start a reference service.
const NO_SERVICES: &str = "cargo builds the reference services in a checkout of the project, and this program stands alone";

impl Service {
    /// Where it runs already, if it does.
    pub fn url(&self) -> Option<&Endpoint> {
        match &self.source {
            Source::Url(url) => Some(url),
            _ => None,
        }
    }
}

impl Source {
    /// What it is started with besides its variables, as templates; a command's first word is the program.
    pub(crate) fn arguments(&self) -> &[String] {
        match self {
            Self::Command(words) => words,
            Self::Image(image) => image.arguments.as_deref().unwrap_or_default(),
            Self::Own | Self::Url(_) => &[],
        }
    }
}

impl StandInPorts {
    /// The ports in the order in which stand-ins are listed.
    pub fn ports(&self) -> [u16; 4] {
        [
            self.aggregator_port,
            self.files_port,
            self.classes_port,
            self.orchestrator_port,
        ]
    }
}

impl Profile {
    /// The reference system.
    pub fn reference() -> Result<Self, FixtureError> {
        let path = "harness/profiles/reference.toml";
        match data::checkout() {
            Some(checkout) => Self::read(&checkout.join(path), path),
            None => Err(FixtureError {
                place: "the reference system".to_owned(),
                problem: format!(
                    "{NO_SERVICES}: say with --system FILE what is verified; `{PROGRAM} verify init` writes such a file"
                ),
            }),
        }
    }

    /// The profile in `path`.
    pub fn of_file(path: &Path) -> Result<Self, FixtureError> {
        Self::read(path, &path.display().to_string())
    }

    /// Whether every part is the suite's own.
    pub fn is_reference(&self) -> bool {
        let own = |part: &Option<Service>| part.as_ref().is_some_and(|p| p.source == Source::Own);
        own(&self.redis) && own(&self.websocket) && own(&self.gateway)
    }

    /// The parts that are not left out, as the profile calls them.
    pub fn parts(&self) -> impl Iterator<Item = (&'static str, &Service)> {
        [
            self.redis.as_ref().map(|part| ("redis", part)),
            self.websocket.as_ref().map(|part| ("websocket", part)),
            self.gateway.as_ref().map(|part| ("gateway", part)),
        ]
        .into_iter()
        .flatten()
    }

    /// Where the suite's own parts run when nobody has chosen and an engine answers. A process is started sooner and reaches
    /// what others run on this machine; a container reaches, and is like, an image.
    pub fn runtime(&self) -> Runtime {
        let mut sources = self.parts().map(|(_, part)| &part.source);
        if self.first_image().is_some() || sources.all(|source| *source == Source::Own) {
            Runtime::Containers
        } else {
            Runtime::Processes
        }
    }

    /// Why the system cannot run with its own parts in `runtime`; nothing when it can.
    pub fn refuses(&self, runtime: Runtime) -> Option<String> {
        let name = self
            .first_image()
            .filter(|_| runtime == Runtime::Processes)?;
        Some(format!(
            "[{name}] of {} is an image, and an image runs in a container: leave --runtime processes \
             (HARNESS_RUNTIME) out, or start the part with `command`",
            self.file
        ))
    }

    /// The first part that is an image, as the profile calls it.
    pub(crate) fn first_image(&self) -> Option<&'static str> {
        self.parts()
            .find_map(|(name, part)| matches!(part.source, Source::Image(_)).then_some(name))
    }

    /// Why the system cannot be told `variable`; nothing when it can, as far as the profile says.
    pub fn lack_of_variable(&self, variable: &str) -> Option<String> {
        let lacks = self.lacking_variables().any(|name| name == variable);
        lacks.then(|| format!("the profile says that it lacks {variable}"))
    }

    /// Why Redis cannot be set up as `word` says.
    fn lack_of_word(&self, speaks: Speaks, word: &str) -> Option<String> {
        let own = (self.redis.as_ref()).is_some_and(|redis| redis.source == Source::Own);
        match (own, self.speaks.contains(&speaks)) {
            (false, _) => Some("[redis] is not the suite's own: it is set up as it is".to_owned()),
            (true, false) => Some(format!("\"{word}\" is not in `speaks` of [backplane]")),
            (true, true) => None,
        }
    }

    /// The variables that the profile says it lacks.
    pub fn lacking_variables(&self) -> impl Iterator<Item = &str> {
        self.lacks.iter().filter_map(|lack| match lack {
            Lack::Variable(name) => Some(name.as_str()),
            Lack::Capability(_) => None,
        })
    }

    /// Why the system lacks `capability`; nothing when it has it.
    pub fn lack(&self, capability: Capability) -> Option<String> {
        if self.lacks.contains(&Lack::Capability(capability)) {
            return Some(format!("the profile says that it lacks {capability}"));
        }
        let missing = |part: &Option<Service>, name: &str| {
            let words = format!("the profile has no [{name}]");
            part.is_none().then_some(words)
        };
        let elsewhere = |part: &Option<Service>, name: &str, why: &str| {
            let part = part.as_ref()?;
            let words = format!("[{name}] is at a url: {why}");
            matches!(part.source, Source::Url(_)).then_some(words)
        };
        let several = |part: &Option<Service>, name: &str, each: &str| {
            let replicas = part.as_ref().map_or(1, |part| part.replicas);
            let words = format!("[{name}] has {replicas} replicas: each {each}");
            (replicas > 1).then_some(words)
        };
        match capability {
            Capability::Bursts => self.publish.is_some().then(|| {
                "[backplane] publishes by a command: a program a message is too slow".to_owned()
            }),
            Capability::Faults if self.publish.is_some() => {
                let words =
                    "[backplane] publishes by a command: Redis cannot be stopped and reached again";
                Some(words.to_owned())
            }
            Capability::Sentinel => self.lack_of_word(Speaks::Sentinel, "sentinel"),
            Capability::Cluster => self.lack_of_word(Speaks::Cluster, "cluster"),
            Capability::Sharded => self.lack_of_word(Speaks::Sharded, "sharded"),
            Capability::Websocket => missing(&self.websocket, "websocket").or_else(|| {
                let words = "clients of [websocket] subscribe with a message of their own, which the contract knows nothing \
                             of: `verify load` alone does that";
                self.subscribe.is_some().then(|| words.to_owned())
            }),
            Capability::Gateway => missing(&self.gateway, "gateway"),
            Capability::Downstreams => missing(&self.gateway, "gateway").or_else(|| {
                elsewhere(&self.gateway, "gateway", "it needs the ports of [standins]")
                    .filter(|_| self.standins.is_none())
            }),
            Capability::Faults | Capability::Settings => {
                let url = |part: &(&str, &Service)| matches!(part.1.source, Source::Url(_));
                let names: Vec<String> = self
                    .parts()
                    .filter(url)
                    .map(|(name, _)| format!("[{name}]"))
                    .collect();
                let words = "cannot be stopped, started or set up by the harness";
                (!names.is_empty())
                    .then(|| format!("what is at a url {words}: {}", names.join(", ")))
            }
            Capability::Logs => missing(&self.websocket, "websocket")
                .or_else(|| elsewhere(&self.websocket, "websocket", "its log is out of sight"))
                .or_else(|| several(&self.websocket, "websocket", "has a log of its own")),
            // Whether there are several behind a url nobody knows: then the profile says so.
            Capability::Counts => several(&self.websocket, "websocket", "counts its own")
                .or_else(|| several(&self.gateway, "gateway", "counts its own")),
            Capability::Limit => None,
            Capability::Origin => {
                let why = "which origins it allows is not known";
                elsewhere(&self.websocket, "websocket", why)
                    .or_else(|| elsewhere(&self.gateway, "gateway", why))
            }
            Capability::Browser => missing(&self.websocket, "websocket")
                .or_else(|| self.bars_pages())
                .or_else(|| Chromium::program().err()),
        }
    }
}

impl Profile {
    /// Why the code of the migration guide cannot connect from a page; nothing when it can.
    fn bars_pages(&self) -> Option<String> {
        let url = self.websocket.as_ref().and_then(Service::url);
        if self.token_in == TokenIn::Header {
            Some("[websocket] wants the token in a header field, which no page can set".to_owned())
        } else if self.path.trim_end_matches('/') != "/ws" {
            let path = &self.path;
            Some(format!(
                "[websocket] is at {path}, and a client of the guide asks for /ws"
            ))
        } else if url.is_some_and(Endpoint::has_tls) {
            Some("[websocket] has TLS, and the browser is told of no authority".to_owned())
        } else {
            None
        }
    }
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Websocket => "websocket",
            Self::Gateway => "gateway",
            Self::Downstreams => "downstreams",
            Self::Bursts => "bursts",
            Self::Sentinel => "sentinel",
            Self::Cluster => "cluster",
            Self::Sharded => "sharded",
            Self::Faults => "faults",
            Self::Settings => "settings",
            Self::Logs => "logs",
            Self::Counts => "counts",
            Self::Limit => "limit",
            Self::Origin => "origin",
            Self::Browser => "browser",
        })
    }
}

/// What is run as `name`: a relative path is one from `folder`, a bare name is looked for as a shell would.
pub(crate) fn program(folder: &Path, name: &str) -> PathBuf {
    match name.contains('/') {
        true => folder.join(name),
        false => name.into(),
    }
}

fn loopback() -> IpAddr {
    [127, 0, 0, 1].into()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[test]
    fn the_reference_lacks_nothing_and_agrees_with_the_contract() {
        let profile = Profile::reference().unwrap();
        assert!(profile.is_reference());
        for capability in [
            Capability::Websocket,
            Capability::Gateway,
            Capability::Downstreams,
            Capability::Bursts,
            Capability::Sentinel,
            Capability::Cluster,
            Capability::Sharded,
            Capability::Faults,
            Capability::Settings,
            Capability::Logs,
            Capability::Counts,
            Capability::Limit,
            Capability::Origin,
        ] {
            assert_eq!(profile.lack(capability), None, "{capability}");
        }
        let said = (profile.issuer.as_str(), profile.audience.as_str());
        assert_eq!(said, (crate::token::ISSUER, crate::token::AUDIENCE));
    }

    #[rstest]
    #[case::whole("[redis]\n[websocket]\n[gateway]", Runtime::Containers)]
    #[case::one_left_out("[websocket]", Runtime::Containers)]
    #[case::image("[websocket]\nimage = \"x\"", Runtime::Containers)]
    #[case::command("[websocket]\ncommand = [\"x\", \"{port}\"]", Runtime::Processes)]
    #[case::image_and_command(
        "[websocket]\nimage = \"x\"\n[gateway]\ncommand = [\"x\", \"{port}\"]",
        Runtime::Containers
    )]
    #[case::redis_elsewhere("[redis]\nurl = \"redis://h\"\n[websocket]", Runtime::Processes)]
    fn own_parts_run_where_they_are_reached(#[case] text: &str, #[case] runtime: Runtime) {
        assert_eq!(profile(text).runtime(), runtime);
    }

    #[test]
    fn only_an_image_refuses_to_be_a_process() {
        let whole = profile("[websocket]\n[gateway]");
        assert_eq!(whole.refuses(Runtime::Processes), None);
        let image = profile("[websocket]\n[gateway]\nimage = \"x\"");
        assert_eq!(image.refuses(Runtime::Containers), None);
        let reason = image.refuses(Runtime::Processes).unwrap();
        assert!(reason.starts_with("[gateway] of "), "{reason}");
        assert!(reason.contains("leave --runtime processes"), "{reason}");
    }

    #[rstest]
    #[case::one_server_alone(
        "[websocket]\n[backplane]\nspeaks = [\"sentinel\"]",
        Capability::Cluster,
        "\"cluster\" is not in `speaks` of [backplane]"
    )]
    #[case::redis_as_it_is(
        "[redis]\nimage = \"x\"\n[websocket]\n[backplane]\nspeaks = [\"cluster\"]",
        Capability::Cluster,
        "[redis] is not the suite's own: it is set up as it is"
    )]
    #[case::left_out("[websocket]", Capability::Gateway, "the profile has no [gateway]")]
    #[case::said(
        "lacks = [\"logs\"]\n[websocket]",
        Capability::Logs,
        "the profile says that it lacks logs"
    )]
    #[case::redis_elsewhere(
        "[redis]\nurl = \"redis://h\"\n[websocket]",
        Capability::Faults,
        "what is at a url cannot be stopped, started or set up by the harness: [redis]"
    )]
    #[case::out_of_reach(
        "[websocket]\nurl = \"ws://h\"\n[backplane]\npublish = [\"p\", \"{channel}\"]",
        Capability::Faults,
        "[backplane] publishes by a command: Redis cannot be stopped and reached again"
    )]
    #[case::one_of_several(
        "[websocket]\nreplicas = 2",
        Capability::Logs,
        "[websocket] has 2 replicas: each has a log of its own"
    )]
    #[case::several_gateways(
        "[gateway]\nreplicas = 3",
        Capability::Counts,
        "[gateway] has 3 replicas: each counts its own"
    )]
    #[case::no_query_in_a_page(
        "[websocket]\ntoken_in = \"header\"",
        Capability::Browser,
        "[websocket] wants the token in a header field, which no page can set"
    )]
    #[case::another_path(
        "[websocket]\npath = \"/live\"",
        Capability::Browser,
        "[websocket] is at /live, and a client of the guide asks for /ws"
    )]
    #[case::another_protocol(
        "[websocket]\nsubscribe = { send = \"{channel}\", message = \"/2\" }",
        Capability::Websocket,
        "clients of [websocket] subscribe with a message of their own, which the contract knows nothing of: `verify load` \
         alone does that"
    )]
    #[case::gateway_elsewhere(
        "[redis]\nurl = \"redis://h\"\n[gateway]\nurl = \"http://h\"",
        Capability::Downstreams,
        "[gateway] is at a url: it needs the ports of [standins]"
    )]
    fn what_is_lacking_has_a_reason(
        #[case] text: &str,
        #[case] capability: Capability,
        #[case] reason: &str,
    ) {
        assert_eq!(profile(text).lack(capability).as_deref(), Some(reason));
    }

    #[rstest]
    fn those_of_services_in_other_languages_are_read(#[files("foreign/*/*.toml")] path: PathBuf) {
        let profile = Profile::of_file(&path).unwrap_or_else(|error| panic!("{error}"));
        assert!(
            profile.parts().any(|(name, _)| name != "redis"),
            "{profile:?}"
        );
    }

    /// The profile that says `text`, and who signs tokens.
    fn profile(text: &str) -> Profile {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("p.toml");
        let token = "[token]\nissuer = \"i\"\naudience = \"a\"\nsecret = \"s\"\n";
        std::fs::write(&path, format!("{text}\n{token}")).unwrap();
        Profile::of_file(&path).unwrap()
    }

    #[test]
    fn a_variable_is_lacked_by_its_name() {
        let text = "lacks = [\"logs\", \"WEBSOCKET_IDLE_TIMEOUT\"]\n[redis]\nurl = \"redis://h\"\n\
                    [websocket]\nurl = \"ws://h\"\n[token]\nissuer = \"i\"\naudience = \"a\"\nsecret = \"s\"\n";
        let profile = Profile::parse("p.toml", text, Path::new("/nowhere")).unwrap();
        let lack = profile.lack_of_variable("WEBSOCKET_IDLE_TIMEOUT");
        assert_eq!(
            lack.as_deref(),
            Some("the profile says that it lacks WEBSOCKET_IDLE_TIMEOUT")
        );
        assert_eq!(profile.lack_of_variable("WEBSOCKET_PING_INTERVAL"), None);
    }
}

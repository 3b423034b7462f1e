//! One part as it is started, any number of times: from what, with which arguments and variables, listening where.

use std::path::PathBuf;

use super::Part;
use crate::profile::{ImageName, Service, Source, template};

/// What the services of a system are told besides what every system's are: for faults that need other limits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    pub(super) websocket: Vec<(String, String)>,
    pub(super) gateway: Vec<(String, String)>,
    redis_behind_proxy: bool,
    topology: Option<Topology>,
    sharded: bool,
    replicas: Replicas,
    left_out: Option<Part>,
}

/// How many of each service are started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Replicas {
    /// One: what is done to it is seen of it.
    #[default]
    One,
    /// As many as the profile says.
    OfProfile,
    /// So many websocket services, and one gateway.
    Websocket(u8),
}

/// How Redis is set up where it is more than one server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Topology {
    /// A cluster of three primaries, each with a replica.
    Cluster,
    /// A master and its replica, and three sentinels that watch over them.
    Sentinel,
}

/// What a part is started from.
#[derive(Clone)]
pub(super) enum Supply {
    /// It runs in a container.
    Image(ImageName),
    /// It runs as a child process.
    Executable(Executable),
}

/// A program on this machine.
#[derive(Clone)]
pub(super) enum Executable {
    /// One of the suite's own: it gets its variables and no others.
    Own(OwnProgram),
    /// The one that a profile's command names, run in this folder with the variables of this process besides its own.
    Command { folder: PathBuf },
}

/// A reference service, or a real Redis.
#[derive(Clone)]
pub(super) struct OwnProgram {
    pub path: PathBuf,
    /// Where it finds libraries that the system may lack; `None` where it needs no help.
    pub libraries: Option<PathBuf>,
}

/// A part as it is started.
#[derive(Clone)]
pub(super) struct Program {
    pub part: Part,
    pub supply: Supply,
    /// What it is started with; a command's first word is the program.
    pub arguments: Vec<String>,
    pub environment: Vec<(String, String)>,
    pub ports: Ports,
}

/// Where a part listens.
#[derive(Clone, Copy)]
pub(super) struct Ports {
    /// As it is told itself.
    pub inside: u16,
    /// As this machine reaches it, on loopback. It is another one only for a container.
    pub outside: u16,
}

/// A Redis that keeps nothing; `{port}` is where it listens.
pub(super) const REDIS: [&str; 6] = ["--port", "{port}", "--save", "", "--appendonly", "no"];
/// For one that is a process: nobody else's machine reaches it.
pub(super) const ON_LOOPBACK: [&str; 2] = ["--bind", "127.0.0.1"];
/// For one in a container, which every part on its network reaches.
const IN_CONTAINER: [&str; 3] = ["redis-server", "--protected-mode", "no"];
const WITH_PASSWORD: [&str; 2] = ["--requirepass", "{redis_password}"];

/// Where a browser may come from in every system.
pub const ORIGIN: &str = "https://teachers.example";

impl Settings {
    /// Sets a variable of the websocket service.
    pub fn websocket(mut self, name: &str, value: &str) -> Self {
        self.websocket.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Sets a variable of the API gateway.
    pub fn gateway(mut self, name: &str, value: &str) -> Self {
        self.gateway.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Puts a proxy of the harness between the services and Redis: for faults of the network. Backend services publish
    /// past it.
    pub fn redis_behind_proxy(mut self) -> Self {
        self.redis_behind_proxy = true;
        self
    }

    /// Makes Redis more than one server.
    pub fn redis_as(mut self, topology: Topology) -> Self {
        self.topology = Some(topology);
        self
    }

    /// Lets backend services publish with `SPUBLISH`, and tells the websocket service so.
    pub fn sharded(mut self) -> Self {
        self.sharded = true;
        self.websocket("WEBSOCKET_SHARDED_PUBSUB", "true")
    }

    /// Starts as many of each service as the profile says, behind a balancer. Without it there is one of each.
    pub fn replicated(mut self) -> Self {
        self.replicas = Replicas::OfProfile;
        self
    }

    /// Starts so many websocket services, at most 9, without a balancer: a scenario leads its clients to them.
    pub fn websocket_services(mut self, replicas: u8) -> Self {
        self.replicas = Replicas::Websocket(replicas);
        self
    }

    /// Does not start `part`, one of the two services.
    pub(crate) fn without(mut self, part: Part) -> Self {
        self.left_out = Some(part);
        self
    }

    /// The service that is not started although the profile has it.
    pub(super) fn left_out(&self) -> Option<Part> {
        self.left_out
    }

    /// How Redis is set up, where it is more than one server.
    pub fn topology(&self) -> Option<Topology> {
        self.topology
    }

    /// Whether backend services publish with `SPUBLISH`.
    pub fn is_sharded(&self) -> bool {
        self.sharded
    }

    /// The names of the variables that they set.
    pub fn variables(&self) -> impl Iterator<Item = &str> {
        let set = self.websocket.iter().chain(&self.gateway);
        set.map(|(name, _)| name.as_str())
    }

    /// How many of `part` are started, which is `service` in the profile.
    pub(super) fn replicas(&self, part: Part, service: &Option<Service>) -> u8 {
        match (self.replicas, service, part) {
            (Replicas::OfProfile, Some(service), _) => service.replicas,
            (Replicas::Websocket(replicas), _, Part::WebsocketService) => replicas,
            _ => 1,
        }
    }

    /// Whether what there are several of is behind a balancer.
    pub(super) fn is_balanced(&self) -> bool {
        self.replicas == Replicas::OfProfile
    }

    pub(super) fn is_redis_behind_proxy(&self) -> bool {
        self.redis_behind_proxy
    }
}

impl Program {
    /// `part` of a profile, started from `supply` with these values.
    pub fn new(
        part: Part,
        service: &Service,
        supply: &Supply,
        ports: Ports,
        values: &[(&str, String)],
    ) -> Self {
        let fill = |template: &str| template::fill(template, values);
        let given = match &service.source {
            Source::Command(words) => Some(words),
            Source::Image(image) => image.arguments.as_ref(),
            Source::Own | Source::Url(_) => None,
        };
        let arguments = match (given, part, supply) {
            (Some(words), _, _) => words.iter().map(|word| fill(word)).collect(),
            (None, Part::Redis | Part::SecondRedis, Supply::Image(_)) => {
                let words = IN_CONTAINER.iter().chain(&REDIS).chain(&WITH_PASSWORD);
                words.map(|word| fill(word)).collect()
            }
            (None, Part::Redis | Part::SecondRedis, Supply::Executable(_)) => {
                let words = ON_LOOPBACK.iter().chain(&REDIS).chain(&WITH_PASSWORD);
                words.map(|word| fill(word)).collect()
            }
            (None, _, _) => Vec::new(),
        };
        let environment = service.environment.iter();
        Self {
            part,
            supply: supply.clone(),
            arguments,
            environment: environment
                .map(|(name, value)| (name.clone(), fill(value)))
                .collect(),
            ports,
        }
    }

    /// Whether it is told `word`, in whatever way.
    pub fn is_told(&self, word: &str) -> bool {
        let values = self.environment.iter().map(|(_, value)| value);
        let mut words = self.arguments.iter().chain(values);
        words.any(|told| told.contains(word))
    }

    /// The same program without the variable `absent`.
    pub fn without(&self, absent: &str) -> Self {
        let mut without = self.clone();
        without.environment.retain(|(name, _)| name != absent);
        without
    }
}

impl Supply {
    /// The image, of a part that runs in a container.
    pub fn image(&self) -> Option<&ImageName> {
        match self {
            Self::Image(name) => Some(name),
            Self::Executable(_) => None,
        }
    }
}

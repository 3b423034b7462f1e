//! The services' programs, and how a profile configures them.

use std::net::Ipv4Addr;
use std::sync::Arc;

use super::{Runtime, StartError};
use crate::profile::{Profile, Service, Source, template};
use crate::proxy::Proxy;
use crate::standin::{StandIn, StandIns};
use crate::token::Issuer;

/// What the services of a system are told besides what every system's are: for faults that need other limits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    websocket: Vec<(String, String)>,
    gateway: Vec<(String, String)>,
    redis_behind_proxy: bool,
}

/// What a part needs to know of the others, as it sees them from where it runs.
#[derive(Clone)]
pub(super) struct Surroundings {
    pub redis_url: String,
    pub redis_password: String,
    pub standin_host: String,
    pub websocket_port: u16,
    pub gateway_port: u16,
}

/// One program with its environment.
#[derive(Clone)]
pub(super) struct Program {
    pub name: &'static str,
    /// The program and its arguments; empty for the reference's own.
    pub command: Vec<String>,
    pub environment: Vec<(String, String)>,
    pub port: u16,
}

impl Program {
    /// How a profile's part is started with these values; nothing for one that is started by somebody else.
    pub fn of(
        name: &'static str,
        service: &Service,
        port: u16,
        values: &[(&str, String)],
    ) -> Option<Self> {
        let command = match &service.source {
            Source::Own => &[],
            Source::Command(command) => command.as_slice(),
            Source::Url(_) => return None,
        };
        let fill = |template: &String| template::fill(template, values);
        let environment = service.environment.iter();
        Some(Self {
            name,
            command: command.iter().map(fill).collect(),
            environment: environment
                .map(|(name, value)| (name.clone(), fill(value)))
                .collect(),
            port,
        })
    }

    /// The same program under another name and without the variable `absent`.
    pub fn second_without(&self, name: &'static str, absent: &str) -> Self {
        let mut second = Self {
            name,
            ..self.clone()
        };
        second.environment.retain(|(name, _)| name != absent);
        second
    }
}

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

    /// Whether they set variables.
    pub fn set_variables(&self) -> bool {
        !self.websocket.is_empty() || !self.gateway.is_empty()
    }

    pub(super) async fn redis_proxy(
        &self,
        runtime: Runtime,
    ) -> Result<Option<Arc<Proxy>>, StartError> {
        if !self.redis_behind_proxy {
            return Ok(None);
        }
        let host = match runtime {
            Runtime::Containers => Ipv4Addr::UNSPECIFIED,
            Runtime::Processes => Ipv4Addr::LOCALHOST,
        };
        match Proxy::start(host.into()).await {
            Ok(proxy) => Ok(Some(Arc::new(proxy))),
            Err(error) => Err(StartError(format!("a proxy cannot listen: {error}"))),
        }
    }
}

impl Surroundings {
    /// The same with `proxy` where Redis is, if there is one. It is on this machine, as the stand-ins are.
    pub fn behind(&self, proxy: Option<&Proxy>) -> Self {
        let Some(proxy) = proxy else {
            return self.clone();
        };
        let credentials = match self.redis_url.rsplit_once('@') {
            Some((before, _)) => format!("{before}@"),
            None => "redis://".to_owned(),
        };
        Self {
            redis_url: format!("{credentials}{}:{}", self.standin_host, proxy.port()),
            ..self.clone()
        }
    }
}

/// The websocket service and the gateway, as far as they are to be started.
pub(super) fn programs(
    profile: &Profile,
    surroundings: &Surroundings,
    standins: &StandIns,
    issuer: &Issuer,
    settings: &Settings,
) -> [Option<Program>; 2] {
    let downstream = |standin: &StandIn| {
        let host = &surroundings.standin_host;
        format!("http://{host}:{}", standin.port())
    };
    let program = |part: super::Part, service: &Option<Service>, port: u16, others: &[_]| {
        let service = service.as_ref()?;
        let values = [
            ("port", port.to_string()),
            ("redis_url", surroundings.redis_url.clone()),
            ("redis_password", surroundings.redis_password.clone()),
            ("jwt_secret", issuer.secret().unwrap_or_default().to_owned()),
            ("origin", ORIGIN.to_owned()),
            ("aggregator_url", downstream(&standins.aggregator)),
            ("files_url", downstream(&standins.files)),
            ("classes_url", downstream(&standins.classes)),
            ("orchestrator_url", downstream(&standins.orchestrator)),
        ];
        let mut program = Program::of(part.name(), service, port, &values)?;
        program.environment.extend_from_slice(others);
        Some(program)
    };
    [
        program(
            super::Part::WebsocketService,
            &profile.websocket,
            surroundings.websocket_port,
            &settings.websocket,
        ),
        program(
            super::Part::ApiGateway,
            &profile.gateway,
            surroundings.gateway_port,
            &settings.gateway,
        ),
    ]
}

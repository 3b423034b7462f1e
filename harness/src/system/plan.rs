//! What one system will be, before any of it is started: where each part listens, and what it is told of the others.
//!
//! The parts call Redis and the stand-ins; nobody but this process calls the services. So a container must reach what
//! listens on this machine, and a process reaches what is in a container by its published port, as this process does.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::children::free_port;
use super::programs::{Ports, Program, Supply};
use super::{ORIGIN, Part, Settings, StartError, Stock, engine};
use crate::endpoint::Endpoint;
use crate::profile::{Service, Source};
use crate::proxy::Proxy;
use crate::standin::{StandIn, StandIns};
use crate::token::Issuer;

/// This machine, as a container calls it.
pub(super) const THIS_MACHINE: &str = "host.docker.internal";

/// A system that can be started.
pub(super) struct Plan {
    /// What its containers are called, with their part's name behind it.
    pub run: String,
    pub programs: Vec<Program>,
    /// What is started only when a scenario asks for it.
    pub spares: Vec<Program>,
    /// Redis as this process reaches it; none where only the profile's command publishes, or nobody.
    pub redis: Option<Endpoint>,
    /// The spare one.
    pub spare_redis: Option<Endpoint>,
    pub websocket: Option<Endpoint>,
    pub gateway: Option<Endpoint>,
    /// Why a part in a container may not find Redis.
    pub caution: Option<String>,
}

/// What a part is told of the others, as it sees them from where it runs.
struct View {
    redis_url: String,
    standin_host: &'static str,
}

/// What is known of Redis before there is a plan.
pub(super) struct RedisPlan<'a> {
    pub password: &'a str,
    /// What stands between the services and Redis, if anything does.
    pub proxy: Option<&'a Proxy>,
    /// Where it is already, in an ensemble.
    pub url: Option<&'a str>,
}

impl Plan {
    /// The system of `stock`, on ports where nobody listens yet.
    pub fn new(
        stock: &Stock,
        standins: &StandIns,
        issuer: &Issuer,
        RedisPlan {
            password: redis_password,
            proxy: redis_proxy,
            url: ensemble,
        }: RedisPlan<'_>,
        settings: &Settings,
    ) -> Result<Self, StartError> {
        let profile = stock.profile();
        let run = engine::unique_name();
        let service = profile.redis.as_ref();
        let redis = |part| match ensemble {
            Some(_) => Ok(None),
            None => redis(part, service, stock.supply(part), redis_password),
        };
        let (redis, spare_redis) = (redis(Part::Redis)?, redis(Part::SecondRedis)?);
        let started = |redis: &Program| {
            let address = (Ipv4Addr::LOCALHOST, redis.ports.outside).into();
            // One that is told no password asks for none.
            let password = redis.is_told(redis_password).then_some(redis_password);
            Endpoint::redis(address, password)
        };
        let reached = match &redis {
            Some(redis) => Some(started(redis)),
            None => service.and_then(Service::url).cloned(),
        };
        // Without one, no part is told of one: the profile is checked for that.
        let redis_url = reached.as_ref().map_or("", Endpoint::url).to_owned();
        let (here, in_container, caution) = match (ensemble, redis_proxy) {
            (Some(url), _) => (url.to_owned(), url.to_owned(), None),
            (None, Some(proxy)) => {
                let through = at_port(&redis_url, proxy.port());
                let there = of_this_machine(&through).map(|(url, _)| url);
                (through.clone(), there.unwrap_or(through), None)
            }
            (None, None) => {
                let (there, caution) = from_container(&run, redis.as_ref(), &redis_url);
                (redis_url, there, caution)
            }
        };
        let process = View {
            redis_url: here,
            standin_host: "127.0.0.1",
        };
        let container = View {
            redis_url: in_container,
            standin_host: THIS_MACHINE,
        };
        let program = |part: Part, service: &Option<Service>, others: &[(String, String)]| {
            let (Some(service), Some(supply)) = (service, stock.supply(part)) else {
                return Ok(None);
            };
            if settings.left_out().is_some_and(|left| part.is_one_of(left)) {
                return Ok(None);
            }
            let ports = ports(part, &service.source, supply)?;
            let view = match supply {
                Supply::Image(_) => &container,
                Supply::Executable(_) => &process,
            };
            let downstream =
                |standin: &StandIn| format!("http://{}:{}", view.standin_host, standin.port());
            let values = [
                ("port", ports.inside.to_string()),
                ("redis_url", view.redis_url.clone()),
                ("redis_password", redis_password.to_owned()),
                ("jwt_secret", issuer.secret().unwrap_or_default().to_owned()),
                ("origin", ORIGIN.to_owned()),
                ("aggregator_url", downstream(&standins.aggregator)),
                ("files_url", downstream(&standins.files)),
                ("classes_url", downstream(&standins.classes)),
                ("orchestrator_url", downstream(&standins.orchestrator)),
            ];
            let mut program = Program::new(part, service, supply, ports, &values);
            program.environment.extend_from_slice(others);
            Ok(Some(program))
        };
        let websocket = |part| program(part, &profile.websocket, &settings.websocket);
        let gateway = |part| program(part, &profile.gateway, &settings.gateway);
        let mut replicas = Vec::new();
        let many = settings.replicas(Part::WebsocketService, &profile.websocket);
        for part in Part::WebsocketService.others(many) {
            replicas.extend(websocket(part)?);
        }
        let many = settings.replicas(Part::ApiGateway, &profile.gateway);
        for part in Part::ApiGateway.others(many) {
            replicas.extend(gateway(part)?);
        }
        let second_websocket = websocket(Part::SecondWebsocketService)?;
        let websocket = websocket(Part::WebsocketService)?;
        let gateway = gateway(Part::ApiGateway)?;
        let reached_websocket = endpoint(profile.websocket.as_ref(), websocket.as_ref());
        let reached_gateway = endpoint(profile.gateway.as_ref(), gateway.as_ref());
        let programs = [redis, websocket, gateway].into_iter().flatten();
        Ok(Self {
            run,
            spare_redis: spare_redis.as_ref().map(started),
            redis: reached,
            websocket: reached_websocket,
            gateway: reached_gateway,
            programs: programs.chain(replicas).collect(),
            spares: [spare_redis, second_websocket]
                .into_iter()
                .flatten()
                .collect(),
            caution,
        })
    }

    /// Where this process reaches each part that the harness starts.
    pub fn addresses(&self) -> Vec<(Part, SocketAddr)> {
        let all = self.programs.iter().chain(&self.spares);
        let parts = all.map(|program| program.part);
        parts
            .filter_map(|part| Some((part, self.address(part)?)))
            .collect()
    }

    /// Where this process reaches `part`, if the harness starts it.
    pub fn address(&self, part: Part) -> Option<SocketAddr> {
        let port = self.program(part)?.ports.outside;
        Some((Ipv4Addr::LOCALHOST, port).into())
    }

    /// Where one part finds `part`, if both are started from the same.
    pub fn address_among_equals(&self, part: Part) -> Option<(String, u16)> {
        let program = self.program(part)?;
        let Ports { inside, outside } = program.ports;
        Some(match program.supply {
            Supply::Image(_) => (format!("{}-{part}", self.run), inside),
            Supply::Executable(_) => ("127.0.0.1".to_owned(), outside),
        })
    }

    fn program(&self, part: Part) -> Option<&Program> {
        let mut all = self.programs.iter().chain(&self.spares);
        all.find(|program| program.part == part)
    }
}

/// The Redis that is to be started; none where somebody else's runs.
fn redis(
    part: Part,
    service: Option<&Service>,
    supply: Option<&Supply>,
    password: &str,
) -> Result<Option<Program>, StartError> {
    let (Some(service), Some(supply)) = (service, supply) else {
        return Ok(None);
    };
    let ports = ports(part, &service.source, supply)?;
    let values = [
        ("port", ports.inside.to_string()),
        ("redis_password", password.to_owned()),
    ];
    Ok(Some(Program::new(part, service, supply, ports, &values)))
}

/// Redis at `here`, as a container writes it; and why it may not be found there, where that is known.
fn from_container(run: &str, redis: Option<&Program>, here: &str) -> (String, Option<String>) {
    if let Some(redis) = redis.filter(|redis| redis.supply.image().is_some()) {
        let login = here.trim_start_matches("redis://").rsplit_once('@');
        let login = login.map_or(String::new(), |(login, _)| format!("{login}@"));
        let (name, port) = (redis.part.name(), redis.ports.inside);
        return (format!("redis://{login}{run}-{name}:{port}"), None);
    }
    match of_this_machine(here) {
        Some((there, port)) => {
            let caution = format!(
                "in its container it finds Redis at {THIS_MACHINE}:{port}, which is this machine, if Redis listens on more \
                 than loopback"
            );
            (there, Some(caution))
        }
        None => (here.to_owned(), None),
    }
}

/// The Redis url of this machine `url` with another port.
fn at_port(url: &str, port: u16) -> String {
    match reqwest::Url::parse(url) {
        Ok(mut url) => {
            // Fails only for a URL that has no host.
            let _ = url.set_port(Some(port));
            url.into()
        }
        Err(_) => url.to_owned(),
    }
}

/// A url that leads to this machine's loopback, as a container must write it, and its port; nothing for any other.
fn of_this_machine(url: &str) -> Option<(String, u16)> {
    let mut parsed = reqwest::Url::parse(url).ok()?;
    let host = parsed.host_str()?.trim_matches(['[', ']']);
    let ip: Option<IpAddr> = host.parse().ok();
    if host != "localhost" && !ip.is_some_and(|ip| ip.is_loopback()) {
        return None;
    }
    parsed.set_host(Some(THIS_MACHINE)).ok()?;
    let port = parsed.port().unwrap_or(contract_port(Part::Redis));
    Some((parsed.to_string(), port))
}

/// Where a part that is started will listen.
fn ports(part: Part, source: &Source, supply: &Supply) -> Result<Ports, StartError> {
    let outside = free_port()?;
    let inside = match (supply, source) {
        (Supply::Executable(_), _) => outside,
        (Supply::Image(_), Source::Image(image)) => {
            image.port.map_or(contract_port(part), |port| port.get())
        }
        (Supply::Image(_), _) => contract_port(part),
    };
    Ok(Ports { inside, outside })
}

/// Where a part listens that nobody told otherwise (contract, Configuration).
fn contract_port(part: Part) -> u16 {
    match part {
        Part::Redis | Part::SecondRedis => 6379,
        Part::WebsocketService | Part::SecondWebsocketService | Part::WebsocketReplica(_) => 8080,
        Part::ApiGateway | Part::GatewayReplica(_) => 4001,
    }
}

/// Where this process reaches a part: on its port of loopback, or where its url says.
fn endpoint(part: Option<&Service>, program: Option<&Program>) -> Option<Endpoint> {
    match program {
        Some(program) => Some(Endpoint::loopback(program.ports.outside)),
        None => part.and_then(Service::url).cloned(),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::with_login(
        "redis://:hush@127.0.0.1:7000/1",
        Some("redis://:hush@host.docker.internal:7000/1")
    )]
    #[case::name("redis://localhost", Some("redis://host.docker.internal"))]
    #[case::six("redis://[::1]:7000", Some("redis://host.docker.internal:7000"))]
    #[case::elsewhere("redis://10.0.0.1:7000", None)]
    #[case::named("redis://redis.example", None)]
    fn a_container_calls_this_machine_by_another_name(
        #[case] url: &str,
        #[case] expected: Option<&str>,
    ) {
        let found = of_this_machine(url).map(|(url, _)| url);
        assert_eq!(found.as_deref(), expected);
    }
}

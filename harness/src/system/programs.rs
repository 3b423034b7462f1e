//! The reference services' programs: the one place that knows how they are configured.

use crate::standin::StandIns;

/// What the services of a system are told besides what every system's are: for faults that need other limits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    websocket: Vec<(String, String)>,
    gateway: Vec<(String, String)>,
}

/// What a part needs to know of the others, as it sees them from where it runs.
pub(super) struct Surroundings {
    pub redis_url: String,
    pub standin_host: String,
    pub websocket_port: u16,
    pub gateway_port: u16,
}

/// One program with its environment.
#[derive(Clone)]
pub(super) struct Program {
    pub name: &'static str,
    pub environment: Vec<(String, String)>,
    pub port: u16,
}

impl Program {
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
}

/// The websocket service and the gateway.
pub(super) fn programs(
    surroundings: &Surroundings,
    standins: &StandIns,
    jwt_secret: &str,
    settings: &Settings,
) -> [Program; 2] {
    let pairs = |pairs: &[(&str, String)], others: &[(String, String)]| -> Vec<(String, String)> {
        pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.clone()))
            .chain(others.iter().cloned())
            .collect()
    };
    let downstream = |port: u16| format!("http://{}:{port}", surroundings.standin_host);
    let websocket = pairs(
        &[
            ("WEBSOCKET_PORT", surroundings.websocket_port.to_string()),
            ("REDIS_URL", surroundings.redis_url.clone()),
            ("JWT_SECRET_KEY", jwt_secret.to_owned()),
            ("CORS_ORIGINS", ORIGIN.to_owned()),
            ("ENVIRONMENT", "contract-test".to_owned()),
        ],
        &settings.websocket,
    );
    let gateway = pairs(
        &[
            ("API_GATEWAY_PORT", surroundings.gateway_port.to_string()),
            ("API_GATEWAY_REDIS_URL", surroundings.redis_url.clone()),
            ("API_GATEWAY_JWT_SECRET_KEY", jwt_secret.to_owned()),
            ("API_GATEWAY_CORS_ORIGINS", ORIGIN.to_owned()),
            ("API_GATEWAY_ENVIRONMENT", "contract-test".to_owned()),
            (
                "API_GATEWAY_RESULT_AGGREGATOR_URL",
                downstream(standins.aggregator.port()),
            ),
            (
                "API_GATEWAY_FILE_SERVICE_URL",
                downstream(standins.files.port()),
            ),
            (
                "API_GATEWAY_CMS_API_URL",
                downstream(standins.classes.port()),
            ),
            (
                "API_GATEWAY_BATCH_ORCHESTRATOR_URL",
                downstream(standins.orchestrator.port()),
            ),
        ],
        &settings.gateway,
    );
    [
        Program {
            name: super::Part::WebsocketService.name(),
            environment: websocket,
            port: surroundings.websocket_port,
        },
        Program {
            name: super::Part::ApiGateway.name(),
            environment: gateway,
            port: surroundings.gateway_port,
        },
    ]
}

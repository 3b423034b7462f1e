//! A stretch of network whose faults a scenario chooses, and the flow's words for them.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::try_join;

use crate::client::Client;
use crate::endpoint::Endpoint;
use crate::proxy::Proxy;
use crate::scenario::{Failure, Outcome, ensure};
use crate::stage::{Stage, User};
use crate::system::Part;

/// A proxy with a name, in one scenario. What it is told the operator's lane says.
#[derive(Clone)]
pub struct Link {
    stage: Stage,
    name: String,
    proxy: Arc<Proxy>,
}

impl Stage {
    /// A network between clients and the websocket service, called `name` in flows. It is there as long as the
    /// stage is.
    pub async fn network(&self, name: &str) -> Outcome<Link> {
        let service = self.address_of(Part::WebsocketService)?;
        let proxy = Proxy::start(Ipv4Addr::LOCALHOST.into()).await;
        let proxy =
            proxy.map_err(|error| Failure::Bug(format!("a proxy cannot listen: {error}")))?;
        proxy.forward_to([service]);
        let proxy = Arc::new(proxy);
        self.keep(Arc::clone(&proxy));
        Ok(Link {
            stage: self.clone(),
            name: name.to_owned(),
            proxy,
        })
    }

    /// The network between the services and Redis, of a system whose settings ask for it.
    pub fn network_to_redis(&self) -> Outcome<Link> {
        let proxy = self.system().redis_proxy();
        let proxy = proxy.ok_or_else(|| {
            let words = "the scenario's settings do not say that Redis is behind a proxy";
            Failure::Bug(words.to_owned())
        })?;
        Ok(Link {
            stage: self.clone(),
            name: "the network to redis".to_owned(),
            proxy,
        })
    }
}

impl Link {
    /// What flows call it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where clients connect.
    pub(crate) fn endpoint(&self) -> Endpoint {
        Endpoint::loopback(self.proxy.port())
    }

    /// New connections go to these websocket services, by turns. Those that are there stay.
    pub fn lead_to(&self, services: &[Part]) -> Outcome {
        let addresses = services.iter().map(|part| self.stage.address_of(*part));
        let addresses: Vec<SocketAddr> = addresses.collect::<Outcome<_>>()?;
        let names: Vec<&str> = services.iter().map(|part| part.name()).collect();
        self.forward_to(&names.join(" and "), addresses);
        Ok(())
    }

    /// See [`Proxy::forward_to`]; `words` say where that is.
    pub(crate) fn forward_to(&self, words: &str, servers: impl IntoIterator<Item = SocketAddr>) {
        self.note(&format!("new connections go to {words}"));
        self.proxy.forward_to(servers);
    }

    /// See [`Proxy::cut`].
    pub fn cut(&self) {
        self.note("every connection is cut");
        self.proxy.cut();
    }

    /// See [`Proxy::reset`].
    pub fn reset(&self) {
        self.note("every connection is reset");
        self.proxy.reset();
    }

    /// See [`Proxy::cut_after`].
    pub fn cut_after(&self, bytes: usize) {
        self.note(&format!("each connection is cut after {bytes} more bytes"));
        self.proxy.cut_after(bytes);
    }

    /// See [`Proxy::stall`].
    pub fn stall(&self) {
        self.note("no byte passes, and nobody is told");
        self.proxy.stall();
    }

    /// See [`Proxy::delay`].
    pub fn delay(&self, by: Duration) {
        self.note(&format!("everything comes {} ms late", by.as_millis()));
        self.proxy.delay(by);
    }

    /// See [`Proxy::throttle`].
    pub fn throttle(&self, bytes_per_second: usize) {
        self.note(&format!("{bytes_per_second} bytes pass in a second"));
        self.proxy.throttle(bytes_per_second);
    }

    /// Throttles `slow`, which are all who connect here, while as much is published to `flooded`, their users, as it takes
    /// until the websocket service has closed each of them, as `gauge`, its metric of open connections, says. To each of
    /// `others` a message is published now and then; `reading` are the service's other connections.
    ///
    /// What the kernel keeps for a client who does not read differs, so one is closed much sooner than another; and no service
    /// waits for ever until its close is read. So as soon as one is closed everything passes, those that are not closed get
    /// what they have missed, and are throttled again.
    pub async fn throttle_until_closed(
        &self,
        bytes_per_second: usize,
        (flooded, slow): (&[User], &[Client]),
        (others, reading): (&[User], &[Client]),
        gauge: &str,
    ) -> Outcome {
        self.note(&format!("{bytes_per_second} bytes pass in a second"));
        self.stage.tell_of_flood(flooded);
        let mut open = slow.to_vec();
        while !open.is_empty() {
            self.proxy.throttle(bytes_per_second);
            let fewer = (reading.len() + open.len() - 1) as u32;
            let closed = async {
                self.stage.metric_falls(gauge, fewer).await?;
                self.proxy.resume();
                Ok(())
            };
            let flood = self.stage.flood((flooded, others), reading, (gauge, fewer));
            try_join(flood, closed).await?;
            // Each has everything then, or its close. Whether something is lost is for the ledger.
            self.stage.have_arrived(&open).await?;
            let before = open.len();
            open.retain(Client::is_open);
            ensure(open.len() < before, || {
                format!(
                    "{gauge} should count every open connection; it is {fewer}, and all are open"
                )
            })?;
        }
        let left = reading.len();
        self.stage
            .operator_notes(&format!("reads /metrics until {gauge} is {left}"));
        self.note("everything passes again");
        Ok(())
    }

    /// See [`Proxy::drip`].
    pub fn drip(&self) {
        self.note("one byte passes at a time");
        self.proxy.drip();
    }

    /// See [`Proxy::refuse`].
    pub fn refuse(&self) {
        self.note("nobody gets a new connection");
        self.proxy.refuse();
    }

    /// See [`Proxy::resume`].
    pub fn resume(&self) {
        self.note("everything passes again");
        self.proxy.resume();
    }

    fn note(&self, words: &str) {
        self.stage
            .operator_notes(&format!("{}: {words}", self.name));
    }
}

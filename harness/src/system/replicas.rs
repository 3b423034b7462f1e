//! Several of a service, which are one behind a balancer of the harness.

use std::net::{Ipv4Addr, SocketAddr};

use tokio::time::Instant;

use super::plan::Plan;
use super::{Part, Settings, StartError, System};
use crate::endpoint::Endpoint;
use crate::http::Http;
use crate::proxy::Proxy;
use crate::scenario::Outcome;

/// What takes the connections to `part` and leads each to the next of several; none where `plan` has only one, or
/// `settings` ask for none.
pub(super) async fn balancer(
    plan: &Plan,
    part: Part,
    settings: &Settings,
) -> Result<Option<Proxy>, StartError> {
    let addresses = plan.addresses();
    let found: Vec<SocketAddr> = (addresses.iter())
        .filter(|(other, _)| other.is_one_of(part))
        .map(|(_, address)| *address)
        .collect();
    if found.len() < 2 || !settings.is_balanced() {
        return Ok(None);
    }
    let started = Proxy::start(Ipv4Addr::LOCALHOST.into()).await;
    let balancer = started.map_err(|error| {
        StartError(format!("the balancer before {part} cannot listen: {error}"))
    })?;
    balancer.forward_to(found);
    Ok(Some(balancer))
}

impl System {
    /// `part` and its other replicas, where there are several.
    pub fn replicas(&self, part: Part) -> Vec<Part> {
        let others = self.addresses.iter().map(|(other, _)| *other);
        let others = others.filter(|other| *other != part && other.is_one_of(part));
        std::iter::once(part).chain(others).collect()
    }

    /// Where `part` itself is reached, past the balancer if there is one.
    pub fn endpoint_past_balancer(&self, part: Part) -> Outcome<Endpoint> {
        match self.address(part) {
            Ok(address) => Ok(Endpoint::http(address)),
            Err(_) => self.endpoint(part),
        }
    }

    /// Waits until `part` and its replicas are ready, if there are any.
    pub(super) async fn until_all_usable(
        &self,
        part: Part,
        http: &Http,
        deadline: Instant,
    ) -> Result<(), StartError> {
        for replica in self.replicas(part) {
            self.until_usable(replica, http, deadline).await?;
        }
        Ok(())
    }
}

//! Notifications reach exactly the right clients.
//!
//! - `events`: every notification fixture, delivered as it was published
//! - `delivery`: once to each connection, in order, to nobody else
//! - `tokens`: who is refused, and how a browser sees it
//! - `connections`: the endpoint, the limit, what clients send, coming and going
//! - `health`: what the service says about itself
//! - `operation`: its log, and that it does not start half configured

mod connections;
mod delivery;
mod events;
mod health;
mod operation;
mod tokens;

use harness::fixture::FixtureError;
use harness::scenario::Scenario;

/// All scenarios of this crate. Fails when a fixture cannot be read.
pub fn scenarios() -> Result<Vec<Scenario>, FixtureError> {
    let mut scenarios = events::scenarios()?;
    scenarios.extend(delivery::scenarios()?);
    scenarios.extend(tokens::scenarios());
    scenarios.extend(connections::scenarios());
    scenarios.extend(health::scenarios());
    scenarios.extend(operation::scenarios());
    Ok(scenarios)
}

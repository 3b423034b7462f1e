//! The gateway has lost nothing and kept no trace of its WebSocket.
//!
//! - `interactions`: every interaction fixture
//! - `cors`: what a browser asks before it calls
//! - `correlation`: the id of a request that came without one
//! - `metrics`: requests, counted by route
//! - `legacy`: the WebSocket route that is gone
//! - `tokens`: bad tokens, which no route takes
//! - `rate_limits`: how often a user may ask
//! - `end_to_end`: from a call of the gateway to every connection of a teacher

mod correlation;
mod cors;
mod end_to_end;
mod interactions;
mod legacy;
mod metrics;
mod rate_limits;
mod tokens;

use harness::fixture::FixtureError;
use harness::scenario::Scenario;

/// All scenarios of this crate. Fails when a fixture cannot be read.
pub fn scenarios() -> Result<Vec<Scenario>, FixtureError> {
    let mut scenarios = interactions::scenarios()?;
    scenarios.extend(cors::scenarios());
    scenarios.extend(correlation::scenarios());
    scenarios.extend(metrics::scenarios());
    scenarios.extend(legacy::scenarios());
    scenarios.extend(tokens::scenarios());
    scenarios.extend(rate_limits::scenarios());
    scenarios.extend(end_to_end::scenarios()?);
    Ok(scenarios)
}

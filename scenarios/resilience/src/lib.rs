//! What the system does when something fails or ends. Each scenario has a system of its own.
//!
//! - `backplane`: Redis is lost, and comes back
//! - `backpressure`: a client that does not read
//! - `liveness`: pings, and clients that answer none
//! - `shutdown`: a service is told to end
//! - `downstreams`: a service behind the gateway is slow, or gone

mod backplane;
mod backpressure;
mod downstreams;
mod liveness;
mod shutdown;

use harness::scenario::Scenario;

/// All scenarios of this crate.
pub fn scenarios() -> Vec<Scenario> {
    let mut scenarios = backplane::scenarios();
    scenarios.extend(backpressure::scenarios());
    scenarios.extend(liveness::scenarios());
    scenarios.extend(shutdown::scenarios());
    scenarios.extend(downstreams::scenarios());
    scenarios
}

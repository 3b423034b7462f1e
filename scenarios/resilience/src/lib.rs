//! What the system does when something fails or ends. Each scenario has a system of its own.
//!
//! - `backplane`: Redis is lost, hangs, or throws the service out; and comes back
//! - `failover`: the master of a Redis pair fails, or changes places with its replica
//! - `sentinel`: a master with a replica and sentinels
//! - `cluster`: a cluster of three primaries, each with a replica
//! - `limits`: the gateway counts requests on either
//! - `redis_network`: the network between the services and Redis
//! - `client_network`: the network between clients and the websocket service
//! - `crowds`: many clients at once
//! - `service`: the websocket service is killed, started again, and rolled
//! - `backpressure`: a client that does not read
//! - `liveness`: pings, and clients that answer none
//! - `shutdown`: a service is told to end
//! - `start`: the services start before Redis does
//! - `clocks`: whose clock decides about a token
//! - `downstreams`: a service behind the gateway is slow, or gone

mod backplane;
mod backpressure;
mod client_network;
mod clocks;
mod cluster;
mod crowds;
mod downstreams;
mod failover;
mod limits;
mod liveness;
mod redis_network;
mod sentinel;
mod service;
mod shutdown;
mod start;

use harness::scenario::Scenario;

/// All scenarios of this crate.
pub fn scenarios() -> Vec<Scenario> {
    let mut scenarios = backplane::scenarios();
    scenarios.extend(failover::scenarios());
    scenarios.extend(sentinel::scenarios());
    scenarios.extend(cluster::scenarios());
    scenarios.extend(limits::scenarios());
    scenarios.extend(redis_network::scenarios());
    scenarios.extend(client_network::scenarios());
    scenarios.extend(crowds::scenarios());
    scenarios.extend(service::scenarios());
    scenarios.extend(backpressure::scenarios());
    scenarios.extend(liveness::scenarios());
    scenarios.extend(shutdown::scenarios());
    scenarios.extend(start::scenarios());
    scenarios.extend(clocks::scenarios());
    scenarios.extend(downstreams::scenarios());
    scenarios
}

//! Starts a notification system, plays scenarios against it from outside, records each as a flow and compares the
//! flow with a reviewed snapshot.
//!
//! For people who write scenarios:
//! - [`scenario`]: what a scenario is, and the ways in which one fails
//! - [`breach`]: one way in which a system breaks the contract, and the promise that it breaks
//! - [`stage`]: one scenario's view of a system: users, connections, publishing, calls, the fence
//! - [`client`]: a WebSocket client that records what it sees
//! - [`handshake`]: the upgrade to a WebSocket, and whatever else it is answered
//! - [`raw_client`]: a WebSocket client that does only what it is told, for what no well-behaved one does
//! - [`fault`]: faults for a scenario with a system of its own
//! - [`http`]: requests to the gateway and the services, and what they answered
//! - [`metrics`]: what the services count, read
//! - [`fixture`]: messages and interactions from `contracts/fixtures`
//! - [`interaction`]: an interaction fixture played against the gateway
//! - [`token`]: tokens, good ones and bad ones
//!
//! What they stand on:
//! - [`endpoint`]: where a part is, and the way there, with TLS or without
//! - [`error_shape`]: the gateway's errors in another shape than the contract's
//! - [`proxy`]: a stretch of network whose faults a scenario chooses
//! - [`profile`]: what is verified, and how each part of it is started or reached
//! - [`system`]: Redis and the services, started in containers or as processes
//! - [`data`]: where the contract and the reviewed flows are read
//! - [`contract`]: the contract's documents, read once
//! - [`audit`]: what travelled, held against them, and how much of them was exercised
//! - `backplane`: how messages get into Redis
//! - [`standin`]: the services behind the gateway
//! - [`ledger`]: what was published, and who must have received it
//! - [`expectation`]: comparing JSON with what a fixture expects
//! - [`matching`]: the matching rules of a consumer's contract
//! - [`flow`]: the recorded exchange, and its text
//! - [`redaction`]: values of one run checked, then masked
//! - [`snapshot`]: flows compared with reviewed ones; the only place that knows insta
//! - [`panics`]: what a panic prints
//! - [`runner`]: one scenario played, from stage to verdict
//! - [`partition`]: the scenarios of a run divided over machines
//! - [`verdict`]: what became of a scenario
//! - [`results`]: what became of each promise in a run
//! - [`libtest`]: the front door for `cargo test`
//! - [`coverage`]: how much of the contract a run exercised
//! - [`comparison`]: two systems compared by what their clients noticed
//! - [`saboteur`]: a saboteur before a healthy system, who breaks one promise at a time
//! - [`selftest`]: which scenario noticed
//! - [`report`]: a run's results, for people and for programs

pub mod audit;
mod backplane;
pub mod breach;
mod channels;
pub mod client;
pub mod comparison;
pub mod contract;
pub mod coverage;
pub mod data;
pub mod endpoint;
pub mod error_shape;
pub mod expectation;
pub mod fault;
pub mod fixture;
pub mod flow;
pub mod handshake;
pub mod http;
pub mod interaction;
pub mod ledger;
pub mod libtest;
pub mod matching;
pub mod metrics;
pub mod panics;
pub mod partition;
pub mod profile;
pub mod proxy;
pub mod raw_client;
pub mod redaction;
pub mod report;
pub mod results;
pub mod runner;
pub mod saboteur;
pub mod scenario;
pub mod selftest;
pub mod snapshot;
pub mod stage;
pub mod standin;
pub mod system;
pub mod token;
pub mod verdict;

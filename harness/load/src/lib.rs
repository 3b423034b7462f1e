//! Puts a load on a notification system, accounts for every message, and says what it costs beside a bare Redis subscriber and
//! a raw relay in the same run.
//!
//! - [`workload`]: what load there is
//! - [`run`]: systems started, workloads played on them by turns, and everything summed up
//! - [`threshold`]: what a load must show to be good enough
//! - [`report`]: what a run found, for programs
//! - [`text`]: the same for people
//! - [`live`]: what is told while a load is on
//!
//! What they stand on:
//! - `target`: what a load is put on: a system, the raw relay, or Redis itself
//! - `audience`: the clients of one target, and the thread that reads for them
//! - `client`: one of them: its handshake, what comes, and its account
//! - `account`: what one connection was promised, and what came
//! - `book`: what the publisher and the clients know of each other
//! - `publisher`: the backend
//! - `relay`: the raw relay
//! - `line`: a connection that publishes
//! - `socket`: connections that this program moves the bytes of by itself
//! - `frame`: WebSocket frames
//! - `resp`: the little of Redis' protocol that this takes
//! - `message`: what is published
//! - `figures`, `metric`: what was measured, and what follows from it
//! - `limits`: figures that are the generator's own limit
//! - `thread`: the processor time of this program's threads
//!
//! It is a crate of its own because it is optimized in every build: a generator must not be what it measures.

mod account;
mod audience;
mod book;
mod client;
mod figures;
mod frame;
mod limits;
mod line;
pub mod live;
mod message;
mod metric;
mod publisher;
mod relay;
pub mod report;
mod resp;
pub mod run;
mod socket;
mod target;
pub mod text;
mod thread;
pub mod threshold;
pub mod workload;

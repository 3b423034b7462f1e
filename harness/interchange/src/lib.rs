//! Fixtures from and for other tools. Reading and writing of their formats are pure functions; only `files` writes.
//!
//! - `pact`: Pact V4 files, from consumers' tools and for them
//! - `har`: recordings of a browser, HTTP and WebSocket
//! - `exchange`: one recorded call of the gateway as a fixture
//! - `files`: the fixtures that an import makes, written all or none

pub mod exchange;
pub mod files;
pub mod har;
pub mod pact;

pub use contract::Problem;
pub use files::Files;

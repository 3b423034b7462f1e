//! The reference services of the notification contract, as a library with two thin binaries.
//!
//! - [`websocket`]: the websocket service, a pure router from Redis channels to browser sockets
//! - [`gateway`]: the API gateway, HTTP only
//! - [`auth`]: what makes a token acceptable, and the words for why one is not
//! - [`redis_url`]: where Redis is: one server, one behind sentinels, or a cluster
//! - `redis_scripts`: scripts run in Redis, wherever it is
//! - [`settings`]: configuration from the environment, every bad variable named at once
//! - [`telemetry`]: logs as JSON lines, and traces for a collector
//! - [`listener`]: where clients come in
//! - [`shutdown`]: SIGTERM and SIGINT as one cancellation

pub mod auth;
pub mod gateway;
pub mod listener;
mod redis_scripts;
pub mod redis_url;
pub mod settings;
pub mod shutdown;
pub mod telemetry;
pub mod websocket;

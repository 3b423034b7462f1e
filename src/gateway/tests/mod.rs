//! The gateway over real HTTP: every sentence of the contract's section "API gateway".

mod classes;
mod exchange;
mod files;
mod pipelines;
mod rate_limit;
mod running;
mod server;
mod status;
mod stub;

//! What a page in a real browser sees, with the code of the migration guide as it is printed there.
//!
//! - `client`: the guide's client receives, gives up, and comes back
//! - `closes`: every close that a page can get, as its `CloseEvent` shows it
//! - `origin`: a page from somewhere else
//! - `page`: the page that scenarios are played in

mod client;
mod closes;
mod origin;
mod page;

use harness::scenario::Scenario;

/// All scenarios of this crate.
pub fn scenarios() -> Vec<Scenario> {
    let mut scenarios = client::scenarios();
    scenarios.extend(closes::scenarios());
    scenarios.push(origin::scenario());
    scenarios
}

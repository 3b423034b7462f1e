//! A headless Chromium for tests, driven through Chrome's DevTools protocol.
//!
//! - [`browser`](Browser): the program and its tabs
//! - [`tab`](Tab): a page, what is asked of it, and what it complains about
//! - [`access`](Axe): whether everybody can use a page
//! - [`socket`](Socket): a WebSocket that a page opened, and what the page saw of it
//! - [`pages`](Pages): what a tab finds at an origin that no server has
//! - [`trial`](trial()): a test in a browser, ignored where there is none

mod access;
mod browser;
mod pages;
mod socket;
mod tab;
mod trial;
mod trouble;

pub use access::{Axe, Look, Stop};
pub use browser::Browser;
pub use pages::Pages;
pub use socket::Socket;
pub use tab::{PATIENCE, Tab};
pub use trial::{in_a_browser, trial};
pub use trouble::Trouble;

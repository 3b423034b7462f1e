//! A headless Chromium for tests, driven through Chrome's DevTools protocol.
//!
//! - [`browser`](Browser): the program and its tabs
//! - [`tab`](Tab): a page, what is asked of it, and what it complains about
//! - [`access`](Axe): whether everybody can use a page
//! - [`socket`](Socket): a WebSocket that a page opened, and what the page saw of it
//! - [`pages`](Pages): what a tab finds at an origin that no server has

mod access;
mod browser;
mod pages;
mod socket;
mod tab;
mod trouble;

pub use access::{Axe, Look, Stop};
pub use browser::Browser;
pub use pages::Pages;
pub use socket::Socket;
pub use tab::{PATIENCE, Tab};
pub use trouble::Trouble;

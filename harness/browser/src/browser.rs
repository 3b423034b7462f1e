//! The program and its tabs.

use chromiumoxide::Browser as Driver;
use chromiumoxide::handler::HandlerConfig;
use futures_util::StreamExt;
use harness::system::Chromium;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::task::JoinHandle;

use crate::{Pages, Tab, Trouble};

/// How many run at the same time in this process: each is a dozen processes that keep a small machine busy.
static TURNS: Semaphore = Semaphore::const_new(2);

/// A running Chromium. [`stop`](Self::stop) ends it and waits; a drop, or the end of this process, only ends it.
#[must_use = "dropping a browser ends it"]
pub struct Browser {
    driver: Driver,
    reader: JoinHandle<()>,
    chromium: Chromium,
    _turn: Option<SemaphorePermit<'static>>,
}

impl Browser {
    /// Starts one, with nothing in it that another has left.
    pub async fn start() -> Result<Self, Trouble> {
        // Never closed: the turn always comes.
        let turn = TURNS.acquire().await.ok();
        let chromium = Chromium::start().await?;
        let config = HandlerConfig {
            ignore_https_errors: false,
            viewport: None,
            ..HandlerConfig::default()
        };
        let (driver, mut handler) = Driver::connect_with_config(chromium.address(), config).await?;
        // What cannot be read is no answer, and whoever waits for one says so.
        let reader = tokio::spawn(async move { while handler.next().await.is_some() {} });
        Ok(Self {
            driver,
            reader,
            chromium,
            _turn: turn,
        })
    }

    /// A tab at `url`, which has loaded.
    pub async fn open(&self, url: &str) -> Result<Tab, Trouble> {
        let tab = Tab::new(self.driver.new_page("about:blank").await?).await?;
        tab.go_to(url).await?;
        Ok(tab)
    }

    /// A tab at the root of `origin`, where it finds `pages`, and which notices every WebSocket of its scripts.
    pub async fn open_at(&self, origin: &str, pages: Pages) -> Result<Tab, Trouble> {
        let mut tab = Tab::new(self.driver.new_page("about:blank").await?).await?;
        tab.serve(origin, pages).await?;
        tab.watch_sockets().await?;
        tab.go_to(&format!("{origin}/")).await?;
        Ok(tab)
    }

    /// Ends it, and returns when its processes are gone, and its folder.
    pub async fn stop(self) {
        self.chromium.stop().await;
        self.reader.abort();
    }
}

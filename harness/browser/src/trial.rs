use libtest_mimic::{Completion, Failed, Trial};

use crate::{Axe, Browser};
use harness::system::Chromium;

/// A test in a browser. Where there is no Chromium or no axe-core, it is ignored with the command that gets them.
pub fn trial(name: &str, play: fn(&Axe) -> Result<(), Failed>) -> Trial {
    Trial::ignorable_test(name, move || {
        match Chromium::program().and_then(|_| Axe::read()) {
            Err(reason) => Ok(Completion::ignored_with(reason)),
            Ok(axe) => play(&axe).map(|()| Completion::Completed),
        }
    })
}

/// Starts a browser for `look`, and stops it whatever was seen.
#[tokio::main]
pub async fn in_a_browser(
    look: impl AsyncFnOnce(&Browser) -> Result<(), Failed>,
) -> Result<(), Failed> {
    let browser = Browser::start().await?;
    let seen = look(&browser).await;
    browser.stop().await;
    seen
}

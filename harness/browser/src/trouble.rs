//! What goes wrong with a browser, none of which is a verdict on a contract.

use chromiumoxide::error::CdpError;
use harness::scenario::Failure;
use harness::system::StartError;

/// Why a browser did not do what it was told.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// It did not start.
    #[error("{0}")]
    Start(#[from] StartError),
    /// It does not answer, or refuses a command.
    #[error("the browser: {0}")]
    Browser(#[from] CdpError),
    /// A script that it was given failed.
    #[error("a script in the page failed: {0}")]
    Script(String),
    /// What was waited for in a page did not come; the words say what, and what was there instead.
    #[error("{0}")]
    Late(String),
}

impl From<Trouble> for Failure {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Start(_) | Trouble::Browser(_) => Self::System(trouble.to_string()),
            Trouble::Script(_) => Self::Bug(trouble.to_string()),
            Trouble::Late(words) => Self::broken(words),
        }
    }
}

//! A WebSocket that a page opened, and what the page saw of it.

use std::collections::BTreeMap;

use futures_util::{Stream, stream};
use harness::stage::Sight;
use serde::Deserialize;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::timeout;

use crate::{PATIENCE, Trouble};

/// A WebSocket of a page. Its place in the page's `sockets` is `number - 1`.
#[derive(Debug)]
pub struct Socket {
    /// Which of the page's it is, from 1.
    pub number: usize,
    /// What it was told to connect to.
    pub url: String,
    saw: UnboundedReceiver<Saw>,
}

/// What `sockets.js` tells.
#[derive(Debug, Deserialize)]
pub(crate) struct Notice {
    number: usize,
    #[serde(flatten)]
    saw: Saw,
}

#[derive(Debug, Deserialize)]
#[serde(tag = "saw", rename_all = "lowercase")]
enum Saw {
    Opening {
        url: String,
    },
    Open,
    Text {
        text: String,
    },
    Binary,
    Closed {
        code: u16,
        reason: String,
        clean: bool,
    },
}

/// Leads what a page tells to the sockets that it tells of.
pub(crate) struct Sorter {
    opened: UnboundedSender<Socket>,
    open: BTreeMap<usize, UnboundedSender<Saw>>,
}

impl Sorter {
    /// One that hands each new socket to whoever has the other end of `opened`.
    pub fn new(opened: UnboundedSender<Socket>) -> Self {
        Self {
            opened,
            open: BTreeMap::new(),
        }
    }

    /// Whoever no longer wants to hear of a socket, or of new ones, has dropped the other end.
    pub fn sort(&mut self, Notice { number, saw }: Notice) {
        if let Saw::Opening { url } = saw {
            let (sender, saw) = unbounded_channel();
            self.open.insert(number, sender);
            let _ = self.opened.send(Socket { number, url, saw });
        } else if let Some(sender) = self.open.get(&number) {
            let _ = sender.send(saw);
        }
    }
}

impl Socket {
    /// Waits until it is open; an end before that is the page's `CloseEvent` as an error.
    pub async fn opened(&mut self) -> Result<Result<(), Sight>, Trouble> {
        let url = self.url.split('?').next().unwrap_or_default();
        match timeout(PATIENCE, self.saw.recv()).await {
            Ok(Some(Saw::Open)) => Ok(Ok(())),
            Ok(Some(saw)) => Ok(sight(saw).map_or(Ok(()), Err)),
            Ok(None) => Err(Trouble::Late(format!(
                "the page was gone before its connection to {url} was open"
            ))),
            Err(_) => Err(Trouble::Late(format!(
                "a page's connection to {url} is neither open nor closed after {} s",
                PATIENCE.as_secs()
            ))),
        }
    }

    /// What it sees from here on, to its end.
    pub fn sights(self) -> impl Stream<Item = Sight> + Send + 'static {
        stream::unfold(Some(self.saw), |saw| async move {
            let mut saw = saw?;
            let sight = sight(saw.recv().await?)?;
            let ended = matches!(sight, Sight::Closed { .. });
            Some((sight, (!ended).then_some(saw)))
        })
    }
}

/// What a page saw of an open connection; opening it is none of that.
fn sight(saw: Saw) -> Option<Sight> {
    match saw {
        Saw::Opening { .. } | Saw::Open => None,
        Saw::Text { text } => Some(Sight::Text(text)),
        // No service sends any: that there was one is enough to say so.
        Saw::Binary => Some(Sight::Binary(Vec::new())),
        Saw::Closed {
            code,
            reason,
            clean,
        } => Some(Sight::Closed {
            code,
            reason,
            clean,
        }),
    }
}

//! A page, what is asked of it, and what it complains about.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chromiumoxide::Page;
use chromiumoxide::cdp::browser_protocol::fetch::{self, EventRequestPaused, RequestPattern};
use chromiumoxide::cdp::browser_protocol::log::{EventEntryAdded, LogEntryLevel};
use chromiumoxide::cdp::browser_protocol::page::AddScriptToEvaluateOnNewDocumentParams;
use chromiumoxide::cdp::js_protocol::debugger::{self, EventPaused};
use chromiumoxide::cdp::js_protocol::runtime::{
    AddBindingParams, ConsoleApiCalledType, EvaluateParams, EventBindingCalled,
    EventConsoleApiCalled, EventExceptionThrown, ExceptionDetails, RemoteObject,
};
use chromiumoxide::error::CdpError;
use futures_util::StreamExt;
use serde::de::DeserializeOwned;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::{Instant, sleep, timeout};

use crate::socket::Sorter;
use crate::{Pages, Socket, Trouble};

/// The longest that a wait lasts, for a page that has nothing else to do.
pub const PATIENCE: Duration = harness::client::PATIENCE;
/// How often a page is asked again.
const POLL_INTERVAL: Duration = Duration::from_millis(15);
/// What the console is told when all its complaints are wanted.
const LAST: &str = "that was all";
/// What a page calls to tell of its WebSockets.
const BINDING: &str = "noticed";

/// A page in a browser.
pub struct Tab {
    page: Page,
    complaints: Arc<Mutex<Vec<String>>>,
    sockets: Option<UnboundedReceiver<Socket>>,
}

impl Tab {
    pub(crate) async fn new(page: Page) -> Result<Self, Trouble> {
        let complaints = Arc::default();
        hear_complaints(&page, &complaints).await?;
        Ok(Self {
            page,
            complaints,
            sockets: None,
        })
    }

    /// Goes to `url` and waits until it has loaded.
    pub async fn go_to(&self, url: &str) -> Result<(), Trouble> {
        self.page.goto(url).await?;
        Ok(())
    }

    /// The value of `expression`, a promise's once it is settled. A script that throws is an error with its words.
    pub async fn evaluate<T: DeserializeOwned>(&self, expression: &str) -> Result<T, Trouble> {
        let script = EvaluateParams::builder()
            .expression(expression)
            .await_promise(true)
            .return_by_value(true)
            .user_gesture(true)
            .build()
            .map_err(Trouble::Script)?;
        let value = match self.page.evaluate_expression(script).await {
            Ok(result) => result.value().cloned().unwrap_or_default(),
            Err(CdpError::JavascriptException(exception)) => {
                return Err(Trouble::Script(words_of(&exception)));
            }
            Err(error) => return Err(error.into()),
        };
        serde_json::from_value(value)
            .map_err(|error| Trouble::Script(format!("{expression}: {error}")))
    }

    /// Runs `script`, whose value nobody wants.
    pub async fn run(&self, script: &str) -> Result<(), Trouble> {
        self.evaluate(&format!("(async () => {{ {script} }})().then(() => null)"))
            .await
    }

    /// Waits until `condition` is true in the page, which has no event for it; `what` says what is waited for.
    pub async fn until(&self, what: &str, condition: &str) -> Result<(), Trouble> {
        let deadline = Instant::now() + PATIENCE;
        while !self.evaluate(&format!("Boolean({condition})")).await? {
            if Instant::now() > deadline {
                let text = "document.body?.innerText.slice(0, 2000) ?? ''";
                let shown: String = self.evaluate(text).await?;
                return Err(self.late(
                    &format!("{what}: not"),
                    &format!("the page shows:\n{shown}"),
                ));
            }
            sleep(POLL_INTERVAL).await;
        }
        Ok(())
    }

    /// Waits until the console complains with `words`.
    pub async fn until_complaint(&self, words: &str) -> Result<(), Trouble> {
        let deadline = Instant::now() + PATIENCE;
        while !self.complaints().iter().any(|said| said.contains(words)) {
            if Instant::now() > deadline {
                return Err(self.late(&format!("no complaint with {words:?}"), ""));
            }
            sleep(POLL_INTERVAL).await;
        }
        Ok(())
    }

    /// Halts the page's scripts where they are, as a long computation does, until [`go_on`](Self::go_on).
    pub async fn halt(&self) -> Result<(), Trouble> {
        let mut pauses = self.page.event_listener::<EventPaused>().await?;
        self.page.execute(debugger::EnableParams::default()).await?;
        let page = self.page.clone();
        // Answered when they go on.
        tokio::spawn(async move { page.evaluate_expression("debugger").await });
        match timeout(PATIENCE, pauses.next()).await {
            Ok(Some(_)) => Ok(()),
            _ => Err(self.late("the page's scripts do not halt", "")),
        }
    }

    /// Lets halted scripts go on.
    pub async fn go_on(&self) -> Result<(), Trouble> {
        self.page.execute(debugger::ResumeParams::default()).await?;
        Ok(())
    }

    /// What its console has shown of errors and warnings, and what its scripts threw and nobody caught.
    pub fn complaints(&self) -> Vec<String> {
        let complaints = self.complaints.lock();
        complaints.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The same, when nothing of it is still on its way.
    pub async fn all_complaints(&self) -> Result<Vec<String>, Trouble> {
        // Complaints are heard in the order in which they come.
        self.run(&format!("console.error({LAST:?})")).await?;
        self.until_complaint(LAST).await?;
        let mut complaints = self.complaints();
        complaints.retain(|words| words != LAST);
        Ok(complaints)
    }

    /// The next WebSocket that its scripts open, of a tab that was opened at an origin of no server.
    pub async fn socket(&mut self) -> Result<Socket, Trouble> {
        let next = match &mut self.sockets {
            Some(sockets) => timeout(PATIENCE, sockets.recv()).await.ok().flatten(),
            None => None,
        };
        next.ok_or_else(|| self.late("the page opened no WebSocket", ""))
    }

    /// The page, for what else its protocol can do.
    pub fn page(&self) -> &Page {
        &self.page
    }

    fn late(&self, what: &str, instead: &str) -> Trouble {
        let mut words = format!("{what} in {} s; {instead}", PATIENCE.as_secs());
        for complaint in self.complaints() {
            let _ = write!(words, "\nthe console: {complaint}");
        }
        Trouble::Late(words)
    }

    /// From here on the browser finds `pages` at `origin`.
    pub(crate) async fn serve(&self, origin: &str, pages: Pages) -> Result<(), Trouble> {
        let mut requests = self.page.event_listener::<EventRequestPaused>().await?;
        let all = RequestPattern::builder().url_pattern(format!("{origin}/*"));
        self.page
            .execute(fetch::EnableParams::builder().pattern(all.build()).build())
            .await?;
        let (page, origin) = (self.page.clone(), origin.to_owned());
        tokio::spawn(async move {
            while let Some(request) = requests.next().await {
                // A tab that is gone waits for no answer.
                let _ = pages.answer(&origin, &request, &page).await;
            }
        });
        Ok(())
    }

    /// From here on every WebSocket of the page's scripts is noticed.
    pub(crate) async fn watch_sockets(&mut self) -> Result<(), Trouble> {
        let mut calls = self.page.event_listener::<EventBindingCalled>().await?;
        self.page.execute(AddBindingParams::new(BINDING)).await?;
        let script = AddScriptToEvaluateOnNewDocumentParams::new(include_str!("sockets.js"));
        self.page.evaluate_on_new_document(script).await?;
        let (opened, sockets) = unbounded_channel();
        self.sockets = Some(sockets);
        tokio::spawn(async move {
            let mut sorter = Sorter::new(opened);
            while let Some(call) = calls.next().await {
                // The page calls it with what `sockets.js` makes, and nothing else calls it.
                if let Ok(notice) = serde_json::from_str(&call.payload) {
                    sorter.sort(notice);
                }
            }
        });
        Ok(())
    }
}

async fn hear_complaints(page: &Page, heard: &Arc<Mutex<Vec<String>>>) -> Result<(), Trouble> {
    let mut entries = page.event_listener::<EventEntryAdded>().await?;
    let mut calls = page.event_listener::<EventConsoleApiCalled>().await?;
    let mut exceptions = page.event_listener::<EventExceptionThrown>().await?;
    let note = |words: String, heard: &Mutex<Vec<String>>| {
        let mut heard = heard.lock().unwrap_or_else(PoisonError::into_inner);
        heard.push(words);
    };
    let complaints = Arc::clone(heard);
    tokio::spawn(async move {
        loop {
            let words = tokio::select! {
                // Console calls last: when one is heard that a test makes, everything before it has been.
                biased;
                Some(thrown) = exceptions.next() => words_of(&thrown.exception_details),
                Some(entry) = entries.next() => match entry.entry.level {
                    LogEntryLevel::Error | LogEntryLevel::Warning => entry.entry.text.clone(),
                    _ => continue,
                },
                Some(call) = calls.next() => match call.r#type {
                    ConsoleApiCalledType::Error
                    | ConsoleApiCalledType::Warning
                    | ConsoleApiCalledType::Assert => words_of_all(&call.args),
                    _ => continue,
                },
                else => break,
            };
            note(words, &complaints);
        }
    });
    Ok(())
}

/// What was thrown, as the console shows it.
fn words_of(exception: &ExceptionDetails) -> String {
    let thrown = exception.exception.as_ref().map(words_of_value);
    format!("{} {}", exception.text, thrown.unwrap_or_default())
}

fn words_of_all(values: &[RemoteObject]) -> String {
    let words: Vec<String> = values.iter().map(words_of_value).collect();
    words.join(" ")
}

fn words_of_value(value: &RemoteObject) -> String {
    match (&value.value, &value.description) {
        (Some(serde_json::Value::String(text)), _) => text.clone(),
        (Some(value), _) => value.to_string(),
        (None, Some(description)) => description.clone(),
        (None, None) => String::new(),
    }
}

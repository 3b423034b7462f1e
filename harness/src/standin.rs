//! Stand-ins for the services behind the gateway.
//!
//! They serve all stages at once. A request belongs to the stage whose mark it carries, in its path, its headers or its
//! body; a stage says what it wants answered and sees what arrived for it.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use wiremock::matchers::any;
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

use crate::system::StartError;

/// All four.
pub struct StandIns {
    /// The result aggregator.
    pub aggregator: StandIn,
    /// The file service.
    pub files: StandIn,
    /// The class management service.
    pub classes: StandIn,
    /// The batch orchestrator.
    pub orchestrator: StandIn,
}

/// One HTTP server that answers as it is told.
pub struct StandIn {
    /// How fixtures and flows call it.
    pub name: &'static str,
    server: MockServer,
    book: Arc<Mutex<Book>>,
}

/// What one stage told a stand-in, by the stage's mark.
#[derive(Default)]
struct Book(BTreeMap<String, Page>);

#[derive(Default)]
struct Page {
    answer: Option<ResponseTemplate>,
    requests: Vec<Request>,
}

impl StandIns {
    /// Starts all four on ports of their own at `host`.
    pub async fn start(host: [u8; 4]) -> Result<Self, StartError> {
        Ok(Self {
            aggregator: StandIn::start("aggregator", host).await?,
            files: StandIn::start("files", host).await?,
            classes: StandIn::start("classes", host).await?,
            orchestrator: StandIn::start("orchestrator", host).await?,
        })
    }

    /// All of them, in one order.
    pub fn all(&self) -> [&StandIn; 4] {
        [
            &self.aggregator,
            &self.files,
            &self.classes,
            &self.orchestrator,
        ]
    }
}

impl StandIn {
    async fn start(name: &'static str, host: [u8; 4]) -> Result<Self, StartError> {
        let listener = TcpListener::bind(SocketAddr::from((host, 0)))
            .map_err(|error| StartError(format!("the {name} stand-in cannot listen: {error}")))?;
        let server = MockServer::builder()
            .listener(listener)
            .disable_request_recording()
            .start()
            .await;
        let book = Arc::new(Mutex::new(Book::default()));
        let open = Arc::clone(&book);
        Mock::given(any())
            .respond_with(move |request: &Request| lock(&open).answer(request))
            .mount(&server)
            .await;
        Ok(Self { name, server, book })
    }

    /// The port that it listens on.
    pub fn port(&self) -> u16 {
        self.server.address().port()
    }

    /// Opens a page for the stage with `mark`: from now on its requests are kept for it.
    pub fn join(&self, mark: &str) {
        lock(&self.book).0.entry(mark.to_owned()).or_default();
    }

    /// Answers the requests of the stage with `mark` with `response` from now on.
    pub fn answer(&self, mark: &str, response: ResponseTemplate) {
        lock(&self.book)
            .0
            .entry(mark.to_owned())
            .or_default()
            .answer = Some(response);
    }

    /// Takes what has arrived for the stage with `mark`, in the order of arrival.
    pub fn take_requests(&self, mark: &str) -> Vec<Request> {
        lock(&self.book)
            .0
            .get_mut(mark)
            .map(|page| std::mem::take(&mut page.requests))
            .unwrap_or_default()
    }

    /// Forgets the stage with `mark`.
    pub fn leave(&self, mark: &str) {
        lock(&self.book).0.remove(mark);
    }
}

impl Book {
    fn answer(&mut self, request: &Request) -> ResponseTemplate {
        for (mark, page) in &mut self.0 {
            if carries(request, mark) {
                page.requests.push(request.clone());
                return page.answer.clone().unwrap_or_else(|| {
                    ResponseTemplate::new(500).set_body_string("no request was expected here")
                });
            }
        }
        ResponseTemplate::new(500).set_body_string("this request carries no stage's mark")
    }
}

fn carries(request: &Request, mark: &str) -> bool {
    request.url.as_str().contains(mark)
        || request
            .headers
            .values()
            .any(|value| value.to_str().is_ok_and(|value| value.contains(mark)))
        || String::from_utf8_lossy(&request.body).contains(mark)
}

fn lock(book: &Mutex<Book>) -> MutexGuard<'_, Book> {
    book.lock().unwrap_or_else(PoisonError::into_inner)
}

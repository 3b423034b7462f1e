//! Stand-ins for the services behind the gateway.
//!
//! They serve all stages at once. A request belongs to the stage whose mark it carries, in its path, its headers or its
//! body; a stage says what it wants answered and sees what arrived for it.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufStream};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate};

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
    address: SocketAddr,
    book: Arc<Mutex<Book>>,
    called: watch::Sender<usize>,
    behind: tokio::sync::Mutex<Behind>,
}

/// Who has a stand-in's address.
enum Behind {
    /// A server that answers as it is told.
    Server { _server: MockServer },
    /// A server that misbehaves, or nobody. Dropping the set ends the server.
    Trouble { _server: JoinSet<()> },
}

/// How a service behind the gateway fails, other than by what it answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// It reads requests and never answers.
    Silent,
    /// It begins an answer of which then comes one byte at a time, for ever.
    Trickling,
    /// It begins an answer that has no end, and sends it as fast as it is taken.
    Endless,
    /// Nobody listens at its address.
    Gone,
}

/// How long an address may take to be free, and a request to come.
const DEADLINE: Duration = Duration::from_secs(10);
/// How often an address is tried, and how often a trickling answer goes on.
const INTERVAL: Duration = Duration::from_millis(10);

/// How many bytes of an endless answer are sent at once.
const PIECE: usize = 16 * 1024;

/// What a stand-in was told to answer.
#[derive(Default)]
struct Book {
    /// What one stage told it, by the stage's mark.
    pages: BTreeMap<String, Page>,
    /// What answers everybody else.
    otherwise: Option<Box<dyn Respond>>,
}

#[derive(Default)]
struct Page {
    answer: Option<Answer>,
    requests: Vec<Request>,
    tamper: Option<Tamper>,
}

/// What is done to a request before anybody sees it.
type Tamper = fn(&mut Request);

/// What a stand-in answers.
#[derive(Clone, Default)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// Header fields besides those that follow from the body.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: AnswerBody,
    /// How much later it comes.
    pub delay: Duration,
}

/// The body of what a stand-in answers.
#[derive(Clone, Default)]
pub enum AnswerBody {
    /// None.
    #[default]
    Empty,
    /// JSON, said to be JSON.
    Json(Value),
    /// A text.
    Text(String),
}

impl StandIns {
    /// Starts all four at `host`, on these ports in the order of [`all`](Self::all): 0 is any free one.
    pub async fn start(host: IpAddr, ports: [u16; 4]) -> Result<Self, StartError> {
        let [aggregator, files, classes, orchestrator] = ports.map(|port| (host, port).into());
        Ok(Self {
            aggregator: StandIn::start("aggregator", aggregator).await?,
            files: StandIn::start("files", files).await?,
            classes: StandIn::start("classes", classes).await?,
            orchestrator: StandIn::start("orchestrator", orchestrator).await?,
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
    async fn start(name: &'static str, address: SocketAddr) -> Result<Self, StartError> {
        let listener = std::net::TcpListener::bind(address).map_err(|error| {
            let words = format!("the {name} stand-in cannot listen at {address}: {error}");
            StartError(words)
        })?;
        let server = MockServer::builder()
            .listener(listener)
            .disable_request_recording()
            .start()
            .await;
        let book = Arc::new(Mutex::new(Book::default()));
        let called = watch::Sender::new(0);
        let (open, calls) = (Arc::clone(&book), called.clone());
        Mock::given(any())
            .respond_with(move |request: &Request| {
                calls.send_modify(|calls| *calls += 1);
                lock(&open).answer(request)
            })
            .mount(&server)
            .await;
        Ok(Self {
            name,
            address: *server.address(),
            book,
            called,
            behind: tokio::sync::Mutex::new(Behind::Server { _server: server }),
        })
    }

    /// The port that it listens on.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// From now on it is in `trouble`, for good. Only on a system of the scenario's own: all stages see it.
    pub async fn fail(&self, trouble: Trouble) -> Result<(), String> {
        let mut behind = self.behind.lock().await;
        // Whoever had the address lets go of it now, or a moment later in a task of its own.
        let nobody = JoinSet::new();
        *behind = Behind::Trouble { _server: nobody };
        let deadline = Instant::now() + DEADLINE;
        let listener = loop {
            match TcpListener::bind(self.address).await {
                Ok(listener) => break listener,
                Err(error) if Instant::now() > deadline => {
                    return Err(format!("{} is not free: {error}", self.address));
                }
                Err(_) => sleep(INTERVAL).await,
            }
        };
        if trouble != Trouble::Gone {
            let called = self.called.clone();
            let mut server = JoinSet::new();
            server.spawn(misbehave(listener, trouble, called));
            *behind = Behind::Trouble { _server: server };
        }
        Ok(())
    }

    /// Waits until `count` requests have come, of all stages; says whether they did.
    pub async fn until_called(&self, count: usize) -> bool {
        let mut called = self.called.subscribe();
        let came = called.wait_for(|calls| *calls >= count);
        timeout(DEADLINE, came).await.is_ok()
    }

    /// Opens a page for the stage with `mark`: from now on its requests are kept for it.
    pub fn join(&self, mark: &str) {
        self.on_page(mark, |_| ());
    }

    /// Lets `otherwise` answer the requests that are no stage's from now on.
    pub fn answer_otherwise(&self, otherwise: impl Respond + 'static) {
        lock(&self.book).otherwise = Some(Box::new(otherwise));
    }

    /// Answers the requests of the stage with `mark` with `answer` from now on.
    pub fn answer(&self, mark: &str, answer: Answer) {
        self.on_page(mark, |page| page.answer = Some(answer));
    }

    /// What the stage with `mark` has it answer: the body, if there is one.
    pub(crate) fn words(&self, mark: &str) -> Option<String> {
        self.on_page(mark, |page| match &page.answer.as_ref()?.body {
            AnswerBody::Empty => None,
            AnswerBody::Json(json) => Some(json.to_string()),
            AnswerBody::Text(text) => Some(text.clone()),
        })
    }

    /// From now on `tamper` is done to each request of the stage with `mark`.
    pub(crate) fn tamper(&self, mark: &str, tamper: fn(&mut Request)) {
        self.on_page(mark, |page| page.tamper = Some(tamper));
    }

    /// Takes what has arrived for the stage with `mark`, in the order of arrival.
    pub fn take_requests(&self, mark: &str) -> Vec<Request> {
        lock(&self.book)
            .pages
            .get_mut(mark)
            .map(|page| std::mem::take(&mut page.requests))
            .unwrap_or_default()
    }

    fn on_page<T>(&self, mark: &str, change: impl FnOnce(&mut Page) -> T) -> T {
        change(lock(&self.book).pages.entry(mark.to_owned()).or_default())
    }

    /// Forgets the stage with `mark`.
    pub fn leave(&self, mark: &str) {
        lock(&self.book).pages.remove(mark);
    }
}

/// Reads each request's head and then gives `trouble`, until the task is aborted.
async fn misbehave(listener: TcpListener, trouble: Trouble, called: watch::Sender<usize>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let called = called.clone();
        connections.spawn(async move {
            let mut stream = BufStream::new(stream);
            let mut line = String::new();
            while stream.read_line(&mut line).await? > 2 {
                line.clear();
            }
            called.send_modify(|calls| *calls += 1);
            if matches!(trouble, Trouble::Trickling | Trouble::Endless) {
                let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\
                            content-length: 1000000000000\r\n\r\n";
                stream.write_all(head.as_bytes()).await?;
                let (piece, pause) = match trouble {
                    Trouble::Endless => (vec![b' '; PIECE], Duration::ZERO),
                    _ => (vec![b' '], INTERVAL),
                };
                loop {
                    stream.write_all(&piece).await?;
                    stream.flush().await?;
                    sleep(pause).await;
                }
            }
            // Held until the other side goes.
            stream.read_u8().await.map(|_| ())
        });
    }
}

impl Book {
    fn answer(&mut self, request: &Request) -> ResponseTemplate {
        for (mark, page) in &mut self.pages {
            if carries(request, mark) {
                let mut request = request.clone();
                if let Some(tamper) = page.tamper {
                    tamper(&mut request);
                }
                page.requests.push(request);
                return match &page.answer {
                    Some(answer) => answer.template(),
                    None => {
                        ResponseTemplate::new(500).set_body_string("no request was expected here")
                    }
                };
            }
        }
        match &self.otherwise {
            Some(otherwise) => otherwise.respond(request),
            None => {
                ResponseTemplate::new(500).set_body_string("this request carries no stage's mark")
            }
        }
    }
}

impl Answer {
    /// One that comes at once, with a JSON body.
    pub fn json(status: u16, json: &Value) -> Self {
        Self {
            status,
            body: AnswerBody::Json(json.clone()),
            ..Self::default()
        }
    }

    fn template(&self) -> ResponseTemplate {
        let template = ResponseTemplate::new(self.status).set_delay(self.delay);
        let template = match &self.body {
            AnswerBody::Empty => template,
            AnswerBody::Json(json) => template.set_body_json(json),
            AnswerBody::Text(text) => template.set_body_string(text),
        };
        let headers = self.headers.iter();
        headers.fold(template, |template, (name, value)| {
            template.insert_header(name.as_str(), value.as_str())
        })
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

#[cfg(test)]
mod tests {
    use tokio::net::TcpStream;

    use super::*;

    #[tokio::test]
    async fn a_stand_in_in_trouble_keeps_its_address_until_it_is_gone() {
        let standin = StandIn::start("aggregator", ([127, 0, 0, 1], 0).into())
            .await
            .unwrap();
        standin.fail(Trouble::Silent).await.unwrap();
        let mut caller = TcpStream::connect(standin.address).await.unwrap();
        caller.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
        assert!(standin.until_called(1).await);
        standin.fail(Trouble::Gone).await.unwrap();
        assert!(TcpStream::connect(standin.address).await.is_err());
    }
}

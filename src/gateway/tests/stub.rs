//! Services behind the gateway that misbehave, or that have to be watched while they answer.

use std::future::Future;

use socket2::{Domain, SockAddr, Socket, Type};
use std::net::{Ipv4Addr, SocketAddr};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// One connection from the gateway.
pub struct Connection(BufReader<TcpStream>);

/// The URL of a service that does `serve` on every connection.
pub async fn start<F, S>(serve: S) -> String
where
    F: Future<Output = ()> + Send + 'static,
    S: Fn(Connection) -> F + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(Connection(BufReader::new(stream))));
        }
    });
    url
}

/// The URL of a service that takes requests and never answers.
pub async fn silent() -> String {
    start(|mut connection| async move {
        connection.head().await;
        connection.until_closed().await;
    })
    .await
}

/// The URL of a service that answers every request with `answer`, byte for byte, and closes.
pub async fn answering(answer: &'static str) -> String {
    start(move |mut connection| async move {
        connection.head().await;
        connection.write(answer).await;
    })
    .await
}

/// The URL of a service that begins with `beginning` and then sends `piece` every now and then without end.
pub async fn trickling(beginning: &'static str, piece: &'static str) -> String {
    start(move |mut connection| async move {
        connection.head().await;
        connection.write(beginning).await;
        while connection.write(piece).await {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    })
    .await
}

/// A URL to which no connection can be made, and that refuses none: its queue is full as long as the second value lives.
pub fn unconnectable() -> (String, Vec<Socket>) {
    let listener = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    listener
        .bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into())
        .unwrap();
    listener.listen(1).unwrap();
    let address: SockAddr = listener.local_addr().unwrap();
    let url = format!("http://{}", address.as_socket().unwrap());
    let mut sockets = vec![listener];
    for _ in 0..8 {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.set_nonblocking(true).unwrap();
        let _ = socket.connect(&address); // it is under way, which is all that is needed
        sockets.push(socket);
    }
    (url, sockets)
}

impl Connection {
    /// The head of the next request, in lower case.
    pub async fn head(&mut self) -> String {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if self.0.read_line(&mut head).await.unwrap_or(0) == 0 {
                break;
            }
        }
        head.to_ascii_lowercase()
    }

    /// Everything up to and including `end`.
    pub async fn read_until(&mut self, end: &str) -> String {
        let mut read = Vec::new();
        while !read.ends_with(end.as_bytes()) {
            match self.0.read_u8().await {
                Ok(byte) => read.push(byte),
                Err(_) => break,
            }
        }
        String::from_utf8(read).unwrap()
    }

    /// Writes `text`; false when the gateway does not listen any more.
    pub async fn write(&mut self, text: &str) -> bool {
        self.0.write_all(text.as_bytes()).await.is_ok() && self.0.flush().await.is_ok()
    }

    /// Waits until the gateway closes the connection.
    pub async fn until_closed(&mut self) {
        let mut discarded = [0; 1024];
        while matches!(self.0.read(&mut discarded).await, Ok(1..)) {}
    }
}

//! A TCP proxy of the harness, in this process: a stretch of network whose faults a scenario chooses.
//!
//! It looks at no byte that it carries, so it stands between a service and Redis as well as between a client and a service,
//! and it needs nothing of the kernel: what it does it does the same on every machine and in every runtime. No crate does:
//! those like toxiproxy have no cut in the middle of a message, and ask for a server of their own.
//!
//! - `order`: what the proxy is told to do
//! - `carry`: one connection and its two directions

mod carry;
mod order;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use socket2::SockRef;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;

use carry::carry;
use order::{End, Order, Pace};

/// How long a server may take to accept a connection: one that is away must not keep its clients waiting.
const CONNECT_DEADLINE: Duration = Duration::from_secs(5);

/// A listener whose connections are carried on to a server, one of several by turns. Dropping it ends them all.
#[derive(Debug)]
#[must_use = "dropping a proxy ends its connections"]
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    acceptor: JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    order: watch::Sender<Order>,
    servers: Mutex<Servers>,
}

/// Where connections go, and whose turn it is.
#[derive(Debug, Default)]
struct Servers {
    all: Vec<SocketAddr>,
    turn: usize,
}

impl Proxy {
    /// Listens on any free port of `host`. As long as no server is named, nobody gets through.
    pub async fn start(host: IpAddr) -> io::Result<Self> {
        let listener = TcpListener::bind((host, 0)).await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            order: watch::Sender::new(Order::default()),
            servers: Mutex::default(),
        });
        let acceptor = tokio::spawn(accept(listener, Arc::clone(&shared)));
        Ok(Self {
            address,
            shared,
            acceptor,
        })
    }

    /// The port that it listens on.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// From now on new connections go to `servers`, to each in its turn. Those that are there stay where they are.
    pub fn forward_to(&self, servers: impl IntoIterator<Item = SocketAddr>) {
        self.shared.servers().all = servers.into_iter().collect();
    }

    /// Ends every connection in order: both ends read what is on its way, and then the end of the stream.
    pub fn cut(&self) {
        self.tell(|order| order.end_all(End::Cut));
    }

    /// Resets every connection, at both ends.
    pub fn reset(&self) {
        self.tell(|order| order.end_all(End::Reset));
    }

    /// Cuts every connection once its server has got `bytes` more bytes through to the client.
    pub fn cut_after(&self, bytes: usize) {
        self.tell(|order| order.cut_after(bytes));
    }

    /// No byte passes any more, in either direction; the connections stay, and new ones are made.
    pub fn stall(&self) {
        self.tell(|order| order.pace = Pace::Stalled);
    }

    /// What passes comes so much later.
    pub fn delay(&self, by: Duration) {
        self.tell(|order| order.pace = Pace::Delayed(by));
    }

    /// So many bytes pass in a second on each connection, in either direction.
    pub fn throttle(&self, bytes_per_second: usize) {
        self.tell(|order| order.pace = Pace::Throttled { bytes_per_second });
    }

    /// One byte passes at a time.
    pub fn drip(&self) {
        self.tell(|order| order.pace = Pace::Dripping);
    }

    /// New connections are reset at once; those that are there stay.
    pub fn refuse(&self) {
        self.tell(|order| order.refusing = true);
    }

    /// Everything passes again, and what was held back first of all.
    pub fn resume(&self) {
        self.tell(Order::resume);
    }

    fn tell(&self, change: impl FnOnce(&mut Order)) {
        self.shared.order.send_modify(change);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // The connections are the acceptor's own tasks and end with it.
        self.acceptor.abort();
    }
}

impl Shared {
    fn servers(&self) -> MutexGuard<'_, Servers> {
        self.servers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whose turn it is now.
    fn next_server(&self) -> Option<SocketAddr> {
        let mut servers = self.servers();
        let turn = servers.turn;
        servers.turn = turn.wrapping_add(1);
        let all = &servers.all;
        all.get(turn.checked_rem(all.len())?).copied()
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            // An error is of one connection, which was gone before it was accepted.
            accepted = listener.accept() => if let Ok((client, _)) = accepted {
                connections.spawn(join(client, Arc::clone(&shared)));
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Carries what `client` says to a server, and back; a server that is not there is a reset.
async fn join(client: TcpStream, shared: Arc<Shared>) {
    let orders = shared.order.subscribe();
    let born = *orders.borrow();
    let server = match shared.next_server().filter(|_| !born.refusing) {
        Some(server) => timeout(CONNECT_DEADLINE, connect(server)).await,
        None => Ok(Err(io::ErrorKind::ConnectionRefused.into())),
    };
    match server {
        Ok(Ok(server)) => carry(client, server, born, orders).await,
        // Fails only for a connection that is gone.
        _ => drop(client.set_zero_linger()),
    }
}

/// How long a segment is on a real network.
pub(crate) const SEGMENT: u32 = 1400;

/// A connection to `server` as over a real network. A loopback's segments of 64 KiB let the kernel hold megabytes for whoever
/// reads slowly, and nobody would notice.
pub(crate) async fn connect(server: SocketAddr) -> io::Result<TcpStream> {
    const BUFFER: u32 = 16 * 1024;
    let socket = match server {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    socket.set_recv_buffer_size(BUFFER)?;
    SockRef::from(&socket).set_tcp_mss(SEGMENT)?;
    socket.connect(server).await
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(10);

    /// A proxy, and a client and a server that it joins.
    async fn joined() -> (Proxy, TcpStream, TcpStream) {
        let (proxy, listener) = started().await;
        let (client, server) = joined_by(&proxy, &listener).await;
        (proxy, client, server)
    }

    async fn started() -> (Proxy, TcpListener) {
        let proxy = Proxy::start([127, 0, 0, 1].into()).await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        proxy.forward_to([listener.local_addr().unwrap()]);
        (proxy, listener)
    }

    async fn joined_by(proxy: &Proxy, listener: &TcpListener) -> (TcpStream, TcpStream) {
        let client = TcpStream::connect(proxy.address).await.unwrap();
        let (server, _) = timeout(PATIENCE, listener.accept()).await.unwrap().unwrap();
        (client, server)
    }

    /// What came until the end of the stream, and the error that it ended with if it did.
    async fn rest(stream: &mut TcpStream) -> (String, Option<io::ErrorKind>) {
        let mut came = Vec::new();
        let read = timeout(PATIENCE, stream.read_to_end(&mut came));
        let error = read.await.unwrap().err().map(|error| error.kind());
        (String::from_utf8(came).unwrap(), error)
    }

    async fn read(stream: &mut TcpStream, length: usize) -> String {
        let mut came = vec![0; length];
        let read = timeout(PATIENCE, stream.read_exact(&mut came));
        read.await.unwrap().unwrap();
        String::from_utf8(came).unwrap()
    }

    #[tokio::test]
    async fn both_directions_are_carried_and_one_may_end_before_the_other() {
        let (_proxy, mut client, mut server) = joined().await;
        client.write_all(b"question").await.unwrap();
        client.shutdown().await.unwrap();
        assert_eq!(rest(&mut server).await, ("question".to_owned(), None));
        server.write_all(b"answer").await.unwrap();
        drop(server);
        assert_eq!(rest(&mut client).await, ("answer".to_owned(), None));
    }

    #[tokio::test]
    async fn a_reset_is_carried_as_one() {
        let (_proxy, client, mut server) = joined().await;
        client.set_zero_linger().unwrap();
        drop(client);
        let reset = Some(io::ErrorKind::ConnectionReset);
        assert_eq!(rest(&mut server).await, (String::new(), reset));
    }

    #[tokio::test]
    async fn a_cut_is_the_end_of_both_streams_and_a_reset_is_none() {
        let (proxy, mut client, mut server) = joined().await;
        server.write_all(b"hello").await.unwrap();
        assert_eq!(read(&mut client, 5).await, "hello");
        // Unread by the proxy or not, what comes now must not turn the cut into a reset.
        client.write_all(b"too late").await.unwrap();
        proxy.cut();
        assert_eq!(rest(&mut client).await, (String::new(), None));
        assert_eq!(rest(&mut server).await.1, None);

        let (proxy, mut client, mut server) = joined().await;
        proxy.reset();
        let reset = Some(io::ErrorKind::ConnectionReset);
        assert_eq!(rest(&mut client).await, (String::new(), reset));
        assert_eq!(rest(&mut server).await, (String::new(), reset));
    }

    #[tokio::test]
    async fn a_cut_in_a_message_lets_exactly_its_beginning_through() {
        let (proxy, mut client, mut server) = joined().await;
        server.write_all(b"before").await.unwrap();
        assert_eq!(read(&mut client, 6).await, "before");
        proxy.cut_after(4);
        server.write_all(b"message").await.unwrap();
        assert_eq!(rest(&mut client).await, ("mess".to_owned(), None));
        assert_eq!(rest(&mut server).await, (String::new(), None));
    }

    #[tokio::test]
    async fn a_stall_holds_everything_back_and_loses_nothing() {
        let (proxy, mut client, mut server) = joined().await;
        proxy.stall();
        server.write_all(b"held back").await.unwrap();
        // As long as it takes another proxy to pass something.
        let (_other, mut reader, mut writer) = joined().await;
        writer.write_all(b"passed").await.unwrap();
        assert_eq!(read(&mut reader, 6).await, "passed");
        let nothing = client.try_read(&mut [0; 16]).unwrap_err().kind();
        assert_eq!(nothing, io::ErrorKind::WouldBlock);
        proxy.resume();
        assert_eq!(read(&mut client, 9).await, "held back");
    }

    #[tokio::test]
    async fn a_slow_proxy_changes_nothing_but_the_time() {
        let (proxy, mut client, mut server) = joined().await;
        let paces: [fn(&Proxy); 4] = [
            |proxy| proxy.delay(Duration::from_millis(5)),
            |proxy| proxy.throttle(10_000),
            Proxy::drip,
            Proxy::resume,
        ];
        for slow in paces {
            slow(&proxy);
            client.write_all(b"a question").await.unwrap();
            assert_eq!(read(&mut server, 10).await, "a question");
            server.write_all(b"an answer").await.unwrap();
            assert_eq!(read(&mut client, 9).await, "an answer");
        }
    }

    #[tokio::test]
    async fn who_is_refused_is_reset_and_the_others_stay() {
        let (proxy, listener) = started().await;
        let (mut client, mut server) = joined_by(&proxy, &listener).await;
        proxy.refuse();
        let mut refused = TcpStream::connect(proxy.address).await.unwrap();
        let reset = Some(io::ErrorKind::ConnectionReset);
        assert_eq!(rest(&mut refused).await, (String::new(), reset));
        server.write_all(b"still here").await.unwrap();
        assert_eq!(read(&mut client, 10).await, "still here");
        proxy.resume();
        joined_by(&proxy, &listener).await;
    }

    #[tokio::test]
    async fn servers_take_turns_and_one_that_is_gone_is_a_reset() {
        let (proxy, first) = started().await;
        let second = TcpListener::bind("127.0.0.1:0").await.unwrap();
        proxy.forward_to([&first, &second].map(|listener| listener.local_addr().unwrap()));
        joined_by(&proxy, &first).await;
        joined_by(&proxy, &second).await;
        joined_by(&proxy, &first).await;
        proxy.forward_to([second.local_addr().unwrap()]);
        joined_by(&proxy, &second).await;
        drop(second);
        let mut nobody = TcpStream::connect(proxy.address).await.unwrap();
        assert_eq!(
            rest(&mut nobody).await.1,
            Some(io::ErrorKind::ConnectionReset)
        );
    }
}

//! Connections that this program moves the bytes of by itself, with TLS or without, and where they come from.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use harness::endpoint::Endpoint;
use mio::net::TcpStream;
use socket2::{Domain, Protocol, Type};
use tokio_rustls::rustls::{ClientConnection, StreamOwned};

/// A connection over `S`, with TLS or without.
pub enum Socket<S: Read + Write> {
    /// Without TLS.
    Plain(S),
    /// With TLS, whose handshake is made by whatever is read and written.
    Tls(Box<StreamOwned<ClientConnection, S>>),
}

/// The way to an endpoint, for any number of connections.
#[derive(Clone, Debug)]
pub struct Way {
    endpoint: Endpoint,
    address: SocketAddr,
    /// The last byte of 127.0.0.x, where connections to this machine come from: the next one when an address is out of ports.
    source: u8,
}

impl Way {
    /// The way to `endpoint`, whose name is looked up once.
    pub async fn to(endpoint: &Endpoint) -> Result<Self, String> {
        let addresses = endpoint
            .addresses()
            .await
            .map_err(|error| error.to_string())?;
        // An engine publishes ports on IPv4 alone.
        let first = addresses
            .iter()
            .find(|address| address.is_ipv4())
            .or(addresses.first());
        Ok(Self {
            endpoint: endpoint.clone(),
            address: *first.ok_or_else(|| format!("{endpoint} has no address"))?,
            source: 1,
        })
    }

    /// The way to a listener of this process.
    pub fn here(address: SocketAddr) -> Self {
        Self {
            endpoint: Endpoint::http(address),
            address,
            source: 1,
        }
    }

    /// Where it leads.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Begins a connection that never blocks: it can be written to once it is open.
    pub fn begin(&mut self) -> io::Result<Socket<TcpStream>> {
        loop {
            match self.begin_from(self.source) {
                // Every port of this source is taken, by a connection or by what is left of one.
                Err(error)
                    if error.kind() == io::ErrorKind::AddrNotAvailable
                        && self.address.ip() == IpAddr::V4(Ipv4Addr::LOCALHOST)
                        && self.source < 254 =>
                {
                    self.source += 1;
                }
                begun => return begun,
            }
        }
    }

    fn begin_from(&self, source: u8) -> io::Result<Socket<TcpStream>> {
        let domain = Domain::for_address(self.address);
        let socket = socket2::Socket::new(
            domain,
            Type::STREAM.nonblocking().cloexec(),
            Some(Protocol::TCP),
        )?;
        socket.set_tcp_nodelay(true)?;
        if source > 1 {
            socket.bind(&SocketAddr::from((Ipv4Addr::new(127, 0, 0, source), 0)).into())?;
        }
        match socket.connect(&self.address.into()) {
            Err(error) if !is_begun(&error) => return Err(error),
            _ => {}
        }
        self.over(TcpStream::from_std(socket.into()))
    }

    /// A connection that blocks.
    pub fn connect(&self) -> io::Result<Socket<std::net::TcpStream>> {
        let stream = std::net::TcpStream::connect(self.address)?;
        stream.set_nodelay(true)?;
        self.over(stream)
    }

    fn over<S: Read + Write>(&self, stream: S) -> io::Result<Socket<S>> {
        Ok(match self.endpoint.tls_session() {
            Some(session) => Socket::Tls(Box::new(StreamOwned::new(session?, stream))),
            None => Socket::Plain(stream),
        })
    }
}

/// Whether a connection that does not block is on its way (connect(2), `EINPROGRESS`).
fn is_begun(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::WouldBlock || error.raw_os_error() == Some(115)
}

impl<S: Read + Write> Socket<S> {
    /// The connection below.
    pub fn stream(&mut self) -> &mut S {
        match self {
            Self::Plain(stream) => stream,
            Self::Tls(stream) => stream.get_mut(),
        }
    }
}

impl Socket<TcpStream> {
    /// Resets the connection once it is dropped, so that its port is not kept.
    pub fn reset_on_drop(&mut self) {
        // Fails only for a connection that is lost already.
        let _ = socket2::SockRef::from(&*self.stream()).set_linger(Some(std::time::Duration::ZERO));
    }
}

impl<S: Read + Write> Read for Socket<S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.read(buffer),
            // Many servers end TCP without TLS' goodbye.
            Self::Tls(stream) => match stream.read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(0),
                read => read,
            },
        }
    }
}

impl<S: Read + Write> Write for Socket<S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.write(bytes),
            Self::Tls(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(stream) => stream.flush(),
            Self::Tls(stream) => stream.flush(),
        }
    }
}

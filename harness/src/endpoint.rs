//! Where a part of a system is, and the way there, with TLS or without.
//!
//! - `stream`: a connection
//! - `trust`: whose certificates are believed, and what is wrong with the others

mod stream;
mod trust;

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;
use tokio_rustls::rustls::ClientConnection;

use crate::backplane;
pub use stream::Stream;
pub use trust::Trust;

/// How long a connection may take, its TLS handshake included.
const DEADLINE: Duration = Duration::from_secs(10);
/// How long a server may take to show whether it speaks TLS.
const PROBE_DEADLINE: Duration = Duration::from_secs(2);

/// The schemes without TLS, those with it, and the port where a URL names none.
const SCHEMES: [(&str, &str, u16, u16); 3] = [
    ("http", "https", 80, 443),
    ("ws", "wss", 80, 443),
    ("redis", "rediss", 6379, 6379),
];

/// Where a part is.
#[derive(Clone, PartialEq, Eq)]
pub struct Endpoint {
    scheme: String,
    /// As in a URL: an IPv6 address is in brackets.
    host: String,
    port: u16,
    /// The whole URL, with its password if it has one.
    url: String,
    trust: Option<Trust>,
}

/// Why there is no connection: a sentence that names the endpoint.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unreachable(String);

impl Endpoint {
    /// A service of this machine that speaks HTTP without TLS.
    pub fn http(address: SocketAddr) -> Self {
        Self::plain("http", address, format!("http://{address}"))
    }

    /// A Redis of this machine, with its password if it asks for one.
    pub fn redis(address: SocketAddr, password: Option<&str>) -> Self {
        let url = match password {
            Some(password) => format!("redis://:{password}@{address}"),
            None => format!("redis://{address}"),
        };
        Self::plain("redis", address, url)
    }

    /// A service at `port` of this machine's loopback that speaks HTTP without TLS.
    pub fn loopback(port: u16) -> Self {
        Self::http((Ipv4Addr::LOCALHOST, port).into())
    }

    /// What `url` leads to; nothing where it names no host, or asks for TLS and there is no `trust`.
    pub(crate) fn of_url(url: &reqwest::Url, trust: Option<&Trust>) -> Option<Self> {
        let (tls, port) = of_scheme(url.scheme())?;
        Some(Self {
            scheme: url.scheme().to_owned(),
            host: url.host_str()?.to_owned(),
            port: url.port().unwrap_or(port),
            url: url.to_string(),
            trust: match tls {
                true => Some(trust?.clone()),
                false => None,
            },
        })
    }

    /// A Redis that is more than one server, of which `first` leads to one.
    pub(crate) fn among(first: &reqwest::Url, url: &str) -> Option<Self> {
        let first = Self::of_url(first, None)?;
        Some(Self {
            url: url.to_owned(),
            ..first
        })
    }

    /// The URL, with its password if it has one: `scheme://[[user]:password@]host:port[/…]`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// `host:port`, without the port where it is the scheme's own: what a `Host` header field says (RFC 9110, section
    /// 7.2).
    pub fn authority(&self) -> String {
        let (host, port) = (&self.host, self.port);
        match of_scheme(&self.scheme) {
            Some((_, usual)) if usual == port => host.clone(),
            _ => format!("{host}:{port}"),
        }
    }

    /// How the URLs of the same endpoint for HTTP begin.
    pub(crate) fn http_base(&self) -> String {
        let scheme = if self.has_tls() { "https" } else { "http" };
        format!("{scheme}://{}", self.authority())
    }

    /// Connects, with TLS if the URL says so.
    pub async fn connect(&self) -> Result<Stream, Unreachable> {
        let unreachable = |words: &str| Unreachable(format!("{self} cannot be reached: {words}"));
        let seconds = DEADLINE.as_secs();
        let stream = match timeout(DEADLINE, self.connect_tcp()).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return Err(unreachable(&error.to_string())),
            Err(_) => return Err(unreachable(&format!("no connection in {seconds} s"))),
        };
        let Some(trust) = &self.trust else {
            return Ok(Stream::Plain(stream));
        };
        let without = self.other_scheme();
        match timeout(DEADLINE, trust.handshake(self.bare_host(), stream)).await {
            Ok(Ok(stream)) => Ok(Stream::Tls(Box::new(stream))),
            Ok(Err(error)) => Err(Unreachable(format!(
                "{self} {}",
                trust::words(&error, &without)
            ))),
            Err(_) => Err(unreachable(&format!(
                "no TLS handshake in {seconds} s; if it does not speak TLS, its url begins with {without}"
            ))),
        }
    }

    /// `words`, unless what is wrong at an endpoint without TLS is that it speaks TLS.
    pub(crate) async fn explain(&self, words: String) -> String {
        if self.trust.is_some() || !self.speaks_tls().await {
            return words;
        }
        format!(
            "{self} speaks TLS: its url begins with {}",
            self.other_scheme()
        )
    }

    /// Whether the answer to a TLS handshake is one, whoever's certificate it shows.
    async fn speaks_tls(&self) -> bool {
        let Ok(nobody) = Trust::nobody() else {
            return false;
        };
        let probe = async {
            let stream = self.connect_tcp().await?;
            nobody.handshake(self.bare_host(), stream).await
        };
        match timeout(PROBE_DEADLINE, probe).await {
            Ok(Ok(_)) => true,
            Ok(Err(error)) => trust::is_of_tls(&error),
            Err(_) => false,
        }
    }

    /// An address of it, for who looks at no byte that passes.
    pub(crate) async fn address(&self) -> Result<SocketAddr, Unreachable> {
        let unreachable = |words: &str| Unreachable(format!("{self} has no address: {words}"));
        let found = lookup_host((self.bare_host(), self.port)).await;
        let mut found = found.map_err(|error| unreachable(&error.to_string()))?;
        found.next().ok_or_else(|| unreachable("nobody knows one"))
    }

    /// All addresses of it, for who connects by itself.
    pub async fn addresses(&self) -> Result<Vec<SocketAddr>, Unreachable> {
        let found = lookup_host((self.bare_host(), self.port)).await;
        let found =
            found.map_err(|error| Unreachable(format!("{self} has no address: {error}")))?;
        Ok(found.collect())
    }

    /// A TLS session for one more connection, if it speaks TLS.
    pub fn tls_session(&self) -> Option<io::Result<ClientConnection>> {
        let trust = self.trust.as_ref()?;
        Some(trust.session(self.bare_host()))
    }

    /// Whose name and password the URL of a Redis holds: no name is Redis' own `default`.
    pub fn login(&self) -> Option<(Option<String>, String)> {
        let settings = backplane::settings(&self.url).ok()?;
        let password = settings.password()?.to_owned();
        Some((settings.username().map(str::to_owned), password))
    }

    /// Whether connections to it have TLS.
    pub(crate) fn has_tls(&self) -> bool {
        self.trust.is_some()
    }

    async fn connect_tcp(&self) -> io::Result<TcpStream> {
        let stream = TcpStream::connect((self.bare_host(), self.port)).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    fn plain(scheme: &str, address: SocketAddr, url: String) -> Self {
        let text = address.to_string();
        let host = text
            .rsplit_once(':')
            .map_or(text.as_str(), |(host, _)| host);
        Self {
            scheme: scheme.to_owned(),
            host: host.to_owned(),
            port: address.port(),
            url,
            trust: None,
        }
    }

    /// The host as resolvers and certificates have it, an IPv6 address without brackets.
    fn bare_host(&self) -> &str {
        self.host.trim_start_matches('[').trim_end_matches(']')
    }

    /// How a URL begins that differs in TLS alone.
    fn other_scheme(&self) -> String {
        let other = SCHEMES
            .iter()
            .find_map(|(plain, tls, ..)| match &self.scheme {
                scheme if scheme == plain => Some(tls),
                scheme if scheme == tls => Some(plain),
                _ => None,
            });
        format!("{}://", other.unwrap_or(&"another scheme"))
    }
}

/// Whether a URL's scheme asks for TLS, and the port where the URL names none.
pub(crate) fn of_scheme(scheme: &str) -> Option<(bool, u16)> {
    SCHEMES
        .iter()
        .find_map(|(plain, tls, port, tls_port)| match scheme {
            scheme if scheme == *plain => Some((false, *port)),
            scheme if scheme == *tls => Some((true, *tls_port)),
            _ => None,
        })
}

/// Without credentials: `scheme://host:port`.
impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}:{}", self.scheme, self.host, self.port)
    }
}

/// A URL may hold a password.
impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Endpoint({self})")
    }
}

#[cfg(test)]
mod tests;

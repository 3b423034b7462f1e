//! Whose certificates are believed, and what is wrong with the others.

use std::fmt;
use std::io;
use std::sync::Arc;

use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::{
    AlertDescription, CertificateError, ClientConfig, ClientConnection, Error, RootCertStore,
};

/// Whose certificates are believed. Clones are the same.
#[derive(Clone)]
pub struct Trust(Arc<ClientConfig>);

impl Trust {
    /// The authorities that this machine knows, and those of the PEM file `more`. The error says what is wrong with it.
    pub(crate) fn of_system_and(more: Option<&[u8]>) -> Result<Self, String> {
        let mut roots = RootCertStore::empty();
        // A machine without any is no error: the authority may be the file's.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        let no_pem = |error: &dyn fmt::Display| format!("is no certificate as PEM: {error}");
        if let Some(pem) = more {
            let certificates: Vec<_> = CertificateDer::pem_slice_iter(pem)
                .collect::<Result<_, _>>()
                .map_err(|error| no_pem(&error))?;
            if certificates.is_empty() {
                return Err(no_pem(&"there is no BEGIN CERTIFICATE in it"));
            }
            for certificate in certificates {
                roots.add(certificate).map_err(|error| no_pem(&error))?;
            }
        }
        Self::of(roots).map_err(|error| format!("cannot be used: {error}"))
    }

    /// Nobody's.
    pub(super) fn nobody() -> Result<Self, Error> {
        Self::of(RootCertStore::empty())
    }

    /// A TLS handshake with the server called `host`.
    pub(super) async fn handshake(
        &self,
        host: &str,
        stream: TcpStream,
    ) -> io::Result<TlsStream<TcpStream>> {
        let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
        let connector = TlsConnector::from(Arc::clone(&self.0));
        connector.connect(name, stream).await
    }

    /// The beginning of one with the server called `host`, for who moves the bytes by itself.
    pub(super) fn session(&self, host: &str) -> io::Result<ClientConnection> {
        let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
        ClientConnection::new(Arc::clone(&self.0), name).map_err(io::Error::other)
    }

    fn of(roots: RootCertStore) -> Result<Self, Error> {
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self(Arc::new(config)))
    }
}

/// What is wrong with a server whose handshake failed, and what to do; reads on from its name. `without` is how its url
/// begins if it does not speak TLS.
pub(super) fn words(error: &io::Error, without: &str) -> String {
    let plain = format!("if it does not speak TLS, its url begins with {without}");
    match of_tls(error) {
        Some(Error::InvalidCertificate(error)) => certificate(error),
        Some(Error::InvalidMessage(_)) => {
            format!("does not answer in TLS: its url should begin with {without}")
        }
        Some(Error::AlertReceived(AlertDescription::CertificateRequired)) => {
            "asks for a client's certificate, and the harness has none: let it do without here"
                .to_owned()
        }
        Some(Error::AlertReceived(alert)) => {
            format!("refuses the TLS handshake with the alert {alert:?}")
        }
        Some(error) => format!("cannot be reached: the TLS handshake failed: {error}"),
        None => format!("ended the connection during the TLS handshake ({error}); {plain}"),
    }
}

/// Whether a handshake failed because of something that the server said in TLS.
pub(super) fn is_of_tls(error: &io::Error) -> bool {
    of_tls(error).is_some_and(|error| !matches!(error, Error::InvalidMessage(_)))
}

fn of_tls(error: &io::Error) -> Option<&Error> {
    error.get_ref()?.downcast_ref()
}

fn certificate(error: &CertificateError) -> String {
    match error {
        CertificateError::ExpiredContext { not_after, .. } => {
            format!("has a certificate that expired at {}: renew it", time(*not_after))
        }
        CertificateError::NotValidYetContext { not_before, .. } => {
            let when = time(*not_before);
            format!("has a certificate that is not valid before {when}: compare the clocks of both machines")
        }
        // A signature is bad where the authority has the name of one that is known, and not its key.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            "has a certificate of an authority that this machine does not know: name the authority's certificate as \
             `ca_file` in the profile"
                .to_owned()
        }
        CertificateError::NotValidForNameContext { presented, .. } => {
            let names = match presented.as_slice() {
                [] => "no name at all".to_owned(),
                names => names.iter().map(|name| bare(name)).collect::<Vec<_>>().join(", "),
            };
            format!("has a certificate of {names}: the host in its url should be one that the certificate is for")
        }
        // webpki has no other word for it. It is what `openssl req -x509` makes.
        CertificateError::Other(other) if other.to_string() == "CaUsedAsEndEntity" => {
            "has a certificate that is an authority's and not a server's: make it with \
             `-addext basicConstraints=critical,CA:FALSE`"
                .to_owned()
        }
        other => format!("has a certificate that cannot be believed: {other}"),
    }
}

/// `localhost` of `DnsName("localhost")`, which is how rustls has the names of a certificate.
fn bare(name: &str) -> &str {
    let inner = name
        .split_once('(')
        .and_then(|(_, rest)| rest.strip_suffix(')'));
    inner.unwrap_or(name).trim_matches('"')
}

/// In RFC 3339.
fn time(time: UnixTime) -> String {
    let seconds = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    jiff::Timestamp::from_second(seconds)
        .map_or("a time out of range".to_owned(), |t| t.to_string())
}

impl PartialEq for Trust {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Trust {}

impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Trust(…)")
    }
}

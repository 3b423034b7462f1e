//! Servers with good certificates and bad ones, and what is said about them.

use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd,
};
use rstest::rstest;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

use super::*;

/// Signs certificates, in every test another one.
fn authority() -> CertifiedIssuer<'static, KeyPair> {
    authority_called("an authority")
}

fn authority_called(name: &str) -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// The certificate of a server called `localhost`, but for `spoil`.
fn of_localhost(spoil: fn(&mut CertificateParams)) -> CertificateParams {
    let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
    spoil(&mut params);
    params
}

/// A server that shows the certificate of `params`, and after the handshake echoes; its port.
async fn serve(params: &CertificateParams, authority: &CertifiedIssuer<'static, KeyPair>) -> u16 {
    let key = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, authority).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
        )
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let mut stream = acceptor.accept(stream).await?;
                let mut word = [0; 5];
                stream.read_exact(&mut word).await?;
                stream.write_all(&word).await?;
                stream.flush().await
                // Dropped without TLS' goodbye.
            });
        }
    });
    port
}

/// A server that sends `answer` as soon as it has read something, and then ends the connection; its port.
async fn answer(answer: &'static [u8]) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.read(&mut [0; 4096]).await;
            let _ = stream.write_all(answer).await;
        }
    });
    port
}

fn endpoint(url: &str, trust: Option<&Trust>) -> Endpoint {
    Endpoint::of_url(&url.parse().unwrap(), trust).unwrap()
}

/// What is said about `url` when the authority of `pem` is believed, without the endpoint's own name.
async fn said(url: &str, pem: &str) -> String {
    let trust = Trust::of_system_and(Some(pem.as_bytes())).unwrap();
    let endpoint = endpoint(url, Some(&trust));
    let words = endpoint.connect().await.unwrap_err().to_string();
    words
        .strip_prefix(&format!("{endpoint} "))
        .unwrap_or(&words)
        .to_owned()
}

#[tokio::test]
async fn a_private_authority_is_believed_and_an_end_without_goodbye_is_an_end() {
    let authority = authority();
    let port = serve(&of_localhost(|_| {}), &authority).await;
    let trust = Trust::of_system_and(Some(authority.pem().as_bytes())).unwrap();
    let endpoint = endpoint(&format!("wss://localhost:{port}"), Some(&trust));
    let mut stream = endpoint.connect().await.unwrap();
    stream.write_all(b"hello").await.unwrap();
    stream.flush().await.unwrap();
    let mut echo = Vec::new();
    stream.read_to_end(&mut echo).await.unwrap();
    assert_eq!(echo, b"hello");
}

#[rstest]
#[case::expired(
    |params: &mut CertificateParams| params.not_after = date_time_ymd(2024, 5, 1),
    "has a certificate that expired at 2024-05-01T00:00:00Z: renew it"
)]
#[case::not_valid_yet(
    |params: &mut CertificateParams| params.not_before = date_time_ymd(2099, 5, 1),
    "has a certificate that is not valid before 2099-05-01T00:00:00Z: compare the clocks of both machines"
)]
#[case::of_another_host(
    |params: &mut CertificateParams| *params = CertificateParams::new(["a.example".to_owned(), "b.example".to_owned()]).unwrap(),
    "has a certificate of a.example, b.example: the host in its url should be one that the certificate is for"
)]
#[case::of_an_authority(
    |params: &mut CertificateParams| params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained),
    "has a certificate that is an authority's and not a server's: make it with `-addext \
     basicConstraints=critical,CA:FALSE`"
)]
#[tokio::test]
async fn a_bad_certificate_is_told(#[case] spoil: fn(&mut CertificateParams), #[case] words: &str) {
    let authority = authority();
    let port = serve(&of_localhost(spoil), &authority).await;
    let url = format!("https://localhost:{port}");
    assert_eq!(said(&url, &authority.pem()).await, words);
}

#[rstest]
#[case::of_another_name("another authority")]
#[case::of_the_same_name("an authority")]
#[tokio::test]
async fn a_certificate_of_nobody_known_is_told(#[case] known: &str) {
    let port = serve(&of_localhost(|_| {}), &authority()).await;
    let url = format!("rediss://localhost:{port}");
    assert_eq!(
        said(&url, &authority_called(known).pem()).await,
        "has a certificate of an authority that this machine does not know: name the authority's certificate as \
         `ca_file` in the profile"
    );
}

#[rstest]
#[case::http(
    b"HTTP/1.1 400 Bad Request\r\n\r\n",
    "does not answer in TLS: its url should begin with http://"
)]
#[case::silence(
    b"",
    "ended the connection during the TLS handshake (tls handshake eof); if it does not speak TLS, its url begins with \
     http://"
)]
#[case::alert(
    b"\x15\x03\x03\x00\x02\x02\x28",
    "refuses the TLS handshake with the alert HandshakeFailure"
)]
#[tokio::test]
async fn a_server_that_answers_no_handshake_is_told(
    #[case] bytes: &'static [u8],
    #[case] words: &str,
) {
    let url = format!("https://localhost:{}", answer(bytes).await);
    assert_eq!(said(&url, &authority().pem()).await, words);
}

#[tokio::test]
async fn a_server_that_speaks_tls_behind_a_url_without_is_told() {
    let port = serve(&of_localhost(|_| {}), &authority()).await;
    let plain = endpoint(&format!("ws://127.0.0.1:{port}"), None);
    assert_eq!(
        plain.explain("garbage".to_owned()).await,
        format!("ws://127.0.0.1:{port} speaks TLS: its url begins with wss://")
    );
    let other = endpoint(&format!("ws://127.0.0.1:{}", answer(b"no").await), None);
    assert_eq!(other.explain("garbage".to_owned()).await, "garbage");
}

#[rstest]
#[case::no_pem(
    "hello",
    "is no certificate as PEM: there is no BEGIN CERTIFICATE in it"
)]
#[case::no_certificate(
    "-----BEGIN CERTIFICATE-----\naGVsbG8=\n-----END CERTIFICATE-----\n",
    "is no certificate as PEM: invalid peer certificate: BadEncoding"
)]
fn a_file_that_holds_no_authority_is_told(#[case] pem: &str, #[case] words: &str) {
    assert_eq!(
        Trust::of_system_and(Some(pem.as_bytes())).unwrap_err(),
        words
    );
}

#[rstest]
#[case::usual_port("http://h", "h", "http://h:80")]
#[case::usual_port_given("ws://h:80", "h", "ws://h:80")]
#[case::another_port("http://h:4001", "h:4001", "http://h:4001")]
#[case::six("ws://[::1]:8080", "[::1]:8080", "ws://[::1]:8080")]
#[case::password("redis://:hush@h", "h", "redis://h:6379")]
fn an_endpoint_is_shown_without_its_password(
    #[case] url: &str,
    #[case] authority: &str,
    #[case] shown: &str,
) {
    let endpoint = endpoint(url, None);
    assert_eq!(endpoint.authority(), authority);
    assert_eq!(endpoint.to_string(), shown);
    assert_eq!(format!("{endpoint:?}"), format!("Endpoint({shown})"));
}

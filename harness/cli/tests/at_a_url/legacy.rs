//! An old websocket service: the user is in its path, and the token in a header field.

use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};

/// Where it is asked for an upgrade, before the user's id.
const PATH: &str = "/ws/v1/status/";
const NOT_FOUND: &[u8] =
    b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

/// The requests that came, each as its lines.
#[derive(Clone, Default)]
pub struct Requests(Arc<Mutex<Vec<Vec<String>>>>);

impl Requests {
    pub fn all(&self) -> Vec<Vec<String>> {
        self.0.lock().unwrap().clone()
    }
}

/// Stands before the websocket service at `behind`, which is as the contract has it, until this process ends; its port on
/// loopback.
pub async fn serve(behind: String, requests: Requests) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let (behind, requests) = (behind.clone(), requests.clone());
            tokio::spawn(async move {
                // Whoever goes in the middle of it has seen enough.
                let _ = pass(client, &behind, &requests).await;
            });
        }
    });
    port
}

async fn pass(client: TcpStream, behind: &str, requests: &Requests) -> std::io::Result<()> {
    let mut client = BufReader::new(client);
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        client.read_line(&mut line).await?;
        match line.trim_end() {
            "" => break,
            line => head.push(line.to_owned()),
        }
    }
    requests.0.lock().unwrap().push(head.clone());
    let Some(head) = translated(&head) else {
        return client.write_all(NOT_FOUND).await;
    };
    let mut service = TcpStream::connect(behind).await?;
    let head = head.join("\r\n") + "\r\n\r\n";
    service.write_all(head.as_bytes()).await?;
    copy_bidirectional(&mut client, &mut service).await?;
    Ok(())
}

/// The same request as the contract has it; nothing where the old service finds nothing.
fn translated(head: &[String]) -> Option<Vec<String>> {
    let (first, fields) = head.split_first()?;
    let path = first.strip_prefix("GET ")?.strip_suffix(" HTTP/1.1")?;
    if path.starts_with("/healthz") {
        return Some(head.to_vec());
    }
    let id = path.strip_prefix(PATH)?;
    let (tokens, fields): (Vec<_>, Vec<_>) = fields
        .iter()
        .partition(|field| field.to_lowercase().starts_with("authorization: bearer "));
    let target = match tokens.first().and_then(|field| field.rsplit(' ').next()) {
        Some(token) if subject(token).is_none_or(|subject| subject == id) => {
            format!("/ws?token={token}")
        }
        Some(_) => return None,
        None => "/ws".to_owned(),
    };
    let first = format!("GET {target} HTTP/1.1");
    Some([&first].into_iter().chain(fields).cloned().collect())
}

/// Whose `token` is, if it is one.
fn subject(token: &str) -> Option<String> {
    let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    let claims: Value = serde_json::from_slice(&claims).ok()?;
    Some(claims["sub"].as_str()?.to_owned())
}

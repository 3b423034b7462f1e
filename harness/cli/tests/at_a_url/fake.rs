//! Services that misbehave.

use std::future::pending;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What a service does that is no service.
#[derive(Clone, Copy)]
pub enum Fake {
    /// It does not listen.
    Nobody,
    /// It answers every request with 500.
    Status500,
    /// It answers nothing and ends each connection.
    Closes,
    /// It answers with something that is no HTTP.
    Garbage,
    /// It reads and never answers.
    Silent,
    /// It upgrades each connection and sends what is no frame.
    UpgradesThenGarbage,
    /// It upgrades each connection and sends nothing.
    UpgradesThenSilent,
    /// It upgrades each connection and ends it.
    UpgradesThenCloses,
}

impl Fake {
    /// Misbehaves until this process ends; its port on loopback.
    pub async fn serve(self) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        if !matches!(self, Self::Nobody) {
            tokio::spawn(async move {
                while let Ok((stream, _)) = listener.accept().await {
                    tokio::spawn(self.misbehave(stream));
                }
            });
        }
        port
    }

    async fn misbehave(self, mut stream: TcpStream) {
        match self {
            Self::Nobody => {}
            // What is not read would make an end a reset.
            Self::Closes => _ = stream.read(&mut [0; 4096]).await,
            Self::Status500 => {
                let head = "HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\n\r\n";
                answer(&mut stream, head.as_bytes()).await;
            }
            Self::Garbage => answer(&mut stream, b"\x00\xff no http\r\n\r\n").await,
            Self::Silent => {
                let _ = stream.read(&mut [0; 4096]).await;
                pending().await
            }
            Self::UpgradesThenGarbage | Self::UpgradesThenSilent | Self::UpgradesThenCloses => {
                let Ok(mut upgraded) = tokio_tungstenite::accept_async(stream).await else {
                    return;
                };
                let stream = upgraded.get_mut();
                match self {
                    Self::UpgradesThenGarbage => {
                        let _ = stream.write_all(&[0xff; 64]).await;
                        let _ = stream.read(&mut [0; 4096]).await;
                    }
                    Self::UpgradesThenSilent => _ = stream.read(&mut [0; 4096]).await,
                    _ => {}
                }
            }
        }
    }
}

/// Answers whatever comes first with `bytes`, and reads on until the client has gone.
async fn answer(stream: &mut TcpStream, bytes: &[u8]) {
    let mut rest = [0; 4096];
    let _ = stream.read(&mut rest).await;
    let _ = stream.write_all(bytes).await;
    let _ = stream.shutdown().await;
    while stream.read(&mut rest).await.is_ok_and(|read| read > 0) {}
}

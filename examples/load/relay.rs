//! The yardstick: from Redis to sockets, one write for each message, nothing of WebSocket and no promise.
//!
//! A client sends a line: the channel it wants, or nothing. It is answered with one byte at once.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use notification_services::websocket::resp::{self, Reply};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

type Sockets = Arc<Mutex<HashMap<Vec<u8>, Vec<Arc<TcpStream>>>>>;

/// Relays until it is killed.
pub async fn run(redis: SocketAddr, listen: SocketAddr) -> io::Result<()> {
    let listener = TcpListener::bind(listen).await?;
    let redis = TcpStream::connect(redis).await?;
    redis.set_nodelay(true)?;
    let (read, write) = redis.into_split();
    let sockets = Sockets::default();
    let (commands, requests) = unbounded_channel();
    tokio::spawn(ask(write, requests));
    let deliver = deliver(read, sockets.clone());
    let accept = async {
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            tokio::spawn(serve(stream, sockets.clone(), commands.clone()));
        }
    };
    tokio::select! {
        ended = deliver => ended,
        ended = accept => ended,
    }
}

async fn ask(mut redis: OwnedWriteHalf, mut requests: UnboundedReceiver<Vec<u8>>) {
    while let Some(mut bytes) = requests.recv().await {
        while let Ok(more) = requests.try_recv() {
            bytes.extend(more);
        }
        if redis.write_all(&bytes).await.is_err() {
            return;
        }
    }
}

async fn deliver(mut redis: OwnedReadHalf, sockets: Sockets) -> io::Result<()> {
    let mut buffer = Vec::new();
    loop {
        buffer.reserve(64 * 1024);
        if redis.read_buf(&mut buffer).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut used = 0;
        let sockets = sockets.lock().unwrap_or_else(PoisonError::into_inner);
        while let Ok(Some((reply, length))) = resp::parse(&buffer[used..]) {
            used += length;
            if let Reply::Message { channel, payload } = reply {
                for socket in sockets.get(channel).into_iter().flatten() {
                    // What does not fit is lost; the account shows it.
                    let _ = socket.try_write(payload);
                }
            }
        }
        drop(sockets);
        buffer.drain(..used);
    }
}

async fn serve(mut stream: TcpStream, sockets: Sockets, commands: UnboundedSender<Vec<u8>>) {
    let mut line = Vec::with_capacity(64);
    while line.last() != Some(&b'\n') {
        if !matches!(stream.read_buf(&mut line).await, Ok(1..)) {
            return;
        }
    }
    line.pop();
    let stream = Arc::new(stream);
    if !line.is_empty() {
        let mut sockets = sockets.lock().unwrap_or_else(PoisonError::into_inner);
        let of_channel = sockets.entry(line.clone()).or_default();
        of_channel.push(stream.clone());
        if of_channel.len() == 1 {
            let mut command = Vec::new();
            resp::command(&mut command, &[b"SUBSCRIBE", &line]);
            let _ = commands.send(command);
        }
    }
    let _ = stream.try_write(b"k");
    // A client says nothing more: it is held until its end.
    while stream.readable().await.is_ok() {
        match stream.try_read(&mut [0; 16]) {
            Ok(1..) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Ok(0) | Err(_) => break,
        }
    }
    let mut sockets = sockets.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(of_channel) = sockets.get_mut(&line) {
        of_channel.retain(|socket| !Arc::ptr_eq(socket, &stream));
    }
}

//! A WebSocket connection whose frames are changed.

use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::StreamExt;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use super::Deed;
use super::door::{Head, connect, read_head};
use super::frame::{self, Frame, Reader};
use super::pipe::{pipe, reset};
use super::scene::{Order, Scene};
use super::upgrade::{Course, Upgrade};
use crate::system::Part;

/// How much is read at once.
const PIECE: usize = 16 * 1024;
/// What a service may queue without a bound: more than any scenario publishes.
const UNBOUNDED: usize = 1 << 30;

/// How long a client may take nothing before it counts as slow, where it then loses messages.
const SLOW: Duration = Duration::from_millis(500);

/// The code of a connection that ended without a close frame (RFC 6455, section 7.1.5).
pub(super) const LOST: u16 = 1006;

/// One connection, as a sabotage sees it.
pub(super) struct Line {
    pub scene: Arc<Scene>,
    /// The service that it is of.
    pub part: Part,
    /// Whose it is, as far as its token says.
    pub user: String,
    /// The how-manieth of its stage's it is.
    pub number: usize,
    /// How many frames a sabotage has counted.
    pub seen: usize,
    /// What a sabotage keeps for later.
    pub held: Vec<Frame>,
    /// Whether the client has sent nothing yet, not even a pong.
    pub silent: bool,
    /// When the service ends the connection, the client is not told.
    pub stays: bool,
    /// When the client ends the connection, the service is not told.
    pub holds: bool,
    /// The client's connection ends now, without another word.
    pub cut: bool,
    orders: mpsc::UnboundedSender<Order>,
    for_service: mpsc::UnboundedSender<Frame>,
}

impl Line {
    /// The how-manieth frame this is that a sabotage counts.
    pub fn next(&mut self) -> usize {
        self.seen += 1;
        self.seen
    }

    /// Sends the client `frame` besides.
    pub fn send(&self, frame: Frame) {
        // A connection that has ended is sent nothing.
        let _ = self.orders.send(Order::Send(frame));
    }

    /// Sends the client `frame` besides, and ends the connection.
    pub fn end_with(&self, frame: Frame) {
        let _ = self.orders.send(Order::End(Some(frame)));
    }

    /// Ends the connection without another word.
    pub fn end(&self) {
        let _ = self.orders.send(Order::End(None));
    }

    /// Sends the service `frame` besides, as the client would.
    pub fn send_to_service(&self, frame: &Frame) {
        let _ = self.for_service.send(frame.masked());
    }
}

/// How a connection was ended by the service, or in its name.
enum Ended {
    Whole,
    Reset,
    Cut,
}

/// Serves a client that asks for an upgrade.
pub(super) async fn serve(
    mut client: TcpStream,
    head: Head,
    (part, address): (Part, SocketAddr),
    scene: &Arc<Scene>,
    deed: Deed,
) -> io::Result<()> {
    let mut upgrade = Upgrade::read(&head.text).ok_or(io::ErrorKind::InvalidData)?;
    let key = upgrade.header("sec-websocket-key").unwrap_or_default();
    let switching = switching(key);
    if let Deed::Upgrade(deed) = deed {
        deed(&mut upgrade, scene);
    }
    match &upgrade.course {
        Course::Answered(status, headers, body) => {
            let mut answer = format!("HTTP/1.1 {status} Sabotaged\r\n");
            for (name, value) in headers {
                answer.push_str(&format!("{name}: {value}\r\n"));
            }
            if *status != 101 {
                answer.push_str(&format!("content-length: {}\r\n", body.len()));
            }
            answer.push_str(&format!("\r\n{body}"));
            client.write_all(answer.as_bytes()).await?;
            client.shutdown().await
        }
        Course::Closed(code, reason) => {
            client.write_all(switching.as_bytes()).await?;
            let close = Frame::close(*code, reason);
            client.write_all(close.bytes()).await?;
            client.shutdown().await
        }
        Course::Served(user) => serve_from_redis(client, user, &switching, scene).await,
        Course::Through => {
            let mut service = connect(address).await?;
            let answer = ask(&mut service, &upgrade, &head.rest).await?;
            if answer.switches() {
                carry((client, service), part, &answer, &upgrade, scene, deed).await
            } else {
                client.write_all(&answer.bytes()).await?;
                pipe(client, service).await;
                Ok(())
            }
        }
        Course::Hasty(delay) => {
            client.write_all(switching.as_bytes()).await?;
            sleep(*delay).await;
            let mut service = connect(address).await?;
            let answer = Head {
                text: String::new(),
                ..ask(&mut service, &upgrade, &head.rest).await?
            };
            carry((client, service), part, &answer, &upgrade, scene, deed).await
        }
    }
}

async fn ask(service: &mut TcpStream, upgrade: &Upgrade, rest: &[u8]) -> io::Result<Head> {
    let request = [upgrade.head().as_bytes(), rest].concat();
    service.write_all(&request).await?;
    read_head(service).await
}

fn switching(key: &str) -> String {
    let accept = derive_accept_key(key.as_bytes());
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-accept: {accept}\r\n\r\n"
    )
}

/// Carries frames between the two, once the client has `answer`; its rest is what the service sent right behind it.
async fn carry(
    (mut client, service): (TcpStream, TcpStream),
    part: Part,
    answer: &Head,
    upgrade: &Upgrade,
    scene: &Arc<Scene>,
    deed: Deed,
) -> io::Result<()> {
    let (orders, inbox) = mpsc::unbounded_channel();
    let (for_service, requests) = mpsc::unbounded_channel();
    let user = upgrade.user();
    for kept in scene.kept(&user) {
        // Nobody has taken the other end yet.
        let _ = orders.send(Order::Send(Frame::text(&kept)));
    }
    let line = Mutex::new(Line {
        scene: Arc::clone(scene),
        part,
        number: scene.enter(&user, orders.clone()),
        user,
        seen: 0,
        held: Vec::new(),
        silent: true,
        stays: upgrade.stays,
        holds: upgrade.holds,
        cut: false,
        orders,
        for_service,
    });
    // Only now, so that whoever has seen 101 is counted.
    client.write_all(answer.text.as_bytes()).await?;
    let (mut client_in, mut client_out) = client.into_split();
    let (service_in, mut service_out) = service.into_split();
    let mut pumps = JoinSet::new();
    let service_in: Pin<Box<dyn AsyncRead + Send>> = match upgrade.queues {
        false => Box::pin(service_in),
        true => {
            let (mut queue, end) = tokio::io::duplex(UNBOUNDED);
            let mut service_in = service_in;
            pumps.spawn(async move { tokio::io::copy(&mut service_in, &mut queue).await.ok() });
            Box::pin(end)
        }
    };
    let early = io::Cursor::new(answer.rest.clone());
    let ended = {
        let mut down = pin!(down(
            &line,
            early.chain(service_in),
            &mut client_out,
            inbox,
            upgrade,
            deed
        ));
        let mut up = pin!(up(&line, &mut client_in, &mut service_out, requests, deed));
        tokio::select! {
            ended = &mut down => match ended {
                Ended::Whole => up.await.map(|()| Ended::Whole),
                other => Ok(other),
            },
            gone = &mut up => match gone {
                Ok(()) => Ok(down.await),
                Err(error) => Err(error),
            },
        }
    };
    if matches!(ended, Ok(Ended::Cut)) && lock(&line).holds {
        std::future::pending::<()>().await;
    }
    if matches!(ended, Ok(Ended::Reset) | Err(_)) {
        reset(client_out);
        reset(service_out);
    }
    Ok(())
}

/// From the service to the client, until either is gone.
async fn down(
    line: &Mutex<Line>,
    mut service: impl AsyncRead + Unpin,
    client: &mut OwnedWriteHalf,
    mut inbox: mpsc::UnboundedReceiver<Order>,
    upgrade: &Upgrade,
    deed: Deed,
) -> Ended {
    let mut piece = vec![0; PIECE];
    let mut reader = Reader::default();
    let mut late = JoinSet::new();
    let mut slow = Slow::default();
    let (mut there, mut closed) = (true, false);
    loop {
        let mut last = false;
        let frames = tokio::select! {
            read = service.read(&mut piece), if there => match read {
                Ok(0) | Err(_) => {
                    let stays = {
                        let line = lock(line);
                        if !closed {
                            line.scene.note_close(LOST);
                        }
                        line.stays
                    };
                    if stays {
                        there = false;
                        continue;
                    }
                    // A reset would take from the client what is on its way; one that is gone already needs no end.
                    let _ = client.shutdown().await;
                    return Ended::Whole;
                }
                Ok(count) => {
                    reader.push(&piece[..count]);
                    let frames = reader.frames();
                    let mut line = lock(line);
                    closed |= frames.iter().any(Frame::is_close);
                    for (code, _) in frames.iter().filter_map(Frame::code_and_reason) {
                        line.scene.note_close(code);
                    }
                    match deed {
                        Deed::FromService(deed) if !frames.is_empty() => deed(&mut line, frames),
                        _ => frames,
                    }
                }
            },
            Some(order) = inbox.recv() => match order {
                Order::Send(frame) => vec![frame],
                Order::SendLate(frame, delay) => {
                    let orders = lock(line).orders.clone();
                    late.spawn(async move {
                        sleep(delay).await;
                        let _ = orders.send(Order::Send(frame));
                    });
                    continue;
                }
                Order::End(frame) => {
                    last = true;
                    frame.into_iter().collect()
                }
            },
        };
        let bytes = frames.iter().map(Frame::bytes).collect::<Vec<_>>().concat();
        let written = if upgrade.loses {
            slow.write_or_lose(client, &bytes).await
        } else if upgrade.blocks {
            let scene = Arc::clone(&lock(line).scene);
            let _turn = scene.turn.lock().await;
            client.write_all(&bytes).await
        } else {
            client.write_all(&bytes).await
        };
        let (cut, holds) = {
            let line = lock(line);
            (line.cut || last, line.holds)
        };
        if written.is_err() && holds {
            std::future::pending::<()>().await;
        }
        if written.is_err() {
            return Ended::Reset;
        }
        if cut {
            let _ = client.shutdown().await;
            return Ended::Cut;
        }
    }
}

/// What a client has not taken yet of what it is to get, where the rest is dropped once it is slow.
#[derive(Default)]
struct Slow {
    pending: Vec<u8>,
    slow: bool,
}

impl Slow {
    /// Writes all to a client that reads; to one that is slow only what was begun, and no more.
    async fn write_or_lose(&mut self, client: &OwnedWriteHalf, bytes: &[u8]) -> io::Result<()> {
        if !self.slow || self.pending.is_empty() {
            self.pending.extend(bytes);
        }
        while !self.pending.is_empty() {
            match client.try_write(&self.pending) {
                Ok(count) => drop(self.pending.drain(..count)),
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => return Err(error),
                Err(_) if self.slow => break,
                Err(_) => self.slow = timeout(SLOW, client.writable()).await.is_err(),
            }
        }
        Ok(())
    }
}

/// From the client to the service, until either is gone; an error is the client's reset.
async fn up(
    line: &Mutex<Line>,
    client: &mut OwnedReadHalf,
    service: &mut OwnedWriteHalf,
    mut requests: mpsc::UnboundedReceiver<Frame>,
    deed: Deed,
) -> io::Result<()> {
    let mut piece = vec![0; PIECE];
    let mut reader = Reader::default();
    loop {
        let frames = tokio::select! {
            read = client.read(&mut piece) => {
                let gone = !matches!(read, Ok(1..));
                if gone && lock(line).holds {
                    std::future::pending::<()>().await;
                }
                let count = read?;
                if count == 0 {
                    // What of it does not arrive has a service that is gone.
                    let _ = service.write_all(reader.rest()).await;
                    let _ = service.shutdown().await;
                    return Ok(());
                }
                reader.push(&piece[..count]);
                let mut line = lock(line);
                line.silent = false;
                let mut frames = Vec::new();
                for frame in reader.frames() {
                    match deed {
                        Deed::FromClient(deed) => frames.extend(deed(&mut line, frame)),
                        _ => frames.push(frame),
                    }
                }
                frames
            }
            Some(frame) = requests.recv() => vec![frame],
        };
        for frame in frames {
            // A service that is gone has said its last words to the other direction.
            let _ = service.write_all(frame.bytes()).await;
        }
    }
}

/// Serves a client of `user` without the service.
async fn serve_from_redis(
    mut client: TcpStream,
    user: &str,
    switching: &str,
    scene: &Arc<Scene>,
) -> io::Result<()> {
    let line = scene.line_of(user).await.map_err(io::Error::other)?;
    let mut messages = line.into_on_message();
    let (orders, mut inbox) = mpsc::unbounded_channel();
    scene.enter(user, orders);
    client.write_all(switching.as_bytes()).await?;
    let mut reader = Reader::default();
    let mut piece = vec![0; PIECE];
    loop {
        tokio::select! {
            Some(message) = messages.next() => {
                let text = Frame::text(message.get_payload_bytes());
                client.write_all(text.bytes()).await?;
            }
            Some(order) = inbox.recv() => {
                let ends = matches!(order, Order::End(_));
                let frame = match order {
                    Order::Send(frame) | Order::SendLate(frame, _) => Some(frame),
                    Order::End(frame) => frame,
                };
                if let Some(frame) = frame {
                    client.write_all(frame.bytes()).await?;
                }
                if ends {
                    return client.shutdown().await;
                }
            }
            read = client.read(&mut piece) => {
                reader.push(&piece[..read?]);
                for frame in reader.frames() {
                    match frame.opcode() {
                        frame::PING => {
                            let pong = Frame::new(frame::PONG, &frame.payload());
                            client.write_all(pong.bytes()).await?;
                        }
                        frame::CLOSE => {
                            let close = Frame::new(frame::CLOSE, &frame.payload());
                            client.write_all(close.bytes()).await?;
                            return client.shutdown().await;
                        }
                        _ => {}
                    }
                }
            }
        }
    }
}

fn lock(line: &Mutex<Line>) -> MutexGuard<'_, Line> {
    line.lock().unwrap_or_else(PoisonError::into_inner)
}

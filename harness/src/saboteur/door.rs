//! Listeners, and what is done with who comes.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinSet;

use super::pipe::pipe;
use super::scene::Scene;
use super::{Deed, Sabotage, exchange, socket};
use crate::proxy;
use crate::system::Part;

/// What the kernel may keep of a direction. Little, so that who does not read is felt on the other side.
const BUFFER: u32 = 16 * 1024;
/// How many may wait to be let in.
const BACKLOG: u32 = 1024;
/// The longest head of a request or an answer.
const HEAD: usize = 64 * 1024;
/// What ends a head.
const END: &[u8] = b"\r\n\r\n";

/// The head of an HTTP message, and what came right behind it.
pub(super) struct Head {
    pub text: String,
    pub rest: Vec<u8>,
}

/// Opens a door to `part` and says where it is. Who comes is served as long as `doors` is there.
pub(super) fn open(
    part: Part,
    scene: &Arc<Scene>,
    sabotage: Option<&'static Sabotage>,
    doors: &mut JoinSet<()>,
) -> io::Result<SocketAddr> {
    let socket = TcpSocket::new_v4()?;
    // What is accepted has the buffers of the listener.
    socket.set_send_buffer_size(BUFFER)?;
    socket.set_recv_buffer_size(BUFFER)?;
    // One of a loopback's large segments would fill the buffer, and be confirmed no sooner than 40 ms later.
    SockRef::from(&socket).set_tcp_mss(proxy::SEGMENT)?;
    socket.bind((Ipv4Addr::LOCALHOST, 0).into())?;
    let listener = socket.listen(BACKLOG)?;
    let address = listener.local_addr()?;
    let deed = sabotage.map(|sabotage| sabotage.deed);
    doors.spawn(let_in(listener, part, Arc::clone(scene), deed));
    Ok(address)
}

async fn let_in(listener: TcpListener, part: Part, scene: Arc<Scene>, deed: Option<Deed>) {
    let mut visitors = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((client, _)) = accepted else { return };
                let scene = Arc::clone(&scene);
                // A connection that fails is over: whoever has an end of it knows.
                visitors.spawn(async move { serve(client, part, &scene, deed).await.ok() });
            }
            Some(_) = visitors.join_next() => {}
        }
    }
}

async fn serve(
    mut client: TcpStream,
    part: Part,
    scene: &Arc<Scene>,
    deed: Option<Deed>,
) -> io::Result<()> {
    client.set_nodelay(true)?;
    let address = scene.address(part).ok_or(io::ErrorKind::NotFound)?;
    let (upgrades, exchanges) = match deed {
        Some(
            Deed::Upgrade(_) | Deed::FromService(_) | Deed::FromClient(_) | Deed::Published(_),
        ) => (true, false),
        // Who is connected must be known there as well.
        Some(Deed::Request(_) | Deed::Answer(_)) => (true, true),
        None | Some(Deed::Arrival(_) | Deed::Log(_) | Deed::Exit(_)) => (false, false),
    };
    let (Some(deed), true) = (deed, upgrades || exchanges) else {
        pipe(client, connect(address).await?).await;
        return Ok(());
    };
    let head = read_head(&mut client).await?;
    if head.is_upgrade() && upgrades {
        socket::serve(client, head, (part, address), scene, deed).await
    } else if !head.is_upgrade() && exchanges {
        exchange::serve(client, head, address, scene, deed).await
    } else {
        let mut service = connect(address).await?;
        service.write_all(&head.bytes()).await?;
        pipe(client, service).await;
        Ok(())
    }
}

pub(super) async fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = proxy::connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Reads until a head is there whole.
pub(super) async fn read_head(stream: &mut TcpStream) -> io::Result<Head> {
    let mut bytes = Vec::new();
    loop {
        if let Some(at) = bytes.windows(END.len()).position(|end| end == END) {
            let rest = bytes.split_off(at + END.len());
            let text = String::from_utf8_lossy(&bytes).into_owned();
            return Ok(Head { text, rest });
        }
        if bytes.len() > HEAD {
            return Err(io::ErrorKind::InvalidData.into());
        }
        if stream.read_buf(&mut bytes).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

impl Head {
    pub fn bytes(&self) -> Vec<u8> {
        [self.text.as_bytes(), &self.rest].concat()
    }

    fn is_upgrade(&self) -> bool {
        let text = self.text.to_lowercase();
        text.lines().any(|line| {
            line.split_once(':')
                .is_some_and(|(name, value)| name == "upgrade" && value.trim() == "websocket")
        })
    }

    /// Whether it is an answer that switches protocols.
    pub fn switches(&self) -> bool {
        self.text.split(' ').nth(1) == Some("101")
    }
}

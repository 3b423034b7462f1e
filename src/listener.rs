//! Where clients come in.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use tokio::net::{TcpListener, TcpSocket};

/// How many connections may wait to be accepted; the system may allow fewer. After a failover every client comes back at
/// once, and one for whom there is no room is not refused: it tries again after a second.
const BACKLOG: u32 = 4096;

/// Listens on `port` of every interface. Fails as the system does: the port is taken, or not for this user.
pub fn on_port(port: u16) -> io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    // A restart must not wait for the connections of the process before.
    socket.set_reuseaddr(true)?;
    socket.bind(SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)))?;
    socket.listen(BACKLOG)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use tokio::net::TcpStream;
    use tokio::time::timeout;

    #[tokio::test]
    async fn clients_that_come_all_at_once_need_not_come_again() {
        let listener = on_port(0).unwrap();
        let address = (Ipv4Addr::LOCALHOST, listener.local_addr().unwrap().port());
        let mut clients = Vec::new();
        for number in 0..300 {
            let connecting = timeout(Duration::from_secs(20), TcpStream::connect(address));
            let connected = connecting.await.unwrap_or_else(|_| {
                panic!("{number} connections wait to be accepted, and the next finds no room")
            });
            clients.push(connected.unwrap());
        }
    }
}

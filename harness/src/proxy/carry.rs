//! One connection through a proxy: two directions, and how they end.

use std::future::pending;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy, sink};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::sync::watch;
use tokio::time::sleep;

use super::order::{End, Order, Pace};

/// Carries what each of the two says to the other until both have ended, one has failed or an order ends those that were
/// `born` before it.
pub(super) async fn carry(
    mut client: TcpStream,
    mut server: TcpStream,
    born: Order,
    orders: watch::Receiver<Order>,
) {
    // Fail only for a connection that is gone, which reading it tells.
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let ended = {
        let (from_client, to_client) = client.split();
        let (from_server, to_server) = server.split();
        let up = pass(from_client, to_server, orders.clone(), Towards::Server);
        let down = pass(from_server, to_client, orders.clone(), Towards::Client);
        let both = async { tokio::try_join!(up, down).map(|_| ()) };
        tokio::select! {
            ended = both => ended,
            end = until_ended(born, orders) => Err(end),
        }
    };
    match ended {
        Ok(()) => {}
        Err(End::Reset) => drop((client.set_zero_linger(), server.set_zero_linger())),
        Err(End::Cut) => {
            // What is unread when a socket is dropped makes the kernel reset it: so all is read to its end.
            let _ = tokio::join!(client.shutdown(), server.shutdown());
            let (mut no_client, mut no_server) = (sink(), sink());
            let _ = tokio::join!(
                copy(&mut client, &mut no_client),
                copy(&mut server, &mut no_server)
            );
        }
    }
}

/// Which way a direction goes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Towards {
    Client,
    Server,
}

/// Passes one direction to its end, as the orders say; the error is how the connection must end.
async fn pass(
    mut from: ReadHalf<'_>,
    mut to: WriteHalf<'_>,
    mut orders: watch::Receiver<Order>,
    towards: Towards,
) -> Result<(), End> {
    let mut buffer = Vec::new();
    let mut fuse = Fuse::default();
    loop {
        until_flowing(&mut orders).await;
        let (most, _) = orders.borrow().pace.step();
        buffer.resize(most, 0);
        // A broken connection on one side is one on the other.
        let read = from.read(&mut buffer).await.or(Err(End::Reset))?;
        if read == 0 {
            // Whoever reads no more still may write.
            let _ = to.shutdown().await;
            return Ok(());
        }
        let mut bytes = &buffer[..read];
        while !bytes.is_empty() {
            // The orders may have changed since, or while a piece was held.
            let (most, held) = until_flowing(&mut orders).await.step();
            if held > Duration::ZERO {
                hold(held, &mut orders).await;
                until_flowing(&mut orders).await;
            }
            let left = match towards {
                Towards::Client => fuse.left(&orders.borrow()),
                Towards::Server => usize::MAX,
            };
            let (now, later) = bytes.split_at(bytes.len().min(most).min(left));
            to.write_all(now).await.or(Err(End::Reset))?;
            fuse.burn(now.len());
            if left == now.len() {
                return Err(End::Cut);
            }
            bytes = later;
        }
    }
}

/// The bytes that may still pass to a client.
#[derive(Default)]
struct Fuse {
    number: usize,
    left: usize,
}

impl Fuse {
    /// How many bytes may pass: each order to cut counts its own.
    fn left(&mut self, order: &Order) -> usize {
        let Some(length) = order.fuse else {
            return usize::MAX;
        };
        if self.number != order.fuses {
            (self.number, self.left) = (order.fuses, length);
        }
        self.left
    }

    fn burn(&mut self, bytes: usize) {
        self.left = self.left.saturating_sub(bytes);
    }
}

/// Waits until bytes may pass, and says how.
async fn until_flowing(orders: &mut watch::Receiver<Order>) -> Pace {
    let flows = orders.wait_for(|order| order.pace != Pace::Stalled).await;
    match flows.map(|order| order.pace) {
        Ok(pace) => pace,
        // The proxy is gone, and this connection's task is about to be.
        Err(_) => pending().await,
    }
}

/// Holds a piece for its time; whatever changes the pace meanwhile lets it go.
async fn hold(time: Duration, orders: &mut watch::Receiver<Order>) {
    let pace = orders.borrow().pace;
    tokio::select! {
        () = sleep(time) => {}
        _ = orders.wait_for(|order| order.pace != pace) => {}
    }
}

/// Waits until all connections are ended, in vain if they never are.
async fn until_ended(born: Order, mut orders: watch::Receiver<Order>) -> End {
    let ended = orders.wait_for(|order| order.ends > born.ends).await;
    match ended.map(|order| order.end) {
        Ok(end) => end,
        Err(_) => pending().await,
    }
}

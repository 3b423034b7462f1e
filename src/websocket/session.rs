//! What an open WebSocket is for, apart from the protocol.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::SystemTime;

use bytes::Bytes;
use tokio::net::TcpStream;

use super::close::Close;
use super::decoder::Kind;
use super::queue::{Queue, Sent};

/// One side of a conversation. Data frames are the session's; control frames are the connection's own.
pub trait Session: Send + Unpin {
    /// Takes a piece of a message, the `last` or not; may answer with a frame.
    fn receive(&mut self, kind: Kind, bytes: &[u8], last: bool) -> Option<Bytes>;

    /// Moves frames to be sent to the end of `queue`; ready when the connection is to close. From now on the connection
    /// alone writes.
    fn poll(&mut self, context: &mut Context<'_>, queue: &mut Queue) -> Poll<Close>;

    /// The connection has nothing to write: until the next [`poll`](Self::poll) the session may write whole frames to the
    /// socket by itself, which spares waking the connection.
    fn idle(&mut self, _socket: &Arc<TcpStream>) {}

    /// Takes note of what the connection wrote.
    fn sent(&mut self, sent: Sent);

    /// How many data frames were written in all.
    fn messages(&self) -> usize;

    /// Lets go of what the session holds for its client: the connection closes, whatever the client does.
    fn end(&mut self);

    /// When the connection must close because its token is no longer valid.
    fn expires_at(&self) -> Option<SystemTime>;
}

impl Session for Box<dyn Session> {
    fn receive(&mut self, kind: Kind, bytes: &[u8], last: bool) -> Option<Bytes> {
        (**self).receive(kind, bytes, last)
    }

    fn poll(&mut self, context: &mut Context<'_>, queue: &mut Queue) -> Poll<Close> {
        (**self).poll(context, queue)
    }

    fn idle(&mut self, socket: &Arc<TcpStream>) {
        (**self).idle(socket);
    }

    fn sent(&mut self, sent: Sent) {
        (**self).sent(sent);
    }

    fn messages(&self) -> usize {
        (**self).messages()
    }

    fn end(&mut self) {
        (**self).end();
    }

    fn expires_at(&self) -> Option<SystemTime> {
        (**self).expires_at()
    }
}

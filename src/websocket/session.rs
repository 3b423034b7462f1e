//! What an open WebSocket is for, apart from the protocol.

use std::collections::VecDeque;
use std::task::{Context, Poll};
use std::time::SystemTime;

use bytes::Bytes;

use super::close::Close;
use super::decoder::Kind;

/// One side of a conversation. Data frames are the session's; control frames are the connection's own.
pub trait Session: Send + Unpin {
    /// Takes a piece of a message, the `last` or not; may answer with a frame.
    fn receive(&mut self, kind: Kind, bytes: &[u8], last: bool) -> Option<Bytes>;

    /// Moves frames to be sent to the end of `frames`; ready when the connection is to close.
    fn poll(&mut self, context: &mut Context<'_>, frames: &mut VecDeque<Bytes>) -> Poll<Close>;

    /// Takes note that `frames` data frames of `bytes` bytes were written.
    fn sent(&mut self, frames: usize, bytes: usize);

    /// Lets go of what the session holds for its client: the connection closes, whatever the client does.
    fn end(&mut self);

    /// When the connection must close because its token is no longer valid.
    fn expires_at(&self) -> Option<SystemTime>;
}

impl Session for Box<dyn Session> {
    fn receive(&mut self, kind: Kind, bytes: &[u8], last: bool) -> Option<Bytes> {
        (**self).receive(kind, bytes, last)
    }

    fn poll(&mut self, context: &mut Context<'_>, frames: &mut VecDeque<Bytes>) -> Poll<Close> {
        (**self).poll(context, frames)
    }

    fn sent(&mut self, frames: usize, bytes: usize) {
        (**self).sent(frames, bytes);
    }

    fn end(&mut self) {
        (**self).end();
    }

    fn expires_at(&self) -> Option<SystemTime> {
        (**self).expires_at()
    }
}

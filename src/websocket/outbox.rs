//! What waits to be sent to one connection: bounded in messages and in bytes.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;

use super::close::{self, Close};

/// The queue between the backplane, which must never wait, and one connection, which may.
#[derive(Debug)]
pub struct Outbox {
    bounds: Bounds,
    state: Mutex<State>,
}

/// How much may wait for one connection.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Frames.
    pub messages: usize,
    /// Bytes of frames, headers included.
    pub bytes: usize,
}

#[derive(Debug, Default)]
struct State {
    frames: VecDeque<Bytes>,
    /// Frames not yet written to the socket, taken ones included; likewise `bytes`.
    messages: usize,
    bytes: usize,
    /// Frames that were queued and forgotten.
    dropped: usize,
    close: Option<&'static Close>,
    waker: Option<Waker>,
}

impl Outbox {
    /// An empty queue.
    pub fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            state: Mutex::default(),
        }
    }

    /// Queues `frame`; past a bound, closes as [`close::SLOW_CONSUMER`] instead and forgets what was queued.
    ///
    /// A frame for a closed queue is ignored.
    pub fn push(&self, frame: Bytes) {
        let mut state = self.state();
        if state.close.is_some() {
            return;
        }
        state.messages += 1;
        state.bytes += frame.len();
        if state.messages > self.bounds.messages || state.bytes > self.bounds.bytes {
            state.dropped = state.frames.len() + 1;
            state.messages -= state.dropped;
            state.frames = VecDeque::new();
            state.close = Some(&close::SLOW_CONSUMER);
        } else {
            state.frames.push_back(frame);
        }
        state.wake();
    }

    /// Ends the queue: what it holds may still be sent, then the connection closes. The first close counts.
    pub fn close(&self, close: &'static Close) {
        let mut state = self.state();
        if state.close.is_none() {
            state.close = Some(close);
            state.wake();
        }
    }

    /// Moves what is queued to the end of `frames`; ready when the connection is to close after them.
    pub fn poll(
        &self,
        context: &Context<'_>,
        frames: &mut VecDeque<Bytes>,
    ) -> Poll<&'static Close> {
        let mut state = self.state();
        if frames.is_empty() {
            // An idle connection keeps no memory for frames.
            *frames = std::mem::take(&mut state.frames);
        } else {
            frames.append(&mut state.frames);
        }
        match state.close {
            Some(close) => Poll::Ready(close),
            None => {
                let waker = context.waker();
                if !state.waker.as_ref().is_some_and(|own| own.will_wake(waker)) {
                    state.waker = Some(waker.clone());
                }
                Poll::Pending
            }
        }
    }

    /// Notes that `messages` frames of `bytes` bytes left for good, and makes room for as much.
    pub fn sent(&self, messages: usize, bytes: usize) {
        let mut state = self.state();
        state.messages -= messages;
        state.bytes -= bytes;
    }

    /// How many frames were forgotten past a bound.
    pub fn dropped(&self) -> usize {
        self.state().dropped
    }

    /// How many frames were queued, and neither forgotten nor [`sent`](Self::sent).
    pub fn unsent(&self) -> usize {
        self.state().messages
    }

    /// Whether the queue ended as `close`.
    pub fn closed_as(&self, close: &'static Close) -> bool {
        self.state().close == Some(close)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Wakes the connection once for any number of frames: it leaves its waker anew when it polls.
    fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

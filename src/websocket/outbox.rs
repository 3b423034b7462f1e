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
    /// The connection's; it is `awaited` since the connection last polled in vain.
    waker: Option<Waker>,
    awaited: bool,
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
            std::mem::swap(frames, &mut state.frames);
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
                state.awaited = true;
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
    /// Wakes the connection once for any number of frames, until it polls again.
    fn wake(&mut self) {
        if std::mem::take(&mut self.awaited)
            && let Some(waker) = &self.waker
        {
            waker.wake_by_ref();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    const BOUNDS: Bounds = Bounds {
        messages: 3,
        bytes: 10,
    };

    #[derive(Default)]
    struct Wakes(AtomicUsize);

    impl Wake for Wakes {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn frame(length: usize) -> Bytes {
        vec![b'x'; length].into()
    }

    /// What a connection with `writing` gets: how many frames it has then, and the close.
    fn polled(outbox: &Outbox, writing: usize) -> (usize, Option<&'static Close>) {
        let mut frames: VecDeque<Bytes> = (0..writing).map(|_| frame(1)).collect();
        let polled = outbox.poll(&Context::from_waker(Waker::noop()), &mut frames);
        match polled {
            Poll::Ready(close) => (frames.len(), Some(close)),
            Poll::Pending => (frames.len(), None),
        }
    }

    #[test]
    fn what_is_queued_is_taken_in_order_behind_what_is_being_written() {
        let outbox = Outbox::new(BOUNDS);
        outbox.push("1".into());
        outbox.push("2".into());
        let mut frames = VecDeque::from([Bytes::from("0")]);
        assert!(
            outbox
                .poll(&Context::from_waker(Waker::noop()), &mut frames)
                .is_pending()
        );
        assert_eq!(frames, ["0", "1", "2"]);
    }

    #[test]
    fn one_message_too_many_closes_as_slow_consumer() {
        let outbox = Outbox::new(BOUNDS);
        (0..4).for_each(|_| outbox.push(frame(1)));
        assert_eq!(polled(&outbox, 0), (0, Some(&close::SLOW_CONSUMER)));
        assert_eq!((outbox.dropped(), outbox.unsent()), (4, 0));
    }

    #[test]
    fn one_byte_too_many_closes_as_slow_consumer() {
        let outbox = Outbox::new(BOUNDS);
        outbox.push(frame(10));
        assert_eq!(polled(&outbox, 0), (1, None));
        outbox.push(frame(1));
        assert_eq!(polled(&outbox, 1), (1, Some(&close::SLOW_CONSUMER)));
        assert_eq!((outbox.dropped(), outbox.unsent()), (1, 1));
    }

    #[test]
    fn what_is_taken_counts_until_it_is_sent() {
        let outbox = Outbox::new(BOUNDS);
        (0..3).for_each(|_| outbox.push(frame(3)));
        assert_eq!(polled(&outbox, 0), (3, None));
        outbox.sent(2, 6);
        (0..2).for_each(|_| outbox.push(frame(3)));
        assert_eq!(polled(&outbox, 1), (3, None));
        assert_eq!(outbox.unsent(), 3);
    }

    #[test]
    fn what_was_queued_before_a_close_may_still_be_sent_and_nothing_after_it() {
        let outbox = Outbox::new(BOUNDS);
        outbox.push(frame(1));
        outbox.close(&close::UNAVAILABLE);
        outbox.push(frame(1));
        outbox.close(&close::SHUTDOWN);
        assert_eq!(polled(&outbox, 0), (1, Some(&close::UNAVAILABLE)));
    }

    #[test]
    fn a_batch_wakes_its_connection_once() {
        let outbox = Outbox::new(BOUNDS);
        let wakes = Arc::new(Wakes::default());
        let waker = Waker::from(wakes.clone());
        let poll = || outbox.poll(&Context::from_waker(&waker), &mut VecDeque::new());
        assert!(poll().is_pending());
        (0..3).for_each(|_| outbox.push(frame(1)));
        assert_eq!(wakes.0.load(Ordering::Relaxed), 1);
        assert!(poll().is_pending());
        outbox.close(&close::SHUTDOWN);
        assert_eq!(wakes.0.load(Ordering::Relaxed), 2);
    }
}

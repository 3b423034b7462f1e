//! What waits to be sent to one connection: bounded in messages and in bytes.
//!
//! At any time one side may write to the socket. It is the connection, until it has nothing to write and lends the socket;
//! then it is whoever [flushes](Outbox::flush) the queue, which spares a message the way over the connection's task. What the
//! socket does not take at once, and every close, is the connection's again.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use tokio::net::TcpStream;

use super::close::{self, Close};
use super::queue::{Queue, Sent};

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
    queue: Queue,
    /// Frames not yet written to the socket, taken ones included; likewise `bytes`.
    messages: usize,
    bytes: usize,
    /// Frames that were written.
    delivered: usize,
    /// Frames that were queued and forgotten.
    dropped: usize,
    close: Option<&'static Close>,
    waker: Option<Waker>,
    /// Where to write, while the connection has nothing to.
    socket: Option<Arc<TcpStream>>,
}

impl Outbox {
    /// An empty queue.
    pub fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            state: Mutex::default(),
        }
    }

    /// Queues `frame`; past a bound, closes as [`close::SLOW_CONSUMER`] instead and forgets what was queued. Says whether the
    /// queue has to be [flushed](Self::flush): nobody else will write what is in it.
    ///
    /// A frame for a closed queue is ignored.
    #[must_use]
    pub fn push(&self, frame: Bytes) -> bool {
        let mut state = self.state();
        if state.close.is_some() {
            return false;
        }
        state.messages += 1;
        state.bytes += frame.len();
        if state.messages > self.bounds.messages || state.bytes > self.bounds.bytes {
            state.dropped = state.queue.forget() + 1;
            state.messages -= state.dropped;
            state.close = Some(&close::SLOW_CONSUMER);
        } else {
            state.queue.push(frame);
            if state.socket.is_some() {
                return state.queue.len() == 1;
            }
        }
        state.wake();
        false
    }

    /// Writes what is queued, if the connection has nothing to write; says how many frames went out. The lock is this
    /// connection's own, and the socket is not waited for.
    pub fn flush(&self) -> usize {
        let mut state = self.state();
        let Some(socket) = state.socket.take() else {
            return 0;
        };
        let before = state.delivered;
        while !state.queue.is_empty() {
            match state.queue.write(&socket) {
                Ok(sent) => state.sent(sent),
                Err(_) => {
                    // The connection waits until it can be written to, or finds out what is wrong with it.
                    state.wake();
                    return state.delivered - before;
                }
            }
        }
        state.socket = Some(socket);
        state.delivered - before
    }

    /// Lends `socket`, to which the connection has nothing to write, until it polls again.
    pub fn idle(&self, socket: &Arc<TcpStream>) {
        let mut state = self.state();
        // What has been queued since it polled has woken it.
        if state.queue.is_empty() && state.close.is_none() {
            state.socket = Some(Arc::clone(socket));
        }
    }

    /// Ends the queue: what it holds may still be sent, then the connection closes. The first close counts.
    pub fn close(&self, close: &'static Close) {
        let mut state = self.state();
        if state.close.is_none() {
            state.close = Some(close);
            state.wake();
        }
    }

    /// Moves what is queued to the end of `queue`; ready when the connection is to close after it. Only the connection
    /// writes from now on.
    pub fn poll(&self, context: &Context<'_>, queue: &mut Queue) -> Poll<&'static Close> {
        let mut state = self.state();
        state.socket = None;
        queue.append(&mut state.queue);
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

    /// Notes what left for good, and makes room for as much.
    pub fn sent(&self, sent: Sent) {
        self.state().sent(sent);
    }

    /// How many frames were written.
    pub fn delivered(&self) -> usize {
        self.state().delivered
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
    fn sent(&mut self, sent: Sent) {
        self.messages -= sent.messages;
        self.bytes -= sent.bytes;
        self.delivered += sent.messages;
    }

    /// Wakes the connection once for any number of frames: it leaves its waker anew when it polls.
    fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;
    use tokio::io::AsyncReadExt;
    use tokio::net::TcpListener;

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

    /// What stands for a data frame: its first byte looks like that of one.
    fn frame(length: usize) -> Bytes {
        vec![b'1'; length].into()
    }

    /// Queues frames of these lengths for a connection that has the socket, or waits to be written to.
    fn push(outbox: &Outbox, lengths: &[usize]) {
        for length in lengths {
            assert!(
                !outbox.push(frame(*length)),
                "the connection writes, and nobody else"
            );
        }
    }

    /// What a connection with `writing` gets: how many frames it has then, and the close.
    fn polled(outbox: &Outbox, writing: usize) -> (usize, Option<&'static Close>) {
        let mut queue = Queue::default();
        (0..writing).for_each(|_| queue.push(frame(1)));
        match outbox.poll(&Context::from_waker(Waker::noop()), &mut queue) {
            Poll::Ready(close) => (queue.len(), Some(close)),
            Poll::Pending => (queue.len(), None),
        }
    }

    /// A socket that can be written to, and who reads from it.
    async fn sockets() -> (Arc<TcpStream>, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let reader = TcpStream::connect(listener.local_addr().unwrap())
            .await
            .unwrap();
        let (socket, _) = listener.accept().await.unwrap();
        socket.writable().await.unwrap();
        (Arc::new(socket), reader)
    }

    #[test]
    fn what_is_queued_is_taken_in_order_behind_what_is_being_written() {
        let outbox = Outbox::new(BOUNDS);
        assert!(!outbox.push("1".into()));
        assert!(!outbox.push("2".into()));
        let mut queue = Queue::default();
        queue.push("0".into());
        assert!(
            outbox
                .poll(&Context::from_waker(Waker::noop()), &mut queue)
                .is_pending()
        );
        assert!(queue.frames().eq(["0", "1", "2"]));
    }

    #[test]
    fn one_message_too_many_closes_as_slow_consumer() {
        let outbox = Outbox::new(BOUNDS);
        push(&outbox, &[1, 1, 1, 1]);
        assert_eq!(polled(&outbox, 0), (0, Some(&close::SLOW_CONSUMER)));
        assert_eq!((outbox.dropped(), outbox.unsent()), (4, 0));
    }

    #[test]
    fn one_byte_too_many_closes_as_slow_consumer() {
        let outbox = Outbox::new(BOUNDS);
        push(&outbox, &[10]);
        assert_eq!(polled(&outbox, 0), (1, None));
        push(&outbox, &[1]);
        assert_eq!(polled(&outbox, 1), (1, Some(&close::SLOW_CONSUMER)));
        assert_eq!((outbox.dropped(), outbox.unsent()), (1, 1));
    }

    #[test]
    fn what_is_taken_counts_until_it_is_sent() {
        let outbox = Outbox::new(BOUNDS);
        push(&outbox, &[3, 3, 3]);
        assert_eq!(polled(&outbox, 0), (3, None));
        outbox.sent(Sent {
            messages: 2,
            bytes: 6,
        });
        push(&outbox, &[3, 3]);
        assert_eq!(polled(&outbox, 1), (3, None));
        assert_eq!((outbox.unsent(), outbox.delivered()), (3, 2));
    }

    #[test]
    fn what_was_queued_before_a_close_may_still_be_sent_and_nothing_after_it() {
        let outbox = Outbox::new(BOUNDS);
        push(&outbox, &[1]);
        outbox.close(&close::UNAVAILABLE);
        push(&outbox, &[1]);
        outbox.close(&close::SHUTDOWN);
        assert_eq!(polled(&outbox, 0), (1, Some(&close::UNAVAILABLE)));
    }

    #[test]
    fn a_batch_wakes_its_connection_once() {
        let outbox = Outbox::new(BOUNDS);
        let wakes = Arc::new(Wakes::default());
        let waker = Waker::from(wakes.clone());
        let poll = || outbox.poll(&Context::from_waker(&waker), &mut Queue::default());
        assert!(poll().is_pending());
        push(&outbox, &[1, 1, 1]);
        assert_eq!(wakes.0.load(Ordering::Relaxed), 1);
        assert!(poll().is_pending());
        outbox.close(&close::SHUTDOWN);
        assert_eq!(wakes.0.load(Ordering::Relaxed), 2);
    }

    #[tokio::test]
    async fn what_is_queued_for_a_connection_with_nothing_to_write_goes_out_without_it() {
        let (socket, mut reader) = sockets().await;
        let outbox = Outbox::new(BOUNDS);
        let wakes = Arc::new(Wakes::default());
        let waker = Waker::from(wakes.clone());
        for round in 1..=2 {
            assert!(
                outbox
                    .poll(&Context::from_waker(&waker), &mut Queue::default())
                    .is_pending()
            );
            outbox.idle(&socket);
            assert!(outbox.push("ab".into()), "somebody has to write it");
            assert!(!outbox.push("c".into()), "and the rest with it");
            assert_eq!(outbox.flush(), 2);
            let mut bytes = [0; 3];
            reader.read_exact(&mut bytes).await.unwrap();
            assert_eq!(&bytes, b"abc");
            assert_eq!((outbox.unsent(), outbox.delivered()), (0, 2 * round));
            assert_eq!(outbox.flush(), 0, "there is nothing any more");
        }
        assert_eq!(wakes.0.load(Ordering::Relaxed), 0);
        outbox.close(&close::SHUTDOWN);
        assert_eq!(wakes.0.load(Ordering::Relaxed), 1);
    }

    #[tokio::test]
    async fn a_connection_that_has_polled_or_been_woken_writes_alone() {
        let (socket, _reader) = sockets().await;
        let outbox = Outbox::new(BOUNDS);
        outbox.idle(&socket);
        assert_eq!(polled(&outbox, 0), (0, None));
        push(&outbox, &[1]);
        outbox.idle(&socket); // which has not seen yet what is queued
        push(&outbox, &[1]);
        assert_eq!(outbox.flush(), 0);
        assert_eq!(polled(&outbox, 0), (2, None));
    }

    #[tokio::test]
    async fn what_the_socket_does_not_take_is_the_connections_the_rest_of_a_frame_first() {
        const LENGTH: usize = 64 << 20;
        let (socket, mut reader) = sockets().await;
        let outbox = Outbox::new(Bounds {
            messages: 2,
            bytes: 2 * LENGTH,
        });
        let wakes = Arc::new(Wakes::default());
        let waker = Waker::from(wakes.clone());
        let mut queue = Queue::default();
        assert!(
            outbox
                .poll(&Context::from_waker(&waker), &mut queue)
                .is_pending()
        );
        outbox.idle(&socket);
        assert!(outbox.push(frame(LENGTH)));
        assert_eq!(outbox.flush(), 0, "so much is taken at once");
        assert_eq!(wakes.0.load(Ordering::Relaxed), 1);
        push(&outbox, &[1, 1]);
        assert_eq!(outbox.dropped(), 2, "one too many, and one before it");
        let close = outbox.poll(&Context::from_waker(&waker), &mut queue);
        assert_eq!(close, Poll::Ready(&close::SLOW_CONSUMER));
        assert_eq!(queue.forget(), 0, "a frame that is begun is ended");
        let read = tokio::spawn(async move {
            let mut bytes = vec![0; LENGTH];
            reader.read_exact(&mut bytes).await.map(|_| bytes)
        });
        while !queue.is_empty() {
            socket.writable().await.unwrap();
            if let Ok(sent) = queue.write(&socket) {
                outbox.sent(sent);
            }
        }
        assert_eq!(read.await.unwrap().unwrap(), frame(LENGTH));
        assert_eq!((outbox.unsent(), outbox.delivered()), (0, 1));
    }
}

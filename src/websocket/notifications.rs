//! What a WebSocket is for here: a user's notifications go out, what the client says is ignored.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use tokio::net::TcpStream;

use super::close::{self, Close};
use super::decoder::Kind;
use super::metrics::{Active, Metrics};
use super::outbox::Outbox;
use super::queue::{Queue, Sent};
use super::quota::Place;
use super::session::Session;
use super::subscriptions::Membership;

/// The session of an admitted client.
pub struct Notifications {
    slot: Option<(Membership, Option<Place>, Active)>,
    outbox: Arc<Outbox>,
    metrics: Arc<Metrics>,
    /// Seconds since the Unix epoch.
    expires_at: u64,
}

/// The session of a client that is only told why it is not admitted.
pub struct Refusal(pub Close);

impl Notifications {
    /// The session over a confirmed membership, until the token's `exp`, in seconds since the Unix epoch.
    pub fn new(
        membership: Membership,
        place: Option<Place>,
        metrics: Arc<Metrics>,
        expires_at: u64,
    ) -> Self {
        Self {
            outbox: membership.outbox(),
            slot: Some((membership, place, metrics.open())),
            metrics,
            expires_at,
        }
    }
}

impl Session for Notifications {
    fn receive(&mut self, _: Kind, _: &[u8], _: bool) -> Option<Bytes> {
        None
    }

    fn poll(&mut self, context: &mut Context<'_>, queue: &mut Queue) -> Poll<Close> {
        self.outbox.poll(context, queue).map(Close::clone)
    }

    fn idle(&mut self, socket: &Arc<TcpStream>) {
        self.outbox.idle(socket);
    }

    fn sent(&mut self, sent: Sent) {
        self.outbox.sent(sent);
        self.metrics.sent.inc_by(sent.messages as u64);
    }

    fn messages(&self) -> usize {
        self.outbox.delivered()
    }

    fn end(&mut self) {
        if self.slot.take().is_some() {
            self.metrics.too_slow.inc_by(self.outbox.dropped() as u64);
        }
    }

    fn expires_at(&self) -> Option<SystemTime> {
        // An `exp` that the clock cannot tell never comes.
        SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(self.expires_at))
    }
}

impl Drop for Notifications {
    fn drop(&mut self) {
        // What was still to be sent when the connection ended.
        let unsent = self.outbox.unsent() as u64;
        if self.outbox.closed_as(&close::SLOW_CONSUMER) {
            self.metrics.too_slow.inc_by(unsent);
        } else {
            self.metrics.gone.inc_by(unsent);
        }
    }
}

impl Session for Refusal {
    fn receive(&mut self, _: Kind, _: &[u8], _: bool) -> Option<Bytes> {
        None
    }

    fn poll(&mut self, _: &mut Context<'_>, _: &mut Queue) -> Poll<Close> {
        Poll::Ready(self.0.clone())
    }

    fn sent(&mut self, _: Sent) {}

    fn messages(&self) -> usize {
        0
    }

    fn end(&mut self) {}

    fn expires_at(&self) -> Option<SystemTime> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::super::connection::{Connection, Rules};
    use super::super::outbox::Bounds;
    use super::super::subscriptions::{LinkId, Subscriptions};
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
    use tokio::net::TcpListener;

    const BURST: u32 = 400;
    /// So long that a burst is more than the system holds for a client.
    const LENGTH: usize = 60_000;
    const PING: &[u8] = &[0x89, 0x80, 1, 2, 3, 4];
    const PONG: &[u8] = &[0x8A, 0];

    const RULES: Rules = Rules {
        ping_interval: Duration::from_secs(3600),
        idle_timeout: Duration::from_secs(3600),
        message_limit: 100,
    };

    async fn read(client: &mut BufReader<TcpStream>, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        client.read_exact(&mut bytes).await.unwrap();
        bytes
    }

    /// Part of it is written where it is taken in, the rest by the connection, which has pongs to write as well.
    #[tokio::test]
    async fn messages_keep_their_order_whoever_writes_them() {
        let bounds = Bounds {
            messages: usize::MAX,
            bytes: usize::MAX,
        };
        let subscriptions = Arc::new(Subscriptions::new("ws", 1, bounds));
        let feed = subscriptions.link_up(LinkId::default());
        let membership = subscriptions.join("teacher").unwrap();
        for request in feed.take_requests() {
            feed.take_in(|intake| intake.answered(&request, true));
        }
        let metrics = Arc::new(Metrics::new());
        let session = Notifications::new(membership, None, metrics.clone(), u64::MAX);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await;
        let mut client = BufReader::new(client.unwrap());
        let (stream, _) = listener.accept().await.unwrap();
        let connection = Connection::new(stream, Bytes::new(), session, RULES, "id".into());
        let connection = tokio::spawn(connection);

        let mut at_once = 0;
        for burst in 0..3 {
            // The connection is open, and then has nothing to write.
            client.write_all(PING).await.unwrap();
            assert_eq!(read(&mut client, 2).await, PONG);
            let numbers = burst * BURST..(burst + 1) * BURST;
            let before = at_once;
            for number in numbers.clone() {
                let payload = format!("{number:LENGTH$}");
                let (taken, written) =
                    feed.take_in(|intake| intake.message(b"ws:teacher", payload.as_bytes()));
                taken.unwrap();
                at_once += written;
            }
            let written = at_once - before;
            assert!((1..BURST as usize).contains(&written), "{written} at once");
            client.write_all(PING).await.unwrap();
            let mut expected = numbers;
            let mut pongs = 0;
            while !expected.is_empty() || pongs == 0 {
                if read(&mut client, 2).await == PONG {
                    pongs += 1;
                    continue;
                }
                let message = read(&mut client, 2 + LENGTH).await;
                let message = String::from_utf8_lossy(&message[2..]);
                assert_eq!(message.trim().parse().ok(), expected.next());
            }
            assert_eq!(pongs, 1);
        }
        drop(client);
        connection.await.unwrap();
        let by_connection = metrics.sent.get();
        assert_eq!(by_connection + at_once as u64, u64::from(3 * BURST));
        assert_eq!(metrics.gone.get(), 0);
    }
}

//! What a WebSocket is for here: a user's notifications go out, what the client says is ignored.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};

use bytes::Bytes;

use super::close::{self, Close};
use super::decoder::Kind;
use super::metrics::{Active, Metrics};
use super::outbox::Outbox;
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

    fn poll(&mut self, context: &mut Context<'_>, frames: &mut VecDeque<Bytes>) -> Poll<Close> {
        self.outbox.poll(context, frames).map(Close::clone)
    }

    fn sent(&mut self, frames: usize, bytes: usize) {
        self.outbox.sent(frames, bytes);
        self.metrics.sent.inc_by(frames as u64);
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

    fn poll(&mut self, _: &mut Context<'_>, _: &mut VecDeque<Bytes>) -> Poll<Close> {
        Poll::Ready(self.0.clone())
    }

    fn sent(&mut self, _: usize, _: usize) {}

    fn end(&mut self) {}

    fn expires_at(&self) -> Option<SystemTime> {
        None
    }
}

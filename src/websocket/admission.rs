//! Who is let in: token, quota and a confirmed subscription, in this order.

use std::sync::Arc;
use std::time::Duration;

use percent_encoding::percent_decode_str;
use tokio::time::timeout;
use tracing::info;

use super::close::{self, Close};
use super::metrics::{Metrics, Outcome};
use super::notifications::{Notifications, Refusal};
use super::quota::{Place, Quota};
use super::session::Session;
use super::subscriptions::{Membership, Refused, Subscriptions};
use crate::auth::{self, Verifier};

/// What decides about a client that wants to connect.
pub struct Admission {
    /// Whose tokens are accepted.
    pub verifier: Verifier,
    /// Where an admitted client gets its messages from.
    pub subscriptions: Arc<Subscriptions>,
    /// How many connections a user may have on all services together, if that is limited.
    pub quota: Option<Quota>,
    /// Where the decisions are counted.
    pub metrics: Arc<Metrics>,
}

/// The service ends: nobody is let in any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stopped;

/// How long Redis may take to confirm a subscription.
const CONFIRMATION_DEADLINE: Duration = Duration::from_secs(5);

impl Admission {
    /// The session of a client whose request had this query; logs name the connection `id`.
    ///
    /// A session is ready to be upgraded: for an admitted client Redis has confirmed the subscription.
    pub async fn decide(&self, query: Option<&str>, id: &str) -> Result<Box<dyn Session>, Stopped> {
        let token = token(query.unwrap_or_default());
        let verified = self.verifier.verify(&token);
        self.metrics.token(verified.as_ref().err().copied());
        let identity = match verified {
            Ok(identity) => identity,
            Err(refusal) => return Ok(self.unauthenticated(refusal, id)),
        };
        let refused = match self.places(&identity.user_id).await {
            Ok((membership, place)) => {
                info!(
                    correlation_id = id,
                    user_id = identity.user_id,
                    "connection opened"
                );
                self.metrics.upgrade(Outcome::Accepted);
                let metrics = self.metrics.clone();
                let session = Notifications::new(membership, place, metrics, identity.expires_at);
                return Ok(Box::new(session));
            }
            Err(refused) => refused,
        };
        let (outcome, close) = match refused {
            Refused::Stopped => return Err(Stopped),
            Refused::Quota => (Outcome::Quota, &close::QUOTA_EXCEEDED),
            Refused::Unavailable => (Outcome::Unavailable, &close::UNAVAILABLE),
        };
        info!(
            correlation_id = id,
            user_id = identity.user_id,
            reason = close.error_code,
            "connection refused"
        );
        Ok(self.refuse(outcome, close.clone()))
    }

    /// A place among the user's connections here, whose subscription Redis has confirmed, and one among those on all services.
    async fn places(&self, user: &str) -> Result<(Membership, Option<Place>), Refused> {
        let mut membership = self.subscriptions.join(user)?;
        let place = match &self.quota {
            Some(quota) => Some(quota.take(user).await?),
            None => None,
        };
        let confirmed = timeout(CONFIRMATION_DEADLINE, membership.confirmed()).await;
        confirmed.unwrap_or(Err(Refused::Unavailable))?;
        Ok((membership, place))
    }

    fn unauthenticated(&self, refusal: auth::Refusal, id: &str) -> Box<dyn Session> {
        info!(correlation_id = id, reason = %refusal, "connection refused");
        let close = Close::unauthenticated(refusal.to_string());
        self.refuse(Outcome::Unauthenticated, close)
    }

    fn refuse(&self, outcome: Outcome, close: Close) -> Box<dyn Session> {
        self.metrics.upgrade(outcome);
        Box::new(Refusal(close))
    }
}

/// The parameter `token` of a query; empty without one.
fn token(query: &str) -> String {
    query
        .split('&')
        .find_map(|parameter| parameter.strip_prefix("token="))
        .map(|token| percent_decode_str(token).decode_utf8_lossy().into_owned())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::alone("token=abc", "abc")]
    #[case::among_others("a=b&token=abc&c", "abc")]
    #[case::encoded("token=a%2Eb", "a.b")]
    #[case::first_of_two("token=abc&token=def", "abc")]
    #[case::none("tokens=abc", "")]
    #[case::empty("", "")]
    fn the_token_is_found_in_the_query(#[case] query: &str, #[case] expected: &str) {
        assert_eq!(token(query), expected);
    }
}

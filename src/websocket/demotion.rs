//! Learns at once that Redis is no longer the master, on a connection of its own.
//!
//! A master that becomes a replica leaves its subscribers in peace, and passes on to them what it copies from the new
//! master from some moment on: what was published there before is missing, and nothing tells. Who asks for the role now
//! and then learns it when later messages are delivered already. But whoever is kept waiting by a command is released at
//! once, before anything is copied. So Redis is asked to wait for more replicas than anybody has.

use std::convert::Infallible;
use std::time::Duration;

use tokio::time::{Instant, sleep};
use tracing::{info, warn};

use super::redis::{RedisAddress, RedisError};

/// How many replicas are waited for.
const NEVER_SO_MANY: &str = "1000000";

/// How long to wait after a failure.
const PAUSE: Duration = Duration::from_secs(1);

/// Waits until the Redis at `address` is a replica; in vain where it does not tell. The connection is used anew every
/// `interval`, so that nothing on its way takes it for idle.
pub async fn until_demoted(address: &RedisAddress, interval: Duration) {
    loop {
        match watch(address, interval).await {
            Err(RedisError::Replica) => return,
            Err(RedisError::Refused(words)) => {
                // Where it is forbidden, or not known, the role is still asked for now and then.
                info!(%words, "redis does not tell at once when it is no longer the master");
                return std::future::pending().await;
            }
            Err(error) => warn!(%error, "lost the connection on which redis tells its role"),
            Ok(never) => match never {},
        }
        sleep(PAUSE).await;
    }
}

async fn watch(address: &RedisAddress, interval: Duration) -> Result<Infallible, RedisError> {
    let patience = interval.as_millis().max(1).to_string();
    let wait: &[&[u8]] = &[b"WAIT", NEVER_SO_MANY.as_bytes(), patience.as_bytes()];
    let mut link = address.open().await?;
    let login = address.login();
    // In one go, so that whoever reads the first words knows what the connection is for.
    link.say(login.iter().map(Vec::as_slice).chain([wait]))
        .await?;
    if login.is_some() {
        link.answer().await?;
    }
    loop {
        let asked = Instant::now();
        match link.answer().await {
            Ok(_) if asked.elapsed() < interval / 2 => {
                let words = "it was asked to wait, and did not";
                return Err(RedisError::Refused(words.to_owned()));
            }
            Ok(_) => link.say([wait]).await?,
            Err(RedisError::Refused(words)) if is_demotion(&words) => {
                return Err(RedisError::Replica);
            }
            Err(error) => return Err(error),
        }
    }
}

/// Whether Redis refuses to wait because it is a replica, or has become one.
fn is_demotion(words: &str) -> bool {
    words.starts_with("UNBLOCKED") || words.contains("replica instances")
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::demoted(
        "UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)",
        true
    )]
    #[case::replica("ERR WAIT cannot be used with replica instances.", true)]
    #[case::forbidden("NOPERM this user has no permissions to run the 'wait' command", false)]
    #[case::unknown("ERR unknown command 'WAIT'", false)]
    fn redis_says_that_it_is_a_replica(#[case] words: &str, #[case] demotion: bool) {
        assert_eq!(is_demotion(words), demotion);
    }
}

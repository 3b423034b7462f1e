//! Whom the sentinels name as the master of a service (Redis Sentinel client specification).
//!
//! Every sentinel is listened to, all the time: one that has lost touch with the others goes on naming the former master,
//! so what counts is whom most of them name. A sentinel tells at once when it has another opinion, by `+switch-master`.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use redis::{AsyncConnectionConfig, Client, ProtocolVersion, RedisConnectionInfo, RedisResult};
use tokio::sync::{mpsc, watch};
use tokio::time::{sleep, timeout};
use tracing::{info, warn};

use super::backplane::{Backoff, CONNECT_DEADLINE};
use super::redis::RedisAddress;
use crate::redis_url::SentinelUrl;

/// The sentinels of one service.
pub struct Sentinels {
    clients: Vec<RedisResult<Client>>,
    service: String,
    login: RedisConnectionInfo,
    /// How often each is asked, and how long it may take to answer.
    interval: Duration,
    /// Whom each names, as far as that is known.
    opinions: Mutex<Vec<Option<(String, u16)>>>,
    master: watch::Sender<Option<RedisAddress>>,
}

impl Sentinels {
    /// Those of `url`, which nobody has asked yet.
    pub fn new(url: &SentinelUrl, interval: Duration) -> Self {
        let client = |info: &redis::ConnectionInfo| {
            // In which a subscriber may ask.
            let settings = info.redis_settings().clone();
            let settings = settings.set_protocol(ProtocolVersion::RESP3);
            Client::open(info.clone().set_redis_settings(settings))
        };
        Self {
            clients: url.sentinels.iter().map(client).collect(),
            service: url.service.clone(),
            login: url.master.clone(),
            interval,
            opinions: Mutex::new(vec![None; url.sentinels.len()]),
            master: watch::Sender::new(None),
        }
    }

    /// Whom most of them name.
    pub fn master(&self) -> watch::Receiver<Option<RedisAddress>> {
        self.master.subscribe()
    }

    /// Listens to all of them. Does not end.
    pub async fn follow(&self) {
        join_all((0..self.clients.len()).map(|number| self.listen_to(number))).await;
    }

    async fn listen_to(&self, number: usize) {
        let mut backoff = Backoff::default();
        loop {
            if let Err(error) = self.hear(number, &mut backoff).await {
                warn!(sentinel = number, %error, "a sentinel tells nothing");
            }
            self.note(number, None);
            sleep(backoff.next()).await;
        }
    }

    async fn hear(&self, number: usize, backoff: &mut Backoff) -> RedisResult<()> {
        let (sender, mut pushes) = mpsc::unbounded_channel();
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_DEADLINE))
            .set_response_timeout(Some(self.interval))
            .set_push_sender(sender);
        let client = self.clients[number].as_ref().map_err(Clone::clone)?;
        let mut sentinel = client
            .get_multiplexed_async_connection_with_config(&config)
            .await?;
        sentinel.subscribe("+switch-master").await?;
        loop {
            let named = redis::cmd("SENTINEL")
                .arg("get-master-addr-by-name")
                .arg(&self.service)
                .query_async(&mut sentinel)
                .await?;
            *backoff = Backoff::default();
            self.note(number, named);
            // Whatever it tells meanwhile, what it is asked then is the whole of it.
            let _ = timeout(self.interval, pushes.recv()).await;
        }
    }

    /// Notes whom a sentinel names.
    fn note(&self, number: usize, named: Option<(String, u16)>) {
        let mut opinions = self.opinions.lock().unwrap_or_else(PoisonError::into_inner);
        opinions[number] = named;
        self.master.send_if_modified(|master| {
            let present = master.as_ref().map(RedisAddress::place);
            let Some((host, port)) = elected(&opinions, present) else {
                return false;
            };
            info!(host, port, "the sentinels name another master");
            *master = Some(RedisAddress::new(host, *port, &self.login));
            true
        });
    }
}

/// Whom more of the `opinions` name than the `present` one, and than anybody else; nobody where that is nobody.
fn elected<'a>(
    opinions: &'a [Option<(String, u16)>],
    present: Option<(&str, u16)>,
) -> Option<&'a (String, u16)> {
    let votes = |place: (&str, u16)| {
        let same = |(host, port): &&(String, u16)| (host.as_str(), *port) == place;
        opinions.iter().flatten().filter(same).count()
    };
    let others = opinions.iter().flatten();
    let (most, other) = others
        .map(|other| (votes((&other.0, other.1)), other))
        .max_by_key(|(votes, _)| *votes)?;
    (most > present.map_or(0, votes)).then_some(other)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::nobody_knows(&[None, None, None], None, None)]
    #[case::the_first_to_know(&[None, Some("a"), None], None, Some("a"))]
    #[case::nobody_knows_any_more(&[None, None, None], Some("a"), None)]
    #[case::all_agree(&[Some("a"), Some("a"), Some("a")], Some("a"), None)]
    #[case::one_knows_sooner(&[Some("b"), Some("a"), Some("a")], Some("a"), None)]
    #[case::most_know(&[Some("b"), Some("a"), Some("b")], Some("a"), Some("b"))]
    #[case::one_has_lost_touch(&[Some("b"), Some("a"), Some("b")], Some("b"), None)]
    #[case::as_many(&[Some("b"), Some("a"), None], Some("a"), None)]
    #[case::the_only_one_left(&[Some("b"), None, None], Some("a"), Some("b"))]
    fn the_master_is_whom_most_sentinels_name(
        #[case] opinions: &[Option<&str>],
        #[case] present: Option<&str>,
        #[case] expected: Option<&str>,
    ) {
        let opinion = |host: &Option<&str>| host.map(|host| (host.to_owned(), 6379));
        let opinions: Vec<_> = opinions.iter().map(opinion).collect();
        let elected = elected(&opinions, present.map(|host| (host, 6379)));
        assert_eq!(elected.map(|(host, _)| host.as_str()), expected);
    }
}

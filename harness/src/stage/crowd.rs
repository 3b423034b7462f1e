//! Many users who all do the same: their connections share a lane in the flow as long as they are alike.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::try_join_all;
use futures_util::{StreamExt, TryStreamExt, stream};
use tokio::time::{Instant, sleep};

use super::{Stage, User};
use crate::breach::Breach;
use crate::client::{Client, LONG_PATIENCE};
use crate::fault::Link;
use crate::flow::Recorder;
use crate::raw_client::RawClient;
use crate::scenario::{Failure, Outcome};

/// What a service owes to who comes back.
const RESUMES: &str = "backplane.resumes";
/// How many do the same at the same time, where they need not all.
const AT_ONCE: usize = 100;
/// How long a client that is not served waits before it tries again: longer each time, as the contract tells clients.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(4);

impl Stage {
    /// The users `name-1`, `name-2` … `name-{size}`. The flow calls each of them `name`.
    pub fn crowd(&self, name: &str, size: usize) -> Vec<User> {
        let users = (1..=size).map(|number| User {
            name: format!("{name}-{number}"),
            id: self.fresh_id(),
            crowd: Some(name.to_owned()),
        });
        let users: Vec<User> = users.collect();
        let mut state = self.lock();
        for user in &users {
            state.users.insert(user.name.clone(), user.clone());
        }
        users
    }

    /// Connects each of `users` once, over `link` if there is one.
    pub async fn connect_all(&self, users: &[User], link: Option<&Link>) -> Outcome<Vec<Client>> {
        let connecting: Vec<_> = (users.iter().map(|user| self.connect_by(link, user))).collect();
        stream::iter(connecting)
            .buffered(AT_ONCE)
            .try_collect()
            .await
    }

    /// Connects each of `users` again, all at once, and each until it is served: who is not tries again in a moment, as
    /// clients do. The flow knows only the last try of each.
    pub async fn herd(&self, users: &[User]) -> Outcome<Vec<Client>> {
        let count = users.len();
        self.operator_notes(&format!(
            "{count} clients connect again, all at once, each until it is served"
        ));
        // Whoever is served is a reason to wait for the others.
        let last = Mutex::new(Instant::now());
        try_join_all(
            users
                .iter()
                .map(|user| self.connect_until_served(user, &last)),
        )
        .await
    }

    /// Connects as `users`, by turns and `times` in all, and resets each connection: half of them once they are upgraded,
    /// the others before they are.
    pub async fn connect_and_reset(&self, users: &[User], times: usize) -> Outcome {
        self.operator_notes(&format!(
            "{times} clients connect and reset the connection, half of them before they are answered"
        ));
        let resetting = users.iter().cycle().take(times).enumerate();
        let resetting: Vec<_> = resetting
            .map(|(number, user)| self.reset_as(user, (number / users.len()).is_multiple_of(2)))
            .collect();
        stream::iter(resetting)
            .buffer_unordered(AT_ONCE)
            .try_collect()
            .await
    }

    async fn reset_as(&self, user: &User, before_the_answer: bool) -> Outcome {
        let asked = self.good_handshake(user)?;
        if before_the_answer {
            return RawClient::ask_and_reset(&asked).await;
        }
        let (name, lane) = (user.name.clone(), Recorder::default());
        let client = RawClient::connect(name, &asked, lane).await?;
        client.reset()
    }

    async fn connect_until_served(&self, user: &User, last: &Mutex<Instant>) -> Outcome<Client> {
        let last = || last.lock().unwrap_or_else(PoisonError::into_inner);
        let mut pause = FIRST_PAUSE;
        loop {
            let refused = match self.connect_unseen(user).await {
                Ok((client, lane)) => match self.serves(&client).await {
                    Ok(true) => {
                        self.see(&client, user, lane);
                        *last() = Instant::now();
                        return Ok(client);
                    }
                    Ok(false) => {
                        let ended = client.ended().unwrap_or_default();
                        let words = format!("{} is not served again: {ended}", user.name);
                        Failure::Broken(vec![Breach::of(words, [RESUMES])])
                    }
                    Err(failure) => failure,
                },
                Err(failure) => failure,
            };
            if last().elapsed() > LONG_PATIENCE {
                return Err(refused);
            }
            sleep(pause).await;
            pause = LONGEST_PAUSE.min(2 * pause);
        }
    }
}

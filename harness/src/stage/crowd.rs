//! Many users who all do the same: their connections share a lane in the flow as long as they are alike.

use futures_util::{StreamExt, TryStreamExt, stream};

use super::{Stage, User};
use crate::client::Client;
use crate::fault::Link;
use crate::scenario::Outcome;

/// How many connect at the same time.
const AT_ONCE: usize = 100;

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

    /// Connects each of `users` once, many at the same time, over `link` if there is one.
    pub async fn connect_all(&self, users: &[User], link: Option<&Link>) -> Outcome<Vec<Client>> {
        let connecting = users.iter().map(|user| self.connect_by(link, user));
        stream::iter(connecting)
            .buffered(AT_ONCE)
            .try_collect()
            .await
    }
}

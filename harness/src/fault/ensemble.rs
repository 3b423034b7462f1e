//! Servers of an ensemble killed and started, masters and slots moved.

use std::sync::Arc;

use redis::cmd;

use crate::endpoint::Endpoint;
use crate::runner::until_accepting_again;
use crate::scenario::{Failure, Outcome};
use crate::stage::{Stage, User};
use crate::system::{Ensemble, LAST, Part, SERVICE};

impl Stage {
    /// A user whose messages another primary of the cluster has than those of `user`.
    pub async fn user_elsewhere(&self, name: &str, user: &User) -> Outcome<User> {
        let theirs = self.primary_of(user).await?;
        loop {
            let id = self.fresh_id();
            let channel = self.system().channel(&id);
            if self.of(self.ensemble()?.primary_of(&channel).await)? != theirs {
                return Ok(self.user_with_id(name, &id));
            }
        }
    }

    /// Kills the primary that has the messages of `user`.
    pub async fn kill_primary_of(&self, user: &User) -> Outcome {
        self.operator_notes(&format!(
            "kills the primary that has {}'s messages",
            user.name
        ));
        let primary = self.primary_of(user).await?;
        self.of(self.ensemble()?.kill(primary).await)
    }

    /// Kills the replica of that primary: nobody can take its place.
    pub async fn kill_replica_of(&self, user: &User) -> Outcome {
        let words = format!(
            "kills the replica of the primary that has {}'s messages",
            user.name
        );
        self.operator_notes(&words);
        let (cluster, primary) = (self.ensemble()?, self.primary_of(user).await?);
        self.of(cluster.kill(cluster.replica_of(primary)).await)
    }

    /// Starts that primary again, which remembers its slots.
    pub async fn start_primary_of(&self, user: &User) -> Outcome {
        self.operator_notes("starts the primary again");
        let primary = self.primary_of(user).await?;
        self.of(self.ensemble()?.launch(primary).await)
    }

    /// Kills the node of the cluster at which messages are published that are not sharded.
    pub async fn kill_publishing_node(&self) -> Outcome {
        self.operator_notes("kills the node at which backend services publish");
        self.of(self.ensemble()?.kill(LAST).await)
    }

    /// Gives the slot that `user`'s channel is in to another primary.
    pub async fn move_slot_of(&self, user: &User) -> Outcome {
        let words = format!(
            "gives the slot of {}'s channel to another primary",
            user.name
        );
        self.operator_notes(&words);
        let (cluster, from) = (self.ensemble()?, self.primary_of(user).await?);
        let to = cluster.other_primary(from);
        let mut my_id = cmd("CLUSTER");
        let my_id = my_id.arg("MYID");
        let id: String = self.of(cluster.ask(to, my_id).await)?;
        let former: String = self.of(cluster.ask(from, my_id).await)?;
        let slot = self.of(cluster.slot_of(&self.system().channel(&user.id)).await)?;
        // Only who has been told to import a slot makes its taking it over newer than what the others know.
        let mut import = cmd("CLUSTER");
        import.arg("SETSLOT").arg(slot).arg("IMPORTING").arg(former);
        self.of(cluster.ask::<()>(to, &import).await)?;
        let mut hand_over = cmd("CLUSTER");
        hand_over.arg("SETSLOT").arg(slot).arg("NODE").arg(id);
        // First who gives it away: two must not both take messages for it.
        for server in [from, to] {
            self.of(cluster.ask::<()>(server, &hand_over).await)?;
        }
        Ok(())
    }

    /// Kills the master that the sentinels watch over, and with it nobody else.
    pub async fn kill_watched_master(&self) -> Outcome {
        self.operator_notes("kills the master");
        self.of(self.ensemble()?.kill(0).await)
    }

    /// Makes the sentinels put the replica in the place of the master, which is well.
    pub async fn make_sentinels_fail_over(&self) -> Outcome {
        self.operator_notes("tells a sentinel: SENTINEL FAILOVER");
        let ensemble = self.ensemble()?;
        let sentinel = ensemble.sentinels().start;
        let mut command = cmd("SENTINEL");
        command.arg("FAILOVER").arg(SERVICE);
        self.of(ensemble.ask::<()>(sentinel, &command).await)
    }

    /// Waits until every sentinel names the former replica as the master.
    pub async fn until_master_has_changed(&self) -> Outcome {
        let ensemble = self.ensemble()?;
        for sentinel in ensemble.sentinels() {
            let mut named = cmd("SENTINEL");
            named.arg("get-master-addr-by-name").arg(SERVICE);
            let other = |(_, port): (String, u16)| port != ensemble.port(0);
            self.of(ensemble.until(sentinel, &named, other).await)?;
        }
        self.operator_notes("every sentinel names the former replica");
        Ok(())
    }

    /// Waits until a client of a user whose channel is beside `user`'s is served: the websocket service has found who has their
    /// messages now.
    pub async fn until_served_beside(&self, user: &User) -> Outcome {
        self.until_served_beside_by(Part::WebsocketService, user)
            .await
    }

    /// The same by `part`, one of several websocket services.
    pub async fn until_served_beside_by(&self, part: Part, user: &User) -> Outcome {
        // In braces is what decides about the slot.
        let id = format!("{{{}}}{}", self.system().channel(&user.id), self.mark());
        let endpoint = Endpoint::http(self.address_of(part)?);
        until_accepting_again(self.system(), self.lines(), &endpoint, Some(&id)).await
    }

    async fn primary_of(&self, user: &User) -> Outcome<usize> {
        let channel = self.system().channel(&user.id);
        self.of(self.ensemble()?.primary_of(&channel).await)
    }

    fn ensemble(&self) -> Outcome<&Arc<Ensemble>> {
        let words =
            "the Redis of this system is one server: the scenario's settings should say otherwise";
        let ensemble = self.system().ensemble();
        ensemble.ok_or_else(|| Failure::Bug(words.to_owned()))
    }

    fn of<T>(&self, result: Result<T, String>) -> Outcome<T> {
        result.map_err(Failure::System)
    }
}

//! Redis killed, hung, started, and its subscribers thrown out.

use crate::scenario::{Failure, Outcome};
use crate::stage::Stage;
use crate::system::Part;

impl Stage {
    /// Kills Redis: every connection to it is gone, and nothing listens where it was.
    pub async fn kill_redis(&self) -> Outcome {
        self.operator_notes("kills redis");
        self.of_system(self.system().kill(Part::Redis).await)
    }

    /// Starts Redis again, empty, and waits until the websocket service has found it by itself.
    pub async fn start_redis(&self) -> Outcome {
        self.operator_notes("starts redis again");
        self.of_system(self.system().start_part(Part::Redis).await)?;
        self.lines().reopen(self.system()).await?;
        self.until_redis_is_found("redis is back").await
    }

    /// Stops Redis where it is: it takes connections and bytes, and answers nothing.
    pub async fn hang_redis(&self) -> Outcome {
        self.operator_notes("stops redis (SIGSTOP): its connections stay, and it answers nothing");
        self.of_system(self.system().pause(Part::Redis).await)
    }

    /// Lets Redis go on, and waits until the websocket service has found it by itself.
    pub async fn wake_redis(&self) -> Outcome {
        self.operator_notes("lets redis go on (SIGCONT)");
        self.of_system(self.system().resume(Part::Redis).await)?;
        self.until_redis_is_found("redis goes on").await
    }

    /// Makes Redis throw out every subscriber, as an operator does, or Redis itself when one is too slow.
    pub async fn kill_subscriptions(&self) -> Outcome {
        self.operator_notes("tells redis: CLIENT KILL TYPE pubsub");
        let mut command = redis::cmd("CLIENT");
        command.arg("KILL").arg("TYPE").arg("pubsub");
        self.tell_redis(&command).await
    }

    async fn until_redis_is_found(&self, words: &str) -> Outcome {
        let found = self.until_served().await;
        found.map_err(|failure| Failure::broken(format!("{words}, and {failure}")))
    }
}

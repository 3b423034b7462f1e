//! Services killed, started again, and a second websocket service beside the first.

use crate::runner::until_accepting_again;
use crate::scenario::Outcome;
use crate::stage::Stage;
use crate::system::Part;

impl Stage {
    /// Kills `part`: it has no time to say goodbye.
    pub async fn kill(&self, part: Part) -> Outcome {
        self.operator_notes(&format!("kills {part}"));
        self.of_system(self.system().kill(part).await)
    }

    /// Starts `part`, which does not run, and waits until it answers: that it is well it need not say.
    pub async fn start(&self, part: Part) -> Outcome {
        self.operator_notes(&format!("starts {part}"));
        self.of_system(self.system().start_part(part).await)?;
        self.of_system(self.system().until_answering(part).await)
    }

    /// Waits until the websocket service `part` serves clients: it has found Redis by itself.
    pub async fn until_served_by(&self, part: Part) -> Outcome {
        let endpoint = self.endpoint_of(part)?;
        until_accepting_again(self.system(), self.lines(), &endpoint, None).await
    }

    /// The same for the one that every system has.
    pub async fn until_served(&self) -> Outcome {
        self.until_served_by(Part::WebsocketService).await
    }
}

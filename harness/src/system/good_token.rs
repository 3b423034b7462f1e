//! Whether the gateway takes the tokens that the profile makes. Of the websocket service, a connection tells.

use crate::http::{Call, Http};
use crate::token;

use super::{Part, StartError, System};

/// No batch has this id: nothing behind the gateway needs to be asked about it.
const NO_BATCH: &str = "/v1/batches/0.0/status";
/// The status of a refused token (contract, API gateway).
const REFUSED: u16 = 401;

impl System {
    /// A gateway that refuses everybody is no system to play scenarios on; whatever else it answers is for them to judge.
    pub(super) async fn until_token_taken(&self, http: &Http) -> Result<(), StartError> {
        let Ok(endpoint) = self.endpoint(Part::ApiGateway) else {
            return Ok(());
        };
        let user = uuid::Uuid::new_v4().to_string();
        let token = self.issuer.sign(&self.issuer.claims(&user));
        let call = Call {
            headers: vec![("authorization".to_owned(), format!("Bearer {token}"))],
            ..Call::get(NO_BATCH)
        };
        match call.send(http, &endpoint).await {
            Ok(reply) if reply.status == REFUSED => Err(StartError(format!(
                "{} refuses a good token: GET {endpoint}{NO_BATCH} gave {REFUSED} {}; {}",
                Part::ApiGateway,
                reply.text(),
                token::ADVICE
            ))),
            _ => Ok(()),
        }
    }
}

//! Services behind the gateway in trouble.

use contract::rules;
use http_body_util::BodyExt;
use tokio::time::timeout;

use crate::client::LONG_PATIENCE;
use crate::fixture::Service;
use crate::flow::{Actor, Body, Entry, Response};
use crate::http::{Call, owned, shown_headers};
use crate::scenario::{Failure, Outcome, ensure};
use crate::stage::Stage;
use crate::standin::Trouble;
use crate::system::Part;

impl Stage {
    /// From now on the service behind the gateway is in `trouble`, for good.
    pub async fn stand_in_fails(&self, service: Service, trouble: Trouble) -> Outcome {
        let standin = self.standin(service);
        let words = match trouble {
            Trouble::Silent => "from here on it reads requests and never answers",
            Trouble::Trickling => "from here on its answers come a byte at a time, for ever",
            Trouble::Endless => "from here on its answers have no end, however fast they are read",
            Trouble::Gone => "from here on nobody listens at its address",
        };
        self.lane(standin.name, Actor::StandIn)
            .push(Entry::Note(words.to_owned()));
        standin.fail(trouble).await.map_err(Failure::System)
    }

    /// Waits until the service behind the gateway has been called `count` times.
    pub async fn until_called(&self, service: Service, count: usize) -> Outcome {
        let standin = self.standin(service);
        let called = standin.until_called(count).await;
        ensure(called, || {
            format!("{} should have been called {count} times", standin.name)
        })
    }

    /// Asks the gateway, as actor `name`, for an answer that begins with status 200 and must be broken off.
    pub async fn expect_broken_off(&self, name: &str, call: &Call) -> Outcome {
        let recorder = self.lane(name, Actor::Caller);
        recorder.push(Entry::Request(call.shown(rules::Service::Gateway)));
        let endpoint = self.endpoint_of(Part::ApiGateway)?;
        let what = format!("the answer to GET {}", call.path);
        let read = async {
            let answer = self.lines().http().begin(call, &endpoint).await;
            let mut answer = answer
                .map_err(|error| Failure::broken(format!("{what} did not begin: {error}")))?;
            let headers = owned(answer.headers());
            recorder.push(Entry::Response(Response {
                status: answer.status().as_u16(),
                headers: shown_headers(headers.iter().map(|(n, v)| (n.as_str(), v.as_str()))),
                all_headers: Vec::new(),
                body: Body::Empty,
            }));
            ensure(answer.status() == 200, || {
                format!("{what} should be a 200; it is a {}", answer.status())
            })?;
            let whole = loop {
                match answer.frame().await {
                    Some(Ok(_)) => {}
                    None => break true,
                    Some(Err(_)) => break false,
                }
            };
            ensure(!whole, || {
                format!("{what} came to an end that it does not have")
            })
        };
        timeout(LONG_PATIENCE, read).await.unwrap_or_else(|_| {
            let seconds = LONG_PATIENCE.as_secs();
            let words = format!("{what} should be broken off; it goes on after {seconds} s");
            Err(Failure::broken(words))
        })?;
        recorder.push(Entry::Note("the answer is broken off".to_owned()));
        Ok(())
    }
}

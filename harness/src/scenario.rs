//! What a scenario is, and the ways in which one fails.

use std::collections::BTreeSet;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;

use crate::breach::Breach;
use crate::profile::{Capability, Profile};
use crate::redaction::Redactor;
use crate::stage::Stage;
use crate::system::{Settings, Topology};

/// How a scenario ended: kept, or why not.
pub type Outcome<T = ()> = Result<T, Failure>;

/// Why a scenario did not end well: a word for each different reader.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The system breaks the contract: its developers have something to do.
    #[error("contract broken: {}", sentences(.0))]
    Broken(Vec<Breach>),
    /// The system kept its promises, and the flow waits for somebody to review it.
    #[error("to be reviewed: {0}")]
    Unreviewed(String),
    /// The system could not be reached, so nothing is known about the contract.
    #[error("system trouble: {0}")]
    System(String),
    /// The harness or the scenario itself is wrong.
    #[error("harness bug: {0}")]
    Bug(String),
}

impl Failure {
    /// The system breaks what the scenario is about; `words` say what was expected and what came.
    pub fn broken(words: impl Into<String>) -> Self {
        Self::Broken(vec![Breach::new(words)])
    }

    /// The same failure with the values of the run masked: messages quote what was sent, tokens included.
    pub fn redacted(self, redactor: &mut Redactor) -> Self {
        match self {
            Self::Broken(breaches) => {
                let masked = breaches.into_iter();
                Self::Broken(masked.map(|b| b.with_words(|w| redactor.text(w))).collect())
            }
            Self::Unreviewed(words) => Self::Unreviewed(redactor.text(&words)),
            Self::System(words) => Self::System(redactor.text(&words)),
            Self::Bug(words) => Self::Bug(redactor.text(&words)),
        }
    }
}

/// One sentence about the system, and the function that plays it.
#[derive(Clone)]
pub struct Scenario {
    /// The path under which people find it: `area/group/name`. Its snapshot has the same path.
    pub id: String,
    /// The sentence that it proves.
    pub title: String,
    /// The ids of the promises that it proves (contract, `x-promises`).
    pub promises: Vec<String>,
    /// The fixture that it plays, relative to the workspace.
    pub fixture: Option<String>,
    /// What the services of its own system are told; none when it shares a system with other scenarios.
    pub own_system: Option<Settings>,
    needs: BTreeSet<Capability>,
    play: Arc<Play>,
}

type Play = dyn Fn(Stage) -> Pin<Box<dyn Future<Output = Outcome> + Send>> + Send + Sync;

impl Scenario {
    /// A scenario that `play` plays on a stage of its own.
    pub fn new<F>(
        id: impl Into<String>,
        title: impl Into<String>,
        play: impl Fn(Stage) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Outcome> + Send + 'static,
    {
        Self {
            id: id.into(),
            title: title.into(),
            promises: Vec::new(),
            fixture: None,
            own_system: None,
            needs: BTreeSet::new(),
            play: Arc::new(move |stage| Box::pin(play(stage))),
        }
    }

    /// Names the promises that the scenario proves, by their ids in the contract's documents.
    pub fn proves<Id: Into<String>>(mut self, promises: impl IntoIterator<Item = Id>) -> Self {
        self.promises.extend(promises.into_iter().map(Into::into));
        self
    }

    /// Names the fixture that the scenario plays, as a path relative to the workspace.
    pub fn with_fixture(mut self, path: impl Into<String>) -> Self {
        self.fixture = Some(path.into());
        self
    }

    /// Gives the scenario a system of its own, whose services get `settings` besides the usual ones. For faults, which
    /// no other scenario is to see, and for other limits than the usual ones.
    pub fn on_own_system(mut self, settings: Settings) -> Self {
        self.own_system = Some(settings);
        self
    }

    /// Names what of a system the scenario needs besides what follows from its area and from its own system. Where it has a
    /// system of its own and needs one of the two services, the other is not started.
    pub fn needs(mut self, capabilities: impl IntoIterator<Item = Capability>) -> Self {
        self.needs.extend(capabilities);
        self
    }

    /// Why the system of `profile` cannot be asked to prove the scenario; nothing when it can.
    pub fn lacking(&self, profile: &Profile) -> Option<String> {
        let mut needs = self.all_needs().into_iter();
        let lack = needs.find_map(|need| profile.lack(need));
        lack.or_else(|| {
            let settings = self.own_system.as_ref()?;
            settings
                .variables()
                .find_map(|name| profile.lack_of_variable(name))
        })
    }

    /// What of a system it needs: what it names, and what follows from its area and from its own system.
    pub fn all_needs(&self) -> BTreeSet<Capability> {
        let mut needs = self.needs.clone();
        match self.area() {
            "notifications" => needs.extend([Capability::Websocket]),
            "gateway" => needs.extend([Capability::Gateway]),
            "browser" => needs.extend([Capability::Websocket, Capability::Browser]),
            _ => {}
        }
        if let Some(settings) = &self.own_system {
            needs.insert(Capability::Faults);
            match settings.topology() {
                Some(Topology::Cluster) => needs.insert(Capability::Cluster),
                Some(Topology::Sentinel) => needs.insert(Capability::Sentinel),
                None => false,
            };
            if settings.is_sharded() {
                needs.insert(Capability::Sharded);
            }
            if settings.variables().next().is_some() {
                needs.insert(Capability::Settings);
            }
        }
        needs
    }

    /// Whether it needs a websocket service.
    pub fn needs_websocket(&self) -> bool {
        self.all_needs().contains(&Capability::Websocket)
    }

    /// The first part of the id.
    pub fn area(&self) -> &str {
        self.id.split('/').next().unwrap_or(&self.id)
    }

    /// Plays the scenario on `stage`.
    pub fn play(&self, stage: Stage) -> impl Future<Output = Outcome> + Send + 'static {
        (self.play)(stage)
    }
}

/// Fails the scenario as a broken contract unless `holds`; `sentence` says what was expected and what came.
#[track_caller]
pub fn ensure(holds: bool, sentence: impl FnOnce() -> String) -> Outcome {
    let at = Location::caller();
    if holds {
        Ok(())
    } else {
        let (file, line) = (at.file(), at.line());
        Err(Failure::broken(format!("{} ({file}:{line})", sentence())))
    }
}

fn sentences(breaches: &[Breach]) -> String {
    let words: Vec<&str> = breaches.iter().map(Breach::words).collect();
    words.join("\n")
}

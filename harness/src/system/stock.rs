//! What systems are started from: made once, for any number of them.

use super::containers::Images;
use super::processes::Executables;
use crate::profile::Profile;

use super::{Runtime, StartError, binaries, engine};

/// The services and Redis, ready to be started on one runtime.
pub struct Stock {
    pub(super) profile: Profile,
    pub(super) kind: Kind,
}

pub(super) enum Kind {
    Containers(Images),
    Processes(Executables),
}

impl Stock {
    /// Makes ready what `profile` needs for `runtime`: containers where an engine answers and nothing was chosen. Only
    /// the whole reference system runs in containers.
    /// `say` gets a line for what a person should know.
    pub async fn prepare(
        profile: Profile,
        runtime: Option<Runtime>,
        say: &(dyn Fn(&str) + Sync),
    ) -> Result<Self, StartError> {
        let runtime = match runtime {
            Some(Runtime::Containers) => {
                engine::connect().await.map_err(|error| {
                    StartError(format!(
                        "no container engine answers ({error}); start one, or use --runtime processes"
                    ))
                })?;
                Runtime::Containers
            }
            Some(Runtime::Processes) => Runtime::Processes,
            None if !profile.is_reference() => Runtime::Processes,
            None => match engine::connect().await {
                Ok(_) => Runtime::Containers,
                Err(error) => {
                    say(&format!(
                        "no container engine answers ({error}): the system runs as processes"
                    ));
                    Runtime::Processes
                }
            },
        };
        let kind = match runtime {
            Runtime::Containers => {
                let binaries = binaries::build(say).await?;
                Kind::Containers(Images::prepare(&binaries, say).await?)
            }
            Runtime::Processes => Kind::Processes(Executables::prepare(&profile, say).await?),
        };
        Ok(Self { profile, kind })
    }

    /// What they are.
    pub fn profile(&self) -> &Profile {
        &self.profile
    }

    /// Where the systems run.
    pub fn runtime(&self) -> Runtime {
        match self.kind {
            Kind::Containers(_) => Runtime::Containers,
            Kind::Processes(_) => Runtime::Processes,
        }
    }
}

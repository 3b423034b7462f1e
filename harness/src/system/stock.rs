//! What systems are started from: made once, for any number of them.

use super::containers::Images;
use super::processes::Executables;
use super::{Runtime, StartError, binaries, engine};

/// The services and Redis, ready to be started on one runtime.
pub struct Stock(pub(super) Kind);

pub(super) enum Kind {
    Containers(Images),
    Processes(Executables),
}

impl Stock {
    /// Builds the reference services for `runtime`: containers where an engine answers and nothing was chosen.
    /// `say` gets a line for what a person should know.
    pub async fn prepare(
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
        let binaries = binaries::build(say).await?;
        Ok(Self(match runtime {
            Runtime::Containers => Kind::Containers(Images::prepare(&binaries, say).await?),
            Runtime::Processes => Kind::Processes(Executables::prepare(binaries, say).await?),
        }))
    }

    /// Where the systems run.
    pub fn runtime(&self) -> Runtime {
        match self.0 {
            Kind::Containers(_) => Runtime::Containers,
            Kind::Processes(_) => Runtime::Processes,
        }
    }
}

//! One run: the systems that it has started, and what a signal does to them.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{RwLock, watch};
use tokio::time::timeout;

use super::{START_DEADLINE, Settings, StartError, Stock, System};

/// Starts and stops the systems of this process. Clones are the same run.
#[derive(Clone)]
pub struct Run(Arc<Inner>);

struct Inner {
    /// Held for reading while a system starts: what is half started cannot be taken down.
    starting: RwLock<()>,
    systems: Mutex<Vec<Arc<System>>>,
    signalled: watch::Sender<bool>,
    status: OnceLock<u8>,
}

impl Run {
    /// From now on SIGINT, SIGTERM and SIGHUP take down every system that this run has started, then end this process
    /// with 128 + the signal's number. Those that start when it comes are waited for; none starts after it.
    pub fn begin() -> io::Result<Self> {
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let mut hangup = signal(SignalKind::hangup())?;
        let run = Self(Arc::new(Inner {
            starting: RwLock::new(()),
            systems: Mutex::default(),
            signalled: watch::Sender::new(false),
            status: OnceLock::new(),
        }));
        let signalled = run.clone();
        tokio::spawn(async move {
            let of_signal = tokio::select! {
                _ = interrupt.recv() => 130,
                _ = terminate.recv() => 143,
                _ = hangup.recv() => 129,
            };
            signalled.0.signalled.send_replace(true);
            // Whoever wants to start another system waits behind this lock until the process ends.
            let _last = timeout(START_DEADLINE, signalled.0.starting.write()).await;
            signalled.stop().await;
            let status = signalled.0.status.get();
            std::process::exit(status.map_or(of_signal, |status| i32::from(*status)));
        });
        Ok(run)
    }

    /// Starts a system. Goes on to its end when the caller does not wait for it, so that the system is always known.
    pub async fn start(
        &self,
        stock: &Arc<Stock>,
        settings: &Settings,
    ) -> Result<Arc<System>, StartError> {
        let (run, stock, settings) = (self.clone(), Arc::clone(stock), settings.clone());
        let start = tokio::spawn(async move {
            let _starting = run.0.starting.read().await;
            let system = Arc::new(System::start(&stock, &settings).await?);
            run.systems().push(Arc::clone(&system));
            Ok(system)
        });
        start
            .await
            .unwrap_or_else(|panic| Err(StartError(format!("a bug in the harness: {panic}"))))
    }

    /// Takes `system` down and forgets it. Goes on to its end when the caller does not wait for it: a signal that comes
    /// meanwhile waits until it is gone.
    pub async fn end(&self, system: &Arc<System>) {
        let (run, system) = (self.clone(), Arc::clone(system));
        let end = tokio::spawn(async move {
            system.stop().await;
            run.systems().retain(|other| !Arc::ptr_eq(other, &system));
        });
        // A panic is told by itself, and the next start's sweep removes what is left.
        let _ = end.await;
    }

    /// Takes every system down.
    pub async fn stop(&self) {
        let systems = self.systems().clone();
        futures_util::future::join_all(systems.iter().map(|system| system.stop())).await;
    }

    /// From now on a signal ends the process with `status`: the run is over and its verdict known.
    pub fn verdict_is(&self, status: u8) {
        // A second verdict would be a mistake; the first stays.
        let _ = self.0.status.set(status);
    }

    /// Waits for a signal, in vain if none comes. What happens after it is no verdict on the contract.
    pub async fn interrupted(&self) {
        let mut changes = self.0.signalled.subscribe();
        // The sender is this run's own: it is there as long as anybody waits.
        let _ = changes.wait_for(|signalled| *signalled).await;
    }

    fn systems(&self) -> MutexGuard<'_, Vec<Arc<System>>> {
        self.0
            .systems
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

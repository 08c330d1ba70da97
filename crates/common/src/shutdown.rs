//! When to leave. The only place that knows signals: everything else waits for a [`Shutdown`].
//!
//! The first SIGTERM or SIGINT starts the drain: readiness goes off at once ([`Shutdown::is_started`]), and whoever
//! waits for [`Shutdown::started`] begins to finish what runs. A second signal of either kind ends the process at
//! once, without any clean-up, with exit code 143 (SIGTERM) or 130 (SIGINT): 128 plus the number of the signal, which
//! is what a shell reports of a process that the signal killed.
//!
//! Signals are received on a thread of their own, so that the second one works even where the first found the runtime
//! blocked.

use std::future::pending;
use std::io;
use std::sync::mpsc;
use std::thread;

use tokio::runtime::{self, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

/// Tells whether the shutdown was started. Clones tell the same.
#[derive(Clone, Debug)]
pub struct Shutdown {
    started: watch::Receiver<bool>,
}

/// Starts the shutdown that belongs to it. Dropped unused, the shutdown never starts.
#[derive(Debug)]
pub struct Trigger {
    started: watch::Sender<bool>,
}

impl Shutdown {
    /// A shutdown that SIGTERM or SIGINT starts. From here on neither ends the process by itself. Fails where the
    /// system refuses a thread or a signal handler.
    ///
    /// Once in a process: a second call would hear the same signals.
    pub fn on_signals() -> io::Result<Self> {
        let (trigger, shutdown) = Self::manual();
        let (installed, outcome) = mpsc::channel();
        thread::Builder::new()
            .name("signals".into())
            .spawn(move || match Signals::install() {
                Ok(signals) => {
                    // Whoever waits for this cannot be gone.
                    let _ = installed.send(Ok(()));
                    signals.obey(&trigger);
                }
                Err(error) => {
                    let _ = installed.send(Err(error));
                }
            })?;
        // Returning before would leave a moment in which a signal still kills.
        outcome.recv().map_err(io::Error::other)??;
        Ok(shutdown)
    }

    /// A shutdown that is started by hand: for tests, and for programs that have signals of their own.
    pub fn manual() -> (Trigger, Self) {
        let (sender, receiver) = watch::channel(false);
        (Trigger { started: sender }, Self { started: receiver })
    }

    /// Waits until the shutdown is started; returns at once if it was before.
    pub async fn started(&self) {
        let mut started = self.started.clone();
        if started.wait_for(|started| *started).await.is_err() {
            // The trigger is gone, so nobody can start it any more.
            pending::<()>().await;
        }
    }

    /// Whether the shutdown was started.
    pub fn is_started(&self) -> bool {
        *self.started.borrow()
    }
}

impl Trigger {
    /// Starts the shutdown; again has no effect.
    pub fn start(&self) {
        self.started.send_replace(true);
    }
}

struct Signals {
    runtime: Runtime,
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn install() -> io::Result<Self> {
        let runtime = runtime::Builder::new_current_thread().enable_io().build()?;
        let entered = runtime.enter();
        let terminate = signal(SignalKind::terminate())?;
        let interrupt = signal(SignalKind::interrupt())?;
        drop(entered);
        Ok(Self {
            runtime,
            terminate,
            interrupt,
        })
    }

    fn obey(mut self, trigger: &Trigger) {
        let first = self.next();
        trigger.start();
        tracing::info!(
            signal = first.name(),
            "draining; a second signal ends at once"
        );
        let second = self.next();
        std::process::exit(second.exit_code());
    }

    fn next(&mut self) -> Received {
        self.runtime.block_on(async {
            // `recv` ends with `None` only where the signal driver is gone, and that lives in this runtime.
            tokio::select! {
                _ = self.terminate.recv() => Received::Terminate,
                _ = self.interrupt.recv() => Received::Interrupt,
            }
        })
    }
}

enum Received {
    Terminate,
    Interrupt,
}

impl Received {
    const fn name(&self) -> &'static str {
        match self {
            Received::Terminate => "SIGTERM",
            Received::Interrupt => "SIGINT",
        }
    }

    const fn exit_code(&self) -> i32 {
        match self {
            Received::Terminate => 128 + 15,
            Received::Interrupt => 128 + 2,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use tokio::time::timeout;

    const LONG: Duration = Duration::from_secs(3600);

    #[tokio::test(start_paused = true)]
    async fn whoever_waits_is_told_when_it_starts() {
        let (trigger, shutdown) = Shutdown::manual();
        let waiting = tokio::spawn({
            let shutdown = shutdown.clone();
            async move { shutdown.started().await }
        });
        assert!(timeout(LONG, shutdown.started()).await.is_err());
        assert!(!shutdown.is_started());

        trigger.start();
        trigger.start();
        assert!(shutdown.is_started());
        timeout(LONG, waiting).await.unwrap().unwrap();
        timeout(LONG, shutdown.started()).await.unwrap();
        drop(trigger);
        timeout(LONG, shutdown.started()).await.unwrap();
        assert!(shutdown.is_started());
    }

    #[tokio::test(start_paused = true)]
    async fn without_its_trigger_a_shutdown_never_starts() {
        let (trigger, shutdown) = Shutdown::manual();
        drop(trigger);
        assert!(timeout(LONG, shutdown.started()).await.is_err());
        assert!(!shutdown.is_started());
    }
}

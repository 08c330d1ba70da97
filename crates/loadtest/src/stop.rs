//! How a run is ended early: once to send nothing more, twice to wait for nothing either.

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// How far a run is to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// As planned.
    Running,
    /// Start no more requests, wait for those in flight.
    Finishing,
    /// Give up those in flight as well.
    Abandoning,
}

/// Tells a run to end early.
#[derive(Clone, Debug)]
pub struct Stop(watch::Receiver<Stage>);

impl Stop {
    /// Goes to the next stage with each Ctrl-C (SIGINT) or SIGTERM. Needs a runtime.
    ///
    /// # Errors
    /// The signal handlers could not be installed.
    pub fn on_signals() -> std::io::Result<Self> {
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let (stage, stop) = watch::channel(Stage::Running);
        tokio::spawn(async move {
            for next in [Stage::Finishing, Stage::Abandoning] {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                }
                stage.send_replace(next);
            }
        });
        Ok(Self(stop))
    }

    /// Resolves once no more requests are to be started; never, if nobody can say so any more.
    pub(crate) async fn finishing(&self) {
        self.reached(Stage::Finishing).await;
    }

    /// Resolves once those in flight are to be given up; never, if nobody can say so any more.
    pub(crate) async fn abandoning(&self) {
        self.reached(Stage::Abandoning).await;
    }

    /// Whether no more requests are to be started.
    pub(crate) fn is_finishing(&self) -> bool {
        *self.0.borrow() >= Stage::Finishing
    }

    async fn reached(&self, stage: Stage) {
        if self.0.clone().wait_for(|now| *now >= stage).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

impl From<watch::Receiver<Stage>> for Stop {
    fn from(stage: watch::Receiver<Stage>) -> Self {
        Self(stage)
    }
}

//! How a process goes, and when it was away.

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::Duration;

use anyhow::ensure;
use testbed::{Outage, eventually};

use super::{LONG, Service};

/// A time in which a service was away, since the history began.
#[derive(Clone, Copy, Debug)]
pub(super) struct Absence {
    from: Duration,
    /// When it answered again, if it does.
    until: Option<Duration>,
    in_order: bool,
}

impl Service {
    /// SIGKILL.
    pub async fn kill(&self) -> anyhow::Result<()> {
        self.note("is killed");
        self.goes(false);
        self.process.kill().await?;
        self.lost();
        Ok(())
    }

    /// Waits until it dies by itself, by a signal.
    pub async fn until_crashed(&self) -> anyhow::Result<()> {
        let status = self.process.wait_exit(LONG).await?;
        ensure!(
            status.signal().is_some(),
            "{} ended with {status}",
            self.name()
        );
        self.note("has crashed");
        self.lost();
        Ok(())
    }

    /// SIGTERM; waits until it has left with exit code 0 and returns how long that took.
    pub async fn leave(&self) -> anyhow::Result<Duration> {
        let start = self.history.now();
        self.tell_to_leave()?;
        let status = self.until_gone().await?;
        ensure!(
            status.code() == Some(0),
            "{} left with {status}",
            self.name()
        );
        Ok(self.history.now() - start)
    }

    /// SIGTERM, without waiting for anything.
    pub fn tell_to_leave(&self) -> anyhow::Result<()> {
        self.note("is told to leave");
        self.goes(true);
        self.process.terminate()
    }

    /// Waits until one that was told to leave has gone, or has crashed on the way.
    pub async fn until_gone(&self) -> anyhow::Result<ExitStatus> {
        let status = self.process.wait_exit(LONG).await?;
        self.note(&format!("has left with {status}"));
        match status.signal() {
            Some(_) => self.lost(),
            None => self.ended.set(true),
        }
        Ok(status)
    }

    /// Whether it was told to leave, or was killed, and has not answered again since.
    pub fn is_away(&self) -> bool {
        let absences = self.absences.borrow();
        absences.last().is_some_and(|last| last.until.is_none())
    }

    /// Waits until it answers at all, ready or not.
    pub async fn until_live(&self) -> anyhow::Result<()> {
        eventually(LONG, async || {
            let answer = self.get("/health/live").await?;
            ensure!(answer.status == 200, "{} says {answer:?}", self.name());
            Ok(())
        })
        .await?;
        self.is_back();
        Ok(())
    }

    pub(super) fn is_back(&self) {
        if let Some(absence) = self.absences.borrow_mut().last_mut() {
            absence.until.get_or_insert(self.history.now());
        }
    }

    /// When callers may have found it away.
    pub(super) fn outages(&self) -> Vec<Outage> {
        let absences = self.absences.borrow();
        let outages = absences.iter().map(|absence| Outage {
            target: self.base.clone(),
            from: absence.from,
            until: absence.until.unwrap_or(Duration::MAX),
            in_order: absence.in_order,
        });
        outages.collect()
    }

    fn goes(&self, in_order: bool) {
        let absence = Absence {
            from: self.history.now(),
            until: None,
            in_order,
        };
        self.absences.borrow_mut().push(absence);
    }
}

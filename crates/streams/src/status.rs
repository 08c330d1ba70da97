//! Which part of a client or worker is up and which is at fault: for readiness, for `/health`, and the
//! one place where a fault of Redis is logged.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Mutex,
    time::Duration,
};

use common::telemetry::LogThrottle;
use tokio::{sync::watch, time::Instant};

use crate::{error::Fault, health::NotReady, mutex::lock, wire::WireError};

/// What lasts, or comes and goes, is logged when it begins and then once in this time.
const LOG_PERIOD: Duration = Duration::from_secs(10);

/// A part at fault that has nothing to do does not find out that the fault is over. What was not met
/// again for this long is history; a part that keeps trying meets it within a few seconds.
const FAULT_LIFETIME: Duration = Duration::from_secs(30);

/// The parts of one client or worker.
#[derive(Debug)]
pub(crate) struct Status {
    inner: Mutex<Inner>,
    readiness: watch::Sender<Result<(), NotReady>>,
    gating: &'static [&'static str],
}

#[derive(Debug)]
struct Inner {
    parts: BTreeMap<&'static str, Part>,
    throttle: LogThrottle<(&'static str, Fault)>,
    /// Parts of whom the log last said that they are at fault: the end of it is to be said as well,
    /// and of nothing else, so that those lines are no more than the others.
    lamented: BTreeSet<&'static str>,
    closed: bool,
}

#[derive(Debug, Clone)]
enum Part {
    Up,
    Faulty {
        fault: Fault,
        message: String,
        /// When it was met last.
        at: Instant,
    },
}

impl Status {
    /// Ready are those whose `gating` parts are all up.
    pub(crate) fn new(gating: &'static [&'static str]) -> Self {
        Self {
            inner: Mutex::new(Inner {
                parts: BTreeMap::new(),
                throttle: LogThrottle::new(LOG_PERIOD),
                lamented: BTreeSet::new(),
                closed: false,
            }),
            readiness: watch::Sender::new(Err(NotReady::Connecting)),
            gating,
        }
    }

    /// The part works.
    pub(crate) fn up(&self, part: &'static str) {
        let lamented = {
            let mut inner = lock(&self.inner);
            if matches!(inner.parts.get(part), Some(Part::Up)) {
                return;
            }
            inner.parts.insert(part, Part::Up);
            self.update(&inner);
            inner.lamented.remove(part)
        };
        if lamented {
            tracing::info!(part, "Redis answers again");
        }
    }

    /// The part failed. Says so in the log unless it did lately.
    pub(crate) fn fault(&self, part: &'static str, error: &WireError) {
        let now = Instant::now();
        let state = Part::Faulty {
            fault: error.fault,
            message: error.message.clone(),
            at: now,
        };
        let admitted = {
            let mut inner = lock(&self.inner);
            inner.parts.insert(part, state);
            self.update(&inner);
            let admitted = inner.throttle.admit((part, error.fault), now.into_std());
            if admitted.is_some() {
                inner.lamented.insert(part);
            }
            admitted
        };
        if let Some(suppressed) = admitted {
            tracing::warn!(
                part,
                fault = error.fault.as_str(),
                error = error.message,
                suppressed,
                "{}; trying again",
                error.fault
            );
        }
    }

    /// It ended: from now on it is not ready, whatever the parts say.
    pub(crate) fn close(&self) {
        let mut inner = lock(&self.inner);
        inner.closed = true;
        self.update(&inner);
    }

    /// What is at fault now, by part.
    pub(crate) fn faults(&self) -> BTreeMap<&'static str, String> {
        lock(&self.inner)
            .parts
            .iter()
            .filter_map(|(part, state)| match state {
                Part::Faulty { fault, message, at } if at.elapsed() < FAULT_LIFETIME => {
                    Some((*part, format!("{fault} ({message})")))
                }
                _ => None,
            })
            .collect()
    }

    /// What this part met last, unless it is over.
    pub(crate) fn fault_of(&self, part: &'static str) -> Option<Fault> {
        match lock(&self.inner).parts.get(part) {
            Some(Part::Faulty { fault, at, .. }) if at.elapsed() < FAULT_LIFETIME => Some(*fault),
            _ => None,
        }
    }

    pub(crate) fn readiness(&self) -> Result<(), NotReady> {
        *self.readiness.borrow()
    }

    /// Resolves when all gating parts are up.
    pub(crate) async fn ready(&self) {
        // The sender lives in self, so that the channel cannot close while this waits.
        let _ = self.readiness.subscribe().wait_for(Result::is_ok).await;
    }

    /// Resolves when it has ended.
    pub(crate) async fn closed(&self) {
        let mut readiness = self.readiness.subscribe();
        let _ = readiness
            .wait_for(|readiness| *readiness == Err(NotReady::Closed))
            .await;
    }

    /// Under the lock, so that of two threads the one that looked last has the last word.
    fn update(&self, inner: &Inner) {
        let of_part = |part| match inner.parts.get(part) {
            Some(Part::Up) => Ok(()),
            Some(Part::Faulty { fault, .. }) => Err(NotReady::Redis(*fault)),
            None => Err(NotReady::Connecting),
        };
        let readiness = if inner.closed {
            Err(NotReady::Closed)
        } else {
            self.gating.iter().try_for_each(of_part)
        };
        self.readiness.send_if_modified(|before| {
            let changed = *before != readiness;
            *before = readiness;
            changed
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_is_when_every_gating_part_is_up() {
        let status = Status::new(&["reader", "writer"]);
        assert_eq!(status.readiness(), Err(NotReady::Connecting));
        status.up("reader");
        assert_eq!(status.readiness(), Err(NotReady::Connecting));
        status.up("writer");
        assert_eq!(status.readiness(), Ok(()));
        status.fault("observer", &WireError::new(Fault::Timeout, "slow"));
        assert_eq!(status.readiness(), Ok(()));
        status.fault("reader", &WireError::new(Fault::ReadOnly, "READONLY"));
        assert_eq!(status.readiness(), Err(NotReady::Redis(Fault::ReadOnly)));
        assert_eq!(status.faults().len(), 2);
        assert_eq!(status.fault_of("reader"), Some(Fault::ReadOnly));
        assert_eq!(status.fault_of("writer"), None);
    }

    #[test]
    fn what_is_closed_is_never_ready_again() {
        let status = Status::new(&["reader"]);
        status.up("reader");
        status.close();
        assert_eq!(status.readiness(), Err(NotReady::Closed));
        status.fault("reader", &WireError::new(Fault::Timeout, "slow"));
        status.up("reader");
        assert_eq!(status.readiness(), Err(NotReady::Closed));
    }

    #[tokio::test(start_paused = true)]
    async fn a_fault_that_nobody_met_for_long_is_history() {
        let status = Status::new(&["reader"]);
        status.up("reader");
        status.fault("writer", &WireError::new(Fault::OutOfMemory, "OOM"));
        tokio::time::advance(FAULT_LIFETIME - Duration::from_secs(1)).await;
        assert_eq!(status.faults().len(), 1);
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(status.faults().len(), 0);
        assert_eq!(status.fault_of("writer"), None);
    }
}

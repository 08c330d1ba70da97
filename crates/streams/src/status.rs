//! Which part of a client or worker is up and which is at fault: for readiness, for `/health`, and the
//! one place where a fault of Redis is logged.

use std::{collections::BTreeMap, sync::Mutex, time::Duration};

use common::telemetry::LogThrottle;
use tokio::{sync::watch, time::Instant};

use crate::{error::Fault, health::NotReady, lock, wire::WireError};

/// A fault that lasts is logged when it begins and then once in this time.
const LOG_PERIOD: Duration = Duration::from_secs(10);

/// The parts of one client or worker.
#[derive(Debug)]
pub(crate) struct Status {
    parts: Mutex<BTreeMap<&'static str, Part>>,
    throttle: Mutex<LogThrottle<(&'static str, Fault)>>,
    readiness: watch::Sender<Result<(), NotReady>>,
    gating: &'static [&'static str],
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Up,
    Faulty(Fault, String),
}

impl Status {
    /// Ready are those whose `gating` parts are all up.
    pub(crate) fn new(gating: &'static [&'static str]) -> Self {
        Self {
            parts: Mutex::default(),
            throttle: Mutex::new(LogThrottle::new(LOG_PERIOD)),
            readiness: watch::Sender::new(Err(NotReady::Connecting)),
            gating,
        }
    }

    /// The part works.
    pub(crate) fn up(&self, part: &'static str) {
        let before = lock(&self.parts).insert(part, Part::Up);
        if before != Some(Part::Up) {
            if let Some(Part::Faulty(fault, _)) = before {
                tracing::info!(part, fault = fault.as_str(), "Redis answers again");
            }
            self.update();
        }
    }

    /// The part failed. Says so in the log unless it did lately.
    pub(crate) fn fault(&self, part: &'static str, error: &WireError) {
        let now = Part::Faulty(error.fault, error.message.clone());
        let before = lock(&self.parts).insert(part, now.clone());
        if let Some(suppressed) =
            lock(&self.throttle).admit((part, error.fault), Instant::now().into_std())
        {
            tracing::warn!(
                part,
                fault = error.fault.as_str(),
                error = error.message,
                suppressed,
                "{}; trying again",
                error.fault
            );
        }
        if before != Some(now) {
            self.update();
        }
    }

    /// What is at fault now, by part.
    pub(crate) fn faults(&self) -> BTreeMap<&'static str, String> {
        lock(&self.parts)
            .iter()
            .filter_map(|(part, state)| match state {
                Part::Up => None,
                Part::Faulty(fault, message) => Some((*part, format!("{fault} ({message})"))),
            })
            .collect()
    }

    pub(crate) fn readiness(&self) -> Result<(), NotReady> {
        *self.readiness.borrow()
    }

    /// Resolves when all gating parts are up.
    pub(crate) async fn ready(&self) {
        // The sender lives in self, so that the channel cannot close while this waits.
        let _ = self.readiness.subscribe().wait_for(Result::is_ok).await;
    }

    fn update(&self) {
        let parts = lock(&self.parts);
        let readiness = self
            .gating
            .iter()
            .map(|part| match parts.get(part) {
                Some(Part::Up) => Ok(()),
                Some(Part::Faulty(fault, _)) => Err(NotReady::Redis(*fault)),
                None => Err(NotReady::Connecting),
            })
            .find(Result::is_err)
            .unwrap_or(Ok(()));
        drop(parts);
        let _before = self.readiness.send_replace(readiness);
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
    }
}

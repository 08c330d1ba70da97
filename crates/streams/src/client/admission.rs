//! Whether a request is let in: refusing at once costs the caller nothing, while a request that is let
//! in and cannot be served in time costs everybody.
//!
//! The prediction: `outstanding` requests are on the stream or about to be, `terminals` of them are being
//! served, so a new one waits for `outstanding - terminals` others, which leave at the service rate
//!
//! ```text
//! wait = (outstanding - terminals) / rate      (Little's law, for the queue in front of the terminals)
//! ```
//!
//! The length of the stream comes with every write and with each look of the observer; in between, it
//! is assumed to shrink at the service rate. The rate is what the living workers announce: terminals over
//! the mean time that a request holds one.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;

use crate::{
    error::{Refusal, RequestError},
    health::WorkerSummary,
    mutex::lock,
};

/// The least time a refused caller is asked to wait.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// The bounds that a request has to fit in.
#[derive(Debug)]
pub(super) struct Admission {
    max_in_flight: usize,
    max_outstanding: u64,
    unknown_rate_quota: u64,
    in_flight: AtomicUsize,
    seen: Mutex<Seen>,
}

/// What was last seen of the stream and the workers.
#[derive(Debug, Clone, Copy)]
struct Seen {
    outstanding: u64,
    at: Instant,
    capacity: Option<Capacity>,
}

/// What the living workers can do together.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Capacity {
    terminals: u64,
    /// Requests per second.
    rate: f64,
}

/// A place among the requests in flight; given back when dropped.
#[derive(Debug)]
pub(super) struct Admitted<'a> {
    in_flight: &'a AtomicUsize,
}

impl Admission {
    pub(super) fn new(max_in_flight: usize, max_outstanding: u64, unknown_rate_quota: u64) -> Self {
        let seen = Seen {
            outstanding: 0,
            at: Instant::now(),
            capacity: None,
        };
        Self {
            max_in_flight,
            max_outstanding,
            unknown_rate_quota,
            in_flight: AtomicUsize::new(0),
            seen: Mutex::new(seen),
        }
    }

    /// Lets a request in that may take `budget`, while `unwritten` requests of this process are on
    /// their way to the stream.
    pub(super) fn admit(
        &self,
        budget: Duration,
        unwritten: usize,
    ) -> Result<Admitted<'_>, RequestError> {
        let in_flight = self.in_flight.fetch_add(1, Ordering::Relaxed);
        let admitted = Admitted {
            in_flight: &self.in_flight,
        };
        if in_flight >= self.max_in_flight {
            return Err(refused(Refusal::InFlight, RETRY_AFTER));
        }
        let seen = *lock(&self.seen);
        let outstanding = seen.expected(Instant::now()) + unwritten as u64;
        if outstanding >= self.max_outstanding {
            return Err(refused(Refusal::StreamFull, RETRY_AFTER));
        }
        match seen.capacity {
            None if outstanding >= self.unknown_rate_quota => {
                Err(refused(Refusal::UnknownRate, RETRY_AFTER))
            }
            None => Ok(admitted),
            Some(capacity) => {
                let wait = capacity.wait(outstanding);
                if wait > budget {
                    return Err(refused(Refusal::PredictedWait, wait - budget));
                }
                Ok(admitted)
            }
        }
    }

    /// The length of the request stream, as a write or a look just found it.
    pub(super) fn saw_outstanding(&self, outstanding: u64) {
        let mut seen = lock(&self.seen);
        seen.outstanding = outstanding;
        seen.at = Instant::now();
    }

    /// The living workers, as a look just found them.
    pub(super) fn saw_workers(&self, workers: &[WorkerSummary]) {
        lock(&self.seen).capacity = Capacity::of(workers);
    }

    pub(super) fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }
}

impl Drop for Admitted<'_> {
    fn drop(&mut self) {
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Seen {
    /// The length now, if the workers went on since it was seen.
    fn expected(&self, now: Instant) -> u64 {
        let Some(capacity) = self.capacity else {
            return self.outstanding;
        };
        let served = now.saturating_duration_since(self.at).as_secs_f64() * capacity.rate;
        self.outstanding.saturating_sub(served as u64)
    }
}

impl Capacity {
    /// Workers that have not finished anything yet have an unknown rate; they count as soon as one
    /// of them has. `None` while the rate of all is unknown.
    fn of(workers: &[WorkerSummary]) -> Option<Self> {
        let rate: f64 = workers
            .iter()
            .filter(|worker| worker.mean_work_us > 0)
            .map(|worker| f64::from(worker.terminals) * 1e6 / worker.mean_work_us as f64)
            .sum();
        let terminals = workers
            .iter()
            .map(|worker| u64::from(worker.terminals))
            .sum();
        (rate > 0.0).then_some(Self { terminals, rate })
    }

    fn wait(&self, outstanding: u64) -> Duration {
        let ahead = outstanding.saturating_sub(self.terminals) as f64;
        Duration::try_from_secs_f64(ahead / self.rate).unwrap_or(Duration::MAX)
    }
}

fn refused(reason: Refusal, retry_after: Duration) -> RequestError {
    RequestError::Refused {
        reason,
        retry_after: retry_after.max(RETRY_AFTER),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUDGET: Duration = Duration::from_secs(2);

    fn worker(terminals: u32, mean_work_us: u64) -> WorkerSummary {
        WorkerSummary {
            consumer: "w".into(),
            terminals,
            mean_work_us,
            served: 0,
        }
    }

    fn reason(result: Result<Admitted<'_>, RequestError>) -> Option<Refusal> {
        match result {
            Ok(_) => None,
            Err(RequestError::Refused { reason, .. }) => Some(reason),
            Err(other) => panic!("{other}"),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn each_bound_refuses_by_its_own_name() {
        let admission = Admission::new(2, 100, 10);
        let first = admission.admit(BUDGET, 0).expect("free");
        let second = admission.admit(BUDGET, 0).expect("free");
        assert_eq!(reason(admission.admit(BUDGET, 0)), Some(Refusal::InFlight));
        drop((first, second));
        assert_eq!(admission.in_flight(), 0, "a refusal keeps no place");

        assert_eq!(
            reason(admission.admit(BUDGET, 10)),
            Some(Refusal::UnknownRate)
        );
        admission.saw_workers(&[worker(5, 0)]);
        assert_eq!(
            reason(admission.admit(BUDGET, 10)),
            Some(Refusal::UnknownRate)
        );
        // 5 terminals of 100 ms: 50 per second.
        admission.saw_workers(&[worker(5, 100_000)]);
        assert_eq!(reason(admission.admit(BUDGET, 99)), None);
        assert_eq!(
            reason(admission.admit(BUDGET, 100)),
            Some(Refusal::StreamFull)
        );
        assert_eq!(
            reason(admission.admit(Duration::from_secs(1), 60)),
            Some(Refusal::PredictedWait)
        );
        assert_eq!(reason(admission.admit(Duration::from_secs(1), 55)), None);
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_seen_is_assumed_to_be_served_since() {
        let admission = Admission::new(1_000, 1_000, 10);
        admission.saw_workers(&[worker(5, 100_000), worker(5, 100_000)]);
        admission.saw_outstanding(500);
        assert_eq!(
            reason(admission.admit(BUDGET, 0)),
            Some(Refusal::PredictedWait)
        );
        tokio::time::advance(Duration::from_secs(3)).await;
        assert_eq!(reason(admission.admit(BUDGET, 0)), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_refused_caller_is_told_when_its_turn_would_come() {
        let admission = Admission::new(1_000, 1_000, 10);
        admission.saw_workers(&[worker(1, 100_000)]);
        admission.saw_outstanding(101);
        let Err(RequestError::Refused { retry_after, .. }) = admission.admit(BUDGET, 0) else {
            panic!("100 requests ahead at 10 per second");
        };
        assert_eq!(retry_after, Duration::from_secs(8));
    }
}

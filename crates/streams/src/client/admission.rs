//! Whether a request is let in: refusing at once costs the caller nothing, while a request that is let
//! in and cannot be served in time costs everybody.
//!
//! # The prediction
//!
//! `outstanding` requests are on the stream or about to be. Where those are fewer than the terminals, one is free and
//! nobody is refused. Otherwise a new one waits until all but `terminals - 1` of them have left, at the rate at which
//! they leave while all terminals are busy, which is the [terminals over the hold](Capacity), the time that a request
//! occupies one:
//!
//! ```text
//! wait = (outstanding + 1 - terminals) / rate
//! ```
//!
//! The length of the stream comes with every write and with each look of the observer; in between, it
//! is assumed to shrink at that rate. How far the prediction was off is measured for every reply.
//!
//! # How long a wait is let in
//!
//! A queue takes up what comes in bursts; that is what it is for. One that stands adds the same wait to everybody and
//! brings no more work done, so that it is kept short (as CoDel does with the packets in a router, RFC 8289, and
//! Facebook with requests: "Fail at Scale", 2015). Measured by the caller's own budget:
//!
//! - a queue that was gone within the last half of the budget may be a quarter of it long: a prediction may then be off
//!   by three times the wait, and the request is in time all the same;
//! - one that has stood for longer may be a tenth of it.
//!
//! Either may be as long as the hold, or long work could hardly queue at all. Two holds have to fit into the budget
//! behind the wait: one for the work, and one because terminals do not get free evenly, so that a wait may be longer
//! than predicted by as much. Whether the queue was gone is judged by what was really seen, not by what is assumed in
//! between.
//!
//! # Short of processor time
//!
//! Then requests wait before anybody reads them, which no look at the stream shows, and again at each step after that.
//! So a process that is [behind](super::lag) by a hundredth of the budget all the time refuses: that costs a fraction
//! of having a request served, and it catches up.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;

use super::{capacity::Capacity, lag, policy::retry_after};
use crate::{
    error::{Refusal, RequestError},
    health::WorkerSummary,
    mutex::lock,
};

/// The longest queue, as a share of the budget: in a burst, and when it stands.
const BURST: u32 = 4;
const STANDING: u32 = 10;

/// How far this process may be behind all the time, as a share of the budget; less than the time between two looks
/// means nothing.
const STANDING_LAG: u32 = 100;

/// For how much of the budget a queue may be a burst's.
const PASSING: u32 = 2;

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
    /// Since when every look found all terminals busy.
    queueing_since: Option<Instant>,
    capacity: Option<Capacity>,
    /// How far this process is behind at least, for some time now.
    lag: Duration,
}

/// A place among the requests in flight; given back when dropped.
#[derive(Debug)]
pub(super) struct Admitted<'a> {
    /// How long it is expected to wait on the stream; nothing where nobody can say.
    pub predicted: Option<Duration>,
    in_flight: &'a AtomicUsize,
}

impl Admission {
    pub(super) fn new(max_in_flight: usize, max_outstanding: u64, unknown_rate_quota: u64) -> Self {
        let seen = Seen {
            outstanding: 0,
            at: Instant::now(),
            queueing_since: None,
            capacity: None,
            lag: Duration::ZERO,
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
        let mut admitted = Admitted {
            predicted: None,
            in_flight: &self.in_flight,
        };
        if in_flight >= self.max_in_flight {
            return Err(refused(Refusal::InFlight, Duration::ZERO));
        }
        let (now, seen) = (Instant::now(), *lock(&self.seen));
        if seen.lag > (budget / STANDING_LAG).max(lag::PERIOD) {
            return Err(refused(Refusal::Lag, Duration::ZERO));
        }
        let outstanding = seen.expected(now) + unwritten as u64;
        if outstanding >= self.max_outstanding {
            return Err(refused(Refusal::StreamFull, Duration::ZERO));
        }
        match seen.capacity {
            None if outstanding >= self.unknown_rate_quota => {
                Err(refused(Refusal::UnknownRate, Duration::ZERO))
            }
            None => Ok(admitted),
            Some(capacity) => {
                let wait = capacity.wait(outstanding);
                let longest = seen.longest_wait(budget, capacity, now);
                if wait > longest {
                    return Err(refused(Refusal::PredictedWait, wait - longest));
                }
                admitted.predicted = Some(wait);
                Ok(admitted)
            }
        }
    }

    /// The length of the request stream, as a write or a look just found it.
    pub(super) fn saw_outstanding(&self, outstanding: u64) {
        let mut seen = lock(&self.seen);
        seen.outstanding = outstanding;
        seen.at = Instant::now();
        seen.queueing_since = match seen.capacity {
            Some(capacity) if !capacity.wait(outstanding).is_zero() => {
                Some(seen.queueing_since.unwrap_or(seen.at))
            }
            _ => None,
        };
    }

    /// The living workers, as a look just found them.
    pub(super) fn saw_workers(&self, workers: &[WorkerSummary]) {
        lock(&self.seen).capacity = Capacity::of(workers);
    }

    /// How far this process is behind at least, for some time now.
    pub(super) fn saw_lag(&self, lag: Duration) {
        lock(&self.seen).lag = lag;
    }

    /// Whether all terminals were busy when last seen.
    pub(super) fn is_queueing(&self) -> bool {
        lock(&self.seen).queueing_since.is_some()
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

    /// The longest wait that a request with this budget is let in for. Where there is none it is let in whatever
    /// this says: only what is worked on tells how long work takes.
    fn longest_wait(&self, budget: Duration, capacity: Capacity, now: Instant) -> Duration {
        let queueing = self
            .queueing_since
            .map(|since| now.saturating_duration_since(since));
        let stands = queueing.is_some_and(|queueing| queueing > budget / PASSING);
        let share = if stands { STANDING } else { BURST };
        let hold = capacity.hold();
        (budget / share)
            .max(hold)
            .min(budget.saturating_sub(hold * 2))
    }
}

/// Refused; there may be room again at the earliest then.
fn refused(reason: Refusal, earliest: Duration) -> RequestError {
    RequestError::Refused {
        reason,
        retry_after: retry_after(earliest),
    }
}

#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;

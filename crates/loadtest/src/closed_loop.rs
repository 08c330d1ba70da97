//! The closed loop: a fixed number of callers, each of which waits for its answer before it asks again.
//!
//! It finds out how much a target can do. It does not find out how callers fare that do not wait for each other: when
//! the target stalls, so does the load.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::caller::Caller;
use crate::options::Length;
use crate::run::Ending;
use crate::stop::Stop;

/// How long a caller waits after it could not connect. Refusals come so fast that without a pause they would take the
/// processor from a target that is just starting again.
const PAUSE_AFTER_REFUSAL: Duration = Duration::from_millis(10);

/// Runs `concurrency` callers until there is nothing left to ask, or until told to stop.
pub(crate) async fn run(
    caller: &Arc<Caller>,
    concurrency: usize,
    measured_from: Instant,
    length: Length,
    stop: &Stop,
) -> Ending {
    let quota = Arc::new(Quota::new(measured_from, length));
    let mut callers = JoinSet::new();
    for _ in 0..concurrency {
        callers.spawn(ask_repeatedly(
            Arc::clone(caller),
            Arc::clone(&quota),
            stop.clone(),
        ));
    }

    let mut cut_short = None;
    loop {
        tokio::select! {
            ended = callers.join_next() => match ended {
                Some(Ok(Some(stopped))) => cut_short = cut_short.max(Some(stopped)),
                Some(_) => {}
                None => break,
            },
            () = stop.abandoning() => {
                cut_short = cut_short.max(Some(Instant::now()));
                break;
            }
        }
    }
    Ending {
        sending_ended: quota.end,
        cut_short,
        never_begun: 0,
    }
}

/// One caller. Gives the moment it was stopped, if there was more to ask.
async fn ask_repeatedly(caller: Arc<Caller>, quota: Arc<Quota>, stop: Stop) -> Option<Instant> {
    loop {
        let now = Instant::now();
        if !quota.take(now) {
            return None;
        }
        if stop.is_finishing() {
            return Some(now);
        }
        let index = caller.begin();
        if !caller.call(index, now).await {
            tokio::time::sleep(PAUSE_AFTER_REFUSAL).await;
        }
    }
}

/// What is left to ask, shared by all callers. The warm-up takes nothing from it.
#[derive(Debug)]
struct Quota {
    measured_from: Instant,
    left: AtomicU64,
    end: Option<Instant>,
}

impl Quota {
    fn new(measured_from: Instant, length: Length) -> Self {
        let (left, end) = match length {
            Length::Count(count) => (count, None),
            Length::Duration(duration) => (u64::MAX, Some(measured_from + duration)),
        };
        Self {
            measured_from,
            left: AtomicU64::new(left),
            end,
        }
    }

    /// Whether one more request may be made now.
    fn take(&self, now: Instant) -> bool {
        if now < self.measured_from {
            return true;
        }
        self.end.is_none_or(|end| now < end)
            && self
                .left
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
                    left.checked_sub(1)
                })
                .is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_warm_up_takes_nothing_from_the_count() {
        let start = Instant::now();
        let quota = Quota::new(start + Duration::from_secs(1), Length::Count(2));
        let taken: Vec<_> = [0, 500, 999, 1000, 1001, 1002]
            .map(|millis| quota.take(start + Duration::from_millis(millis)))
            .into();
        assert_eq!(taken, [true, true, true, true, true, false]);
    }

    #[test]
    fn a_duration_is_counted_from_the_end_of_the_warm_up() {
        let start = Instant::now();
        let quota = Quota::new(
            start + Duration::from_secs(1),
            Length::Duration(Duration::from_secs(2)),
        );
        assert!(quota.take(start + Duration::from_millis(2999)));
        assert!(!quota.take(start + Duration::from_secs(3)));
    }
}

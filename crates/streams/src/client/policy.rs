//! When a write is tried again, when none is tried, and when a caller should come back: the settings of the
//! retry budget and the circuit breaker.

use std::time::Duration;

use common::breaker::BreakerConfig;

/// When a caller may come back at the earliest and, for nobody can tell what is further off, at the latest.
const SOONEST: Duration = Duration::from_secs(1);
const LATEST: Duration = Duration::from_secs(60);

/// When to ask a caller to come back who cannot be served before that: in whole seconds, which is all that HTTP's
/// `Retry-After` can say, and up to a second beyond twice the time, or all who were refused together would be back
/// together. From 1 to 121 seconds.
pub(super) fn retry_after(earliest: Duration) -> Duration {
    let earliest = earliest.clamp(SOONEST, LATEST).as_secs_f64().ceil() as u64;
    Duration::from_secs(fastrand::u64(earliest..=earliest * 2 + 1))
}

/// When to ask a caller to come back after a fault, whose end nobody knows.
pub(super) fn retry_after_fault() -> Duration {
    retry_after(SOONEST)
}

/// Retries that may be made before any request has earned one, and the most that are kept.
pub(super) const RETRY_RESERVE: u32 = 100;
pub(super) const RETRY_CAPACITY: u32 = 1_000;

/// The circuit to Redis. A Redis that is back should not be kept waiting for long, and the probe is a single
/// harmless command.
pub(super) const BREAKER: BreakerConfig = BreakerConfig {
    consecutive_failures: 5,
    failure_ratio: 0.5,
    minimum_calls: 20,
    window: Duration::from_secs(10),
    slow_call: Duration::from_secs(1),
    open_for: Duration::from_millis(500),
    open_for_max: Duration::from_secs(1),
};

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn callers_who_are_refused_together_are_spread_over_whole_seconds() {
        let told = |earliest| -> BTreeSet<u64> {
            let drawn = (0..10_000).map(|_| retry_after(Duration::from_millis(earliest)));
            drawn.map(|after| after.as_secs()).collect()
        };
        assert_eq!(told(0), BTreeSet::from_iter(1..=3));
        assert_eq!(told(7_100), BTreeSet::from_iter(8..=17));
        assert_eq!(told(3_600_000), BTreeSet::from_iter(60..=121));
    }
}

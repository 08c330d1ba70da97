//! When the requests of an open loop are due.
//!
//! The schedule is fixed before the run and takes no notice of it: latency is measured from the moment a request was
//! due, so a target that stalls is charged for everybody who would have called meanwhile.

use std::time::Duration;

use crate::options::Length;

/// Evenly spaced arrivals, the first of which warm up.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Schedule {
    rate: f64,
    warmup: u64,
    total: u64,
}

impl Schedule {
    /// Arrivals at `rate` per second for `warmup`, then for `length`.
    pub(crate) fn new(rate: f64, warmup: Duration, length: Length) -> Self {
        // An arrival at exactly the end belongs to the next period; the slack is for the rounding of a product.
        let arrivals =
            |period: Duration| (period.as_secs_f64() * rate - 1e-6).ceil().max(0.0) as u64;
        let warmup = arrivals(warmup);
        let measured = match length {
            Length::Count(count) => count,
            Length::Duration(duration) => arrivals(duration).max(1),
        };
        Self {
            rate,
            warmup,
            total: warmup.saturating_add(measured),
        }
    }

    /// When arrival `index` is due, counted from the start of the schedule.
    pub(crate) fn due(&self, index: u64) -> Duration {
        Duration::try_from_secs_f64(index as f64 / self.rate).unwrap_or(Duration::MAX)
    }

    /// How many arrivals warm up.
    pub(crate) fn warmup(&self) -> u64 {
        self.warmup
    }

    /// All arrivals, those that warm up included.
    pub(crate) fn total(&self) -> u64 {
        self.total
    }

    /// How many arrivals are due once `elapsed` has passed.
    pub(crate) fn due_within(&self, elapsed: Duration) -> u64 {
        let guess = (elapsed.as_secs_f64() * self.rate) as u64;
        // Rounding may put the guess one beside; `due` is what counts.
        let mut due = guess.saturating_sub(1);
        while due < self.total && self.due(due) <= elapsed {
            due += 1;
        }
        due.min(self.total)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn arrivals_are_evenly_spaced_and_the_count_is_exact() {
        let schedule = Schedule::new(
            480.0,
            Duration::from_secs(2),
            Length::Duration(Duration::from_secs(60)),
        );
        assert_eq!((schedule.warmup(), schedule.total()), (960, 62 * 480));
        assert_eq!(schedule.due(0), Duration::ZERO);
        assert_eq!(schedule.due(480), Duration::from_secs(1));
        assert_eq!(schedule.due_within(Duration::from_secs(1)), 481);
        assert_eq!(schedule.due_within(Duration::from_secs(1000)), 62 * 480);
    }

    #[test]
    fn slow_rates_have_at_least_one_arrival() {
        let schedule = Schedule::new(
            0.1,
            Duration::ZERO,
            Length::Duration(Duration::from_secs(1)),
        );
        assert_eq!(schedule.total(), 1);
        assert_eq!(schedule.due(1), Duration::from_secs(10));
    }

    proptest! {
        #[test]
        fn what_is_due_agrees_with_when_it_is_due(
            rate in 0.01..100_000.0f64,
            count in 1u64..1_000_000,
            millis in 0u64..3_600_000,
        ) {
            let schedule = Schedule::new(rate, Duration::ZERO, Length::Count(count));
            let elapsed = Duration::from_millis(millis);
            let due = schedule.due_within(elapsed);
            prop_assert!(due <= count);
            prop_assert!(due == 0 || schedule.due(due - 1) <= elapsed);
            prop_assert!(due == count || schedule.due(due) > elapsed);
        }
    }
}

//! What the living workers can do together.

use std::time::Duration;

use crate::health::WorkerSummary;

/// How many requests are served at a time, and how many leave in a second while all terminals are busy: the sum over
/// the workers of terminals over the hold, the time that a request occupies one, as each worker measured it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Capacity {
    pub terminals: u64,
    /// Requests per second; above zero.
    pub rate: f64,
}

impl Capacity {
    /// Workers that have not finished anything yet have an unknown rate; they count as soon as one
    /// of them has. `None` while the rate of all is unknown.
    pub(super) fn of(workers: &[WorkerSummary]) -> Option<Self> {
        let rate: f64 = workers
            .iter()
            .filter(|worker| worker.hold_us > 0)
            .map(|worker| f64::from(worker.terminals) * 1e6 / worker.hold_us as f64)
            .sum();
        let terminals = workers
            .iter()
            .map(|worker| u64::from(worker.terminals))
            .sum();
        (rate > 0.0).then_some(Self { terminals, rate })
    }

    /// How long one more waits behind so many; zero where a terminal is free.
    pub(super) fn wait(&self, outstanding: u64) -> Duration {
        let ahead = (outstanding + 1).saturating_sub(self.terminals);
        seconds(ahead as f64 / self.rate)
    }

    /// How long a request occupies a terminal, of whichever worker.
    pub(super) fn hold(&self) -> Duration {
        seconds(self.terminals as f64 / self.rate)
    }
}

fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn worker(terminals: u32, hold_us: u64) -> WorkerSummary {
        WorkerSummary {
            consumer: "w".into(),
            terminals,
            hold_us,
            served: 0,
        }
    }

    #[test]
    fn a_worker_that_has_finished_nothing_lends_its_terminals_alone() {
        assert_eq!(Capacity::of(&[worker(5, 0)]), None);
        let capacity = Capacity::of(&[worker(5, 100_000), worker(5, 0)]).expect("one is known");
        assert_eq!((capacity.terminals, capacity.rate), (10, 50.0));
    }

    proptest! {
        #[test]
        fn nobody_waits_for_a_free_terminal_and_everybody_longer_behind_more(
            workers in prop::collection::vec((1u32..1_000, 1u64..60_000_000), 1..20),
            outstanding in 0u64..1_000_000,
        ) {
            let workers: Vec<_> = workers.into_iter().map(|(terminals, hold_us)| worker(terminals, hold_us)).collect();
            let capacity = Capacity::of(&workers).expect("known");
            let wait = capacity.wait(outstanding);
            prop_assert_eq!(wait.is_zero(), outstanding < capacity.terminals);
            prop_assert!(capacity.wait(outstanding + 1) >= wait);
            // As many as there are terminals leave within one hold.
            let behind = capacity.wait(outstanding.max(capacity.terminals) + capacity.terminals);
            let before = capacity.wait(outstanding.max(capacity.terminals));
            let hold = behind.saturating_sub(before).as_secs_f64() / capacity.hold().as_secs_f64();
            prop_assert!((hold - 1.0).abs() < 1e-3, "{}", hold);
        }
    }
}

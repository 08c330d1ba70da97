//! How many calls there were of late, and how many of them failed.

use std::time::Duration;

use tokio::time::Instant;

/// Counts of the last [`SLICES`] slices of time, the current one included. Of a fixed size: recording allocates
/// nothing and costs the same at any rate of calls.
#[derive(Debug)]
pub(super) struct Window {
    origin: Instant,
    slice_nanos: u64,
    /// The number of the newest slice, counted from `origin`.
    newest: u64,
    /// The slice with number `n` is at `n % SLICES`.
    slices: [Tally; SLICES],
}

/// Calls, and how many of them failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) calls: u64,
    pub(super) failures: u64,
}

pub(super) const SLICES: usize = 10;

impl Window {
    /// An empty window that looks back for `length`, which must be between [`SLICES`] nanoseconds and a century.
    pub(super) fn new(length: Duration, now: Instant) -> Self {
        Self {
            origin: now,
            slice_nanos: length.as_nanos() as u64 / SLICES as u64,
            newest: 0,
            slices: [Tally::default(); SLICES],
        }
    }

    pub(super) fn record(&mut self, failed: bool, now: Instant) {
        self.forget_before(now);
        let tally = &mut self.slices[self.newest as usize % SLICES];
        tally.calls += 1;
        tally.failures += u64::from(failed);
    }

    pub(super) fn total(&mut self, now: Instant) -> Tally {
        self.forget_before(now);
        self.slices
            .iter()
            .fold(Tally::default(), |sum, tally| Tally {
                calls: sum.calls + tally.calls,
                failures: sum.failures + tally.failures,
            })
    }

    /// Moves on to the slice of `now` and clears what comes round again.
    fn forget_before(&mut self, now: Instant) {
        // Nanoseconds fill an u64 after five hundred years.
        let age = now.saturating_duration_since(self.origin).as_nanos() as u64;
        let current = age / self.slice_nanos;
        let passed = current.saturating_sub(self.newest).min(SLICES as u64);
        for number in (self.newest + 1..).take(passed as usize) {
            self.slices[number as usize % SLICES] = Tally::default();
        }
        self.newest = self.newest.max(current);
    }
}

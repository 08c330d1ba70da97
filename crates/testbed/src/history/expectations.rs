use std::collections::BTreeSet;
use std::time::Duration;

/// How much later than its deadline an answer may be seen, for a machine that is busy with the test itself.
const GRACE: Duration = Duration::from_secs(5);

/// What a run may show. As made, everything must be answered 200; each method allows more.
#[derive(Clone, Debug)]
#[must_use]
pub struct Expectations {
    pub(super) grace: Duration,
    pub(super) statuses: BTreeSet<u16>,
    pub(super) min_success: f64,
    pub(super) failures: usize,
}

impl Default for Expectations {
    fn default() -> Self {
        Self {
            grace: GRACE,
            statuses: [200].into(),
            min_success: 1.0,
            failures: 0,
        }
    }
}

impl Expectations {
    /// Sets how much later than its deadline an answer may be seen; 5 s unless set.
    pub fn grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// Allows these statuses beside 200. Only 200 is a success.
    pub fn allow(mut self, statuses: impl IntoIterator<Item = u16>) -> Self {
        self.statuses.extend(statuses);
        self
    }

    /// Sets which part of the requests must be answered 200, of those whose caller stayed; 1 unless set.
    pub fn min_success(mut self, ratio: f64) -> Self {
        self.min_success = ratio;
        self
    }

    /// Allows this many requests to end without an HTTP answer, as when the service itself is killed. They must
    /// end by their deadline all the same.
    pub fn failures(mut self, at_most: usize) -> Self {
        self.failures = at_most;
        self
    }
}

//! What a breaker can be told.

use std::time::Duration;

use thiserror::Error;

use crate::retry::InvalidBackoff;

/// When a breaker opens and for how long. See the [module](super) for how the settings work together.
#[derive(Clone, Debug, PartialEq)]
pub struct BreakerConfig {
    /// So many failures in a row open the breaker (5); at least 1.
    pub consecutive_failures: u32,
    /// This share of failures among the calls of the window opens the breaker (0.5); above 0, at most 1.
    pub failure_ratio: f64,
    /// The share is not looked at before the window holds so many calls (20); at least 1.
    pub minimum_calls: u32,
    /// For how long a call counts towards the share (10 s). It is kept in ten slices, so a call may leave up to a
    /// tenth of the window early. Between a millisecond and a day.
    pub window: Duration,
    /// A call that takes longer is a failure (1 s); above zero, and [`Duration::MAX`] for no limit.
    pub slow_call: Duration,
    /// How long the breaker stays open at first (1 s), before jitter; above zero.
    pub open_for: Duration,
    /// What that time doubles up to while probes fail (30 s); at least `open_for`, at most a day.
    pub open_for_max: Duration,
}

/// Why a [`BreakerConfig`] was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum InvalidBreaker {
    /// The breaker would open without a failure.
    #[error("consecutive_failures must be at least 1")]
    ConsecutiveFailures,
    /// Not a share.
    #[error("failure_ratio must be above 0 and at most 1")]
    FailureRatio,
    /// The share of no calls is undefined.
    #[error("minimum_calls must be at least 1")]
    MinimumCalls,
    /// Shorter than the clock resolves, or longer than anybody remembers.
    #[error("window must be between a millisecond and a day")]
    Window,
    /// Every call would be slow.
    #[error("slow_call must be longer than zero")]
    SlowCall,
    /// The time to stay open and its maximum do not fit together.
    #[error("open_for and open_for_max do not fit: {0}")]
    OpenFor(#[from] InvalidBackoff),
}

impl Default for BreakerConfig {
    fn default() -> Self {
        Self {
            consecutive_failures: 5,
            failure_ratio: 0.5,
            minimum_calls: 20,
            window: Duration::from_secs(10),
            slow_call: Duration::from_secs(1),
            open_for: Duration::from_secs(1),
            open_for_max: Duration::from_secs(30),
        }
    }
}

impl BreakerConfig {
    /// Checks what the times to stay open do not check themselves.
    pub(super) fn validate(&self) -> Result<(), InvalidBreaker> {
        let windows = Duration::from_millis(1)..=Duration::from_secs(24 * 60 * 60);
        if self.consecutive_failures == 0 {
            return Err(InvalidBreaker::ConsecutiveFailures);
        }
        // A NaN is in no range.
        if self.failure_ratio == 0.0 || !(0.0..=1.0).contains(&self.failure_ratio) {
            return Err(InvalidBreaker::FailureRatio);
        }
        if self.minimum_calls == 0 {
            return Err(InvalidBreaker::MinimumCalls);
        }
        if !windows.contains(&self.window) {
            return Err(InvalidBreaker::Window);
        }
        if self.slow_call.is_zero() {
            return Err(InvalidBreaker::SlowCall);
        }
        Ok(())
    }
}

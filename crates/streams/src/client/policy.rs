//! When a write is tried again, when none is tried, and when a caller should come back: the settings of the
//! retry budget and the circuit breaker.

use std::time::Duration;

use common::breaker::BreakerConfig;

/// When a caller is asked to come back after a fault.
pub(super) const RETRY_AFTER: Duration = Duration::from_secs(1);

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

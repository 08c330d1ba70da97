//! Trying again: when, how often, how long to wait, and when to stop.
//!
//! A retry is worth its cost only while four things hold, and [`retry`] checks them in this order:
//!
//! 1. the error says that another try may help ([`Retryable::is_retryable`]);
//! 2. the policy has attempts left;
//! 3. the wait ends before the deadline, so that nobody sleeps towards an answer that cannot be used;
//! 4. the shared [`RetryBudget`] has a token, so that all callers together add at most a fifth to the load.
//!
//! The first that fails ends the loop with the last error. Retry an operation at one layer only: two layers with
//! three attempts each are nine.

mod backoff;
mod budget;

pub use backoff::{Backoff, InvalidBackoff};
pub use budget::RetryBudget;

use std::num::NonZeroU32;
use std::time::Duration;

use tokio::time::Instant;

/// An error that knows whether the same operation may be tried again.
pub trait Retryable {
    /// Whether another try is safe and may help.
    fn is_retryable(&self) -> bool;

    /// The least time the other side asked to be left alone for, if it did (`Retry-After`).
    fn retry_after(&self) -> Option<Duration> {
        None
    }
}

/// How an operation is retried. Clones share the budget.
#[derive(Clone, Debug)]
pub struct RetryPolicy {
    /// How long to wait before each further attempt.
    pub backoff: Backoff,
    /// The most attempts, the first included; 1 never retries.
    pub attempts: NonZeroU32,
    /// What limits the retries of everybody who shares it.
    pub budget: RetryBudget,
}

/// Runs `op` until it succeeds or another try is not worth it, and returns the last result.
///
/// `op` is called with the number of the attempt, from 0. The deadline bounds the waits between attempts, not an
/// attempt itself: `op` has to give up in time by itself, because only it knows whether a call that was cut off had
/// an effect.
///
/// A wait is a draw of full jitter; what the error asks for ([`Retryable::retry_after`]) comes on top of it, so that
/// callers who were all told "in one second" do not come back together. `on_retry` is called before each wait, with
/// the error that caused it and its length: the place for a counter or a log line.
///
/// Dropping the future between or within attempts is safe; it holds nothing.
pub async fn retry<T, E, F>(
    policy: &RetryPolicy,
    deadline: Instant,
    mut on_retry: impl FnMut(&E, Duration),
    mut op: impl FnMut(u32) -> F,
) -> Result<T, E>
where
    E: Retryable,
    F: Future<Output = Result<T, E>>,
{
    policy.budget.deposit();
    let mut attempt = 0;
    loop {
        let error = match op(attempt).await {
            Ok(value) => return Ok(value),
            Err(error) => error,
        };
        let last = attempt + 1 >= policy.attempts.get();
        if last || !error.is_retryable() {
            return Err(error);
        }
        let asked = error.retry_after().unwrap_or(Duration::ZERO);
        let wait = asked.saturating_add(policy.backoff.delay(attempt));
        let left = deadline.saturating_duration_since(Instant::now());
        if wait >= left || !policy.budget.withdraw() {
            return Err(error);
        }
        on_retry(&error, wait);
        tokio::time::sleep(wait).await;
        attempt += 1;
    }
}

#[cfg(test)]
mod tests;

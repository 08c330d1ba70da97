//! All on paused time: a wait costs nothing, and the clock tells how long it was.

use super::*;
use std::cell::Cell;

#[derive(Clone, Debug, PartialEq)]
enum Fault {
    Busy,
    BusyFor(Duration),
    Wrong,
}

impl Retryable for Fault {
    fn is_retryable(&self) -> bool {
        *self != Fault::Wrong
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Fault::BusyFor(time) => Some(*time),
            Fault::Busy | Fault::Wrong => None,
        }
    }
}

const SECOND: Duration = Duration::from_secs(1);

fn policy(attempts: u32, budget: RetryBudget) -> RetryPolicy {
    RetryPolicy {
        backoff: Backoff::new(SECOND, 4 * SECOND).unwrap(),
        attempts: NonZeroU32::new(attempts).unwrap(),
        budget,
    }
}

/// What one run of `retry` did.
#[derive(Debug)]
struct Run {
    result: Result<u32, Fault>,
    attempts: u32,
    waits: Vec<Duration>,
    took: Duration,
}

/// Retries an operation that fails with `faults` in turn and then returns the number of the attempt.
async fn run(policy: &RetryPolicy, within: Duration, faults: &[Fault]) -> Run {
    let start = Instant::now();
    let attempts = Cell::new(0);
    let mut waits = Vec::new();
    let result = retry(
        policy,
        start + within,
        |_, wait| waits.push(wait),
        |attempt| {
            assert_eq!(attempt, attempts.get(), "attempts are counted from 0");
            attempts.set(attempt + 1);
            let outcome = faults
                .get(attempt as usize)
                .cloned()
                .map_or(Ok(attempt), Err);
            async move { outcome }
        },
    )
    .await;
    Run {
        result,
        attempts: attempts.get(),
        waits,
        took: start.elapsed(),
    }
}

#[tokio::test(start_paused = true)]
async fn a_success_is_returned_at_once() {
    let run = run(&policy(3, RetryBudget::default()), 60 * SECOND, &[]).await;
    assert_eq!((run.result, run.attempts), (Ok(0), 1));
    assert_eq!((run.waits, run.took), (vec![], Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn a_fault_that_passes_is_retried_after_the_wait_it_announced() {
    let run = run(
        &policy(3, RetryBudget::default()),
        60 * SECOND,
        &[Fault::Busy, Fault::Busy],
    )
    .await;
    assert_eq!((&run.result, run.attempts), (&Ok(2), 3));
    assert_eq!(run.waits.len(), 2);
    assert!(run.waits[0] <= SECOND && run.waits[1] <= 2 * SECOND);
    // The timer wheel has a resolution of a millisecond and rounds each wait up.
    let waited: Duration = run.waits.iter().sum();
    assert!(
        run.took >= waited && run.took <= waited + Duration::from_millis(4),
        "{run:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_fault_that_another_try_cannot_help_is_final() {
    let run = run(
        &policy(3, RetryBudget::default()),
        60 * SECOND,
        &[Fault::Wrong],
    )
    .await;
    assert_eq!((run.result, run.attempts), (Err(Fault::Wrong), 1));
}

#[tokio::test(start_paused = true)]
async fn attempts_are_bounded_and_the_last_error_returned() {
    let faults = [Fault::Busy, Fault::Busy, Fault::BusyFor(SECOND)];
    let run = run(&policy(3, RetryBudget::default()), 60 * SECOND, &faults).await;
    assert_eq!((run.result, run.attempts), (Err(Fault::BusyFor(SECOND)), 3));
}

#[tokio::test(start_paused = true)]
async fn no_wait_goes_past_the_deadline() {
    let endless = vec![Fault::Busy; 1000];
    for _ in 0..100 {
        let run = run(
            &policy(1000, RetryBudget::new(1000, 1000)),
            10 * SECOND,
            &endless,
        )
        .await;
        assert_eq!(run.result, Err(Fault::Busy));
        // The last wait was chosen to end before, and the timer rounds it up to a millisecond.
        assert!(
            run.took <= 10 * SECOND + Duration::from_millis(1),
            "{run:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_deadline_already_past_still_allows_the_first_attempt() {
    let run = run(
        &policy(3, RetryBudget::default()),
        Duration::ZERO,
        &[Fault::Busy],
    )
    .await;
    assert_eq!((run.result, run.attempts), (Err(Fault::Busy), 1));
}

#[tokio::test(start_paused = true)]
async fn what_the_other_side_asked_for_is_the_least_wait() {
    let run = run(
        &policy(2, RetryBudget::default()),
        60 * SECOND,
        &[Fault::BusyFor(30 * SECOND)],
    )
    .await;
    assert_eq!(run.result, Ok(1));
    assert!(run.waits[0] >= 30 * SECOND && run.waits[0] <= 31 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn a_wait_asked_for_that_does_not_fit_ends_at_once() {
    for asked in [60 * SECOND, Duration::MAX] {
        let run = run(
            &policy(2, RetryBudget::default()),
            60 * SECOND,
            &[Fault::BusyFor(asked)],
        )
        .await;
        assert_eq!((run.attempts, run.took), (1, Duration::ZERO));
    }
}

#[tokio::test(start_paused = true)]
async fn an_outage_costs_a_fifth_more_and_not_three_times_as_much() {
    let policy = policy(3, RetryBudget::new(10, 100));
    let mut attempts = 0;
    for _ in 0..1000 {
        let run = run(&policy, 60 * SECOND, &vec![Fault::Busy; 3]).await;
        attempts += run.attempts;
    }
    assert_eq!(attempts, 1000 + 10 + 200);
}

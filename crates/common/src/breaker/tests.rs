//! Each arrow of the diagram on paused time, then many callers at once on real threads.

use super::*;
use crate::retry::InvalidBackoff;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::time::{advance, sleep};

const SECOND: Duration = Duration::from_secs(1);

fn breaker() -> CircuitBreaker {
    CircuitBreaker::new("target", BreakerConfig::default()).unwrap()
}

fn succeed(breaker: &CircuitBreaker) {
    breaker.acquire().unwrap().success();
}

fn fail(breaker: &CircuitBreaker) {
    breaker.acquire().unwrap().failure();
}

/// Opens a closed breaker by failures in a row.
fn trip(breaker: &CircuitBreaker) {
    let opened = breaker.transitions(State::Open);
    (0..5).for_each(|_| fail(breaker));
    assert_eq!(breaker.transitions(State::Open), opened + 1);
}

/// Lets the open state pass, however long it is.
async fn await_half_open(breaker: &CircuitBreaker) {
    advance(breaker.acquire().unwrap_err().retry_after).await;
    assert_eq!(breaker.state(), State::HalfOpen);
}

#[tokio::test(start_paused = true)]
async fn closed_stays_closed_while_calls_succeed() {
    let breaker = breaker();
    (0..1000).for_each(|_| succeed(&breaker));
    assert_eq!(breaker.state(), State::Closed);
    assert_eq!(State::ALL.map(|state| breaker.transitions(state)), [0; 3]);
}

#[tokio::test(start_paused = true)]
async fn closed_opens_on_failures_in_a_row() {
    let breaker = breaker();
    (0..4).for_each(|_| fail(&breaker));
    succeed(&breaker);
    (0..4).for_each(|_| fail(&breaker));
    assert_eq!(breaker.state(), State::Closed);
    fail(&breaker);
    assert_eq!(breaker.state(), State::Open);
    assert_eq!(breaker.transitions(State::Open), 1);
}

#[tokio::test(start_paused = true)]
async fn closed_opens_on_the_share_of_failures() {
    let breaker = breaker();
    for _ in 0..9 {
        succeed(&breaker);
        fail(&breaker);
    }
    succeed(&breaker);
    assert_eq!(
        breaker.state(),
        State::Closed,
        "19 calls are too few to judge"
    );
    fail(&breaker);
    assert_eq!(breaker.state(), State::Open);
}

#[tokio::test(start_paused = true)]
async fn failures_older_than_the_window_do_not_count() {
    let breaker = breaker();
    for _ in 0..9 {
        succeed(&breaker);
        fail(&breaker);
    }
    advance(10 * SECOND).await;
    succeed(&breaker);
    fail(&breaker);
    assert_eq!(breaker.state(), State::Closed);
}

#[tokio::test(start_paused = true)]
async fn open_refuses_and_says_when_to_ask_again() {
    let breaker = breaker();
    trip(&breaker);
    let refused = breaker.acquire().unwrap_err().retry_after;
    assert!(refused >= SECOND / 2 && refused <= SECOND, "{refused:?}");
    advance(refused / 2).await;
    assert_eq!(
        breaker.acquire().unwrap_err().retry_after,
        refused - refused / 2
    );
}

#[tokio::test(start_paused = true)]
async fn open_becomes_half_open_when_its_time_is_up_without_any_call() {
    let breaker = breaker();
    trip(&breaker);
    let refused = breaker.acquire().unwrap_err().retry_after;
    advance(refused - Duration::from_nanos(1)).await;
    assert_eq!(breaker.state(), State::Open);
    advance(Duration::from_nanos(1)).await;
    // Whatever looks first, a count included, finds it half-open.
    assert_eq!(breaker.transitions(State::HalfOpen), 1);
    assert_eq!(breaker.state(), State::HalfOpen);
}

#[tokio::test(start_paused = true)]
async fn half_open_closes_with_a_clean_record_when_the_probe_succeeds() {
    let breaker = breaker();
    trip(&breaker);
    await_half_open(&breaker).await;
    succeed(&breaker);
    assert_eq!(breaker.state(), State::Closed);
    (0..4).for_each(|_| fail(&breaker));
    assert_eq!(breaker.state(), State::Closed, "old failures are forgotten");
    fail(&breaker);
    assert_eq!(
        State::ALL.map(|state| breaker.transitions(state)),
        [1, 1, 2]
    );
}

#[tokio::test(start_paused = true)]
async fn half_open_opens_for_longer_each_time_the_probe_fails() {
    let breaker = breaker();
    trip(&breaker);
    for longest in [2, 4, 8, 16, 30, 30] {
        await_half_open(&breaker).await;
        fail(&breaker);
        let open_for = breaker.acquire().unwrap_err().retry_after;
        assert!(open_for <= longest * SECOND, "{open_for:?} of {longest} s");
        assert!(
            open_for >= longest * SECOND / 2,
            "{open_for:?} of {longest} s"
        );
    }
    await_half_open(&breaker).await;
    succeed(&breaker);
    trip(&breaker);
    assert!(breaker.acquire().unwrap_err().retry_after <= SECOND);
}

#[tokio::test(start_paused = true)]
async fn half_open_has_one_probe_and_a_cancelled_one_makes_room() {
    let breaker = breaker();
    trip(&breaker);
    await_half_open(&breaker).await;
    for _ in 0..3 {
        let probe = breaker.acquire().unwrap();
        assert_eq!(breaker.acquire().unwrap_err().retry_after, SECOND);
        drop(probe);
        assert_eq!(breaker.state(), State::HalfOpen);
    }
    succeed(&breaker);
    assert_eq!(breaker.state(), State::Closed);
}

#[tokio::test(start_paused = true)]
async fn slow_calls_are_failures_however_they_end() {
    let ends: [fn(Permit); 3] = [Permit::success, Permit::failure, drop];
    for end in ends {
        let breaker = breaker();
        let calls: Vec<Permit> = (0..5).map(|_| breaker.acquire().unwrap()).collect();
        advance(SECOND + Duration::from_nanos(1)).await;
        calls.into_iter().for_each(end);
        assert_eq!(breaker.state(), State::Open);

        await_half_open(&breaker).await;
        let probe = breaker.acquire().unwrap();
        advance(SECOND + Duration::from_nanos(1)).await;
        end(probe);
        assert_eq!(breaker.state(), State::Open);
    }
}

#[tokio::test(start_paused = true)]
async fn calls_within_the_limit_are_not_slow() {
    let breaker = breaker();
    let calls: Vec<Permit> = (0..100).map(|_| breaker.acquire().unwrap()).collect();
    advance(SECOND).await;
    calls.into_iter().for_each(Permit::success);
    assert_eq!(breaker.state(), State::Closed);
}

#[tokio::test(start_paused = true)]
async fn cancelled_calls_say_nothing() {
    let breaker = breaker();
    for _ in 0..4 {
        fail(&breaker);
    }
    (0..100).for_each(|_| drop(breaker.acquire().unwrap()));
    assert_eq!(breaker.state(), State::Closed);
    fail(&breaker);
    assert_eq!(
        breaker.state(),
        State::Open,
        "a cancelled call is no success either"
    );
}

#[tokio::test(start_paused = true)]
async fn late_results_are_ignored() {
    let breaker = breaker();
    let mut early: Vec<Permit> = (0..20).map(|_| breaker.acquire().unwrap()).collect();
    trip(&breaker);
    early.pop().unwrap().success();
    assert_eq!(
        breaker.state(),
        State::Open,
        "a late success closes nothing"
    );

    await_half_open(&breaker).await;
    early.pop().unwrap().success();
    early.pop().unwrap().failure();
    drop(early.pop());
    assert_eq!(breaker.state(), State::HalfOpen, "only the probe decides");
    let probe = breaker.acquire().unwrap();
    drop(early.pop());
    assert!(breaker.acquire().is_err(), "only the probe frees its place");
    probe.success();

    early.into_iter().for_each(Permit::failure);
    assert_eq!(
        breaker.state(),
        State::Closed,
        "a late failure opens nothing"
    );
}

#[test]
fn contradictory_settings_are_refused() {
    fn check(expected: InvalidBreaker, config: BreakerConfig) {
        assert_eq!(CircuitBreaker::new("target", config).unwrap_err(), expected);
    }
    let good = BreakerConfig::default;
    check(
        InvalidBreaker::ConsecutiveFailures,
        BreakerConfig {
            consecutive_failures: 0,
            ..good()
        },
    );
    for failure_ratio in [0.0, -0.1, 1.1, f64::NAN] {
        check(
            InvalidBreaker::FailureRatio,
            BreakerConfig {
                failure_ratio,
                ..good()
            },
        );
    }
    check(
        InvalidBreaker::MinimumCalls,
        BreakerConfig {
            minimum_calls: 0,
            ..good()
        },
    );
    for window in [Duration::from_micros(999), Duration::MAX] {
        check(InvalidBreaker::Window, BreakerConfig { window, ..good() });
    }
    check(
        InvalidBreaker::SlowCall,
        BreakerConfig {
            slow_call: Duration::ZERO,
            ..good()
        },
    );
    let (zero, half) = (Duration::ZERO, SECOND / 2);
    check(
        InvalidBackoff::ZeroBase.into(),
        BreakerConfig {
            open_for: zero,
            ..good()
        },
    );
    check(
        InvalidBackoff::CapBelowBase.into(),
        BreakerConfig {
            open_for_max: half,
            ..good()
        },
    );
}

#[test]
fn states_are_displayed_as_everyone_writes_them() {
    assert_eq!(
        State::ALL.map(|state| state.to_string()),
        ["closed", "half-open", "open"]
    );
    assert_eq!(State::ALL.map(|state| state as usize), [0, 1, 2]);
}

/// 64 tasks on several threads call a target that is down. From the first trip on, every call that gets through is a
/// probe, so two of them at once would be two probes.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_callers_at_once_make_one_probe_at_a_time() {
    const PROBES: usize = 200;
    let config = BreakerConfig {
        open_for: Duration::from_micros(100),
        open_for_max: Duration::from_micros(100),
        slow_call: Duration::MAX,
        ..BreakerConfig::default()
    };
    let breaker = CircuitBreaker::new("target", config).unwrap();
    trip(&breaker);
    let in_flight = Arc::new(AtomicUsize::new(0));
    let probes = Arc::new(AtomicUsize::new(0));

    let callers: Vec<_> = (0..64)
        .map(|caller| {
            let (breaker, in_flight, probes) = (breaker.clone(), in_flight.clone(), probes.clone());
            tokio::spawn(async move {
                while probes.load(Ordering::SeqCst) < PROBES {
                    let Ok(permit) = breaker.acquire() else {
                        tokio::task::yield_now().await;
                        continue;
                    };
                    let others = in_flight.fetch_add(1, Ordering::SeqCst);
                    assert_eq!(others, 0, "two probes at once");
                    tokio::task::yield_now().await;
                    in_flight.fetch_sub(1, Ordering::SeqCst);
                    probes.fetch_add(1, Ordering::SeqCst);
                    // A third of the callers leaves without a verdict.
                    if caller % 3 == 0 {
                        drop(permit);
                    } else {
                        permit.failure();
                    }
                }
            })
        })
        .collect();
    for caller in callers {
        caller.await.unwrap();
    }
    assert!(probes.load(Ordering::SeqCst) >= PROBES);
}

/// The same moment seen once more sharply: 64 threads ask together when the time is up, and one gets through.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_64_callers_at_the_same_moment_one_gets_through() {
    let config = BreakerConfig {
        open_for: Duration::from_millis(1),
        open_for_max: Duration::from_millis(1),
        ..BreakerConfig::default()
    };
    let breaker = CircuitBreaker::new("target", config).unwrap();
    trip(&breaker);
    for _ in 0..20 {
        while let State::Open = breaker.state() {
            sleep(Duration::from_millis(1)).await;
        }
        let start = Arc::new(tokio::sync::Barrier::new(64));
        let callers: Vec<_> = (0..64)
            .map(|_| {
                let (breaker, start) = (breaker.clone(), start.clone());
                tokio::spawn(async move {
                    start.wait().await;
                    breaker.acquire()
                })
            })
            .collect();
        let mut permits = Vec::new();
        for caller in callers {
            permits.extend(caller.await.unwrap());
        }
        assert_eq!(permits.len(), 1);
        permits.into_iter().for_each(Permit::failure);
    }
}

//! The open loop: requests arrive when the schedule says, whatever became of the ones before them.
//!
//! Each arrival is accounted for. It is made at once if fewer than the allowed number are in flight; if not, it waits
//! in line, its latency counting from when it was due; and if its time limit passes in line, it is a failure of its
//! own kind. So a stall of the target is seen by everybody who would have called during it, and coordinated omission
//! cannot happen.

use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::timeout_at;

use crate::alarm::Alarm;
use crate::caller::Caller;
use crate::recorder::LATE;
use crate::run::Ending;
use crate::schedule::Schedule;
use crate::stop::Stop;

/// Makes the requests of a schedule that started at `began`, at most `max_in_flight` at a time.
pub(crate) async fn run(
    caller: &Arc<Caller>,
    schedule: Schedule,
    max_in_flight: usize,
    began: Instant,
    stop: &Stop,
) -> Ending {
    let mut alarm = Alarm::new();
    let in_flight = Arc::new(Semaphore::new(max_in_flight));
    let mut calls = JoinSet::new();

    let sending = async {
        for arrival in 0..schedule.total() {
            let due = began + schedule.due(arrival);
            alarm.wait_until(due).await;
            match place(&in_flight, caller.deadline(due)).await {
                Some(place) => {
                    let (caller, index) = (Arc::clone(caller), caller.begin());
                    calls.spawn(async move {
                        caller.call(index, due).await;
                        drop(place);
                    });
                }
                None => {
                    caller.begin();
                    caller.miss(due);
                }
            }
            while calls.try_join_next().is_some() {}
        }
    };
    let mut cut_short = None;
    tokio::select! {
        () = sending => {}
        () = stop.finishing() => cut_short = Some(Instant::now()),
    }

    let mut abandoned = pin!(stop.abandoning());
    loop {
        tokio::select! {
            ended = calls.join_next() => if ended.is_none() { break },
            () = &mut abandoned => {
                cut_short = cut_short.or(Some(Instant::now()));
                break;
            }
        }
    }
    let begun = caller.recorder().begun;
    Ending {
        sending_ended: Some(began + schedule.due(schedule.total())),
        cut_short,
        never_begun: cut_short.map_or(0, |cut| {
            waiting(&schedule, begun, cut.duration_since(began))
        }),
    }
}

/// How many arrivals stood in line when the run was cut short. The next one may be a moment late without being in line.
fn waiting(schedule: &Schedule, begun: u64, cut: Duration) -> u64 {
    if schedule.due(begun) + LATE < cut {
        schedule.due_within(cut).saturating_sub(begun)
    } else {
        0
    }
}

/// A place among the requests in flight, unless none gets free before the deadline.
async fn place(in_flight: &Arc<Semaphore>, deadline: Instant) -> Option<OwnedSemaphorePermit> {
    let place = match Arc::clone(in_flight).try_acquire_owned() {
        Ok(place) => place,
        Err(_) => timeout_at(deadline.into(), Arc::clone(in_flight).acquire_owned())
            .await
            .ok()?
            .ok()?,
    };
    // The place and the deadline may have come together.
    (Instant::now() < deadline).then_some(place)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::Length;

    #[test]
    fn arrivals_in_line_are_told_from_one_that_is_a_moment_late() {
        let schedule = Schedule::new(100.0, Duration::ZERO, Length::Count(100));
        let waiting = |begun, millis| waiting(&schedule, begun, Duration::from_millis(millis));
        assert_eq!(waiting(50, 500), 0, "just due");
        assert_eq!(waiting(50, 505), 0, "a moment late");
        assert_eq!(waiting(50, 515), 2, "late, and another one due");
        assert_eq!(waiting(50, 60_000), 50);
        assert_eq!(waiting(100, 60_000), 0, "all begun");
    }

    #[tokio::test]
    async fn a_place_that_gets_free_too_late_is_not_taken() {
        let in_flight = Arc::new(Semaphore::new(1));
        let now = Instant::now();
        assert!(place(&in_flight, now).await.is_none());
        let taken = place(&in_flight, now + Duration::from_secs(60))
            .await
            .unwrap();
        assert!(
            place(&in_flight, now + Duration::from_millis(1))
                .await
                .is_none()
        );
        drop(taken);
        assert_eq!(in_flight.available_permits(), 1);
    }
}

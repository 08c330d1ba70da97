//! The open loop: requests arrive when the schedule says, whatever became of the ones before them.
//!
//! Each arrival is accounted for. It is made at once if fewer than the allowed number are in flight; if not, it waits
//! in line, its latency counting from when it was due; and if its time limit passes in line, it is a failure of its
//! own kind. So a stall of the target is seen by everybody who would have called during it, and coordinated omission
//! cannot happen.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::timeout_at;

use crate::alarm::Alarm;
use crate::caller::Caller;
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
    // Whether arrivals wait for a place; if the run is cut short then, all that are due are unfinished.
    let in_line = AtomicBool::new(false);

    let sending = async {
        for arrival in 0..schedule.total() {
            let due = began + schedule.due(arrival);
            alarm.wait_until(due).await;
            in_line.store(true, Ordering::Relaxed);
            let place = place(&in_flight, caller.deadline(due)).await;
            in_line.store(false, Ordering::Relaxed);
            match place {
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
    let never_begun = match cut_short {
        Some(cut) if in_line.into_inner() => schedule
            .due_within(cut.duration_since(began))
            .saturating_sub(caller.recorder().begun),
        _ => 0,
    };
    Ending {
        sending_ended: Some(began + schedule.due(schedule.total())),
        cut_short,
        never_begun,
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
    use std::time::Duration;

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

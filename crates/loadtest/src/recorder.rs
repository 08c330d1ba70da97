//! What happened, gathered while it happens, in memory that does not grow with the number of requests.

use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use uuid::Uuid;

use crate::failure::{Failure, Failures};
use crate::request_ids::RequestIds;
use crate::timeline::TimelineRecorder;

/// A request that starts later than this after it was due counts as late.
const LATE: Duration = Duration::from_millis(10);

/// Everything that is known about the requests so far.
#[derive(Debug)]
pub(crate) struct Recorder {
    measured_from: Instant,
    /// Requests that began, those that warm up and those that never reached the wire included.
    pub(crate) begun: u64,
    /// Requests that ended, in whichever way.
    pub(crate) ended: u64,
    /// Of those, the ones that were due before the measurement and are not part of it.
    pub(crate) warmup: u64,
    /// Of those, the ones that failed.
    pub(crate) warmup_failed: u64,
    /// Times that a request was sent again.
    pub(crate) retries: u64,
    /// Replies to another request, in the warm-up too.
    pub(crate) crossed: u64,
    /// Latency of successes, from the moment the request was due.
    pub(crate) successes: Histogram<u64>,
    /// Latency of successes, from the moment the request was sent.
    pub(crate) successes_from_sending: Histogram<u64>,
    /// Time to failure, from the moment the request was due.
    pub(crate) failures: Histogram<u64>,
    /// How long after it was due each request was sent.
    pub(crate) delays: Histogram<u64>,
    /// How many of them were [`LATE`].
    pub(crate) late: u64,
    pub(crate) causes: Failures,
    pub(crate) timeline: TimelineRecorder,
    /// When the last success came in.
    pub(crate) last_success: Option<Instant>,
    request_ids: RequestIds,
}

/// One request that ended.
#[derive(Debug)]
pub(crate) struct Sample {
    /// When the request was due. In a closed loop, when it was sent.
    pub(crate) due: Instant,
    pub(crate) sent: Instant,
    pub(crate) ended: Instant,
    /// The request id in the reply, or what went wrong.
    pub(crate) result: Result<Uuid, Failure>,
}

impl Recorder {
    /// What is due before `measured_from` is warm-up.
    pub(crate) fn new(measured_from: Instant) -> Self {
        Self {
            measured_from,
            begun: 0,
            ended: 0,
            warmup: 0,
            warmup_failed: 0,
            retries: 0,
            crossed: 0,
            successes: histogram(),
            successes_from_sending: histogram(),
            failures: histogram(),
            delays: histogram(),
            late: 0,
            causes: Failures::default(),
            timeline: TimelineRecorder::new(histogram()),
            last_success: None,
            request_ids: RequestIds::default(),
        }
    }

    /// Takes note of a request that ended. Samples come in the order in which they ended.
    pub(crate) fn record(&mut self, sample: Sample) {
        let result = match sample.result {
            Ok(id) if !self.request_ids.insert(id) => Err(Failure::Crossed(format!(
                "requestId {id} was in an earlier reply"
            ))),
            result => result,
        };
        self.ended += 1;
        self.crossed += u64::from(matches!(result, Err(Failure::Crossed(_))));
        if sample.due < self.measured_from {
            self.warmup += 1;
            self.warmup_failed += u64::from(result.is_err());
            return;
        }

        let latency = sample.ended.duration_since(sample.due);
        let delay = sample.sent.duration_since(sample.due);
        self.delays.saturating_record(micros(delay));
        self.late += u64::from(delay > LATE);
        self.timeline.record(
            sample.ended.duration_since(self.measured_from),
            latency,
            result.is_ok(),
        );
        match result {
            Ok(_) => {
                self.successes.saturating_record(micros(latency));
                self.successes_from_sending
                    .saturating_record(micros(sample.ended.duration_since(sample.sent)));
                self.last_success = Some(sample.ended);
            }
            Err(failure) => {
                self.failures.saturating_record(micros(latency));
                self.causes.add(&failure, latency);
            }
        }
    }

    /// Requests that began and did not end yet.
    pub(crate) fn in_flight(&self) -> u64 {
        self.begun - self.ended
    }
}

/// An empty histogram of microseconds up to two hours, right to three digits. Takes about 190 KiB.
#[allow(
    clippy::expect_used,
    reason = "constant bounds, which every test passes through"
)]
pub(crate) fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 7_200_000_000, 3).expect("the bounds are valid")
}

/// A duration as the histograms count it.
pub(crate) fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// What a histogram counted, in seconds.
pub(crate) fn seconds(micros: u64) -> f64 {
    micros as f64 / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(
        start: Instant,
        due: u64,
        sent: u64,
        ended: u64,
        result: Result<Uuid, Failure>,
    ) -> Sample {
        let at = |millis| start + Duration::from_millis(millis);
        Sample {
            due: at(due),
            sent: at(sent),
            ended: at(ended),
            result,
        }
    }

    #[test]
    fn latency_counts_from_when_the_request_was_due() {
        let start = Instant::now();
        let mut recorder = Recorder::new(start);
        recorder.record(sample(start, 0, 900, 1000, Ok(Uuid::from_u128(1))));
        assert!(
            recorder
                .successes
                .equivalent(recorder.successes.max(), 1_000_000)
        );
        assert!(
            recorder
                .successes_from_sending
                .equivalent(recorder.successes_from_sending.max(), 100_000)
        );
        assert_eq!(recorder.late, 1);
    }

    #[test]
    fn successes_and_failures_are_kept_apart() {
        let start = Instant::now();
        let mut recorder = Recorder::new(start);
        recorder.record(sample(start, 0, 0, 10, Ok(Uuid::from_u128(1))));
        recorder.record(sample(start, 0, 0, 5000, Err(Failure::Timeout)));
        assert_eq!((recorder.successes.len(), recorder.failures.len()), (1, 1));
        assert!(recorder.successes.max() < 11_000 && recorder.failures.min() > 4_900_000);
        assert_eq!(
            recorder.last_success,
            Some(start + Duration::from_millis(10))
        );
    }

    #[test]
    fn a_request_id_that_comes_twice_is_a_crossed_reply() {
        let start = Instant::now();
        let mut recorder = Recorder::new(start);
        for _ in 0..2 {
            recorder.record(sample(start, 0, 0, 10, Ok(Uuid::from_u128(1))));
        }
        assert_eq!(
            (
                recorder.crossed,
                recorder.successes.len(),
                recorder.failures.len()
            ),
            (1, 1, 1)
        );
    }

    #[test]
    fn the_warm_up_is_not_measured_but_its_crossed_replies_count() {
        let start = Instant::now();
        let mut recorder = Recorder::new(start + Duration::from_millis(100));
        recorder.record(sample(
            start,
            99,
            99,
            200,
            Err(Failure::Crossed(String::new())),
        ));
        recorder.record(sample(start, 99, 99, 200, Ok(Uuid::from_u128(2))));
        recorder.record(sample(start, 100, 100, 200, Ok(Uuid::from_u128(1))));
        assert_eq!((recorder.warmup, recorder.warmup_failed), (2, 1));
        assert_eq!(recorder.crossed, 1);
        assert_eq!((recorder.successes.len(), recorder.failures.len()), (1, 0));
    }
}

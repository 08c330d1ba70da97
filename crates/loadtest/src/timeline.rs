//! The run second by second.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

use crate::recorder::{micros, seconds};

/// Two hours by the second; a longer run is kept in wider intervals.
const MAX_INTERVALS: usize = 7200;

/// The run as a row of intervals of equal width. A reply belongs to the interval in which it arrived.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Timeline {
    /// How many seconds each interval covers: 1, in runs of two hours and longer 2, 4, ….
    pub interval_seconds: u64,
    /// The intervals in order, without a gap, from the start of the measurement.
    pub intervals: Vec<Interval>,
}

/// What arrived within one interval. All times in seconds; null where nothing succeeded.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Interval {
    /// Requests that succeeded.
    pub succeeded: u64,
    /// Requests that failed.
    pub failed: u64,
    /// Median latency of the successes.
    pub p50: Option<f64>,
    /// 99th percentile of the latency of the successes.
    pub p99: Option<f64>,
    /// The longest latency of the successes.
    pub max: Option<f64>,
}

/// Gathers a timeline. Only the current interval has a histogram, so memory does not grow with the load.
#[derive(Debug)]
pub(crate) struct TimelineRecorder {
    done: Timeline,
    current: Interval,
    latencies: Histogram<u64>,
}

impl TimelineRecorder {
    pub(crate) fn new(latencies: Histogram<u64>) -> Self {
        let done = Timeline {
            interval_seconds: 1,
            intervals: Vec::new(),
        };
        Self {
            done,
            current: Interval::default(),
            latencies,
        }
    }

    /// Counts a reply that arrived `at` after the start of the measurement. Replies come in the order of time.
    pub(crate) fn record(&mut self, at: Duration, latency: Duration, succeeded: bool) {
        while self.done.intervals.len() < (at.as_secs() / self.done.interval_seconds) as usize {
            self.close_interval();
        }
        if succeeded {
            self.current.succeeded += 1;
            self.latencies.saturating_record(micros(latency));
        } else {
            self.current.failed += 1;
        }
    }

    /// The timeline up to the last reply.
    pub(crate) fn finish(mut self) -> Timeline {
        if self.current != Interval::default() {
            self.close_interval();
        }
        self.done
    }

    fn close_interval(&mut self) {
        let mut interval = std::mem::take(&mut self.current);
        if !self.latencies.is_empty() {
            interval.p50 = Some(seconds(self.latencies.value_at_quantile(0.5)));
            interval.p99 = Some(seconds(self.latencies.value_at_quantile(0.99)));
            interval.max = Some(seconds(self.latencies.max()));
            self.latencies.reset();
        }
        self.done.intervals.push(interval);
        if self.done.intervals.len() == MAX_INTERVALS {
            self.done = self.done.widened(2);
        }
    }
}

impl Timeline {
    /// How many seconds it covers.
    pub(crate) fn seconds(&self) -> f64 {
        self.intervals.len() as f64 * self.interval_seconds as f64
    }

    /// The same timeline in intervals `factor` times as wide.
    pub(crate) fn widened(&self, factor: usize) -> Self {
        Self {
            interval_seconds: self.interval_seconds * factor as u64,
            intervals: self.intervals.chunks(factor).map(Interval::merge).collect(),
        }
    }
}

impl Interval {
    /// Several intervals as one. Counts and the maximum are exact; the median is the mean of the medians, weighted, and
    /// the 99th percentile the worst of them, for the histograms are gone.
    fn merge(parts: &[Self]) -> Self {
        let succeeded = parts.iter().map(|part| part.succeeded).sum();
        let weighted: f64 = parts
            .iter()
            .filter_map(|part| Some(part.p50? * part.succeeded as f64))
            .sum();
        let worst = |of: fn(&Self) -> Option<f64>| parts.iter().filter_map(of).reduce(f64::max);
        Self {
            succeeded,
            failed: parts.iter().map(|part| part.failed).sum(),
            p50: (succeeded > 0).then(|| weighted / succeeded as f64),
            p99: worst(|part| part.p99),
            max: worst(|part| part.max),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recorder::histogram;

    fn recorder() -> TimelineRecorder {
        TimelineRecorder::new(histogram())
    }

    #[test]
    fn each_second_has_its_own_figures_and_silence_is_shown() {
        let mut recorder = recorder();
        for latency in 1..=100 {
            recorder.record(
                Duration::from_millis(500),
                Duration::from_millis(latency),
                true,
            );
        }
        recorder.record(Duration::from_millis(3200), Duration::from_secs(3), true);
        recorder.record(Duration::from_millis(3300), Duration::from_secs(9), false);

        let timeline = recorder.finish();
        assert_eq!(timeline.interval_seconds, 1);
        let [first, silent, also_silent, last] = timeline.intervals.as_slice() else {
            panic!("{timeline:?}");
        };
        assert_eq!((first.succeeded, first.failed), (100, 0));
        assert!(
            (first.p50.unwrap() - 0.05).abs() < 0.001 && (first.p99.unwrap() - 0.099).abs() < 0.001
        );
        assert_eq!(
            (silent, also_silent),
            (&Interval::default(), &Interval::default())
        );
        assert_eq!((last.succeeded, last.failed), (1, 1));
        assert!(
            (last.max.unwrap() - 3.0).abs() < 0.01,
            "failures have no part in the latency of successes"
        );
    }

    #[test]
    fn a_long_run_is_kept_in_wider_intervals() {
        let mut recorder = recorder();
        let seconds = MAX_INTERVALS as u64 * 3;
        for second in 0..seconds {
            recorder.record(
                Duration::from_secs(second),
                Duration::from_millis(1 + second % 2),
                true,
            );
        }
        let timeline = recorder.finish();
        assert_eq!(timeline.interval_seconds, 4);
        assert!(timeline.intervals.len() < MAX_INTERVALS);
        assert_eq!(
            timeline
                .intervals
                .iter()
                .map(|interval| interval.succeeded)
                .sum::<u64>(),
            seconds
        );
        assert_eq!(timeline.intervals[0].succeeded, 4);
        assert!((timeline.intervals[0].p50.unwrap() - 0.0015).abs() < 0.00001);
        assert!((timeline.intervals[0].max.unwrap() - 0.002).abs() < 0.00001);
    }

    #[test]
    fn widening_skips_what_is_not_there() {
        let some = Interval {
            succeeded: 1,
            failed: 0,
            p50: Some(1.0),
            p99: Some(2.0),
            max: Some(3.0),
        };
        let timeline = Timeline {
            interval_seconds: 1,
            intervals: vec![Interval::default(), some.clone()],
        };
        assert_eq!(timeline.widened(2).intervals, [some]);
        assert_eq!(timeline.widened(1).intervals, timeline.intervals);
    }
}

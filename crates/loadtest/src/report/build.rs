//! From what was gathered to what is reported.

use std::time::Duration;

use hdrhistogram::Histogram;

use super::{
    FailureGroup, Generator, Latencies, Latency, PercentilePoint, Punctuality, Report, Requests,
    Settings, bins,
};
use crate::failure::Failures;
use crate::options::{Length, Load, Options, Protocol};
use crate::recorder::{Recorder, seconds};
use crate::run::Outcome;
use crate::verdict::{Findings, Verdict};

impl Report {
    pub(crate) fn new(options: &Options, outcome: Outcome) -> Self {
        let elapsed = elapsed(&outcome).as_secs_f64();
        let planned_end = planned_end(&outcome).map(|end| end.as_secs_f64());
        let Outcome {
            started_at,
            ending,
            recorder,
            took,
            processor,
            ..
        } = outcome;
        let requests = Requests {
            succeeded: recorder.successes.len(),
            failed: recorder.failures.len(),
            unfinished: recorder.in_flight() + ending.never_begun,
            warmup: recorder.warmup,
            warmup_failed: recorder.warmup_failed,
            retries: recorder.retries,
        };
        let latency = Latencies {
            successes: Latency::new(&recorder.successes),
            successes_from_sending: Latency::new(&recorder.successes_from_sending),
            failures: Latency::new(&recorder.failures),
        };
        let findings = Findings {
            succeeded: requests.succeeded,
            failed: requests.failed,
            crossed: recorder.crossed,
            unfinished: requests.unfinished,
            p99: latency.successes.map(|latency| latency.p99),
        };
        Self {
            format: "loadtest-report/1",
            version: env!("CARGO_PKG_VERSION"),
            started_at: humantime::format_rfc3339_seconds(started_at).to_string(),
            settings: Settings::new(options),
            verdict: Verdict::new(options.limits, findings),
            cut_short: ending.cut_short.is_some(),
            requests,
            elapsed,
            planned_end,
            throughput: if elapsed > 0.0 {
                requests.succeeded as f64 / elapsed
            } else {
                0.0
            },
            latency,
            punctuality: Punctuality::new(options.load, &recorder),
            failures: failure_groups(&recorder.causes),
            distribution: bins::of(&recorder.successes),
            percentiles: percentiles(&recorder.successes),
            timeline: recorder.timeline.finish(),
            generator: Generator {
                processor: processor.as_secs_f64(),
                share: processor.as_secs_f64() / took.as_secs_f64().max(f64::EPSILON),
            },
        }
    }
}

/// When the last request was to be sent, counted from the start of the measurement: planned, unless cut short.
fn planned_end(outcome: &Outcome) -> Option<Duration> {
    let end = match (outcome.ending.sending_ended, outcome.ending.cut_short) {
        (Some(planned), Some(cut)) => Some(planned.min(cut)),
        (planned, cut) => planned.or(cut),
    };
    Some(end?.duration_since(outcome.measured_from))
}

/// Failures after the planned end do not stretch it: a single time limit would otherwise dilute the throughput.
fn elapsed(outcome: &Outcome) -> Duration {
    let last_success = outcome
        .recorder
        .last_success
        .map(|at| at.duration_since(outcome.measured_from));
    planned_end(outcome).max(last_success).unwrap_or_default()
}

impl Settings {
    fn new(options: &Options) -> Self {
        let (mode, concurrency, rate, max_in_flight) = match options.load {
            Load::Sequential => ("sequential", None, None, None),
            Load::Concurrent { concurrency } => ("concurrent", Some(concurrency), None, None),
            Load::Open {
                rate,
                max_in_flight,
            } => ("open", None, Some(rate), Some(max_in_flight)),
        };
        let (count, duration) = match options.length {
            Length::Count(count) => (Some(count), None),
            Length::Duration(duration) => (None, Some(duration.as_secs_f64())),
        };
        Self {
            url: options.target.to_string(),
            mode,
            concurrency,
            rate,
            max_in_flight,
            count,
            duration,
            warmup: options.warmup.as_secs_f64(),
            timeout: options.timeout.as_secs_f64(),
            tries: options.tries,
            protocol: match options.protocol {
                Protocol::Http1 => "HTTP/1.1",
                Protocol::Http2 => "HTTP/2",
            },
            max_p99: options.limits.max_p99.map(|max| max.as_secs_f64()),
            min_success: options.limits.min_success,
        }
    }
}

impl Latency {
    fn new(histogram: &Histogram<u64>) -> Option<Self> {
        let at = |quantile| seconds(histogram.value_at_quantile(quantile));
        (!histogram.is_empty()).then(|| Self {
            count: histogram.len(),
            min: seconds(histogram.min()),
            mean: histogram.mean() / 1e6,
            p50: at(0.5),
            p90: at(0.9),
            p95: at(0.95),
            p99: at(0.99),
            p999: at(0.999),
            max: seconds(histogram.max()),
        })
    }
}

impl Punctuality {
    fn new(load: Load, recorder: &Recorder) -> Option<Self> {
        matches!(load, Load::Open { .. }).then(|| Self {
            late: recorder.late,
            p99: seconds(recorder.delays.value_at_quantile(0.99)),
            max: seconds(recorder.delays.max()),
        })
    }
}

fn failure_groups(causes: &Failures) -> Vec<FailureGroup> {
    let groups = causes.groups().into_iter();
    groups
        .map(|(group, failed)| FailureGroup {
            cause: group.cause,
            status: group.status,
            problem_type: group.problem_type.clone(),
            description: group.description.clone(),
            count: failed.latency.len(),
            example: failed.example.clone(),
            latency: Latency::new(&failed.latency),
        })
        .collect()
}

/// Twenty points for each nine of the percentile, as far as there are requests to tell them apart.
fn percentiles(histogram: &Histogram<u64>) -> Vec<PercentilePoint> {
    const POINTS_PER_NINE: f64 = 20.0;
    if histogram.is_empty() {
        return Vec::new();
    }
    let last = ((histogram.len() as f64).log10() * POINTS_PER_NINE).floor() as u32;
    let quantiles = (0..=last)
        .map(|point| 1.0 - 10f64.powf(-f64::from(point) / POINTS_PER_NINE))
        .chain([1.0]);
    quantiles
        .map(|quantile| PercentilePoint {
            percentile: quantile * 100.0,
            latency: seconds(histogram.value_at_quantile(quantile)),
        })
        .collect()
}

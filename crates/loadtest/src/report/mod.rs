//! The report: one set of figures, shown as text, JSON or a page.

use serde::Serialize;

use crate::timeline::Timeline;
use crate::verdict::Verdict;

mod bins;
mod build;
pub(crate) mod html;
mod text;
pub(crate) mod units;

/// What a run showed. Serialised, it is the machine-readable report; all times are in seconds.
///
/// Fields are added to it, but none is renamed, removed or given another meaning without a new [`Report::format`].
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// `loadtest-report/1`.
    pub format: &'static str,
    /// The version of the program.
    pub version: &'static str,
    /// When the run started, in UTC (RFC 3339).
    pub started_at: String,
    /// What the run was told to do.
    pub settings: Settings,
    /// Whether it passed.
    pub verdict: Verdict,
    /// Whether the user ended it early.
    pub cut_short: bool,
    /// How the measured requests ended.
    pub requests: Requests,
    /// From the start of the measurement to the planned end, or to the last success where that is later or no end was
    /// planned.
    pub elapsed: f64,
    /// When, after the start of the measurement, the last request was to be sent: what the timeline has after that are
    /// the slowest replies alone. Null where only the replies decide, in a closed loop with a count.
    pub planned_end: Option<f64>,
    /// Successes per second of `elapsed`.
    pub throughput: f64,
    /// How long requests took.
    pub latency: Latencies,
    /// Whether the requests of an open loop started when they were due; null in the other modes.
    pub punctuality: Option<Punctuality>,
    /// Why requests failed, the most frequent cause first.
    pub failures: Vec<FailureGroup>,
    /// How many successes took how long: adjoining bins that cover all of them.
    pub distribution: Vec<Bin>,
    /// Latency of the successes by percentile, more densely the higher it is.
    pub percentiles: Vec<PercentilePoint>,
    /// The run second by second.
    pub timeline: Timeline,
    /// What the run cost on this side.
    pub generator: Generator,
}

/// What the run was told to do. Null where it does not apply.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Settings {
    /// The base address of the target.
    pub url: String,
    /// `sequential`, `concurrent` or `open`.
    pub mode: &'static str,
    /// Callers of the closed loop.
    pub concurrency: Option<usize>,
    /// Arrivals per second of the open loop.
    pub rate: Option<f64>,
    /// Bound on the requests in flight of the open loop.
    pub max_in_flight: Option<usize>,
    /// How many requests to measure.
    pub count: Option<u64>,
    /// How long to measure.
    pub duration: Option<f64>,
    /// How long to send requests before measuring.
    pub warmup: f64,
    /// Time limit of each request, from when it was due.
    pub timeout: f64,
    /// How often a request is sent at most.
    pub tries: u32,
    /// `HTTP/1.1` or `HTTP/2`.
    pub protocol: &'static str,
    /// Limit on the 99th percentile.
    pub max_p99: Option<f64>,
    /// Limit on the share of successes, in percent.
    pub min_success: f64,
}

/// How the measured requests ended.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Requests {
    /// The right reply, in time.
    pub succeeded: u64,
    /// Anything else.
    pub failed: u64,
    /// Sent or standing in line when the run was given up: neither of the two. Such a run does not pass.
    pub unfinished: u64,
    /// Requests of the warm-up, not part of any other figure but the next two.
    pub warmup: u64,
    /// Those of the warm-up that failed.
    pub warmup_failed: u64,
    /// Times that a request, those of the warm-up included, was sent again.
    pub retries: u64,
}

/// How long requests took; null where there were none.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Latencies {
    /// Successes, from when the request was due: in an open loop by the schedule, in the other modes when it was sent.
    pub successes: Option<Latency>,
    /// The same requests from when they were really sent. Far below the former, requests had to wait on this side.
    pub successes_from_sending: Option<Latency>,
    /// Failures, from when the request was due.
    pub failures: Option<Latency>,
}

/// A summary of latencies, right to three digits.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Latency {
    /// How many there were.
    pub count: u64,
    /// The shortest.
    pub min: f64,
    /// The arithmetic mean.
    pub mean: f64,
    /// 50th percentile.
    pub p50: f64,
    /// 90th percentile.
    pub p90: f64,
    /// 95th percentile.
    pub p95: f64,
    /// 99th percentile.
    pub p99: f64,
    /// 99.9th percentile.
    pub p999: f64,
    /// The longest.
    pub max: f64,
}

/// Whether requests started when they were due.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Punctuality {
    /// Requests that started (or were given up) more than 10 ms after they were due.
    pub late: u64,
    /// 99th percentile of the delay.
    pub p99: f64,
    /// The longest delay.
    pub max: f64,
}

/// Requests that failed in the same way.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FailureGroup {
    /// `timeout`, `not started in time`, `connect`, `reset`, `status`, `crossed reply`, `bad body`, or `other` for what
    /// is beyond the first 64 kinds.
    pub cause: &'static str,
    /// The status code, if that was the cause.
    pub status: Option<u16>,
    /// The `type` of the problem that came with the status.
    pub problem_type: Option<String>,
    /// What more is known: the problem's title, or the error of the connection.
    pub description: String,
    /// How many there were.
    pub count: u64,
    /// What the first of them said in particular.
    pub example: Option<String>,
    /// How long they took, from when each was due; right to two digits.
    pub latency: Option<Latency>,
}

/// How many successes took from `from` up to, but not quite, `to`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Bin {
    /// Lower bound.
    pub from: f64,
    /// Upper bound.
    pub to: f64,
    /// Successes in between.
    pub count: u64,
}

/// A point of the percentile curve.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PercentilePoint {
    /// From 0 to 100.
    pub percentile: f64,
    /// So many percent of the successes took at most this long.
    pub latency: f64,
}

/// What the run cost on this side. Above nine tenths of a core the figures may be the generator's own.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Generator {
    /// Processor time that this process spent.
    pub processor: f64,
    /// The same as a share of one core, from 0 to 1.
    pub share: f64,
}

impl Report {
    /// The report for people, a screen wide.
    pub fn to_text(&self) -> String {
        text::render(self)
    }

    /// The report for programs.
    pub fn to_json(&self) -> String {
        // Strings and numbers only: this cannot fail, and nobody takes an empty document for a report.
        serde_json::to_string_pretty(self).unwrap_or_default()
    }

    /// The report as one page that needs nothing else.
    pub fn to_html(&self) -> String {
        html::render(self)
    }
}

#[cfg(test)]
pub(crate) mod tests;

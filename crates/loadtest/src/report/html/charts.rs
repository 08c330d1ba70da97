//! The four charts of the page.

use super::axis::Axis;
use super::chart::Chart;
use crate::report::units::{count, duration, percent, rate, three_digits};
use crate::report::{Bin, PercentilePoint};
use crate::timeline::Timeline;

/// More columns than this cannot be told apart.
const MAX_COLUMNS: usize = 300;

/// A timeline narrow enough to draw.
pub(super) fn drawable(timeline: &Timeline) -> Timeline {
    timeline.widened(timeline.intervals.len().div_ceil(MAX_COLUMNS).max(1))
}

/// Median, 99th percentile and maximum over time. What came in after the last request was sent is set apart, if there
/// is such: it is what took longest.
pub(super) fn latency_over_time(timeline: &Timeline, after: Option<f64>) -> String {
    let width = timeline.interval_seconds as f64;
    let values = timeline
        .intervals
        .iter()
        .flat_map(|interval| [interval.p50, interval.p99, interval.max])
        .flatten();
    let mut chart = Chart::new(
        "Latency over time",
        time_axis(timeline),
        Axis::for_values(values),
        clock,
        duration,
    );
    if let Some(after) = after {
        chart.shade(after);
    }
    let middles = || (0..).map(|index| (f64::from(index) + 0.5) * width);
    chart.line(
        "max",
        middles().zip(timeline.intervals.iter().map(|interval| interval.max)),
    );
    chart.line(
        "p99",
        middles().zip(timeline.intervals.iter().map(|interval| interval.p99)),
    );
    chart.line(
        "p50",
        middles().zip(timeline.intervals.iter().map(|interval| interval.p50)),
    );
    for (index, interval) in timeline.intervals.iter().enumerate() {
        let from = index as f64 * width;
        let figure = |latency: Option<f64>| latency.map_or("–".to_owned(), duration);
        let (p50, p99, max) = (
            figure(interval.p50),
            figure(interval.p99),
            figure(interval.max),
        );
        chart.hint(
            (from, from + width),
            &format!("at {}\np50 {p50}\np99 {p99}\nmax {max}", clock(from)),
        );
    }
    chart.finish()
}

/// Successes and, on top of them, failures per second.
pub(super) fn throughput_over_time(timeline: &Timeline) -> String {
    let width = timeline.interval_seconds as f64;
    let per_second = |requests: u64| requests as f64 / width;
    let largest = timeline
        .intervals
        .iter()
        .map(|interval| per_second(interval.succeeded + interval.failed));
    let axis = Axis::from_zero(largest.fold(0.0, f64::max));
    let mut chart = Chart::new("Replies over time", time_axis(timeline), axis, clock, plain);
    for (index, interval) in timeline.intervals.iter().enumerate() {
        let from = index as f64 * width;
        let (succeeded, failed) = (per_second(interval.succeeded), per_second(interval.failed));
        chart.bar("succeeded", (from, from + width), (0.0, succeeded));
        chart.bar(
            "failed",
            (from, from + width),
            (succeeded, succeeded + failed),
        );
        let text = format!(
            "at {}\n{} succeeded\n{} failed",
            clock(from),
            rate(succeeded),
            rate(failed)
        );
        chart.hint((from, from + width), &text);
    }
    chart.finish()
}

/// How many successes took how long. The bins are drawn equally wide, whatever they span.
pub(super) fn distribution(bins: &[Bin]) -> String {
    let total: u64 = bins.iter().map(|bin| bin.count).sum();
    let largest = bins.iter().map(|bin| bin.count).max().unwrap_or(0);
    let mut chart = Chart::new(
        "Distribution of latency",
        Axis::columns(bins.len()),
        Axis::from_zero(largest as f64),
        plain,
        plain,
    );
    let every = bins.len().div_ceil(8).max(1);
    for (index, bin) in bins.iter().enumerate() {
        let columns = (index as f64, index as f64 + 1.0);
        chart.bar("succeeded", columns, (0.0, bin.count as f64));
        let (from, to) = (duration(bin.from), duration(bin.to));
        if index % every == 0 {
            chart.x_label(columns.0, &from);
        }
        chart.hint(
            columns,
            &format!(
                "{from} – {to}\n{} ({})",
                count(bin.count),
                percent(bin.count, total)
            ),
        );
    }
    chart.finish()
}

/// Latency by percentile; each step to the right is another nine.
pub(super) fn percentile_curve(points: &[PercentilePoint]) -> String {
    // The curve is drawn over the number of requests among which one takes this long or longer: 10 at p90.
    let among = |point: &PercentilePoint| 1.0 / (1.0 - point.percentile / 100.0);
    let below_max = points.split_last().map_or(points, |(_, points)| points);
    let rarest = below_max.last().map_or(10.0, among);
    let latencies = points.iter().map(|point| point.latency);
    let mut chart = Chart::new(
        "Latency by percentile",
        Axis::orders(rarest),
        Axis::for_values(latencies),
        percentile_name,
        duration,
    );
    chart.line(
        "p99",
        below_max
            .iter()
            .map(|point| (among(point), Some(point.latency))),
    );
    for pair in below_max.windows(2) {
        let text = format!(
            "p{}\n{}",
            three_nines(pair[0].percentile),
            duration(pair[0].latency)
        );
        chart.hint((among(&pair[0]), among(&pair[1])), &text);
    }
    chart.finish()
}

fn time_axis(timeline: &Timeline) -> Axis {
    Axis::time(timeline.seconds().max(1.0))
}

/// Time since the start: `45 s`, `2:30`, `1:00:00`.
fn clock(seconds: f64) -> String {
    let seconds = seconds.round() as u64;
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, seconds) => format!("{seconds} s"),
        (0, minutes, seconds) => format!("{minutes}:{seconds:02}"),
        (hours, minutes, seconds) => format!("{hours}:{minutes:02}:{seconds:02}"),
    }
}

fn plain(value: f64) -> String {
    if value < 1000.0 {
        three_digits(value)
    } else {
        count(value.round() as u64)
    }
}

/// The percentile at a power of ten: `p0`, `p90`, `p99.9`.
fn percentile_name(among: f64) -> String {
    format!("p{}", three_nines(100.0 - 100.0 / among))
}

fn three_nines(percentile: f64) -> String {
    let text = format!("{percentile:.5}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

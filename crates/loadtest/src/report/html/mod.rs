//! The report as one page: no script, nothing loaded from elsewhere, everything from outside escaped.

use super::text::{GENERATOR_BUSY, describe, headline};
use super::units::{count, duration, percent, rate, three_digits};
use super::{Latency, Report};

pub(crate) mod axis;
pub(crate) mod chart;
mod charts;
pub(crate) mod page;

use page::{card, checks, document, escape};

pub(super) fn render(report: &Report) -> String {
    let verdict = &report.verdict;
    let timeline = charts::drawable(&report.timeline);
    let after = report.planned_end.filter(|&end| end < timeline.seconds());
    let lead = format!(
        "Started {}. {}",
        escape(&report.started_at),
        remarks(report)
    );
    let body = [
        tiles(report),
        checks(
            verdict
                .checks
                .iter()
                .map(|check| (check.passed, &*check.text)),
        ),
        "<div class=charts>".to_owned(),
        card(
            "Latency over time",
            &format!("{LATENCY_LEGEND}{}", after.map_or("", |_| SHADE_LEGEND)),
            &charts::latency_over_time(&timeline, after),
        ),
        card(
            "Replies per second",
            REPLIES_LEGEND,
            &charts::throughput_over_time(&timeline),
        ),
        card(
            "Distribution of latency",
            "<i class=succeeded></i>successes",
            &charts::distribution(&report.distribution),
        ),
        card(
            "Latency by percentile",
            "<i class=p99></i>successes",
            &charts::percentile_curve(&report.percentiles),
        ),
        "</div>".to_owned(),
        latencies(report),
        failures(report),
        settings(report),
        format!("<footer>loadtest {}</footer>", escape(report.version)),
    ];
    document(
        Some(verdict.passed),
        &headline(report),
        &lead,
        &body.join("\n"),
    )
}

const LATENCY_LEGEND: &str = "<i class=p50></i>p50<i class=p99></i>p99<i class=max></i>max";
const SHADE_LEGEND: &str = "<i class=shade></i>after the last request";
const REPLIES_LEGEND: &str = "<i class=succeeded></i>succeeded<i class=failed></i>failed";

/// What a reader has to know before trusting the figures.
fn remarks(report: &Report) -> String {
    let mut remarks = String::new();
    if report.cut_short {
        remarks += "<strong>Cut short</strong>: judged by what was measured until then. ";
    }
    if report.settings.mode == "open" {
        remarks += "Latency counts from when each request was due by the schedule, so a stall is charged to everybody \
                    who would have called during it.";
    } else {
        remarks += "Latency counts from when each request was sent; while the target stalls, callers wait and do not \
                    ask.";
    }
    if report.generator.share >= GENERATOR_BUSY {
        remarks += " <strong>The generator was busy</strong> and may be what limits these figures.";
    }
    remarks
}

fn tiles(report: &Report) -> String {
    let requests = report.requests;
    let latency = |of: fn(&Latency) -> f64| {
        report
            .latency
            .successes
            .as_ref()
            .map_or("–".to_owned(), |l| duration(of(l)))
    };
    let tiles = [
        ("throughput", rate(report.throughput)),
        (
            "succeeded",
            percent(requests.succeeded, requests.succeeded + requests.failed),
        ),
        ("failed", count(requests.failed)),
        ("median", latency(|latency| latency.p50)),
        ("p99", latency(|latency| latency.p99)),
        ("p99.9", latency(|latency| latency.p999)),
        ("max", latency(|latency| latency.max)),
    ];
    let tiles =
        tiles.map(|(name, figure)| format!("<div><b>{figure}</b><span>{name}</span></div>"));
    format!("<section class=tiles>{}</section>", tiles.concat())
}

fn latencies(report: &Report) -> String {
    let row = |name: &str, latency: Option<Latency>| {
        latency.map_or(String::new(), |of| {
            let figures = [
                of.min, of.p50, of.p90, of.p95, of.p99, of.p999, of.max, of.mean,
            ];
            let figures = figures
                .map(|figure| format!("<td>{}</td>", duration(figure)))
                .concat();
            format!(
                "<tr><th>{name}</th><td>{}</td>{figures}</tr>",
                count(of.count)
            )
        })
    };
    let sending = report
        .punctuality
        .and(report.latency.successes_from_sending);
    let rows = [
        row("successes", report.latency.successes),
        row("… from sending", sending),
        row("failures", report.latency.failures),
    ];
    let header = [
        "count", "min", "p50", "p90", "p95", "p99", "p99.9", "max", "mean",
    ];
    let header = header.map(|name| format!("<th>{name}</th>")).concat();
    card(
        "Latency",
        "",
        &format!(
            "<div class=wide><table class=figures><tr><th></th>{header}</tr>{}</table></div>",
            rows.concat()
        ),
    )
}

fn failures(report: &Report) -> String {
    if report.failures.is_empty() {
        return String::new();
    }
    let total = report.requests.succeeded + report.requests.failed;
    let rows: String = report
        .failures
        .iter()
        .map(|group| {
            let example = group
                .example
                .as_deref()
                .map(|text| format!("<small>{}</small>", escape(text)));
            format!(
                "<tr><th>{}{}</th><td>{}</td><td>{}</td></tr>",
                escape(&describe(group)),
                example.unwrap_or_default(),
                count(group.count),
                percent(group.count, total)
            )
        })
        .collect();
    card(
        "Failures",
        "",
        &format!(
            "<div class=wide><table class=figures><tr><th></th><th>count</th><th>share</th></tr>{rows}</table></div>"
        ),
    )
}

fn settings(report: &Report) -> String {
    let (settings, requests) = (&report.settings, report.requests);
    let rows = [
        ("Target", Some(settings.url.clone())),
        ("Mode", Some(settings.mode.to_owned())),
        (
            "Callers",
            settings.concurrency.map(|callers| count(callers as u64)),
        ),
        ("Arrivals", settings.rate.map(rate)),
        (
            "In flight, at most",
            settings.max_in_flight.map(|bound| count(bound as u64)),
        ),
        ("Requests to measure", settings.count.map(count)),
        ("Time to measure", settings.duration.map(duration)),
        ("Time limit of a request", Some(duration(settings.timeout))),
        (
            "Warm-up",
            (settings.warmup > 0.0).then(|| {
                format!(
                    "{}, {} requests",
                    duration(settings.warmup),
                    count(requests.warmup)
                )
            }),
        ),
        ("Protocol", Some(settings.protocol.to_owned())),
        (
            "Measured",
            Some(format!(
                "{} requests over {}",
                count(requests.succeeded + requests.failed),
                duration(report.elapsed)
            )),
        ),
        (
            "Unfinished",
            (requests.unfinished > 0).then(|| count(requests.unfinished)),
        ),
        (
            "Started over 10 ms late",
            report
                .punctuality
                .map(|of| format!("{}, at most {}", count(of.late), duration(of.max))),
        ),
        (
            "Processor time of the generator",
            Some(format!(
                "{} % of a core",
                three_digits(report.generator.share * 100.0)
            )),
        ),
    ];
    let rows: String = rows
        .into_iter()
        .filter_map(|(name, value)| {
            Some(format!(
                "<div><dt>{name}</dt><dd>{}</dd></div>",
                escape(&value?)
            ))
        })
        .collect();
    card("The run", "", &format!("<dl>{rows}</dl>"))
}

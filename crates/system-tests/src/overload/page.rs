//! The walk as one page that needs nothing else: a table, and a pair of charts for each row.

use loadtest::page::{Axis, Chart, card, checks, document, duration, escape, rate, three_digits};

use super::table::{describe, mebibytes, share};
use super::walk::{Walked, WalkedRow};

const REPLIES_LEGEND: &str =
    "<i class=succeeded></i>2xx in time<i class=failed></i>not<i class=max></i>capacity";
const WAITS_LEGEND: &str =
    "<i class=p99></i>p99 of 2xx<i class=p50></i>age of the queue<i class=max></i>health answer";

/// All regimes on one page; `about` says when and where it was measured.
pub fn page(walks: &[Walked], about: &str) -> String {
    let passed = walks.iter().all(Walked::passed);
    let parts: String = walks.iter().map(regime).collect();
    document(Some(passed), "Overload", &escape(about), &parts)
}

fn regime(walked: &Walked) -> String {
    let header = [
        "offered",
        "goodput",
        "p50",
        "p99",
        "refused",
        "refusal p99",
        "504",
        "queue age",
        "health",
        "ingress",
        "proxy",
        "Redis",
        "wasted",
        "real wait",
        "prediction off by",
        "generator",
    ];
    let header = header.map(|name| format!("<th>{name}</th>")).concat();
    let rows: String = walked.rows.iter().map(figures).collect();
    let title = format!(
        "{}: C = {}",
        escape(walked.regime.name),
        rate(walked.capacity)
    );
    let table = format!(
        "<div class=wide><table class=figures><tr><th></th>{header}</tr>{rows}</table></div>"
    );
    let charts: String = walked
        .rows
        .iter()
        .map(|row| charts(row, walked.capacity))
        .collect();
    card(&title, &escape(walked.regime.about), &table) + &charts
}

fn figures(row: &WalkedRow) -> String {
    let figures = &row.figures;
    let time = |seconds: Option<f64>| seconds.map_or("–".to_owned(), duration);
    let cells = [
        rate(figures.offered),
        rate(figures.goodput),
        time(figures.p50),
        time(figures.p99),
        figures.refused.to_string(),
        time(figures.refusal_p99),
        figures.timed_out.to_string(),
        duration(figures.queue_age),
        duration(figures.health),
        mebibytes(figures.ingress_bytes as f64),
        mebibytes(figures.proxy_bytes as f64),
        mebibytes(figures.redis_bytes as f64),
        share(figures.wasted / figures.worked.max(1.0)),
        time(figures.prediction.map(|of| of.wait)),
        time(figures.prediction.map(|of| of.error)),
        share(figures.generator),
    ];
    let cells = cells.map(|cell| format!("<td>{cell}</td>")).concat();
    let mark = if row.passed { "✓" } else { "✗" };
    format!("<tr><th>{mark} {}</th>{cells}</tr>", escape(row.name))
}

fn charts(row: &WalkedRow, capacity: f64) -> String {
    let described: Vec<_> = row.checks.iter().map(describe).collect();
    let held = row.checks.iter().map(|check| check.passed);
    let checks = checks(held.zip(described.iter().map(String::as_str)));
    let (from, to) = row.judged;
    let title = format!(
        "{} <small>judged from {} to {} s</small>",
        escape(row.name),
        three_digits(from),
        three_digits(to)
    );
    format!(
        "{checks}<div class=charts>{}{}</div>",
        card(&title, REPLIES_LEGEND, &replies(row, capacity)),
        card("&nbsp;", WAITS_LEGEND, &waits(row))
    )
}

fn replies(row: &WalkedRow, capacity: f64) -> String {
    let most = row
        .timeline
        .iter()
        .map(|second| second.succeeded + second.failed);
    let most = most.max().unwrap_or(0) as f64;
    let mut chart = Chart::new(
        "Answers per second",
        Axis::time(row.timeline.len().max(1) as f64),
        Axis::from_zero(most.max(capacity)),
        three_digits,
        three_digits,
    );
    for (index, second) in row.timeline.iter().enumerate() {
        let span = (index as f64, index as f64 + 1.0);
        let succeeded = second.succeeded as f64;
        let all = succeeded + second.failed as f64;
        chart.bar("succeeded", span, (0.0, succeeded));
        chart.bar("failed", span, (succeeded, all));
        let text = format!(
            "{index} s\n{} in time\n{} not",
            second.succeeded, second.failed
        );
        chart.hint(span, &text);
    }
    let end = row.timeline.len() as f64;
    chart.line(
        "max",
        [(0.0, Some(capacity)), (end, Some(capacity))].into_iter(),
    );
    chart.finish()
}

fn waits(row: &WalkedRow) -> String {
    let p99 = row.timeline.iter().filter_map(|second| second.p99);
    let seen = row
        .samples
        .iter()
        .map(|sample| sample.queue_age.max(sample.health));
    let mut chart = Chart::new(
        "Times",
        Axis::time(row.timeline.len().max(1) as f64),
        Axis::from_zero(p99.chain(seen).fold(0.0, f64::max)),
        three_digits,
        duration,
    );
    let health = row
        .samples
        .iter()
        .map(|sample| (sample.at, Some(sample.health)));
    chart.line("max", health);
    let age = row
        .samples
        .iter()
        .map(|sample| (sample.at, Some(sample.queue_age)));
    chart.line("p50", age);
    let middles = row.timeline.iter().enumerate();
    chart.line(
        "p99",
        middles.map(|(index, second)| (index as f64 + 0.5, second.p99)),
    );
    chart.finish()
}

//! The walk as text.

use std::fmt::Write;

use loadtest::page::{duration, rate, three_digits};

use super::verdict::{Check, Unit};
use super::walk::Walked;

/// A line for each row, and one for each bound that did not hold.
pub fn table(walked: &Walked) -> String {
    let mut text = format!(
        "\n{}: {}; C = {}, deadline {}\n",
        walked.regime.name,
        walked.regime.about,
        rate(walked.capacity),
        duration(walked.regime.deadline.as_secs_f64())
    );
    let _ = writeln!(
        text,
        "{:<34}{:>9}{:>9}{:>9}{:>9}{:>9}{:>8}{:>9}{:>9}{:>9}{:>20}",
        "row",
        "offered",
        "goodput",
        "p99",
        "refusal",
        "504",
        "queue",
        "health",
        "memory",
        "wasted",
        "predicted ±"
    );
    for row in &walked.rows {
        let figures = &row.figures;
        let time = |seconds: Option<f64>| seconds.map_or("–".to_owned(), duration);
        let predicted = figures.prediction.map_or("–".to_owned(), |of| {
            format!("{} ± {}", duration(of.wait), duration(of.error))
        });
        let mark = if row.passed { "✓" } else { "✗" };
        let _ = writeln!(
            text,
            "{mark} {:<32}{:>9}{:>9}{:>9}{:>9}{:>9}{:>8}{:>9}{:>9}{:>9}{:>20}",
            row.name,
            rate(figures.offered),
            rate(figures.goodput),
            time(figures.p99),
            time(figures.refusal_p99),
            figures.timed_out,
            time(Some(figures.queue_age)),
            time(Some(figures.health)),
            mebibytes(figures.ingress_bytes.max(figures.proxy_bytes) as f64),
            share(figures.wasted / figures.worked.max(1.0)),
            predicted
        );
        for check in row.checks.iter().filter(|check| !check.passed) {
            let _ = writeln!(text, "    {}", describe(check));
        }
        for (kind, count) in &figures.other {
            let _ = writeln!(text, "    {count} × {kind}");
        }
    }
    text
}

/// A check in words.
pub(super) fn describe(check: &Check) -> String {
    let write = |value: f64| match check.unit {
        Unit::Seconds => duration(value),
        Unit::Share => share(value),
        Unit::Bytes => mebibytes(value),
    };
    format!(
        "{} {}, bound {}",
        check.what,
        write(check.value),
        write(check.bound)
    )
}

/// A share in percent.
pub(super) fn share(share: f64) -> String {
    format!("{} %", three_digits(share * 100.0))
}

/// Bytes in MiB.
pub(super) fn mebibytes(bytes: f64) -> String {
    format!("{} MiB", three_digits(bytes / f64::from(1 << 20)))
}

//! The report as text, at most a hundred columns wide.

use super::units::{count, duration, percent, rate, three_digits};
use super::{FailureGroup, Latency, Report};

/// From this share of a core on, the generator may be what limits the figures.
pub(super) const GENERATOR_BUSY: f64 = 0.9;

const BAR_WIDTH: usize = 50;

pub(super) fn render(report: &Report) -> String {
    let mut text = format!("\n{}\n\n", headline(report));
    text += &verdict(report);
    text += &summary(report);
    text += &latencies(report);
    text += &failures(report);
    text += &distribution(report);
    text
}

/// What was done, in one line.
pub(super) fn headline(report: &Report) -> String {
    let settings = &report.settings;
    let how = match (settings.concurrency, settings.rate) {
        (Some(1), _) => "1 caller".to_owned(),
        (Some(callers), _) => format!("{} callers", count(callers as u64)),
        (_, Some(rate)) => format!("{} arrivals a second", three_or_all(rate)),
        _ => "one at a time".to_owned(),
    };
    let length = match (settings.count, settings.duration) {
        (Some(requests), _) => format!("{} requests", count(requests)),
        (_, Some(seconds)) => format!("for {}", duration(seconds)),
        _ => String::new(),
    };
    format!(
        "{} load on {}: {how}, {length}",
        capitalised(settings.mode),
        settings.url
    )
}

fn verdict(report: &Report) -> String {
    let mut lines = String::new();
    for (index, check) in report.verdict.checks.iter().enumerate() {
        let verdict = if report.verdict.passed {
            "PASS"
        } else {
            "FAIL"
        };
        let label = if index == 0 { verdict } else { "" };
        let mark = if check.passed { "✓" } else { "✗" };
        lines += &format!("  {label:<12}{mark} {}\n", check.text);
    }
    if report.cut_short {
        lines += &format!(
            "  {:<12}! cut short: judged by what was measured until then\n",
            ""
        );
    }
    lines
}

fn summary(report: &Report) -> String {
    let requests = report.requests;
    let mut lines = format!(
        "\n  Requests    {} succeeded, {} failed",
        count(requests.succeeded),
        count(requests.failed)
    );
    if requests.unfinished > 0 {
        lines += &format!(", {} unfinished", count(requests.unfinished));
    }
    if requests.warmup > 0 {
        lines += &format!(", after {} to warm up", count(requests.warmup));
    }
    if requests.warmup_failed > 0 {
        lines += &format!(" of which {} failed", count(requests.warmup_failed));
    }
    lines += &format!(
        "\n  Throughput  {} succeeded, over {}\n",
        rate(report.throughput),
        duration(report.elapsed)
    );
    if let Some(punctuality) = report.punctuality {
        lines += &format!(
            "  Schedule    {} started more than 10 ms late; delay p99 {}, max {}\n",
            count(punctuality.late),
            duration(punctuality.p99),
            duration(punctuality.max)
        );
    }
    let share = report.generator.share;
    lines += &format!("  Generator   {} % of a core", three_digits(share * 100.0));
    if share >= GENERATOR_BUSY {
        lines += ": it may be what limits these figures";
    }
    lines + "\n"
}

fn latencies(report: &Report) -> String {
    let header = ["p50", "p90", "p95", "p99", "p99.9", "max", "mean"];
    let mut lines = format!("\n  {:<14}", "Latency");
    lines += &header.map(|name| format!("{name:>10}")).concat();
    let mut row = |name: &str, latency: Option<Latency>| {
        if let Some(of) = latency {
            let figures = [of.p50, of.p90, of.p95, of.p99, of.p999, of.max, of.mean];
            lines += &format!(
                "\n  {name:<14}{}",
                figures
                    .map(|figure| format!("{:>10}", duration(figure)))
                    .concat()
            );
        }
    };
    row("successes", report.latency.successes);
    if report.punctuality.is_some() {
        row(" from sending", report.latency.successes_from_sending);
    }
    row("failures", report.latency.failures);
    lines + "\n"
}

fn failures(report: &Report) -> String {
    if report.failures.is_empty() {
        return String::new();
    }
    let total = report.requests.succeeded + report.requests.failed;
    let mut lines = format!("\n  {:<64}{:>12}{:>12}\n", "Failures", "count", "share");
    for group in &report.failures {
        lines += &format!(
            "  {:<64}{:>12}{:>12}\n",
            describe(group),
            count(group.count),
            percent(group.count, total)
        );
        if let Some(example) = &group.example {
            lines += &format!("    such as: {example}\n");
        }
    }
    lines
}

/// A group of failures in one line: `503 Too busy (/problems/busy)`.
pub(super) fn describe(group: &FailureGroup) -> String {
    let mut text = match group.status {
        Some(status) => format!("status {status}"),
        None => group.cause.to_owned(),
    };
    if !group.description.is_empty() {
        text += &format!(": {}", group.description);
    }
    if let Some(problem_type) = &group.problem_type {
        text += &format!(" ({problem_type})");
    }
    text
}

fn distribution(report: &Report) -> String {
    let bins = &report.distribution;
    let most = bins.iter().map(|bin| bin.count).max().unwrap_or(0);
    if most == 0 {
        return String::new();
    }
    let mut lines = "\n  Distribution of the latency of successes\n".to_owned();
    for bin in bins {
        lines += &format!(
            "  {:>8} – {:<8} │{:<BAR_WIDTH$}│{:>11} {:>9}\n",
            duration(bin.from),
            duration(bin.to),
            bar(bin.count, most),
            count(bin.count),
            percent(bin.count, report.requests.succeeded)
        );
    }
    lines
}

/// A bar to an eighth of a column, so that a rare latency can still be seen.
fn bar(value: u64, most: u64) -> String {
    const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    let eighths = (value as f64 / most as f64 * (BAR_WIDTH * 8) as f64).ceil() as usize;
    format!("{}{}", "█".repeat(eighths / 8), EIGHTHS[eighths % 8])
}

fn three_or_all(value: f64) -> String {
    if value < 1000.0 {
        format!("{value}")
    } else {
        count(value.round() as u64)
    }
}

fn capitalised(word: &str) -> String {
    let mut chars = word.chars();
    chars
        .next()
        .map(|first| first.to_uppercase().chain(chars).collect())
        .unwrap_or_default()
}

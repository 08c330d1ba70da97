//! An outcome as text.

use std::fmt::Write;

use loadtest::page::{count, duration, three_digits};

use crate::figures::Figures;
use crate::goals::Reached;
use crate::outcome::{Comparison, Outcome};
use crate::system::Steps;

/// A line for each case, then one for each comparison.
pub fn table(outcome: &Outcome) -> String {
    let mut text = format!("\n{}: {}\n", outcome.name, outcome.about);
    let _ = write!(
        text,
        "{:<26}{:>9}{:>24}{:>10}{:>9}{:>9}{:>9}{:>18}{:>6}",
        "", "CPU µs", "front+broker+worker", "req/s", "p50", "p99", "p99.9", "MiB f/b/w", "gen"
    );
    for column in &outcome.columns {
        let _ = write!(text, "  {}", column.title);
    }
    text.push('\n');
    for case in &outcome.cases {
        let of = &case.median;
        let _ = write!(
            text,
            "{:<26}{:>9}{:>24}{:>10}{:>9}{:>9}{:>9}{:>18}{:>6}",
            case.name,
            known(case.cpu, three_digits),
            known(case.cpu, |_| steps(of.cpu, " + ")),
            known(of.rate, |rate| count(rate.round() as u64)),
            known(of.p50, duration),
            known(of.p99, duration),
            known(of.p999, duration),
            mebibytes(of),
            known(of.generator, |share| format!("{share:.2}"))
        );
        for column in &outcome.columns {
            let value = of.more.get(column.name).copied();
            let width = column.title.chars().count();
            let _ = write!(text, "  {:>width$}", measured(value, three_digits));
        }
        text.push('\n');
    }
    for comparison in &outcome.comparisons {
        let _ = writeln!(text, "{}", line(comparison));
    }
    for case in &outcome.cases {
        if let Some(promises) = case.promises {
            let _ = writeln!(text, "{}: {promises}", case.name);
        }
    }
    text
}

fn line(of: &Comparison) -> String {
    let ratios = [
        ("CPU", of.cpu),
        ("req/s", of.rate),
        ("p50", of.p50),
        ("p99", of.p99),
    ];
    let known = ratios.iter().filter(|(_, ratio)| ratio.median.is_finite());
    let known: Vec<_> = known
        .map(|(name, ratio)| format!("{name} {ratio}"))
        .collect();
    format!("{} ÷ {}: {}", of.case, of.against, known.join(", "))
}

/// Nothing where there is no figure; zero is none.
pub(super) fn known(value: f64, write: impl Fn(f64) -> String) -> String {
    measured((value != 0.0).then_some(value), write)
}

/// Nothing where there is no figure; zero is one.
pub(super) fn measured(value: Option<f64>, write: impl Fn(f64) -> String) -> String {
    match value.filter(|value| value.is_finite()) {
        Some(value) => write(value),
        None => "–".to_owned(),
    }
}

pub(super) fn steps(of: Steps, between: &str) -> String {
    [of.front, of.broker, of.worker]
        .map(three_digits)
        .join(between)
}

pub(super) fn mebibytes(of: &Figures) -> String {
    steps(of.memory.map(|bytes| bytes / f64::from(1 << 20)), "/")
}

/// The goals, each in a line.
pub fn goals_table(goals: &[Reached]) -> String {
    let mut text = String::from("\ngoals\n");
    for goal in goals {
        let mark = if goal.met { "✓" } else { "✗" };
        let _ = writeln!(
            text,
            "{mark} {:<11}{:<40}{:>9}{:>24}",
            goal.scenario, goal.what, goal.goal, goal.found
        );
    }
    text
}

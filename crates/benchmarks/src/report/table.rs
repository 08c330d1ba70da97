//! An outcome as text.

use std::fmt::Write;

use loadtest::page::{count, duration, three_digits};

use crate::goals::Reached;
use crate::outcome::{Case, Column, Comparison, Outcome};
use crate::system::Steps;

/// What is shown of each case.
pub(super) const HEADER: [&str; 8] = [
    "CPU µs",
    "front+broker+worker",
    "req/s",
    "p50",
    "p99",
    "p99.9",
    "MiB f/b/w",
    "gen",
];

/// How wide each is in text.
const WIDTHS: [usize; 8] = [9, 24, 10, 9, 9, 9, 18, 6];

/// A line for each case, then one for each comparison.
pub fn table(outcome: &Outcome) -> String {
    let mut text = format!("\n{}: {}\n", outcome.name, outcome.about);
    text += &columns("", &HEADER);
    for column in &outcome.columns {
        let _ = write!(text, "  {}", column.title);
    }
    text.push('\n');
    for case in &outcome.cases {
        text += &columns(&case.name, &cells(case));
        for column in &outcome.columns {
            let width = column.title.chars().count();
            let _ = write!(text, "  {:>width$}", own(case, column));
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

fn columns<T: AsRef<str>>(name: &str, cells: &[T; 8]) -> String {
    let cells = cells.iter().zip(WIDTHS);
    let cells = cells.map(|(cell, width)| format!("{:>width$}", cell.as_ref()));
    format!("{name:<26}{}", cells.collect::<String>())
}

/// What each case has, as [`HEADER`] names it.
pub(super) fn cells(case: &Case) -> [String; 8] {
    let of = &case.median;
    [
        known(case.cpu, three_digits),
        known(case.cpu, |_| steps(of.cpu, " + ")),
        known(of.rate, |rate| count(rate.round() as u64)),
        known(of.p50, duration),
        known(of.p99, duration),
        known(of.p999, duration),
        steps(of.memory.map(|bytes| bytes / f64::from(1 << 20)), "/"),
        known(of.generator, |share| format!("{share:.2}")),
    ]
}

/// What a case has in a column of the scenario's own.
pub(super) fn own(case: &Case, column: &Column) -> String {
    measured(case.median.more.get(column.name).copied(), three_digits)
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
fn known(value: f64, write: impl Fn(f64) -> String) -> String {
    measured((value != 0.0).then_some(value), write)
}

/// Nothing where there is no figure; zero is one.
fn measured(value: Option<f64>, write: impl Fn(f64) -> String) -> String {
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

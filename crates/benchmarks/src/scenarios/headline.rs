//! The headline: 15 proxies of 5 terminals whose answers take 150 ms, asked for all they can do, and for nine tenths
//! of it.
//!
//! The terminals can serve 75 requests per mean work time and no more. What part of that is served is the slope of the
//! answers over the seconds in the middle of the run: at its ends callers come and go, and answers come in bursts.

use std::time::Duration;

use anyhow::Context;
use loadtest::Report;
use testbed::{HttpClient, Metrics};

use super::Bench;
use crate::figures::Figures;
use crate::load::{Arrivals, Times};
use crate::outcome::{Case, Column, Outcome};
use crate::rounds::Rounds;
use crate::system::{Kind, Spec, System};

const PROXIES: usize = 15;
const TERMINALS: usize = 5;
/// As long as a terminal is told to take.
const WORK: &str = "150ms";
/// More than there are terminals, so that something always waits.
const CALLERS: usize = 3 * PROXIES * TERMINALS;
const PATIENCE: Duration = Duration::from_secs(5);
/// Answers come in bursts, and a line through fewer seconds of them is askew.
const SHORTEST: Duration = Duration::from_secs(12);

const COLUMNS: [Column; 3] = [
    Column {
        name: "workMillis",
        title: "work, ms",
    },
    Column {
        name: "share",
        title: "% of possible",
    },
    Column {
        name: "p99PerWork",
        title: "p99 ÷ work",
    },
];

pub(super) async fn run(bench: &Bench) -> anyhow::Result<Outcome> {
    let spec = Spec::new(Kind::Ours).terminals(TERMINALS).work(WORK);
    let spec = bench.adjust(Spec {
        workers: PROXIES,
        ..spec
    });
    let system = System::start(&spec).await?;
    let rounds = bench.rounds(5, 25.0);
    let lasts = rounds.lasts.max(SHORTEST);
    let rounds = Rounds { lasts, ..rounds };
    let loads = [
        ("saturated", Arrivals::Callers(CALLERS)),
        (
            "450/s",
            Arrivals::Rate {
                rate: 450.0,
                connections: 450,
            },
        ),
    ];
    let mut looks = loads.map(|_| Vec::new());
    for _ in 0..rounds.count {
        for ((name, arrivals), looks) in loads.into_iter().zip(&mut looks) {
            let look = look(&system, arrivals, rounds.times()).await?;
            (bench.tell)(&format!(
                "  {name}: {:.1}/s, p99 {:.4} s",
                look.rate, look.p99
            ));
            looks.push(look);
        }
    }
    let cases = loads.iter().zip(looks);
    let cases = cases.map(|((name, _), looks)| Case::new((*name).to_owned(), None, looks));
    let cases = cases.collect();
    let about = format!("{PROXIES} proxies of {TERMINALS} terminals, {WORK} of work");
    Ok(Outcome::new("headline", about, cases, Vec::new()).with_columns(&COLUMNS))
}

async fn look(system: &System, arrivals: Arrivals, times: Times) -> anyhow::Result<Figures> {
    let before = worked(system).await?;
    let (mut figures, reports) = Figures::with_reports(system, arrivals, times).await?;
    let after = worked(system).await?;
    let work = (after.seconds - before.seconds) / (after.count - before.count);
    let possible = (PROXIES * TERMINALS) as f64 / work;
    let served = reports.first().and_then(slope);
    figures.rate = served.context("it was too short")?;
    figures.more.insert("workMillis", work * 1e3);
    figures
        .more
        .insert("share", 100.0 * figures.rate / possible);
    figures.more.insert("p99PerWork", figures.p99 / work);
    Ok(figures)
}

/// What all proxies have worked on so far.
struct Worked {
    count: f64,
    seconds: f64,
}

async fn worked(system: &System) -> anyhow::Result<Worked> {
    let client = HttpClient::new()?;
    let mut worked = Worked {
        count: 0.0,
        seconds: 0.0,
    };
    for base in system.workers() {
        let metrics = Metrics::scrape(&client, &format!("{base}/metrics"), PATIENCE).await?;
        let sum = |part: &str| {
            let name = format!("weather_request_processing_seconds_{part}");
            metrics
                .sum(&name, &[])
                .with_context(|| format!("{base} has no {name}"))
        };
        worked.count += sum("count")?;
        worked.seconds += sum("sum")?;
    }
    Ok(worked)
}

/// Answers per second: the line that fits the number of answers so far best, at the end of each second but the first
/// and those after the planned end.
fn slope(report: &Report) -> Option<f64> {
    let whole = report.planned_end? as usize;
    let seconds = report.timeline.intervals.get(..whole)?;
    let mut answers = 0;
    let points: Vec<(f64, f64)> = seconds
        .iter()
        .enumerate()
        .map(|(second, interval)| {
            answers += interval.succeeded;
            (second as f64, answers as f64)
        })
        .skip(1)
        .collect();
    fit(&points)
}

/// The slope of the line that has the least squares.
fn fit(points: &[(f64, f64)]) -> Option<f64> {
    let count = points.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / count;
    let (x, y) = (mean(|point| point.0), mean(|point| point.1));
    let over = |of: &dyn Fn(f64, f64) -> f64| -> f64 {
        points
            .iter()
            .map(|point| of(point.0 - x, point.1 - y))
            .sum()
    };
    (points.len() > 1).then(|| over(&|x, y| x * y) / over(&|x, _| x * x))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_found_through_bursts() {
        let points: Vec<_> = (0..20)
            .map(|second| (f64::from(second), f64::from(second * 500 + second % 3 * 30)))
            .collect();
        let slope = fit(&points).unwrap();
        assert!((slope - 500.0).abs() < 1.0, "{slope}");
        assert_eq!(fit(&points[..1]), None);
    }
}

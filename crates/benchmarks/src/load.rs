//! Load on a system: the load tester, in this process on a thread of its own.

use std::thread;
use std::time::Duration;

use anyhow::{Context, ensure};
use loadtest::{Length, Limits, Load, Options, Progress, Protocol, Report, Stage, Stop, Target};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;

/// How long callers wait.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Requests that come.
#[derive(Clone, Copy, Debug)]
pub enum Arrivals {
    /// So many callers in all, each of whom asks again when it was answered.
    Callers(usize),
    /// So many requests per second in all, whatever became of those before, over so many connections.
    Rate {
        /// Per second.
        rate: f64,
        /// The most of them at the same time; others wait.
        connections: usize,
    },
}

impl Arrivals {
    /// Far less than there could be: 500 requests per second over 16 connections.
    pub(crate) const FEW: Self = Self::Rate {
        rate: 500.0,
        connections: 16,
    };

    /// What one of so many fronts has of them. The first ones have what is left over.
    fn shared(self, fronts: usize, number: usize) -> Load {
        let part = |all: usize| all / fronts + usize::from(number < all % fronts);
        match self {
            Self::Callers(all) => Load::Concurrent {
                concurrency: part(all),
            },
            Self::Rate { rate, connections } => Load::Open {
                rate: rate / fronts as f64,
                max_in_flight: part(connections),
            },
        }
    }
}

/// How long requests come.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Times {
    /// Before anything counts.
    pub(crate) warmup: Duration,
    /// While it counts.
    pub(crate) lasts: Duration,
}

/// Requests that come at this moment.
pub(crate) struct Running(oneshot::Receiver<anyhow::Result<Vec<Report>>>);

impl Running {
    /// Lets these come from now on, evenly to all targets.
    pub(crate) fn start(
        targets: &[Target],
        arrivals: Arrivals,
        times: Times,
    ) -> anyhow::Result<Self> {
        let each = targets.iter().enumerate().map(|(number, target)| Options {
            target: target.clone(),
            load: arrivals.shared(targets.len(), number),
            length: Length::Duration(times.lasts),
            warmup: times.warmup,
            timeout: TIMEOUT,
            tries: 1,
            protocol: Protocol::Http1,
            health_check: false,
            limits: Limits {
                max_p99: None,
                min_success: 100.0,
            },
            progress: Progress::Quiet,
        });
        let each: Vec<_> = each.collect();
        let (done, reports) = oneshot::channel();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        thread::Builder::new().name("load".into()).spawn(move || {
            // Whoever asked for it may have given up.
            let _ = done.send(runtime.block_on(run(each)));
        })?;
        Ok(Self(reports))
    }

    /// Waits for the last answers, and gives what was seen at each target. A request that failed, or was answered with
    /// another one's reply, is an error.
    pub(crate) async fn end(self) -> anyhow::Result<Vec<Report>> {
        let reports = self.0.await.context("the generator panicked")??;
        for report in &reports {
            let checks = report.verdict.checks.iter().filter(|check| !check.passed);
            let failed: Vec<_> = checks.map(|check| check.text.as_str()).collect();
            let causes = report.failures.iter().map(|group| {
                let status = group
                    .status
                    .map_or(String::new(), |status| status.to_string());
                format!(
                    "{} × {} {status} {}",
                    group.count, group.cause, group.description
                )
            });
            let causes: Vec<_> = causes.collect();
            ensure!(
                failed.is_empty(),
                "{}: {}",
                failed.join("; "),
                causes.join("; ")
            );
            let warmup_failed = report.requests.warmup_failed;
            ensure!(
                warmup_failed == 0,
                "{warmup_failed} requests failed while it warmed up"
            );
        }
        Ok(reports)
    }
}

async fn run(each: Vec<Options>) -> anyhow::Result<Vec<Report>> {
    let (_running, stop) = watch::channel(Stage::Running);
    let stop = Stop::from(stop);
    let mut runs = JoinSet::new();
    for options in each {
        let stop = stop.clone();
        runs.spawn(async move { loadtest::run(options, stop).await });
    }
    let mut reports = Vec::new();
    while let Some(run) = runs.join_next().await {
        reports.push(run??);
    }
    Ok(reports)
}

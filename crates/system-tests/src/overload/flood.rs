//! The load of one row: the load tester's open loop, in this process on a thread of its own.

use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::Context;
use loadtest::{Length, Limits, Load, Options, Progress, Protocol, Report, Stage, Stop, Target};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::plan::Flow;

/// Requests under way to one ingress; arrivals beyond that wait, and their latency counts the wait.
const MAX_IN_FLIGHT: usize = 8_000;

/// What came of a flow at one ingress.
#[derive(Debug)]
pub(super) struct Flowed {
    pub(super) flow: Flow,
    pub(super) report: Report,
}

/// Load that comes.
pub(super) struct Flood {
    thread: JoinHandle<anyhow::Result<Vec<Flowed>>>,
    _stop: watch::Sender<Stage>,
}

impl Flood {
    /// Lets these flows come, each of `capacity` times its own measure per second, shared evenly by the targets.
    pub(super) fn start(
        flows: &[Flow],
        capacity: f64,
        targets: &[Target],
        patience: Duration,
    ) -> anyhow::Result<Self> {
        let (stage, stop) = watch::channel(Stage::Running);
        let stop = Stop::from(stop);
        let mut runs = Vec::new();
        for &flow in flows {
            for target in targets {
                let options = Options {
                    target: target.clone(),
                    load: Load::Open {
                        rate: flow.times * capacity / targets.len() as f64,
                        max_in_flight: MAX_IN_FLIGHT,
                    },
                    length: Length::Duration(flow.lasts),
                    warmup: Duration::ZERO,
                    timeout: patience,
                    tries: flow.tries,
                    protocol: Protocol::Http1,
                    health_check: false,
                    limits: Limits {
                        max_p99: None,
                        min_success: 0.0,
                    },
                    progress: Progress::Quiet,
                };
                runs.push((flow, options));
            }
        }
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let thread = thread::Builder::new()
            .name("flood".into())
            .spawn(move || runtime.block_on(run(runs, stop)))?;
        Ok(Self {
            thread,
            _stop: stage,
        })
    }

    /// Whether all answers are there.
    pub(super) fn is_over(&self) -> bool {
        self.thread.is_finished()
    }

    /// What came of it; waits for the answers that are still to come.
    pub(super) fn end(self) -> anyhow::Result<Vec<Flowed>> {
        match self.thread.join() {
            Ok(flowed) => flowed,
            Err(_) => anyhow::bail!("the generator panicked"),
        }
    }
}

async fn run(runs: Vec<(Flow, Options)>, stop: Stop) -> anyhow::Result<Vec<Flowed>> {
    let mut running = JoinSet::new();
    for (flow, options) in runs {
        let stop = stop.clone();
        running.spawn(async move {
            sleep(flow.begins).await;
            let report = loadtest::run(options, stop).await?;
            anyhow::Ok(Flowed { flow, report })
        });
    }
    let mut flowed = Vec::new();
    while let Some(run) = running.join_next().await {
        flowed.push(run.context("the generator failed")??);
    }
    Ok(flowed)
}

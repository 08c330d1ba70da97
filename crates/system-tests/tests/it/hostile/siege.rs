//! What an attack costs the ingress, and what the callers beside it notice.

use std::time::Duration;

use anyhow::{anyhow, ensure};
use testbed::{Load, RunningLoad, Summary};
use tokio::time::sleep;

use crate::system::{Allowed, Service, System};

/// Callers beside the attack, each second.
const NEIGHBOURS: f64 = 20.0;

/// How long a neighbour may wait on a busy machine; without the attack it takes some 20 ms.
const PATIENCE: Duration = Duration::from_secs(10);

/// Between two looks at a figure.
const LOOK: Duration = Duration::from_millis(20);

/// An attack under way.
pub(super) struct Siege {
    system: System,
    neighbours: RunningLoad,
    cpu: Duration,
    rss: u64,
}

/// What an attack may take of the ingress.
pub(super) struct Bounds {
    /// Processor time, that of the neighbours included.
    pub(super) cpu: Duration,
    /// Memory beyond what it took before, at any moment, in bytes.
    pub(super) rss: u64,
}

impl Siege {
    /// Lets neighbours come, and notes what the ingress takes before the attack.
    pub(super) async fn begin(system: System) -> anyhow::Result<Self> {
        let neighbours = system.load(Load::Open {
            per_second: NEIGHBOURS,
        });
        system.until_answered(10).await?;
        let ingress = system.ingress(0).process();
        let (cpu, rss) = (ingress.cpu_time()?, ingress.rss_bytes()?);
        Ok(Self {
            system,
            neighbours,
            cpu,
            rss,
        })
    }

    pub(super) fn system(&self) -> &System {
        &self.system
    }

    /// Puts how a part of the attack ended into the report of the run.
    pub(super) fn report(&mut self, what: String) {
        self.system.report(what);
    }

    /// The attack is over. All neighbours must have been served, within their patience, the ingress must have kept
    /// within these bounds, and everything of the attack must be gone.
    pub(super) async fn end(mut self, bounds: Bounds, allowed: Allowed) -> anyhow::Result<Summary> {
        self.system.until_answered(10).await?;
        self.neighbours.stop().await?;
        let ingress = self.system.ingress(0).process();
        let cpu = ingress.cpu_time()?.saturating_sub(self.cpu);
        let rss = ingress.peak_rss_bytes()?.saturating_sub(self.rss);
        self.system.report(format!(
            "the attack took {cpu:?} of processor time and {} KiB of memory",
            rss >> 10
        ));
        ensure!(cpu <= bounds.cpu, "{cpu:?} of processor time");
        ensure!(rss <= bounds.rss, "{rss} bytes of memory");
        let summary = self
            .system
            .finish(allowed.requests_beside_the_history())
            .await?;
        let slowest = summary.latency(1.0);
        ensure!(slowest <= PATIENCE, "a neighbour waited {slowest:?}");
        Ok(summary)
    }
}

/// Watches a figure of a service, and returns when it is above `most`, or cannot be read, with an error that says so.
pub(super) async fn exceeded(service: &Service, name: &str, most: f64) -> anyhow::Error {
    loop {
        match service.figure(name, &[]).await {
            Ok(figure) if figure > most => {
                return anyhow!("{name} of {} is {figure}", service.name());
            }
            Ok(_) => sleep(LOOK).await,
            Err(error) => return error,
        }
    }
}

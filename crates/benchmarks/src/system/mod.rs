//! A system that is measured: fronts, a broker, workers, each a process of its own.

mod broker;
mod node;
mod spec;

use std::time::Duration;

use anyhow::ensure;
use loadtest::Target;
use serde::Serialize;
use testbed::{HttpClient, Process, RedisServer, eventually};

use crate::peer::Role;
pub(crate) use broker::{Broker, nats_version};
use node::Node;
pub use spec::{Kind, Spec};

/// Longer than a start takes that is not wrong.
const LONG: Duration = Duration::from_secs(30);

/// A running system. Dropping it ends its processes.
pub struct System {
    fronts: Vec<Node>,
    workers: Vec<Node>,
    broker: Option<Broker>,
}

/// A figure for each step that a request takes.
#[derive(Clone, Copy, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Steps {
    /// All fronts together.
    pub front: f64,
    /// The broker; zero where there is none.
    pub broker: f64,
    /// All workers together.
    pub worker: f64,
}

impl Steps {
    /// All three.
    pub fn total(&self) -> f64 {
        self.front + self.broker + self.worker
    }

    /// The same for each step.
    pub(crate) fn map(self, of: impl Fn(f64) -> f64) -> Self {
        Self {
            front: of(self.front),
            broker: of(self.broker),
            worker: of(self.worker),
        }
    }

    pub(crate) fn since(self, before: Self) -> Self {
        Self {
            front: self.front - before.front,
            broker: self.broker - before.broker,
            worker: self.worker - before.worker,
        }
    }
}

impl System {
    /// Starts everything and waits until each front has answered a request.
    ///
    /// # Errors
    /// A program is missing, or does not work.
    pub async fn start(spec: &Spec) -> anyhow::Result<Self> {
        let broker = Broker::start(spec).await?;
        let mut system = Self {
            fronts: Vec::new(),
            workers: Vec::new(),
            broker,
        };
        for number in 0..spec.workers {
            system.add_worker(spec, number)?;
        }
        for number in 0..spec.fronts {
            let front = Node::start(spec, Role::Front, number, system.broker.as_ref())?;
            system.fronts.push(front);
        }
        system.until_ready(spec).await?;
        Ok(system)
    }

    /// Starts one more worker and does not wait for it.
    pub(crate) fn add_worker(&mut self, spec: &Spec, number: usize) -> anyhow::Result<()> {
        let worker = Node::start(spec, Role::Worker, number, self.broker.as_ref())?;
        self.workers.push(worker);
        Ok(())
    }

    /// Ends all fronts, at once.
    pub(crate) fn without_fronts(&mut self) {
        self.fronts.clear();
    }

    async fn until_ready(&self, spec: &Spec) -> anyhow::Result<()> {
        let client = HttpClient::new()?;
        if spec.kind == Kind::Ours {
            for node in self.fronts.iter().chain(&self.workers) {
                let url = format!("{}/health/ready", node.base);
                let ready = eventually(LONG, async || {
                    let answer = client.get(&url, LONG).await?;
                    ensure!(answer.status == 200, "not ready: {}", answer.text());
                    Ok(())
                });
                node.explain(ready.await)?;
            }
        }
        if spec.workers > 0 || spec.kind == Kind::Floor {
            for front in &self.fronts {
                let answered = eventually(LONG, async || {
                    let answer = client
                        .post_city(&front.base, "Oslo", "Centre", LONG)
                        .await?;
                    ensure!(answer.status == 200, "status {}", answer.status);
                    Ok(())
                });
                front.explain(answered.await)?;
            }
        }
        Ok(())
    }

    /// Where each front is asked.
    pub(crate) fn targets(&self) -> anyhow::Result<Vec<Target>> {
        let bases = self.fronts.iter().map(|front| &front.base);
        bases.map(|base| Ok(base.parse()?)).collect()
    }

    /// Where each worker of ours shows its metrics.
    pub(crate) fn workers(&self) -> impl Iterator<Item = &str> {
        self.workers.iter().map(|worker| worker.base.as_str())
    }

    /// The Redis between the processes.
    pub(crate) fn redis(&self) -> anyhow::Result<&RedisServer> {
        match &self.broker {
            Some(Broker::Redis(redis)) => Ok(redis),
            _ => anyhow::bail!("there is no Redis in this system"),
        }
    }

    /// Seconds of processor time spent so far, in user mode and in the kernel.
    pub(crate) fn spent(&self) -> anyhow::Result<Steps> {
        self.steps(|process| Ok(process.cpu_time()?.as_secs_f64()))
    }

    /// Resident bytes now.
    pub(crate) fn memory(&self) -> anyhow::Result<Steps> {
        self.steps(|process| Ok(process.rss_bytes()? as f64))
    }

    fn steps(&self, of: impl Fn(&Process) -> anyhow::Result<f64>) -> anyhow::Result<Steps> {
        // From a positive zero, which the sum of nothing is not.
        let sum = |nodes: &[Node]| -> anyhow::Result<f64> {
            let mut each = nodes.iter().map(|node| of(&node.process));
            each.try_fold(0.0, |sum, figure| Ok(sum + figure?))
        };
        let broker = self.broker.as_ref();
        Ok(Steps {
            front: sum(&self.fronts)?,
            broker: broker.map_or(Ok(0.0), |broker| of(&broker.process()))?,
            worker: sum(&self.workers)?,
        })
    }

    /// The most bytes that the fronts ever had resident.
    pub(crate) fn peak_of_fronts(&self) -> anyhow::Result<f64> {
        let peaks = self.fronts.iter().map(|node| node.process.peak_rss_bytes());
        Ok(peaks.sum::<anyhow::Result<u64>>()? as f64)
    }
}

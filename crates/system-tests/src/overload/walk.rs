//! One regime from its start to its end.

use std::time::Duration;

use anyhow::{Context, ensure};
use loadtest::Target;
use serde::Serialize;
use testbed::eventually;
use tokio::time::sleep;

use super::figures::{Counters, Figures, Second, timeline};
use super::flood::Flood;
use super::plan::{Event, FULL, Pace, Row, SLOWER, rows};
use super::ramp;
use super::regime::{Place, Regime};
use super::sampler::{PERIOD, Sample, Sampler};
use super::verdict::{Basis, Check, checks};
use crate::{Behaviour, Kind, LONG, OpenMeteo, REQUESTS, System};

/// How many questions, one after the other, an upstream has for a request.
const QUESTIONS: u32 = 2;

/// How long callers wait beyond the deadline that the service keeps, so that they see what it answers then. An answer
/// 2xx in that time, which was on its way at the deadline, counts as any other.
const BEYOND: Duration = Duration::from_millis(250);

/// Everything that a walk through one regime showed.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Walked {
    /// The system.
    pub regime: Regime,
    /// Requests per second, as the ramp found it.
    pub capacity: f64,
    pub(super) rows: Vec<WalkedRow>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct WalkedRow {
    pub(super) name: &'static str,
    pub(super) passed: bool,
    pub(super) figures: Figures,
    pub(super) checks: Vec<Check>,
    /// From when to when it was judged, in seconds.
    pub(super) judged: (f64, f64),
    pub(super) timeline: Vec<Second>,
    pub(super) samples: Vec<Sample>,
}

impl Walked {
    /// Whether every row held its bounds.
    pub fn passed(&self) -> bool {
        self.rows.iter().all(|row| row.passed)
    }
}

/// Starts the system, finds its capacity and walks the rows, telling `tell` of each step.
///
/// # Errors
///
/// The system or the generator did not work at all. What is worse than its bound is no error.
pub async fn walk(regime: Regime, pace: Pace, tell: impl Fn(&str)) -> anyhow::Result<Walked> {
    let upstream = match regime.place {
        Place::Proxy => None,
        Place::Upstream => Some(OpenMeteo::start(regime.work / QUESTIONS).await?),
    };
    let system = regime.system(upstream.as_ref());
    let mut system = system.start().await?;
    let capacity = ramp::capacity(&system, &regime, pace.onset).await?;
    tell(&format!("{}: the capacity is {capacity:.1}/s", regime.name));
    let mut walked = Walked {
        regime: regime.clone(),
        capacity,
        rows: Vec::new(),
    };
    for row in rows(&regime, pace) {
        settled(&system).await?;
        let full = walked.rows.iter().find(|walked| walked.name == FULL);
        let basis = Basis {
            capacity,
            base: walked.rows.first().map(|base| &base.figures),
            full: full.map(|row| &row.figures),
            deadline: regime.deadline.as_secs_f64(),
        };
        let done = one(&mut system, upstream.as_ref(), &regime, basis, &row).await;
        let done = done.with_context(|| format!("{}: {}", regime.name, row.name))?;
        let verdict = if done.passed { "passed" } else { "failed" };
        tell(&format!("{}: {}: {verdict}", regime.name, row.name));
        walked.rows.push(done);
    }
    settled(&system).await?;
    system.done();
    Ok(walked)
}

/// Where callers ask.
pub(super) fn targets(system: &System) -> anyhow::Result<Vec<Target>> {
    let ingresses = system
        .services()
        .filter(|service| service.kind() == Kind::Ingress);
    ingresses
        .map(|ingress| Ok(ingress.base().parse()?))
        .collect()
}

async fn one(
    system: &mut System,
    upstream: Option<&OpenMeteo>,
    regime: &Regime,
    basis: Basis<'_>,
    row: &Row,
) -> anyhow::Result<WalkedRow> {
    if matches!(row.event, Some((_, Event::ProxiesStart))) {
        for proxy in system.proxies() {
            proxy.leave().await?;
        }
    }
    let mut before = Counters::read(system).await?;
    let mut counted = row.counted_from.is_zero();
    let patience = regime.deadline + BEYOND;
    let flood = Flood::start(&row.flows, basis.capacity, &targets(system)?, patience)?;
    let mut sampler = Sampler::start()?;
    let mut event = row.event;
    while !flood.is_over() {
        if let Some((at, happens)) = event
            && sampler.elapsed() >= at
        {
            event = None;
            match happens {
                Event::UpstreamSlows => {
                    let upstream = upstream.context("there is no upstream to slow down")?;
                    let question = regime.work * SLOWER / QUESTIONS;
                    upstream.behave(Behaviour::Slow(question));
                }
                Event::ProxiesStart => {
                    let there = system.proxies().len();
                    for number in 0..there {
                        system.proxy_mut(number).start_again()?;
                    }
                    system.until_ready().await?;
                }
            }
        }
        if !counted && sampler.elapsed() >= row.counted_from {
            counted = true;
            before = Counters::read(system).await?;
        }
        sampler.look(system).await?;
        sleep(PERIOD).await;
    }
    let flowed = flood.end()?;
    let after = Counters::read(system).await?;
    let figures = Figures::of(&flowed, &sampler.samples, &before, &after);
    let checks = checks(row, &figures, basis);
    let judged = row.flows.iter().filter(|flow| flow.judged);
    let from = judged.clone().map(|flow| flow.begins).min();
    let to = judged.map(|flow| flow.begins + flow.lasts).max();
    let seconds = |at: Option<Duration>| at.unwrap_or_default().as_secs_f64();
    Ok(WalkedRow {
        name: row.name,
        passed: checks.iter().all(|check| check.passed),
        figures,
        checks,
        judged: (seconds(from), seconds(to)),
        timeline: timeline(&flowed),
        samples: sampler.samples,
    })
}

/// Waits until nothing is left of the row before.
async fn settled(system: &System) -> anyhow::Result<()> {
    eventually(LONG, async || {
        let outstanding: u64 = system.redis().command(&["XLEN", REQUESTS]).await?;
        ensure!(outstanding == 0, "{outstanding} requests are outstanding");
        Ok(())
    })
    .await?;
    // Announcements and estimates are those of a system at rest again.
    sleep(Duration::from_secs(1)).await;
    Ok(())
}

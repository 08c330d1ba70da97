//! What one look at one system showed, in numbers.

use std::collections::BTreeMap;

use loadtest::{Latency, Report};
use serde::Serialize;
use tokio::time::{Instant, sleep_until};

use crate::load::{Arrivals, Running, Times};
use crate::spread::median;
use crate::system::{Steps, System};

/// What one look showed. Times in seconds, unless they say otherwise.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Figures {
    /// Requests that were answered.
    pub requests: f64,
    /// Microseconds of processor time for each of them.
    pub cpu: Steps,
    /// Requests answered per second.
    pub rate: f64,
    /// Latency: the median. Of several fronts that of the slowest, as with the other percentiles.
    pub p50: f64,
    /// Latency: the 99th percentile.
    pub p99: f64,
    /// Latency: the percentile 99.9.
    pub p999: f64,
    /// Resident bytes at the end.
    pub memory: Steps,
    /// The load generator's share of a core. Above nine tenths the rate is the generator's own.
    pub generator: f64,
    /// What else a scenario looks at.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub more: BTreeMap<&'static str, f64>,
}

impl Figures {
    /// Lets load come and looks at what it costs.
    pub(crate) async fn measure(
        system: &System,
        arrivals: Arrivals,
        times: Times,
    ) -> anyhow::Result<Self> {
        Ok(Self::with_reports(system, arrivals, times).await?.0)
    }

    /// The same, with all that the load tester saw.
    ///
    /// Processor time is that between the end of the warm-up and the last moment at which requests begin, so that
    /// opening connections and closing them does not count. In between as many end as begin.
    pub(crate) async fn with_reports(
        system: &System,
        arrivals: Arrivals,
        times: Times,
    ) -> anyhow::Result<(Self, Vec<Report>)> {
        let began = Instant::now();
        let running = Running::start(&system.targets()?, arrivals, times)?;
        sleep_until(began + times.warmup).await;
        let (from, before) = (Instant::now(), system.spent()?);
        sleep_until(began + times.warmup + times.lasts).await;
        let (to, after) = (Instant::now(), system.spent()?);
        let memory = system.memory()?;
        let reports = running.end().await?;
        let requests: u64 = reports.iter().map(|report| report.requests.succeeded).sum();
        // Whoever looks may come late, since the machine is full.
        let looked_at = (to - from).as_secs_f64() / times.lasts.as_secs_f64();
        let worst = |of: fn(&Latency) -> f64| {
            let all = reports.iter().filter_map(|report| report.latency.successes);
            all.map(|latency| of(&latency)).fold(0.0, f64::max)
        };
        let shares = reports.iter().map(|report| report.generator.share);
        let spent = after.since(before);
        let figures = Self {
            requests: requests as f64,
            cpu: spent.map(|seconds| seconds * 1e6 / (requests as f64 * looked_at)),
            // Those that began, by the time in which they did: the last of them are answered after it.
            rate: requests as f64 / times.lasts.as_secs_f64(),
            p50: worst(|latency| latency.p50),
            p99: worst(|latency| latency.p99),
            p999: worst(|latency| latency.p999),
            memory,
            // Each report has that of the whole process.
            generator: shares.fold(0.0, f64::max),
            more: BTreeMap::from([("peak", system.peak_of_fronts()?)]),
        };
        Ok((figures, reports))
    }

    /// The median of each figure on its own.
    pub(crate) fn median(rounds: &[Self]) -> Self {
        let of = |figure: &dyn Fn(&Self) -> f64| median(rounds.iter().map(figure));
        let steps = |figure: &dyn Fn(&Self) -> Steps| Steps {
            front: of(&|round| figure(round).front),
            broker: of(&|round| figure(round).broker),
            worker: of(&|round| figure(round).worker),
        };
        let names = rounds.first().map(|round| round.more.keys().copied());
        Self {
            requests: of(&|round| round.requests),
            cpu: steps(&|round| round.cpu),
            rate: of(&|round| round.rate),
            p50: of(&|round| round.p50),
            p99: of(&|round| round.p99),
            p999: of(&|round| round.p999),
            memory: steps(&|round| round.memory),
            generator: of(&|round| round.generator),
            more: names
                .into_iter()
                .flatten()
                .map(|name| {
                    (
                        name,
                        of(&|round| round.more.get(name).copied().unwrap_or(f64::NAN)),
                    )
                })
                .collect(),
        }
    }
}

//! What came of one row, in numbers.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;
use testbed::Metrics;

use super::flood::Flowed;
use super::sampler::Sample;
use crate::{Kind, System};

/// What came of one row. Times in seconds, rates per second; of the judged flows alone unless it says otherwise.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Figures {
    pub(super) offered: f64,
    /// Requests answered 2xx before their callers left, which is a quarter of a second behind the deadline.
    pub(super) goodput: f64,
    /// Median and 99th percentile of the latency of those, from when each was due; the worst of the ingresses.
    pub(super) p50: Option<f64>,
    pub(super) p99: Option<f64>,
    /// How many were refused (429 or 503), and the 99th percentile of the time that it took.
    pub(super) refused: u64,
    pub(super) refusal_p99: Option<f64>,
    /// How many ended with 504 or without an answer in time.
    pub(super) timed_out: u64,
    /// How many failed in any other way, by how.
    pub(super) other: BTreeMap<String, u64>,
    /// Times that a refused caller asked again.
    pub(super) retries: u64,
    /// The longest that an entry waited on the stream at any time of the row, as far as it was seen.
    pub(super) queue_age: f64,
    /// The most requests that were on the stream at any time of the row.
    pub(super) outstanding: u64,
    /// The slowest health answer of any process at any time of the row.
    pub(super) health: f64,
    /// The most resident bytes, at any time of the row, of an ingress, a proxy, and Redis.
    pub(super) ingress_bytes: u64,
    pub(super) proxy_bytes: u64,
    pub(super) redis_bytes: u64,
    /// Requests worked on in the whole row, or since what happens in it was over where the row says so.
    pub(super) worked: f64,
    /// Those of them that nobody waited for any more when they were done, or that were done twice.
    pub(super) wasted: f64,
    /// Refusals by the ingresses, over the same time.
    pub(super) refusals: f64,
    /// Processor time in seconds, over the same time: of the ingresses, and of all processes with Redis.
    pub(super) ingress_cpu: f64,
    pub(super) cpu: f64,
    /// How the predicted wait compared with the real one, over the same time.
    pub(super) prediction: Option<Prediction>,
    /// The generator's share of a core, as far as it ran beside the row's own.
    pub(super) generator: f64,
}

/// How the predicted wait of those who were let in and answered compared with the one that they had.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Prediction {
    /// How many there were.
    pub(super) count: f64,
    /// Mean real wait.
    pub(super) wait: f64,
    /// Mean difference, whichever way.
    pub(super) error: f64,
    /// Mean difference; above zero they waited longer than predicted.
    pub(super) bias: f64,
}

/// One second of a row, all flows together.
#[derive(Clone, Copy, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Second {
    pub(super) succeeded: u64,
    pub(super) failed: u64,
    /// 99th percentile of the latency of successes, the worst of the flows.
    pub(super) p99: Option<f64>,
}

/// What all processes have counted and spent at one moment.
#[derive(Clone, Debug, Default)]
pub(super) struct Counters {
    services: BTreeMap<String, Counted>,
    redis_cpu: Duration,
}

#[derive(Clone, Debug)]
struct Counted {
    kind: Kind,
    metrics: Metrics,
    cpu: Duration,
}

impl Counters {
    /// Of every process that is there.
    pub(super) async fn read(system: &System) -> anyhow::Result<Self> {
        let mut services = BTreeMap::new();
        for service in system.services().filter(|service| !service.has_ended()) {
            let counted = Counted {
                kind: service.kind(),
                metrics: service.metrics().await?,
                cpu: service.process().cpu_time()?,
            };
            services.insert(service.name().to_owned(), counted);
        }
        Ok(Self {
            services,
            redis_cpu: system.redis().process().cpu_time()?,
        })
    }

    /// How much a counter moved since `before`, over all processes of a kind; those that started since, from zero.
    fn since(&self, before: &Self, kind: Kind, name: &str, labels: &[(&str, &str)]) -> f64 {
        let of_kind = self.services.iter().filter(|(_, of)| of.kind == kind);
        of_kind
            .map(|(service, now)| {
                let earlier = before.services.get(service);
                let earlier = earlier.and_then(|of| of.metrics.sum(name, labels));
                now.metrics.sum(name, labels).unwrap_or(0.0) - earlier.unwrap_or(0.0)
            })
            .sum()
    }

    /// Seconds of processor time since `before` of all processes of a kind; of one that was started anew, all it had.
    fn cpu_since(&self, before: &Self, kind: Kind) -> f64 {
        let of_kind = self.services.iter().filter(|(_, of)| of.kind == kind);
        of_kind
            .map(|(service, now)| {
                let earlier = before.services.get(service).map(|of| of.cpu);
                let since = earlier.and_then(|earlier| now.cpu.checked_sub(earlier));
                since.unwrap_or(now.cpu).as_secs_f64()
            })
            .sum()
    }
}

impl Figures {
    pub(super) fn of(
        flowed: &[Flowed],
        samples: &[Sample],
        before: &Counters,
        after: &Counters,
    ) -> Self {
        let mut figures = Self::default();
        for Flowed { flow, report } in flowed.iter().filter(|flowed| flowed.flow.judged) {
            let seconds = flow.lasts.as_secs_f64();
            figures.offered +=
                (report.requests.succeeded + report.requests.failed) as f64 / seconds;
            figures.goodput += report.requests.succeeded as f64 / seconds;
            figures.retries += report.requests.retries;
            if let Some(latency) = report.latency.successes {
                figures.p50 = worst(figures.p50, latency.p50);
                figures.p99 = worst(figures.p99, latency.p99);
            }
            for failure in &report.failures {
                match (failure.status, failure.cause) {
                    (Some(429 | 503), _) => {
                        figures.refused += failure.count;
                        if let Some(latency) = failure.latency {
                            figures.refusal_p99 = worst(figures.refusal_p99, latency.p99);
                        }
                    }
                    (Some(504), _) | (None, "timeout" | "not started in time") => {
                        figures.timed_out += failure.count;
                    }
                    (status, cause) => {
                        let status = status
                            .map(|status| format!(" {status}"))
                            .unwrap_or_default();
                        let kind = format!("{cause}{status} {}", failure.description);
                        *figures.other.entry(kind).or_default() += failure.count;
                    }
                }
            }
        }
        figures.generator = flowed
            .iter()
            .map(|flowed| flowed.report.generator.share)
            .fold(0.0, f64::max);
        figures.saw(samples);
        figures.counted(before, after);
        figures
    }

    /// The processor time of a refusal as a share of that of a served request; `full` is a row of the same length in
    /// which as many were served and few were refused.
    pub(super) fn refusal_cpu(&self, full: &Self) -> Option<f64> {
        let more = self.refusals - full.refusals;
        let spent = self.ingress_cpu - full.ingress_cpu;
        (more > 0.0 && full.cpu > 0.0).then(|| (spent / more) / (full.cpu / full.worked))
    }

    fn saw(&mut self, samples: &[Sample]) {
        for sample in samples {
            self.queue_age = self.queue_age.max(sample.queue_age);
            self.outstanding = self.outstanding.max(sample.outstanding);
            self.health = self.health.max(sample.health);
            self.ingress_bytes = self.ingress_bytes.max(sample.ingress_bytes);
            self.proxy_bytes = self.proxy_bytes.max(sample.proxy_bytes);
            self.redis_bytes = self.redis_bytes.max(sample.redis_bytes);
        }
    }

    fn counted(&mut self, before: &Counters, after: &Counters) {
        let proxies =
            |name: &str, labels: &[(&str, &str)]| after.since(before, Kind::Proxy, name, labels);
        let ingresses =
            |name: &str, labels: &[(&str, &str)]| after.since(before, Kind::Ingress, name, labels);
        let cut = proxies("requests_expired_total", &[("stage", "running")]);
        self.worked = proxies("requests_served_total", &[]) + cut;
        self.wasted =
            cut + proxies("requests_duplicate_total", &[]) + ingresses("replies_late_total", &[]);
        self.refusals = ingresses("requests_refused_total", &[]);
        self.ingress_cpu = after.cpu_since(before, Kind::Ingress);
        let redis = after.redis_cpu.saturating_sub(before.redis_cpu);
        let proxies = after.cpu_since(before, Kind::Proxy);
        self.cpu = self.ingress_cpu + proxies + redis.as_secs_f64();
        let error = |direction: &str, part: &str| {
            let name = format!("request_queue_prediction_error_seconds_{part}");
            ingresses(&name, &[("direction", direction)])
        };
        let count = error("longer", "count") + error("shorter", "count");
        let waits = ingresses("request_queue_seconds_count", &[]);
        if count > 0.0 && waits > 0.0 {
            let (longer, shorter) = (error("longer", "sum"), error("shorter", "sum"));
            self.prediction = Some(Prediction {
                count,
                wait: ingresses("request_queue_seconds_sum", &[]) / waits,
                error: (longer + shorter) / count,
                bias: (longer - shorter) / count,
            });
        }
    }
}

/// The row second by second, all flows together.
pub(super) fn timeline(flowed: &[Flowed]) -> Vec<Second> {
    let mut timeline: Vec<Second> = Vec::new();
    for Flowed { flow, report } in flowed {
        let begins = flow.begins.as_secs() as usize;
        for (index, interval) in report.timeline.intervals.iter().enumerate() {
            let second = begins + index;
            if timeline.len() <= second {
                timeline.resize(second + 1, Second::default());
            }
            let entry = &mut timeline[second];
            entry.succeeded += interval.succeeded;
            entry.failed += interval.failed;
            if let Some(p99) = interval.p99 {
                entry.p99 = worst(entry.p99, p99);
            }
        }
    }
    timeline
}

fn worst(known: Option<f64>, value: f64) -> Option<f64> {
    Some(known.map_or(value, |known| known.max(value)))
}

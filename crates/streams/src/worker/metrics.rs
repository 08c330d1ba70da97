//! The figures of a worker.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use prometheus::{Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, Opts, Registry};
use tokio::sync::Notify;

use super::dead_letters::Cause;
use crate::{
    error::ConfigError,
    metrics::{LinkMetrics, StreamMetrics, register},
};

#[derive(Debug)]
pub(super) struct WorkerMetrics {
    pub queue: Histogram,
    pub expired: IntCounterVec,
    pub reclaimed: IntCounter,
    pub duplicate: IntCounter,
    pub lapsed: IntCounter,
    pub handed_back: IntCounter,
    pub panicked: IntCounter,
    pub dead_letters: IntCounterVec,
    pub replies_refused: IntCounter,
    pub leases_renewed: IntCounter,
    pub groups_created: IntCounter,
    pub links: LinkMetrics,
    pub streams: StreamMetrics,
    pub in_hand: IntGauge,
    pub served: IntCounter,
    mean_work: MeanWork,
    rate_known: Notify,
}

/// Where a request was when its deadline passed.
pub(super) const EXPIRED_QUEUED: &str = "queued";
pub(super) const EXPIRED_RUNNING: &str = "running";

impl WorkerMetrics {
    pub(super) fn register(registry: &Registry) -> Result<Self, ConfigError> {
        let counter = |name: &str, help: &str| register(registry, IntCounter::new(name, help));
        let queue = HistogramOpts::new(
            "request_queue_seconds",
            "Time that requests waited on the stream before a worker took them, on Redis's clock.",
        )
        .buckets(common::metrics::SECONDS.to_vec());
        let metrics = Self {
            queue: register(registry, Histogram::with_opts(queue))?,
            expired: register(
                registry,
                IntCounterVec::new(
                    Opts::new(
                        "requests_expired_total",
                        "Requests whose deadline passed, by where they were: queued ones were never started.",
                    ),
                    &["stage"],
                ),
            )?,
            reclaimed: counter(
                "requests_reclaimed_total",
                "Deliveries beyond the first of a request: the one before ended without an answer.",
            )?,
            duplicate: counter(
                "requests_duplicate_total",
                "Requests that were finished here and no longer pending: done twice, or their group was lost.",
            )?,
            lapsed: counter(
                "requests_lapsed_total",
                "Requests not started because their lease had lapsed since the delivery.",
            )?,
            handed_back: counter(
                "requests_handed_back_total",
                "Requests given back to the group at the end of a drain.",
            )?,
            panicked: counter(
                "requests_panicked_total",
                "Requests whose handler panicked.",
            )?,
            dead_letters: register(
                registry,
                IntCounterVec::new(
                    Opts::new(
                        "dead_letters_total",
                        "Requests moved to the dead letters, by cause.",
                    ),
                    &["cause"],
                ),
            )?,
            replies_refused: counter(
                "replies_refused_total",
                "Attempts to write replies that Redis refused.",
            )?,
            leases_renewed: counter("leases_renewed_total", "Leases renewed for work that runs.")?,
            groups_created: counter(
                "groups_created_total",
                "Times the consumer group was lost and created again.",
            )?,
            served: counter(
                "requests_served_total",
                "Requests answered, failures included.",
            )?,
            in_hand: register(
                registry,
                IntGauge::new("requests_in_hand", "Requests that this worker has now."),
            )?,
            links: LinkMetrics::register(registry, "settle")?,
            streams: StreamMetrics::register(registry)?,
            mean_work: MeanWork::default(),
            rate_known: Notify::new(),
        };
        for stage in [EXPIRED_QUEUED, EXPIRED_RUNNING] {
            metrics.expired.with_label_values(&[stage]);
        }
        for cause in Cause::ALL {
            metrics.dead_letters.with_label_values(&[cause.as_str()]);
        }
        Ok(metrics)
    }

    /// A request held its terminal for so long, answered or cut at its deadline.
    pub(super) fn held(&self, held: Duration) {
        if self.mean_work.observe(held) {
            self.rate_known.notify_one();
        }
    }

    /// Resolves once, when the first request was done with.
    pub(super) async fn rate_known(&self) {
        self.rate_known.notified().await;
    }

    /// Mean time a request held a terminal; 0 while none has.
    pub(super) fn mean_work_us(&self) -> u64 {
        self.mean_work.0.load(Ordering::Relaxed)
    }
}

/// Exponentially weighted mean in microseconds: each new value counts for a sixteenth, so that it
/// follows a change within some tens of requests and one slow request does not upset the admission.
#[derive(Debug, Default)]
struct MeanWork(AtomicU64);

impl MeanWork {
    /// Returns whether this was the first value.
    fn observe(&self, value: Duration) -> bool {
        let value = u64::try_from(value.as_micros()).unwrap_or(u64::MAX).max(1);
        // A lost update between two threads costs one sample of a mean.
        let mean = self.0.load(Ordering::Relaxed);
        let next = if mean == 0 {
            value
        } else {
            mean - mean / 16 + value / 16
        };
        self.0.store(next.max(1), Ordering::Relaxed);
        mean == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mean_starts_at_the_first_value_and_follows_slowly() {
        let mean = MeanWork::default();
        mean.observe(Duration::from_micros(1_600));
        assert_eq!(mean.0.load(Ordering::Relaxed), 1_600);
        mean.observe(Duration::from_micros(3_200));
        assert_eq!(mean.0.load(Ordering::Relaxed), 1_700);
        for _ in 0..200 {
            mean.observe(Duration::from_micros(3_200));
        }
        let settled = mean.0.load(Ordering::Relaxed);
        assert!((3_000..=3_200).contains(&settled), "{settled}");
    }
}

//! The figures of a worker.

use prometheus::{Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, Opts, Registry};

use super::dead_letters::Cause;
use crate::{
    error::ConfigError,
    metrics::{LinkMetrics, StreamMetrics, register},
    server_metrics::ServerMetrics,
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
    pub server: ServerMetrics,
    pub in_hand: IntGauge,
    pub served: IntCounter,
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
            server: ServerMetrics::register(registry)?,
        };
        for stage in [EXPIRED_QUEUED, EXPIRED_RUNNING] {
            metrics.expired.with_label_values(&[stage]);
        }
        for cause in Cause::ALL {
            metrics.dead_letters.with_label_values(&[cause.as_str()]);
        }
        Ok(metrics)
    }
}

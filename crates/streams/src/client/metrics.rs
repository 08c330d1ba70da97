//! The figures of a client.

use std::time::Duration;

use prometheus::{
    Gauge, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, Opts,
    Registry,
};

use crate::{
    error::{ConfigError, Refusal},
    metrics::{LinkMetrics, StreamMetrics, register},
};

#[derive(Debug)]
pub(super) struct ClientMetrics {
    pub pending: IntGauge,
    pub queue: Histogram,
    waited_longer: Histogram,
    waited_shorter: Histogram,
    pub lag: Gauge,
    pub refused: IntCounterVec,
    pub timed_out: IntCounter,
    pub withdrawn: IntCounter,
    pub late: IntCounter,
    pub unmatched: IntCounter,
    pub undecodable: IntCounter,
    pub links: LinkMetrics,
    pub streams: StreamMetrics,
}

impl ClientMetrics {
    pub(super) fn register(registry: &Registry) -> Result<Self, ConfigError> {
        let counter = |name: &str, help: &str| register(registry, IntCounter::new(name, help));
        let refused = IntCounterVec::new(
            Opts::new(
                "requests_refused_total",
                "Requests refused before anything was written, by the bound they met.",
            ),
            &["reason"],
        );
        let prediction_error = HistogramVec::new(
            HistogramOpts::new(
                "request_queue_prediction_error_seconds",
                "How far the wait predicted at the admission was off, by which way: waited longer, or shorter.",
            )
            .buckets(common::metrics::SECONDS.to_vec()),
            &["direction"],
        );
        let prediction_error = register(registry, prediction_error)?;
        let metrics = Self {
            pending: register(
                registry,
                IntGauge::new("pending_requests", "Callers that wait for a reply."),
            )?,
            queue: register(
                registry,
                Histogram::with_opts(
                    HistogramOpts::new(
                        "request_queue_seconds",
                        "Time that answered requests waited on the stream, on Redis's clock.",
                    )
                    .buckets(common::metrics::SECONDS.to_vec()),
                ),
            )?,
            waited_longer: prediction_error.with_label_values(&["longer"]),
            waited_shorter: prediction_error.with_label_values(&["shorter"]),
            lag: register(
                registry,
                Gauge::new(
                    "scheduling_lag_seconds",
                    "How far this process is behind: by how much a timer went off too late just now.",
                ),
            )?,
            refused: register(registry, refused)?,
            timed_out: counter(
                "requests_timed_out_total",
                "Requests that were sent and had no reply by their deadline.",
            )?,
            withdrawn: counter(
                "requests_withdrawn_total",
                "Entries taken back from the stream: their caller had left, or another copy was answered.",
            )?,
            late: counter("replies_late_total", "Replies whose caller had left.")?,
            unmatched: counter(
                "replies_unmatched_total",
                "Replies nobody here waits for: other clients' on a shared reply stream, and second replies.",
            )?,
            undecodable: counter(
                "replies_undecodable_total",
                "Fields of the reply stream that are no replies.",
            )?,
            links: LinkMetrics::register(registry, "writer")?,
            streams: StreamMetrics::register(registry)?,
        };
        for reason in Refusal::ALL {
            metrics.refused.with_label_values(&[reason.as_str()]);
        }
        Ok(metrics)
    }

    /// A request that was expected to wait for so long on the stream did wait for so long.
    pub(super) fn compare(&self, predicted: Duration, real: Duration) {
        let error = real.abs_diff(predicted).as_secs_f64();
        match real > predicted {
            true => self.waited_longer.observe(error),
            false => self.waited_shorter.observe(error),
        }
    }
}

//! The figures that client and worker have in common. Each side registers its own on the registry it
//! was given; names and meanings are the same on both.

use prometheus::{
    GaugeVec, IntCounter, IntCounterVec, IntGaugeVec, Opts, Registry, core::Collector,
};

use crate::{
    error::ConfigError,
    health::{Backlog, ServerInfo},
    wire::Size,
};

/// Figures of the connections.
#[derive(Debug, Clone)]
pub(crate) struct LinkMetrics {
    pub reconnects: IntCounterVec,
    pub retries: IntCounterVec,
    pub failovers: IntCounter,
}

/// Figures of the streams, as one look found them. What no look has found, or the latest could not, is not shown:
/// each is a vector, those of one value too, since a vector can be empty.
#[derive(Debug, Clone)]
pub(crate) struct StreamMetrics {
    backlog: IntGaugeVec,
    oldest_age: GaugeVec,
    entries: IntGaugeVec,
    bytes: IntGaugeVec,
    workers: IntGaugeVec,
    capability: IntGaugeVec,
}

const NO_LABELS: &[&str] = &[];

impl LinkMetrics {
    /// `retrying` is the part that sends writes again; it shows as zero from the start.
    pub(crate) fn register(registry: &Registry, retrying: &str) -> Result<Self, ConfigError> {
        let reconnects = IntCounterVec::new(
            Opts::new(
                "redis_reconnects_total",
                "Connections to Redis that were opened again, by the part that uses them.",
            ),
            &["part"],
        );
        let retries = IntCounterVec::new(
            Opts::new(
                "redis_command_retries_total",
                "Writes to Redis that were sent again, by the part that sent them.",
            ),
            &["part"],
        );
        if let Ok(retries) = &retries {
            retries.with_label_values(&[retrying]);
        }
        Ok(Self {
            reconnects: register(registry, reconnects)?,
            retries: register(registry, retries)?,
            failovers: register(
                registry,
                IntCounter::new(
                    "redis_failovers_total",
                    "Changes to another primary that the sentinels named.",
                ),
            )?,
        })
    }
}

impl StreamMetrics {
    pub(crate) fn register(registry: &Registry) -> Result<Self, ConfigError> {
        let gauge = |name: &str, help: &str| IntGaugeVec::new(Opts::new(name, help), NO_LABELS);
        let stream_gauge =
            |name: &str, help: &str| IntGaugeVec::new(Opts::new(name, help), &["stream"]);
        Ok(Self {
            backlog: register(
                registry,
                gauge(
                    "stream_backlog_entries",
                    "Requests on the stream that no worker has yet.",
                ),
            )?,
            oldest_age: register(
                registry,
                GaugeVec::new(
                    Opts::new(
                        "stream_oldest_entry_age_seconds",
                        "Age of the oldest request on the stream, waiting or being worked on, on Redis's clock.",
                    ),
                    NO_LABELS,
                ),
            )?,
            entries: register(
                registry,
                stream_gauge("stream_entries", "Entries on a stream."),
            )?,
            bytes: register(
                registry,
                stream_gauge(
                    "stream_bytes",
                    "Bytes of memory that a stream takes in Redis.",
                ),
            )?,
            workers: register(
                registry,
                gauge("workers_alive", "Workers that announced themselves lately."),
            )?,
            capability: register(
                registry,
                IntGaugeVec::new(
                    Opts::new(
                        "redis_command_chosen",
                        "The Redis command chosen for a step: 1 for the one in use.",
                    ),
                    &["step", "command"],
                ),
            )?,
        })
    }

    pub(crate) fn set_backlog(
        &self,
        backlog: &Backlog,
        workers: usize,
        requests: &str,
        dead_letters: &str,
    ) {
        self.backlog
            .with_label_values(NO_LABELS)
            .set(signed(backlog.waiting()));
        self.oldest_age
            .with_label_values(NO_LABELS)
            .set(backlog.oldest_age_ms as f64 / 1e3);
        self.workers
            .with_label_values(NO_LABELS)
            .set(signed(workers as u64));
        self.entries
            .with_label_values(&[requests])
            .set(signed(backlog.outstanding));
        self.entries
            .with_label_values(&[dead_letters])
            .set(signed(backlog.dead_letters));
    }

    pub(crate) fn set_size(&self, stream: &str, size: Size) {
        let (entries, bytes) = (signed(size.entries), signed(size.bytes));
        self.entries.with_label_values(&[stream]).set(entries);
        self.bytes.with_label_values(&[stream]).set(bytes);
    }

    /// Redis cannot be looked at: what was found before is shown no more, since it would hide that.
    pub(crate) fn forget(&self) {
        self.backlog.reset();
        self.oldest_age.reset();
        self.workers.reset();
        self.entries.reset();
        self.bytes.reset();
    }

    pub(crate) fn set_server(&self, server: &ServerInfo) {
        self.capability.reset();
        for (step, command) in &server.commands {
            self.capability.with_label_values(&[step, command]).set(1);
        }
    }
}

/// Registers what was made, with either failure as a configuration error: a bad name, or a name that
/// is taken because two clients or two workers share a registry.
pub(crate) fn register<C: Collector + Clone + 'static>(
    registry: &Registry,
    made: Result<C, prometheus::Error>,
) -> Result<C, ConfigError> {
    made.and_then(|collector| {
        registry.register(Box::new(collector.clone()))?;
        Ok(collector)
    })
    .map_err(refused)
}

#[allow(clippy::needless_pass_by_value, reason = "for map_err")]
pub(crate) fn refused(error: prometheus::Error) -> ConfigError {
    ConfigError::Metrics {
        reason: error.to_string(),
    }
}

fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

//! The settings of a worker.

use std::time::Duration;

use common::trace::Tracer;
use prometheus::Registry;

use super::{
    RedisConfig,
    bounds::{LEAST_RETENTION, MAX_BODY, bytes, count, duration},
};
use crate::{error::ConfigError, keys::StreamNames};

/// The settings of a [`Worker`](crate::Worker).
#[derive(Debug, Clone)]
pub struct WorkerConfig {
    /// Where Redis is.
    pub redis: RedisConfig,
    /// The streams and the group.
    pub names: StreamNames,
    /// How long a delivered request belongs to this worker without a renewal. Work may take longer:
    /// the lease is renewed at a third of it. A dead worker's requests are taken over after one
    /// lease and one sweep, which is a quarter of a lease. Default 10 s, 100 ms at least, a day at
    /// most.
    pub lease: Duration,
    /// How often a request is delivered before it becomes a dead letter. A worker makes one last delivery at
    /// a time, so that requests which died with another one's worker do not become dead letters with it.
    /// Default 3, at least 1.
    pub max_deliveries: u64,
    /// How long a drain waits for work that runs before it hands the rest back. Default 25 s, a day at
    /// most.
    pub drain_timeout: Duration,
    /// Most dead letters kept; the oldest go first. Default 10 000, at least 1.
    pub max_dead_letters: u64,
    /// How long a dedicated reply stream outlives its last reply. Default 60 s, a second at least, a day at
    /// most.
    pub reply_retention: Duration,
    /// Largest reply body in bytes; a larger one is answered as a failure. Default 1 MiB, at most 256 MiB.
    /// It has to get to Redis within the response timeout.
    pub max_body: usize,
    /// Where the worker's metrics are registered; `None` keeps them to itself.
    pub registry: Option<Registry>,
    /// Records spans of requests whose trace is sampled. Default off.
    pub tracer: Tracer,
}

impl WorkerConfig {
    /// The defaults for a Redis at `url` and the given names.
    pub fn new(url: impl Into<String>, names: StreamNames) -> Self {
        Self {
            redis: RedisConfig::new(url),
            names,
            lease: Duration::from_secs(10),
            max_deliveries: 3,
            drain_timeout: Duration::from_secs(25),
            max_dead_letters: 10_000,
            reply_retention: Duration::from_secs(60),
            max_body: 1 << 20,
            registry: None,
            tracer: Tracer::default(),
        }
    }

    /// Whether every setting is within its bounds and they hold together. [`Worker::connect`](crate::Worker::connect)
    /// asks this too; a program may want to know before it opens anything.
    ///
    /// # Errors
    ///
    /// The first setting that does not.
    pub fn validate(&self) -> Result<(), ConfigError> {
        self.redis.validate()?;
        self.names.validate()?;
        duration("lease", self.lease, Duration::from_millis(100))?;
        duration("drain_timeout", self.drain_timeout, Duration::ZERO)?;
        count("max_deliveries", self.max_deliveries)?;
        count("max_dead_letters", self.max_dead_letters)?;
        bytes("max_body", self.max_body as u64, 1, MAX_BODY)?;
        duration("reply_retention", self.reply_retention, LEAST_RETENTION)
    }
}

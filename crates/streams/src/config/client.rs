//! The settings of a client.

use std::time::Duration;

use common::trace::Tracer;
use prometheus::Registry;

use super::{
    RedisConfig,
    bounds::{LEAST_RETENTION, MAX_BODY, bytes, count, duration},
};
use crate::{error::ConfigError, keys::StreamNames};

/// Where the replies of one client go. The worker follows the request; it has no such setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ReplyStream {
    /// All clients read the one response stream and pick out their own. Good for a few instances.
    #[default]
    Shared,
    /// Each client has a stream of its own, so that a reply is read by nobody else. Good for many.
    Dedicated,
}

/// The settings of a [`Client`](crate::Client).
#[derive(Debug, Clone)]
pub struct ClientConfig {
    /// Where Redis is.
    pub redis: RedisConfig,
    /// The streams and the group.
    pub names: StreamNames,
    /// One reply stream for all clients or one for each. Default shared.
    pub reply_stream: ReplyStream,
    /// Most requests waiting in this client at once; more are refused. Default 10 000, at least 1.
    pub max_in_flight: usize,
    /// Most requests outstanding on the request stream, of all clients together; more are refused.
    /// Each client checks it against the length it saw last, so that N clients that write at the same
    /// moment may overshoot by what they have in flight. Default 100 000, at least 1.
    pub max_outstanding: u64,
    /// Most requests on the request stream while the service rate is unknown: no worker lives, or
    /// none has finished anything yet. Default 1 000, at least 1.
    pub unknown_rate_quota: u64,
    /// How long an admitted request may wait to be written to Redis before it is given up as
    /// unavailable, its deadline permitting. Default 5 s, 10 ms at least, a day at most.
    pub send_timeout: Duration,
    /// How long replies are kept. A client that was paused for longer misses replies. Default 60 s,
    /// a second at least, a day at most.
    pub reply_retention: Duration,
    /// Most bytes that the reply stream may take, older replies go first. Default 64 MiB, 64 KiB at
    /// least.
    pub reply_bytes: u64,
    /// Largest request body in bytes. Default 1 MiB, at most 256 MiB. It has to get to Redis within the
    /// response timeout.
    pub max_body: usize,
    /// Where the client's metrics are registered; `None` keeps them to itself.
    pub registry: Option<Registry>,
    /// Records spans of requests whose trace is sampled. Default off.
    pub tracer: Tracer,
}

impl ClientConfig {
    /// The defaults for a Redis at `url` and the given names.
    pub fn new(url: impl Into<String>, names: StreamNames) -> Self {
        Self {
            redis: RedisConfig::new(url),
            names,
            reply_stream: ReplyStream::Shared,
            max_in_flight: 10_000,
            max_outstanding: 100_000,
            unknown_rate_quota: 1_000,
            send_timeout: Duration::from_secs(5),
            reply_retention: Duration::from_secs(60),
            reply_bytes: 64 << 20,
            max_body: 1 << 20,
            registry: None,
            tracer: Tracer::default(),
        }
    }

    /// Whether every setting is within its bounds and they hold together. [`Client::connect`](crate::Client::connect)
    /// asks this too; a program may want to know before it opens anything.
    ///
    /// # Errors
    ///
    /// The first setting that does not.
    pub fn validate(&self) -> Result<(), ConfigError> {
        self.redis.validate()?;
        self.names.validate()?;
        count("max_in_flight", self.max_in_flight as u64)?;
        count("max_outstanding", self.max_outstanding)?;
        count("unknown_rate_quota", self.unknown_rate_quota)?;
        bytes("max_body", self.max_body as u64, 1, MAX_BODY)?;
        let least = Duration::from_millis(10);
        duration("send_timeout", self.send_timeout, least)?;
        duration("reply_retention", self.reply_retention, LEAST_RETENTION)?;
        bytes("reply_bytes", self.reply_bytes, 64 << 10, u64::MAX)
    }
}

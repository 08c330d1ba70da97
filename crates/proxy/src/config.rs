//! The settings of the proxy. What contradicts itself is refused before anything is opened; what only the
//! engine can judge, before anything is served.

mod provider;

use std::{net::SocketAddr, time::Duration};

use clap::{Args, Parser};
use common::trace::Tracer;
use prometheus::Registry;
use service::settings::{
    Drain, Http, Log, Redis, Streams, Traces, address, count, positive_duration, refused_by_engine,
};
use streams::WorkerConfig;

pub use provider::{ProviderKind, ProviderSettings};

/// Serves weather requests from a Redis stream with a bounded number of terminals.
#[derive(Debug, Clone, Parser)]
#[command(name = "proxy", version)]
pub struct Config {
    /// Where /terminals, /swagger, /health and /metrics are served
    #[arg(long, env, default_value = "127.0.0.1:5010", value_parser = address)]
    pub listen: SocketAddr,
    /// The work.
    #[command(flatten)]
    pub work: Work,
    /// Where the weather comes from.
    #[command(flatten)]
    pub provider: ProviderSettings,
    /// Where Redis is.
    #[command(flatten)]
    pub redis: Redis,
    /// What the streams are called.
    #[command(flatten)]
    pub streams: Streams,
    /// The bounds of the HTTP server.
    #[command(flatten)]
    pub http: Http,
    /// How the proxy leaves.
    #[command(flatten)]
    pub drain: Drain,
    /// What is logged.
    #[command(flatten)]
    pub log: Log,
    /// What is recorded of requests.
    #[command(flatten)]
    pub traces: Traces,
}

/// How much work is done at a time, and what happens to work that is not finished.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Work")]
pub struct Work {
    /// Requests served at a time
    #[arg(long, env, default_value = "5", value_parser = terminals)]
    pub terminals: u32,
    /// How long a request belongs to this proxy without a sign of life; renewed while work runs
    #[arg(long, env, default_value = "10s", value_parser = positive_duration)]
    pub lease: Duration,
    /// How often a request is delivered before it becomes a dead letter
    #[arg(long, env, default_value = "3", value_parser = count)]
    pub max_deliveries: u32,
    /// How long the reply stream of a single ingress outlives its last reply
    #[arg(long, env, default_value = "60s", value_parser = positive_duration)]
    pub reply_retention: Duration,
}

impl Config {
    /// Settings that contradict each other or that the engine does not accept, in one line that names them.
    pub fn check(&self) -> Result<(), String> {
        self.provider.check()?;
        self.redis.check()?;
        self.traces.check()?;
        self.worker(&Registry::new(), Tracer::default())
            .validate()
            .map_err(|error| refused_by_engine(&error))
    }

    /// These settings as the engine takes them.
    pub(crate) fn worker(&self, registry: &Registry, tracer: Tracer) -> WorkerConfig {
        WorkerConfig {
            redis: self.redis.config(),
            lease: self.work.lease,
            max_deliveries: u64::from(self.work.max_deliveries),
            reply_retention: self.work.reply_retention,
            drain_timeout: self.drain.drain_timeout,
            registry: Some(registry.clone()),
            tracer,
            ..WorkerConfig::new("", self.streams.names())
        }
    }
}

/// Each terminal takes some memory from the start; more than this is a slip of the finger.
const MOST_TERMINALS: u32 = 100_000;

fn terminals(text: &str) -> Result<u32, String> {
    match count(text)? {
        terminals @ ..=MOST_TERMINALS => Ok(terminals),
        _ => Err(format!("is more than {MOST_TERMINALS} terminals")),
    }
}

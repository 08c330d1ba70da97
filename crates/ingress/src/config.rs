//! The settings of the ingress.

use std::{net::SocketAddr, time::Duration};

use clap::{Args, Parser, ValueEnum};
use common::trace::Tracer;
use prometheus::Registry;
use service::settings::{
    Drain, Http, Log, Redis, Streams, Traces, address, bytes, count, positive_duration,
    refused_by_engine,
};
use streams::{ClientConfig, ReplyStream};

/// Answers weather requests over HTTP by way of a Redis stream.
#[derive(Debug, Clone, Parser)]
#[command(name = "ingress", version)]
pub struct Config {
    /// Where callers are served, with /swagger, /health and /metrics beside them
    #[arg(long, env, default_value = "127.0.0.1:5009", value_parser = address)]
    pub listen: SocketAddr,
    /// The bounds of requests.
    #[command(flatten)]
    pub requests: Requests,
    /// Where Redis is.
    #[command(flatten)]
    pub redis: Redis,
    /// What the streams are called.
    #[command(flatten)]
    pub streams: Streams,
    /// The bounds of the HTTP server.
    #[command(flatten)]
    pub http: Http,
    /// How the ingress leaves.
    #[command(flatten)]
    pub drain: Drain,
    /// What is logged.
    #[command(flatten)]
    pub log: Log,
    /// What is recorded of requests.
    #[command(flatten)]
    pub traces: Traces,
}

/// How many requests are let in, and for how long.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Requests")]
pub struct Requests {
    /// How long a request may take in all; a caller's Prefer: wait=N can shorten it
    #[arg(long, env, default_value = "30s", value_parser = positive_duration)]
    pub request_timeout: Duration,
    /// How long a request body may take to arrive
    #[arg(long, env, default_value = "10s", value_parser = positive_duration)]
    pub body_timeout: Duration,
    /// Largest request body
    #[arg(long, env, default_value = "16KiB", value_parser = bytes)]
    pub max_body: usize,
    /// Most requests waiting in this process; more are refused with 503
    #[arg(long, env, default_value = "10000", value_parser = count)]
    pub max_in_flight: u32,
    /// Most requests on the request stream, of all ingresses together; more are refused with 503
    #[arg(long, env, default_value = "100000", value_parser = count)]
    pub max_outstanding: u32,
    /// shared: all ingresses read the one response stream; dedicated: each has one of its own
    #[arg(long, env, default_value = "shared")]
    pub reply_stream: ReplyStreamChoice,
    /// How long replies are kept; an ingress that was paused for longer misses replies
    #[arg(long, env, default_value = "60s", value_parser = positive_duration)]
    pub reply_retention: Duration,
}

/// Where replies go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ReplyStreamChoice {
    /// One stream for all ingresses.
    Shared,
    /// One stream for each ingress.
    Dedicated,
}

impl Config {
    /// Settings that contradict each other or that the engine does not accept, in one line that names them.
    pub fn check(&self) -> Result<(), String> {
        self.redis.check()?;
        self.traces.check()?;
        self.client(&Registry::new(), Tracer::default())
            .validate()
            .map_err(|error| refused_by_engine(&error))
    }

    /// These settings as the engine takes them.
    pub(crate) fn client(&self, registry: &Registry, tracer: Tracer) -> ClientConfig {
        ClientConfig {
            redis: self.redis.config(),
            reply_stream: match self.requests.reply_stream {
                ReplyStreamChoice::Shared => ReplyStream::Shared,
                ReplyStreamChoice::Dedicated => ReplyStream::Dedicated,
            },
            max_in_flight: self.requests.max_in_flight as usize,
            max_outstanding: u64::from(self.requests.max_outstanding),
            reply_retention: self.requests.reply_retention,
            registry: Some(registry.clone()),
            tracer,
            ..ClientConfig::new("", self.streams.names())
        }
    }
}

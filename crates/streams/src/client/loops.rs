//! The start of a client, and its background loops: the reply reader, the writer and the observer.

use std::{
    sync::{Arc, Mutex, atomic::AtomicU64},
    time::Duration,
};

use common::{breaker::CircuitBreaker, retry::RetryBudget};
use tokio::{sync::watch, task::AbortHandle, time::Instant};

use super::{
    admission::Admission,
    metrics::ClientMetrics,
    observer::Observer,
    outbox::Outbox,
    policy::{BREAKER, RETRY_CAPACITY, RETRY_RESERVE},
    replies::{self, Displaced, ReplyReader},
    shared::Shared,
    waiting::Waiting,
    writer::Writer,
};
use crate::{
    config::{ClientConfig, ReplyStream},
    error::{ConfigError, Fault},
    instance::instance,
    link::Link,
    status::Status,
    wire::{Connector, ReplyStreamReader},
};

/// The background loops; they end with this.
pub(super) struct Loops(Vec<AbortHandle>);

pub(super) fn start(config: ClientConfig) -> Result<(Arc<Shared>, Loops), ConfigError> {
    let registry = config.registry.clone().unwrap_or_default();
    let instance = instance();
    let connector = Connector::new(config.redis.clone(), &instance);
    let reply_stream = match config.reply_stream {
        ReplyStream::Shared => config.names.responses.clone(),
        ReplyStream::Dedicated => config.names.dedicated_responses(&instance),
    };
    let metrics = ClientMetrics::register(&registry)?;
    let breaker = CircuitBreaker::new("redis", BREAKER).map_err(ConfigError::Breaker)?;
    breaker
        .register_metrics(&registry)
        .map_err(|error| ConfigError::Metrics {
            reason: error.to_string(),
        })?;
    let shared = Arc::new(Shared {
        admission: Admission::new(
            config.max_in_flight,
            config.max_outstanding,
            config.unknown_rate_quota,
        ),
        names: config.names,
        reply_stream,
        send_timeout: config.send_timeout,
        max_body: config.max_body,
        waiting: Waiting::default(),
        outbox: Outbox::default(),
        breaker: breaker.clone(),
        status: Arc::new(Status::new(&["reader", "observer"])),
        metrics,
        asked: AtomicU64::new(0),
        server: Mutex::default(),
        observation: Mutex::default(),
    });
    let link = |part, block| {
        Link::new(
            part,
            block,
            &connector,
            &shared.status,
            &shared.metrics.links,
        )
    };
    let (in_place, reader_in_place) = watch::channel(Err(Displaced {
        fault: Fault::Disconnected,
        since: Instant::now(),
    }));
    let reader = ReplyReader {
        shared: Arc::clone(&shared),
        link: link("reader", replies::BLOCK),
        reader: ReplyStreamReader::new(shared.reply_stream.clone()),
        in_place,
    };
    let writer = Writer {
        shared: Arc::clone(&shared),
        link: link("writer", Duration::ZERO),
        breaker: breaker.clone(),
        budget: RetryBudget::new(RETRY_RESERVE, RETRY_CAPACITY),
        reader: reader_in_place,
    };
    let observer = Observer {
        shared: Arc::clone(&shared),
        link: link("observer", Duration::ZERO),
        breaker,
        reply_retention: config.reply_retention,
        reply_bytes: config.reply_bytes,
    };
    let loops = Loops(vec![
        tokio::spawn(reader.run()).abort_handle(),
        tokio::spawn(writer.run()).abort_handle(),
        tokio::spawn(observer.run()).abort_handle(),
    ]);
    Ok((shared, loops))
}

impl Loops {
    pub(super) fn end(&self) {
        for running in &self.0 {
            running.abort();
        }
    }
}

impl Drop for Loops {
    fn drop(&mut self) {
        self.end();
    }
}

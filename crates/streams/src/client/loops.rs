//! The start of a client, and its background loops: the reply reader, the writer, the observer, and those that follow
//! the primary and measure how far the process is behind.
//!
//! None of them ends on its own. One that panics all the same would leave every caller waiting, so that it
//! closes the client: callers are told at once, and so is whoever asks for readiness.

use std::sync::{Arc, Mutex, atomic::AtomicU64};

use common::{breaker::CircuitBreaker, retry::RetryBudget, telemetry::panic_text};
use tokio::{
    sync::watch,
    task::{AbortHandle, JoinSet},
    time::Instant,
};

use super::{
    admission::Admission,
    lag,
    metrics::ClientMetrics,
    observer::Observer,
    outbox::{self, Outbox},
    policy::{BREAKER, RETRY_CAPACITY, RETRY_RESERVE},
    replies::{self, Displaced, ReplyReader},
    shared::Shared,
    waiting::Waiting,
    writer::Writer,
};
use crate::{
    config::{ClientConfig, ReplyStream},
    error::{ConfigError, Fault},
    follow::follow,
    instance::instance,
    link::Link,
    read_limit::ReadLimit,
    status::Status,
    trace::Traces,
    wire::{Connector, ReplyStreamReader},
    write_limit::WriteLimit,
};

/// The background loops; they end with this.
pub(super) struct Loops(AbortHandle);

/// Starts a client with these settings, which hold together.
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
        traces: Traces::new(config.tracer, config.names.clone()),
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
    let link = |part| Link::new(part, &connector, &shared.status, &shared.metrics.links);
    let (in_place, reader_in_place) = watch::channel(Err(Displaced {
        fault: Fault::Disconnected,
        since: Instant::now(),
    }));
    let reader = ReplyReader {
        shared: Arc::clone(&shared),
        link: link("reader"),
        reader: ReplyStreamReader::new(shared.reply_stream.clone()),
        limit: ReadLimit::new(replies::MOST),
        in_place,
    };
    let writer = Writer {
        shared: Arc::clone(&shared),
        link: link("writer"),
        breaker: breaker.clone(),
        budget: RetryBudget::new(RETRY_RESERVE, RETRY_CAPACITY),
        limit: WriteLimit::new(outbox::MOST_BYTES),
        reader: reader_in_place,
    };
    let observer = Observer {
        shared: Arc::clone(&shared),
        link: link("observer"),
        breaker,
        reply_retention: config.reply_retention,
        reply_bytes: config.reply_bytes,
    };
    let mut loops = JoinSet::new();
    loops.spawn(reader.run());
    loops.spawn(writer.run());
    loops.spawn(observer.run());
    loops.spawn(lag::run(Arc::clone(&shared)));
    loops.spawn(follow(
        connector.clone(),
        Arc::clone(&shared.status),
        shared.metrics.links.failovers.clone(),
    ));
    let watching = tokio::spawn(watch_over(Arc::clone(&shared), loops));
    Ok((shared, Loops(watching.abort_handle())))
}

/// Holds the loops as long as all of them run.
async fn watch_over(shared: Arc<Shared>, mut loops: JoinSet<()>) {
    // A runtime that shuts down cancels them; then there is nothing to tell.
    if let Some(Err(ended)) = loops.join_next().await
        && let Ok(panic) = ended.try_into_panic()
    {
        tracing::error!(
            panic = panic_text(&*panic),
            "a loop of the client panicked, which is a bug; the client is closed"
        );
        shared.close();
    }
}

impl Loops {
    pub(super) fn end(&self) {
        self.0.abort();
    }
}

impl Drop for Loops {
    fn drop(&mut self) {
        self.end();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{error::RequestError, health::NotReady, keys::StreamNames};

    #[tokio::test]
    async fn a_loop_that_panics_closes_the_client() {
        let names = StreamNames::for_service("test");
        let config = ClientConfig::new("redis://127.0.0.1:1", names);
        let (shared, _loops) = start(config).expect("valid");
        let waiting = shared.waiting.park(uuid::Uuid::now_v7()).expect("free");
        let mut loops = JoinSet::new();
        loops.spawn(std::future::pending());
        loops.spawn(async { panic!("a bug") });
        watch_over(Arc::clone(&shared), loops).await;
        shared.status.closed().await;
        assert_eq!(shared.status.readiness(), Err(NotReady::Closed));
        assert_eq!(waiting.await, Ok(Err(RequestError::Closed)));
    }
}

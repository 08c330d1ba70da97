//! What the loops of a worker share.

use std::{
    fmt,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use common::telemetry::LogThrottle;
use tokio::time::Instant;

use super::{dead_letters::Cause, finished::SettleQueue, metrics::WorkerMetrics, running::Running};
use crate::{
    clock::RedisClock,
    config::WorkerConfig,
    error::ConfigError,
    health::ServerInfo,
    instance::instance,
    link::Link,
    mutex::lock,
    status::Status,
    trace::Traces,
    wire::{Connector, Group, Observation},
};

/// Dead letters of one cause are logged once in this time; each is on its stream.
const BURIAL_LOG_PERIOD: Duration = Duration::from_secs(1);

pub(super) struct Core {
    pub group: Group,
    pub max_deliveries: u64,
    pub max_dead_letters: u64,
    pub max_body: usize,
    pub reply_retention: Duration,
    pub drain_timeout: Duration,
    pub connector: Connector,
    pub status: Arc<Status>,
    pub metrics: WorkerMetrics,
    pub traces: Traces,
    pub running: Arc<Running>,
    pub settle: SettleQueue,
    /// Shared by all burials.
    pub dead_letters: tokio::sync::Mutex<Link>,
    pub buried: Mutex<LogThrottle<Cause>>,
    pub clock: Mutex<RedisClock>,
    /// Set when serving begins.
    pub terminals: AtomicUsize,
    pub draining: AtomicBool,
    pub server: Mutex<Option<ServerInfo>>,
    pub observation: Mutex<Option<Observation>>,
}

impl Core {
    /// The core of a worker that does not serve yet.
    pub(super) fn new(config: WorkerConfig) -> Result<Self, ConfigError> {
        config.validate()?;
        let registry = config.registry.unwrap_or_default();
        let consumer = instance();
        let connector = Connector::new(config.redis, &consumer);
        let metrics = WorkerMetrics::register(&registry)?;
        let traces = Traces::new(config.tracer, config.names.clone());
        let running = Running::new(config.lease, metrics.in_hand.clone());
        let status = Arc::new(Status::new(&["fetch"]));
        let dead_letters = Link::new("dead-letters", &connector, &status, &metrics.links);
        Ok(Self {
            group: Group {
                names: config.names,
                consumer,
                lease: config.lease,
            },
            max_deliveries: config.max_deliveries,
            max_dead_letters: config.max_dead_letters,
            max_body: config.max_body,
            reply_retention: config.reply_retention,
            drain_timeout: config.drain_timeout,
            connector,
            status,
            metrics,
            traces,
            running: Arc::new(running),
            settle: SettleQueue::default(),
            dead_letters: tokio::sync::Mutex::new(dead_letters),
            buried: Mutex::new(LogThrottle::new(BURIAL_LOG_PERIOD)),
            clock: Mutex::new(RedisClock::new()),
            terminals: AtomicUsize::new(0),
            draining: AtomicBool::new(false),
            server: Mutex::default(),
            observation: Mutex::default(),
        })
    }

    pub(super) fn link(&self, part: &'static str) -> Link {
        Link::new(part, &self.connector, &self.status, &self.metrics.links)
    }

    pub(super) fn terminals(&self) -> usize {
        self.terminals.load(Ordering::Relaxed)
    }

    pub(super) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    /// Until when an entry that needs no reply is tried to be acknowledged.
    pub(super) fn settle_by(&self) -> Instant {
        Instant::now() + self.group.lease
    }

    /// The group was missing and was made, `again` if there had been one.
    pub(super) fn made_group(&self, again: bool) {
        let group = &self.group.names.group;
        if again {
            self.metrics.groups_created.inc();
            tracing::warn!(
                group,
                "the consumer group was lost; created it again, from the start of the stream"
            );
        } else {
            tracing::info!(group, "created the consumer group");
        }
    }

    pub(super) fn saw_server(&self, server: &ServerInfo) {
        let known = lock(&self.server).replace(server.clone());
        if known.as_ref() != Some(server) {
            tracing::info!(
                server = server.server,
                version = server.version,
                commands = ?server.commands,
                consumer = self.group.consumer,
                "connected to Redis"
            );
            self.metrics.streams.set_server(server);
        }
    }
}

impl fmt::Debug for Core {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Core")
            .field("group", &self.group)
            .finish_non_exhaustive()
    }
}

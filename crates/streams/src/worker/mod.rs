//! The worker: takes requests from the stream, runs a handler on each, and answers.
//!
//! The rooms: [`fetch`] takes what it has free terminals for; [`work`] is the story of one entry;
//! [`running`] knows what is in hand and until when; [`lease`] renews, on a thread of its own; [`settle`]
//! replies, deletes and acknowledges; [`dead_letters`] takes what cannot be worked on; [`janitor`] keeps
//! house; [`drain`] ends it all in order.

mod dead_letters;
mod drain;
mod fetch;
mod janitor;
mod lease;
mod metrics;
mod running;
mod settle;
mod work;

use std::{
    fmt,
    future::Future,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use common::telemetry::LogThrottle;
use futures_util::{FutureExt, future::BoxFuture};
use tokio::{
    sync::{Semaphore, watch},
    task::AbortHandle,
    time::Instant,
};
use uuid::Uuid;

use self::{
    dead_letters::Cause, fetch::Fetch, metrics::WorkerMetrics, running::Running,
    settle::SettleQueue,
};
use crate::{
    clock::RedisClock,
    config::WorkerConfig,
    error::{ConfigError, Failure, WorkerError},
    health::{NotReady, ServerInfo, WorkerHealth},
    link::Link,
    lock,
    status::Status,
    wire::{Connector, Group, Observation},
};

/// Dead letters of one cause are logged once in this time; each is on its stream.
const BURIAL_LOG_PERIOD: Duration = Duration::from_secs(1);

/// One delivery of a request to a handler.
#[derive(Debug, Clone)]
pub struct Request {
    /// The correlation id.
    pub id: Uuid,
    /// What the caller sent.
    pub body: Bytes,
    /// The media type of the body, if the caller named one.
    pub content_type: Option<String>,
    /// The W3C trace context, if the caller sent one.
    pub traceparent: Option<String>,
    /// When the caller stops waiting; the handler is cut then.
    pub deadline: Instant,
    /// How long the request waited on the stream, on Redis's clock.
    pub queued: Duration,
    /// How often it was delivered, this delivery included. Above 1, its work may have been done before.
    pub deliveries: u64,
}

/// How a drain ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drained {
    /// Requests handed back to the group because they did not finish in time.
    pub handed_back: usize,
    /// Whether the consumer was deleted. It is not while something is pending for it; other workers delete it
    /// later.
    pub consumer_deleted: bool,
}

/// Serves requests with a bounded number of terminals.
#[derive(Debug)]
pub struct Worker {
    core: Arc<Core>,
}

/// A view of a worker that stays valid while it serves and after. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Monitor {
    core: Arc<Core>,
}

type Handler = Arc<dyn Fn(Request) -> BoxFuture<'static, Result<Bytes, Failure>> + Send + Sync>;

/// What the loops share.
struct Core {
    group: Group,
    max_deliveries: u64,
    max_dead_letters: u64,
    max_body: usize,
    reply_retention: Duration,
    drain_timeout: Duration,
    connector: Connector,
    status: Arc<Status>,
    metrics: WorkerMetrics,
    running: Arc<Running>,
    settle: SettleQueue,
    /// Shared by all burials.
    dead_letters: tokio::sync::Mutex<Link>,
    buried: Mutex<LogThrottle<Cause>>,
    clock: Mutex<RedisClock>,
    /// Set when serving begins.
    terminals: AtomicUsize,
    draining: AtomicBool,
    server: Mutex<Option<ServerInfo>>,
    observation: Mutex<Option<Observation>>,
}

impl Worker {
    /// Makes a worker. Nothing is taken from the stream before [`serve`](Self::serve).
    ///
    /// # Errors
    ///
    /// Only for settings that contradict each other; Redis need not be reachable.
    #[allow(clippy::unused_async, reason = "symmetric to Client::connect")]
    pub async fn connect(config: WorkerConfig) -> Result<Self, ConfigError> {
        config.validate()?;
        let registry = config.registry.unwrap_or_default();
        let consumer = crate::instance();
        let connector = Connector::new(config.redis, &consumer);
        let metrics = WorkerMetrics::register(&registry)?;
        let running = Running::new(config.lease, metrics.in_hand.clone());
        let status = Arc::new(Status::new(&["fetch"]));
        let dead_letters = Link::new(
            "dead-letters",
            Duration::ZERO,
            &connector,
            &status,
            &metrics.links,
        );
        let core = Core {
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
            running: Arc::new(running),
            settle: SettleQueue::default(),
            dead_letters: tokio::sync::Mutex::new(dead_letters),
            buried: Mutex::new(LogThrottle::new(BURIAL_LOG_PERIOD)),
            clock: Mutex::new(RedisClock::new()),
            terminals: AtomicUsize::new(0),
            draining: AtomicBool::new(false),
            server: Mutex::default(),
            observation: Mutex::default(),
        };
        Ok(Self {
            core: Arc::new(core),
        })
    }

    /// A view for health checks.
    pub fn monitor(&self) -> Monitor {
        Monitor {
            core: Arc::clone(&self.core),
        }
    }

    /// Serves requests, `terminals` at a time, until `shutdown` resolves; then drains: what runs may
    /// finish within the drain time, the rest is handed back to the group.
    ///
    /// The handler's future is dropped when its request's deadline passes and when the drain time is
    /// over. A handler that panics is answered as such and costs nothing else. One that blocks its
    /// thread cannot be cut, but keeps its lease.
    ///
    /// # Errors
    ///
    /// Only when it cannot begin: no terminals, or no thread for the leases. No fault of Redis ends it.
    pub async fn serve<H, F, B>(
        self,
        terminals: usize,
        handler: H,
        shutdown: impl Future<Output = ()>,
    ) -> Result<Drained, WorkerError>
    where
        H: Fn(Request) -> F + Send + Sync + 'static,
        F: Future<Output = Result<B, Failure>> + Send + 'static,
        B: Into<Bytes>,
    {
        let core = self.core;
        if terminals == 0 || terminals > Semaphore::MAX_PERMITS {
            return Err(ConfigError::NoTerminals.into());
        }
        core.terminals.store(terminals, Ordering::Relaxed);
        let handler: Handler = Arc::new(move |request| {
            let reply = handler(request);
            async move { reply.await.map(Into::into) }.boxed()
        });
        let (stop_fetch, stop) = watch::channel(false);
        let (stop_lease, lease_stops) = watch::channel(false);
        let (client_id, reading) = watch::channel(None);
        let fetch = Fetch {
            core: Arc::clone(&core),
            handler,
            link: core.link("fetch", fetch::MAX_BLOCK),
            terminals: Arc::new(Semaphore::new(terminals)),
            stop,
            client_id,
            group_missing: false,
            group_seen: false,
            next_sweep: Instant::now(),
            last_chance: None,
        };
        let lease = lease::spawn(Arc::clone(&core), lease_stops).map_err(WorkerError::Thread)?;
        let fetch = tokio::spawn(fetch.run());
        let settle = tokio::spawn(settle::run(
            Arc::clone(&core),
            core.link("settle", Duration::ZERO),
        ));
        let janitor = tokio::spawn(janitor::run(
            Arc::clone(&core),
            core.link("janitor", Duration::ZERO),
        ));
        let loops = Loops {
            core: Arc::clone(&core),
            handles: [
                fetch.abort_handle(),
                settle.abort_handle(),
                janitor.abort_handle(),
            ],
        };

        shutdown.await;
        core.draining.store(true, Ordering::Relaxed);
        tracing::info!(
            in_hand = core.running.len(),
            "draining: no new work is taken"
        );
        stop_fetch.send_replace(true);
        let mut link = core.link("drain", Duration::ZERO);
        let finished = drain::finish(&core, &mut link, fetch, reading, core.drain_timeout).await;
        drop(loops);
        stop_lease.send_replace(true);
        // Ends at its next await, which is at once. A renewal after the hand-back would take it back.
        let _ = tokio::task::spawn_blocking(|| lease.join()).await;
        let drained = drain::say_goodbye(&core, &mut link).await;
        tracing::info!(
            handed_back = drained.handed_back,
            consumer_deleted = drained.consumer_deleted,
            in_time = finished,
            "drained"
        );
        Ok(drained)
    }
}

impl Monitor {
    /// Whether requests are being taken: Redis answers, the group is in place, and it is not draining.
    ///
    /// # Errors
    ///
    /// The first thing that is in the way.
    pub fn readiness(&self) -> Result<(), NotReady> {
        if self.core.is_draining() {
            return Err(NotReady::Draining);
        }
        self.core.status.readiness()
    }

    /// Resolves when requests are being taken, for the first time or again.
    pub async fn ready(&self) {
        self.core.status.ready().await;
    }

    /// The state of every part.
    pub fn health(&self) -> WorkerHealth {
        let core = &*self.core;
        let observation = lock(&core.observation).clone();
        WorkerHealth {
            server: lock(&core.server).clone(),
            consumer: core.group.consumer.clone(),
            group: core.group.names.group.clone(),
            terminals: core.terminals(),
            terminals_active: core.running.len(),
            lease: core.group.lease,
            backlog: observation.as_ref().map(|seen| seen.backlog),
            workers: observation.map(|seen| seen.workers).unwrap_or_default(),
            faults: core.status.faults(),
        }
    }
}

impl Core {
    fn link(&self, part: &'static str, block: Duration) -> Link {
        Link::new(
            part,
            block,
            &self.connector,
            &self.status,
            &self.metrics.links,
        )
    }

    fn terminals(&self) -> usize {
        self.terminals.load(Ordering::Relaxed)
    }

    fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    /// Until when an entry that needs no reply is tried to be acknowledged.
    fn settle_by(&self) -> Instant {
        Instant::now() + self.group.lease
    }

    /// The group was missing and was made, `again` if there had been one.
    fn made_group(&self, again: bool) {
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

    fn saw_server(&self, server: &ServerInfo) {
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

/// Ends the loops and cuts what runs when the worker ends, also when its future is dropped: then others
/// take the work over once its leases have lapsed, and it must not go on here as well.
struct Loops {
    core: Arc<Core>,
    handles: [AbortHandle; 3],
}

impl Drop for Loops {
    fn drop(&mut self) {
        for running in &self.handles {
            running.abort();
        }
        self.core.running.cut();
        self.core.settle.close();
    }
}

//! The client: sends requests and awaits their replies.
//!
//! The story of one request: [`admission`] lets it in or refuses it; its [`caller`] parks in [`waiting`]
//! *before* anything is sent, so that no reply can come too early; [`outbox`] hands it to the [`writer`],
//! which puts it on the stream together with whatever else is ready; the reply reader in [`replies`]
//! finds its reply and wakes the caller. A caller that leaves before that takes its entry back.

mod admission;
mod caller;
mod metrics;
mod observer;
mod options;
mod outbox;
mod replies;
mod waiting;
mod writer;

use std::{
    fmt,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use common::{
    breaker::{BreakerConfig, CircuitBreaker, State},
    retry::RetryBudget,
};
use tokio::{sync::watch, task::AbortHandle, time::Instant};
use uuid::Uuid;

pub use self::options::Options;
use self::{
    admission::Admission,
    caller::Caller,
    metrics::ClientMetrics,
    observer::Observer,
    outbox::{Outbox, Parcel},
    replies::{Displaced, ReplyReader},
    waiting::Waiting,
    writer::Writer,
};
use crate::{
    config::{ClientConfig, ReplyStream},
    error::{ConfigError, Fault, Refusal, RequestError},
    health::{ClientHealth, NotReady, ServerInfo},
    keys::StreamNames,
    link::Link,
    lock,
    status::Status,
    wire::{Connector, Observation, ReplyStreamReader},
};

/// When a caller is asked to come back after a fault.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Retries that may be made before any request has earned one, and the most that are kept.
const RETRY_RESERVE: u32 = 100;
const RETRY_CAPACITY: u32 = 1_000;

/// The circuit to Redis. A Redis that is back should not be kept waiting for long, and the probe is a single
/// harmless command.
const BREAKER: BreakerConfig = BreakerConfig {
    consecutive_failures: 5,
    failure_ratio: 0.5,
    minimum_calls: 20,
    window: Duration::from_secs(10),
    slow_call: Duration::from_secs(1),
    open_for: Duration::from_millis(500),
    open_for_max: Duration::from_secs(1),
};

/// A worker's answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The request it answers.
    pub id: Uuid,
    /// What the handler returned.
    pub body: Bytes,
    /// How long the request waited on the stream, on Redis's clock.
    pub queue: Duration,
    /// How long the handler took.
    pub work: Duration,
    /// How often the request was delivered, this delivery included. Above 1 the work may have been
    /// done more than once.
    pub deliveries: u64,
}

/// Sends requests and awaits their replies.
///
/// Cheap to clone; all clones share one reply reader and one writer, which end when the last clone is
/// dropped.
#[derive(Clone)]
pub struct Client {
    shared: Arc<Shared>,
    loops: Arc<Loops>,
}

/// What callers and loops share.
struct Shared {
    names: StreamNames,
    reply_stream: String,
    send_timeout: Duration,
    max_body: usize,
    admission: Admission,
    waiting: Waiting,
    outbox: Outbox,
    breaker: CircuitBreaker,
    status: Arc<Status>,
    metrics: ClientMetrics,
    /// Requests asked for, admitted or not.
    asked: AtomicU64,
    server: Mutex<Option<ServerInfo>>,
    observation: Mutex<Option<Observation>>,
}

/// The background loops; they end with this.
struct Loops(Vec<AbortHandle>);

impl Client {
    /// Makes a client and starts its loops on the current tokio runtime.
    ///
    /// Returns at once, whether or not Redis can be reached: the loops keep trying, and requests
    /// wait for them within their send time. [`ready`](Self::ready) waits for the first success.
    ///
    /// # Errors
    ///
    /// Only for settings that contradict each other.
    #[allow(
        clippy::unused_async,
        reason = "the loops need a runtime, and an async fn can only run on one"
    )]
    pub async fn connect(config: ClientConfig) -> Result<Self, ConfigError> {
        config.validate()?;
        let registry = config.registry.clone().unwrap_or_default();
        let instance = crate::instance();
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
        Ok(Self {
            shared,
            loops: Arc::new(loops),
        })
    }

    /// Sends one request and awaits its reply.
    ///
    /// Dropping the future takes the request back: what still lies on the stream is deleted, and a
    /// reply that comes all the same is counted and dropped.
    ///
    /// # Errors
    ///
    /// [`RequestError`] tells apart what was refused, what could not be sent, what was sent and not answered
    /// in time, and what the worker answered in place of a reply.
    pub async fn request(
        &self,
        body: impl Into<Bytes>,
        options: Options,
    ) -> Result<Reply, RequestError> {
        let shared = &*self.shared;
        let body = body.into();
        shared.asked.fetch_add(1, Ordering::Relaxed);
        if body.len() > shared.max_body {
            return Err(RequestError::TooLarge {
                size: body.len(),
                max: shared.max_body,
            });
        }
        let _admitted = shared.admit(options.within).inspect_err(|error| {
            if let RequestError::Refused { reason, .. } = error {
                shared
                    .metrics
                    .refused
                    .with_label_values(&[reason.as_str()])
                    .inc();
            }
        })?;
        let now = Instant::now();
        let deadline = now + options.within;
        let id = options.id.unwrap_or_else(Uuid::now_v7);
        let parcel = Parcel {
            id,
            body,
            content_type: options.content_type,
            traceparent: options.traceparent,
            deadline,
            send_by: deadline.min(now + shared.send_timeout),
        };
        Caller::park(shared, id)?.send(parcel).await
    }

    /// Whether requests can be served now: the reply reader is in place, Redis answers and the circuit
    /// is closed.
    ///
    /// # Errors
    ///
    /// The first thing that is in the way.
    pub fn readiness(&self) -> Result<(), NotReady> {
        self.shared.status.readiness()?;
        if self.shared.breaker.state() != State::Closed {
            return Err(NotReady::CircuitOpen);
        }
        // With little traffic it takes long until the circuit opens; one refusal of this kind tells enough.
        match self.shared.write_refusal() {
            Some(fault) => Err(NotReady::Redis(fault)),
            None => Ok(()),
        }
    }

    /// Resolves when the client is connected, for the first time or again.
    pub async fn ready(&self) {
        self.shared.status.ready().await;
    }

    /// The state of every part.
    pub fn health(&self) -> ClientHealth {
        let shared = &*self.shared;
        let observation = lock(&shared.observation).clone();
        ClientHealth {
            server: lock(&shared.server).clone(),
            breaker: shared.breaker.state(),
            reply_stream: shared.reply_stream.clone(),
            in_flight: shared.admission.in_flight(),
            backlog: observation.as_ref().map(|seen| seen.backlog),
            workers: observation.map(|seen| seen.workers).unwrap_or_default(),
            faults: shared.status.faults(),
        }
    }

    /// Requests that wait in this process now.
    pub fn in_flight(&self) -> usize {
        self.shared.admission.in_flight()
    }

    /// Ends the loops of all clones. Requests that still wait get [`RequestError::Closed`].
    pub fn close(&self) {
        self.loops.end();
        self.shared.waiting.close();
    }
}

impl Shared {
    /// Why the last write was refused, if the next one would be as well.
    fn write_refusal(&self) -> Option<Fault> {
        self.status
            .fault_of("writer")
            .filter(|fault| fault.refuses_writes())
    }

    fn admit(&self, budget: Duration) -> Result<admission::Admitted<'_>, RequestError> {
        if self.breaker.state() != State::Closed {
            return Err(RequestError::Refused {
                reason: Refusal::CircuitOpen,
                retry_after: RETRY_AFTER,
            });
        }
        self.admission.admit(budget, self.outbox.unwritten())
    }

    fn saw_server(&self, server: &ServerInfo) {
        let known = lock(&self.server).replace(server.clone());
        if known.as_ref() == Some(server) {
            return;
        }
        tracing::info!(
            server = server.server,
            version = server.version,
            commands = ?server.commands,
            reply_stream = self.reply_stream,
            "connected to Redis"
        );
        if server.may_evict_streams() {
            tracing::warn!(
                policy = server.eviction_policy,
                "Redis may evict the streams when it is full; set maxmemory-policy to noeviction"
            );
        }
        self.metrics.streams.set_server(server);
    }

    /// Changes whenever somebody asked for something.
    fn activity(&self) -> u64 {
        self.asked.load(Ordering::Relaxed)
    }
}

impl Loops {
    fn end(&self) {
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

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("reply_stream", &self.shared.reply_stream)
            .finish_non_exhaustive()
    }
}

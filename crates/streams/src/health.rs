//! What client and worker know of themselves, for readiness checks and for people.

use std::{collections::BTreeMap, fmt, time::Duration};

use common::breaker::State;
use serde::Serialize;

use crate::error::Fault;

/// Why a client or a worker is not ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotReady {
    /// No connection to Redis has been made yet.
    Connecting,
    /// Redis, or the way there, is at fault.
    Redis(Fault),
    /// The circuit to Redis is open.
    CircuitOpen,
    /// It is draining.
    Draining,
    /// It was closed or dropped, or one of its loops panicked, which is a bug. It does not come back.
    Closed,
}

impl fmt::Display for NotReady {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connecting => f.write_str("connecting to Redis"),
            Self::Redis(fault) => fault.fmt(f),
            Self::CircuitOpen => f.write_str("the circuit to Redis is open"),
            Self::Draining => f.write_str("draining"),
            Self::Closed => f.write_str("closed"),
        }
    }
}

/// The server that answered last, and how it is used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ServerInfo {
    /// `redis` or `valkey`.
    pub server: &'static str,
    /// Its version, `8.6.3`.
    pub version: String,
    /// `master` or `slave`, as the server says it.
    pub role: String,
    /// The identity of this server process; it changes with a restart or a failover.
    pub run_id: String,
    /// `maxmemory-policy`. Anything but `noeviction` or a `volatile-…` policy can drop the streams.
    pub eviction_policy: String,
    /// The command chosen for each step, by step: `ack` → `XACKDEL`.
    pub commands: BTreeMap<&'static str, &'static str>,
}

impl ServerInfo {
    /// Whether the eviction policy may drop the streams, which carry no expiry.
    pub fn may_evict_streams(&self) -> bool {
        may_evict_streams(&self.eviction_policy)
    }
}

pub(crate) fn may_evict_streams(eviction_policy: &str) -> bool {
    eviction_policy.starts_with("allkeys")
}

/// The request stream as it was last seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Backlog {
    /// Entries on the stream: all work outstanding.
    pub outstanding: u64,
    /// Entries that a worker has.
    pub pending: u64,
    /// Age of the oldest outstanding entry in milliseconds, on Redis's clock.
    pub oldest_age_ms: u64,
    /// Entries on the dead-letter stream.
    pub dead_letters: u64,
}

impl Backlog {
    /// Entries that no worker has yet.
    pub fn waiting(&self) -> u64 {
        self.outstanding.saturating_sub(self.pending)
    }
}

/// What a living worker announced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WorkerSummary {
    /// Its consumer name.
    pub consumer: String,
    /// How many requests it serves at a time.
    pub terminals: u32,
    /// The hold: how long its latest requests occupied a terminal on average, in microseconds, round trips to
    /// Redis and those cut at their deadline included; 0 while unknown.
    pub hold_us: u64,
    /// Requests it has finished since it started.
    pub served: u64,
}

/// The state of a client.
#[derive(Debug, Clone, Serialize)]
pub struct ClientHealth {
    /// The server, once a connection was made.
    pub server: Option<ServerInfo>,
    /// The circuit to Redis.
    #[serde(serialize_with = "as_display")]
    pub breaker: State,
    /// The reply stream it reads.
    pub reply_stream: String,
    /// Requests that wait in this client.
    pub in_flight: usize,
    /// The request stream, once it was seen.
    pub backlog: Option<Backlog>,
    /// The workers alive.
    pub workers: Vec<WorkerSummary>,
    /// What is at fault now, by part: `reader`, `writer`, `observer` or `sentinels`.
    pub faults: BTreeMap<&'static str, String>,
}

/// The state of a worker.
#[derive(Debug, Clone, Serialize)]
pub struct WorkerHealth {
    /// The server, once a connection was made.
    pub server: Option<ServerInfo>,
    /// Its consumer name, unique to this start.
    pub consumer: String,
    /// The consumer group.
    pub group: String,
    /// How many requests it serves at a time; 0 before it serves.
    pub terminals: usize,
    /// How many it has in hand now, those whose reply is not written yet included.
    pub terminals_active: usize,
    /// The lease in milliseconds.
    #[serde(serialize_with = "as_millis")]
    pub lease: Duration,
    /// The request stream, once it was seen.
    pub backlog: Option<Backlog>,
    /// The workers alive, this one included.
    pub workers: Vec<WorkerSummary>,
    /// What is at fault now, by part: `fetch`, `settle`, `lease`, `janitor`, `dead-letters`, `sentinels`
    /// or `drain`.
    pub faults: BTreeMap<&'static str, String>,
}

fn as_display<T: fmt::Display, S: serde::Serializer>(
    value: &T,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

fn as_millis<S: serde::Serializer>(value: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(u64::try_from(value.as_millis()).unwrap_or(u64::MAX))
}

//! Which figure has which name.

use crate::wire::ServerFigures;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Gauge,
    Counter,
}

/// A metric without labels, and where it is read from.
pub(crate) struct Family {
    pub name: &'static str,
    pub(super) help: &'static str,
    pub(super) kind: Kind,
    pub read: Read,
}

type Read = fn(&ServerFigures) -> Option<f64>;

const fn gauge(name: &'static str, help: &'static str, read: Read) -> Family {
    Family {
        name,
        help,
        kind: Kind::Gauge,
        read,
    }
}

const fn counter(name: &'static str, help: &'static str, read: Read) -> Family {
    Family {
        name,
        help,
        kind: Kind::Counter,
        read,
    }
}

pub(crate) const FAMILIES: &[Family] = &[
    gauge(
        "redis_server_uptime_seconds",
        "Time since the Redis server started.",
        |it| it.uptime,
    ),
    gauge(
        "redis_server_memory_used_bytes",
        "Memory that Redis counts against its bound.",
        |it| it.memory_used,
    ),
    gauge(
        "redis_server_memory_peak_bytes",
        "Most memory used since the server started.",
        |it| it.memory_peak,
    ),
    gauge(
        "redis_server_memory_max_bytes",
        "The bound on memory, maxmemory; 0 is none.",
        |it| it.memory_max,
    ),
    gauge(
        "redis_server_memory_resident_bytes",
        "Memory of the Redis process in RAM.",
        |it| it.memory_resident,
    ),
    gauge(
        "redis_server_clients_connected",
        "Connections of clients to Redis.",
        |it| it.clients_connected,
    ),
    gauge(
        "redis_server_clients_blocked",
        "Clients that wait in a blocking command.",
        |it| it.clients_blocked,
    ),
    gauge(
        "redis_server_clients_max",
        "The bound on connections, maxclients.",
        |it| it.clients_max,
    ),
    gauge(
        "redis_server_replicas_connected",
        "Replicas connected to the server.",
        |it| it.replicas,
    ),
    gauge(
        "redis_server_persistence_failing",
        "1 if the last snapshot, or write or rewrite of the append-only file, failed.",
        |it| it.persistence_failing,
    ),
    gauge(
        "redis_server_aof_enabled",
        "1 if the append-only file is on.",
        |it| it.aof_enabled,
    ),
    gauge(
        "redis_server_save_age_seconds",
        "Time since the last snapshot that succeeded, or since the start.",
        |it| it.save_age,
    ),
    gauge(
        "redis_server_unsaved_changes",
        "Changes since the last snapshot.",
        |it| it.unsaved_changes,
    ),
    gauge(
        "redis_server_eviction_unsafe",
        "1 if the eviction policy may drop the streams when memory is full.",
        |it| it.eviction_unsafe,
    ),
    gauge(
        "redis_server_loading",
        "1 while the server loads its data.",
        |it| it.loading,
    ),
    gauge(
        "redis_server_round_trip_seconds",
        "Time from asking the server for these figures to its answer.",
        |seen| Some(seen.round_trip.as_secs_f64()),
    ),
    counter(
        "redis_server_commands_total",
        "Commands carried out.",
        |it| it.commands,
    ),
    counter(
        "redis_server_connections_total",
        "Connections accepted.",
        |it| it.connections,
    ),
    counter(
        "redis_server_connections_rejected_total",
        "Connections refused because there were too many.",
        |it| it.connections_rejected,
    ),
    counter(
        "redis_server_keyspace_hits_total",
        "Reads of keys that were there.",
        |it| it.keyspace_hits,
    ),
    counter(
        "redis_server_keyspace_misses_total",
        "Reads of keys that were not there.",
        |it| it.keyspace_misses,
    ),
    counter(
        "redis_server_evicted_keys_total",
        "Keys dropped to make room.",
        |it| it.evicted_keys,
    ),
    counter(
        "redis_server_expired_keys_total",
        "Keys that expired.",
        |it| it.expired_keys,
    ),
    counter(
        "redis_server_cpu_seconds_total",
        "Time that the server has run on a CPU, in user and system mode.",
        |it| it.cpu,
    ),
    counter(
        "redis_server_input_bytes_total",
        "Bytes that the server received.",
        |it| it.input_bytes,
    ),
    counter(
        "redis_server_output_bytes_total",
        "Bytes that the server sent.",
        |it| it.output_bytes,
    ),
];

//! Request/reply over Redis Streams.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod client;
mod clock;
mod config;
mod envelope;
mod error;
mod health;
mod keys;
mod link;
mod metrics;
mod status;
mod wire;
mod worker;

use std::sync::{Mutex, MutexGuard, PoisonError};

use uuid::Uuid;

pub use client::{Client, Options, Reply};
pub use config::{ClientConfig, RedisConfig, ReplyStream, WorkerConfig};
pub use error::{ConfigError, Failure, Fault, Party, Refusal, RequestError, WorkerError};
pub use health::{Backlog, ClientHealth, NotReady, ServerInfo, WorkerHealth, WorkerSummary};
pub use keys::StreamNames;
pub use worker::{Drained, Monitor, Request, Worker};

/// Locks a mutex whose data is whole after every statement, so that a panic elsewhere while it was held
/// is no reason to panic here too.
fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A name for this client or worker that no other start of it shares, so that a dead one's work is
/// never mistaken for a living one's. The host's name makes it readable.
fn instance() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let host: String = host
        .trim()
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || *c == '-')
        .take(63)
        .collect();
    let unique = Uuid::now_v7().simple().to_string();
    if host.is_empty() {
        unique
    } else {
        format!("{host}-{unique}")
    }
}

//! The parts against real programs: a real Redis, real processes, real sockets.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod checker;
mod history;
mod http_client;
mod leftovers;
mod load;
mod parent_death;
mod process;
mod raw_connection;
mod recorder;
mod redis_server;
mod sentinels;
mod stub;
mod tcp_impairments;
mod tcp_proxy;
mod tls;

use std::time::Duration;

/// A bound for what takes milliseconds, on a machine that is busy with other things.
const LONG: Duration = Duration::from_secs(30);
/// How long something that must not happen is waited for.
const SHORT: Duration = Duration::from_millis(50);

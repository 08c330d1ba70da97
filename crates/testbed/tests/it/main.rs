//! The parts against real programs: a real Redis, real processes, real sockets.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod parent_death;
mod process;
mod redis_server;

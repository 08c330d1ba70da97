//! The parts that tests are built from: a private Redis, real processes, and the history of what callers saw.
//!
//! Everything here is real: a real server on a loopback port of its own, real processes with real signals. Each
//! part stops and removes what it started when it is dropped; a test that panics keeps its folders and prints
//! where they are, and `TESTBED_KEEP=1` keeps them always. Nothing is shared between tests, so they run in
//! parallel. Linux only: figures come from `/proc`.
//!
//! ```no_run
//! # async fn example() -> anyhow::Result<()> {
//! let redis = testbed::RedisServer::start().await?;
//! redis.command::<()>(&["XADD", "stream", "*", "field", "value"]).await?;
//! redis.kill_hard().await?;
//! redis.start_again().await?;
//! # Ok(())
//! # }
//! ```

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod binary;
mod child;
mod eventually;
mod folder;
mod history;
mod http;
mod leftovers;
mod load;
mod metrics;
mod ports;
mod process;
mod program;
mod redis_server;
mod tcp_proxy;
mod tls;

pub use binary::binary;
pub use eventually::eventually;
pub use folder::Folder;
pub use history::{
    Event, Expectations, History, Invariant, Outcome, Recorder, Summary, Violation, Violations,
    What, check,
};
pub use http::{Answer, Failure, HttpClient, RawConnection};
pub use leftovers::Leftovers;
pub use load::{Load, RunningLoad, Targets};
pub use metrics::{Metrics, Sample};
pub use nix::sys::signal::Signal;
pub use ports::Port;
pub use process::{Process, ProcessBuilder};
pub use redis_server::{RedisServer, RedisServerBuilder, ServerVersion};
pub use tcp_proxy::TcpProxy;
pub use tls::{Certificates, ServerTls};

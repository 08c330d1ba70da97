//! The parts that tests are built from: a private Redis, real processes, and the history of what callers saw.
//!
//! Everything here is real: a real server on a loopback port of its own, real processes with real signals. Each
//! part stops and removes what it started when it is dropped; a test that panics keeps its folders and prints
//! where they are, and `TESTBED_KEEP=1` keeps them always. Nothing is shared between tests, so they run in
//! parallel. Linux only: figures come from `/proc`. Real processes live in real time: none of this goes together
//! with tokio's paused clock.
//!
//! - What runs: [`RedisServer`] and [`Sentinels`], [`Process`] with [`binary()`], [`TcpProxy`] between two of them,
//!   [`Port`], [`Folder`], [`Certificates`].
//! - Who calls: [`Recorder`] and [`Load`]; [`HttpClient`] and [`RawConnection`] where nothing is recorded.
//! - What is decoded: the inputs that fuzzing keeps, by [`each_input()`].
//! - What is judged: [`History`] by [`check`], what Redis did with each entry by [`Ledger`], what is left there by
//!   [`Leftovers`], what services say of themselves by [`Metrics`]; [`eventually()`] waits for what takes a moment.
//! - What figures were measured on: [`machine()`], [`load_average()`].
//!
//! A test that kills Redis under load:
//!
//! ```no_run
//! use std::time::Duration;
//!
//! use testbed::{Expectations, History, Leftovers, Load, Port, Process, Recorder, RedisServer, Targets};
//!
//! # async fn example() -> anyhow::Result<()> {
//! let redis = RedisServer::builder().aof(true).start().await?;
//! let port = Port::reserve()?;
//! let listen = format!("127.0.0.1:{}", port.number());
//! let ingress = Process::builder("ingress-1", testbed::binary("ingress")?)
//!     .env("REDIS_URL", redis.url())
//!     .env("LISTEN", &listen)
//!     .spawn()?;
//! ingress.wait_for_log("listening", Duration::from_secs(10)).await?;
//!
//! let history = History::new();
//! let recorder = Recorder::new(&history, Duration::from_secs(5))?;
//! let targets = Targets::new([format!("http://{listen}")]);
//! let load = Load::Closed { callers: 16 }.start(&recorder, &targets);
//! history.note("redis is killed");
//! redis.kill_hard().await?;
//! redis.start_again().await?;
//! load.stop().await?;
//!
//! let allowed = Expectations::default().allow([503, 504]).min_success(0.5);
//! println!("{}", testbed::check(&history, &allowed)?);
//! Leftovers::read(&redis, "requests", "workers").await?.check(1, 0)?;
//! # Ok(())
//! # }
//! ```

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod binary;
mod collector;
mod eventually;
mod folder;
mod history;
mod http;
mod inputs;
mod ledger;
mod leftovers;
mod load;
mod machine;
mod metrics;
mod not_run;
mod ports;
mod process;
mod program;
mod redis_server;
mod tcp_proxy;
mod tls;

pub use binary::binary;
pub use collector::{Collector, Mood, RecordedSpan};
pub use eventually::eventually;
pub use folder::Folder;
pub use history::{
    Event, Expectations, History, Invariant, Outage, Outcome, Recorder, Summary, Violation,
    Violations, What, check,
};
pub use http::{Answer, Failure, HttpClient, RawConnection};
pub use inputs::each_input;
pub use ledger::{Books, Delivery, End, Entry, Ledger, Names, Reason, Reply};
pub use leftovers::Leftovers;
pub use load::{Load, RunningLoad, Targets};
pub use machine::{load_average, machine};
pub use metrics::{Metrics, Sample};
pub use nix::sys::signal::Signal;
pub use not_run::not_run;
pub use ports::Port;
pub use process::{Process, ProcessBuilder, raise_descriptor_limit};
pub use redis_server::{
    RedisServer, RedisServerBuilder, Sentinels, SentinelsBuilder, ServerVersion, documented_acl,
};
pub use tcp_proxy::{Impairment, TcpProxy, Way};
pub use tls::{Certificates, ServerTls};

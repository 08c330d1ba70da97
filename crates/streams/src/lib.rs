//! Request/reply over Redis Streams: bytes in, bytes out.
//!
//! A [`Client`] puts requests on a stream and awaits the reply to each; a [`Worker`] takes them through a
//! consumer group, runs a handler with a bounded number of *terminals*, and answers. Redis in between
//! keeps what waits, survives either side's crash, and shows the backlog to whoever scales the workers.
//!
//! ```no_run
//! use std::time::Duration;
//! use streams::{Client, ClientConfig, Options, Request, StreamNames, Worker, WorkerConfig};
//!
//! #[tokio::main(flavor = "current_thread")]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let names = StreamNames::for_service("shout");
//!
//!     // The backend, usually a process of its own. Ten requests at a time.
//!     let worker = Worker::connect(WorkerConfig::new("redis://127.0.0.1:6379", names.clone())).await?;
//!     let shutdown = async { let _ = tokio::signal::ctrl_c().await; };
//!     let serving = tokio::spawn(worker.serve(10, shout, shutdown));
//!
//!     // The caller.
//!     let client = Client::connect(ClientConfig::new("redis://127.0.0.1:6379", names)).await?;
//!     let reply = client.request("hello", Options::within(Duration::from_secs(5))).await?;
//!     assert_eq!(&reply.body[..], b"HELLO");
//!
//!     serving.await??;
//!     Ok(())
//! }
//!
//! async fn shout(request: Request) -> Result<Vec<u8>, streams::Failure> {
//!     Ok(request.body.to_ascii_uppercase())
//! }
//! ```
//!
//! # What is guaranteed
//!
//! - A caller gets exactly one answer: a [`Reply`], or a [`RequestError`], no later than its deadline. As long
//!   as request ids are unique, it never gets another caller's reply, and never two.
//! - A request that Redis has taken is worked on *at least once* while its deadline has not passed, as long
//!   as a worker lives. If a worker dies, another takes its requests over after one lease and one sweep.
//! - Work is not started for a caller who is known to have left or whose deadline has passed. The deadline
//!   is counted on Redis's clock, so hosts with skewed clocks agree.
//! - Work that takes longer than a lease is not run twice for that: its lease is renewed while it runs.
//! - A worker takes no more requests than it has free terminals. What waits stays on the stream, where
//!   any worker can take it: `XLEN` is the work outstanding, `XLEN` minus pending the backlog.
//! - Nothing is trimmed off the request stream. A full stream refuses new work.
//! - Every wait has a deadline; every queue, map and stream has a bound.
//!
//! # What is not
//!
//! - Not *exactly once*. Work may run twice when a worker dies between the work and the reply, when
//!   it was stopped for longer than its lease in the middle of the work, when the connection broke while a
//!   request was written (it is then written again), when the consumer group was lost, and when Redis
//!   failed over and forgot an acknowledgement. The caller still gets one answer. Handlers should be safe to
//!   repeat; [`Request::deliveries`] tells a repetition that Redis knows of.
//! - Not durable beyond what Redis is. Redis replicates asynchronously and syncs its log once a second by
//!   default: a failover or a power loss may lose requests it had taken. Their callers get
//!   [`RequestError::TimedOut`].
//! - No order. Requests are delivered in the order of the stream but served concurrently.
//! - A handler that blocks its thread cannot be cut at the deadline, and meanwhile may keep the sockets and timers of
//!   its whole runtime waiting, however many threads that has: the blocked one may be the one that looks after them.
//!   Tell the runtime with tokio's `block_in_place` or `spawn_blocking`.
//!
//! # Servers
//!
//! Redis 6.2 and newer and Valkey. Each connection asks the server for its version and uses the newest command
//! there is for each step; [`ServerInfo::commands`] shows the choice. Cluster mode is not supported. Connections are
//! never shared with reads that block, are given up when an answer is late, and are opened again with growing,
//! jittered pauses, resolving the name anew.
//!
//! With Sentinel, `redis+sentinel://host1,host2,host3/mymaster` in place of the URL ([`RedisConfig::url`]): each
//! connection asks the sentinels where the primary is, and refuses a server that is none. They are also asked once a
//! second, so that all connections leave an old primary that was replaced while it can still be reached. The
//! answer of the latest failover counts. While no sentinel answers, what is connected serves on.
//!
//! # Traces
//!
//! With a [`Tracer`] in its settings a client or a worker records spans of the requests whose `traceparent`
//! ([`Options::traceparent`]) says that they are sampled: how long a request took to the stream, waited there, was
//! worked on, and its reply to be written. [`Request::traceparent`] is the context for what the handler does. They
//! continue traces and begin none, so that a request without a context costs nothing.
//!
//! # Faults
//!
//! No fault of Redis ends a client or a worker. Each is logged once when it begins and then rarely, shows in
//! [`Client::health`] and [`Monitor::health`], and turns [`Client::readiness`] or [`Monitor::readiness`] off
//! where requests cannot be served. While Redis refuses writes a circuit breaker refuses requests at once.
//!
//! A panic of a handler is answered as [`RequestError::Panicked`]. A panic in one of the loops of this crate would
//! be a bug: it closes the client ([`Client::closed`], [`RequestError::Closed`], [`NotReady::Closed`]) or ends the
//! worker ([`WorkerError::Ended`]), so that whoever runs them can begin anew.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod client;
mod clock;
mod config;
mod envelope;
mod error;
mod follow;
mod health;
mod instance;
mod keys;
mod link;
mod metrics;
mod mutex;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod properties;
mod read_limit;
mod server_metrics;
mod status;
mod trace;
mod wire;
mod worker;
mod write_limit;

pub use client::{Client, Options, Reply};
pub use common::trace::Tracer;
pub use config::{ClientCertificate, ClientConfig, RedisConfig, ReplyStream, WorkerConfig};
pub use error::{ConfigError, Failure, Fault, Party, Refusal, RequestError, WorkerError};
pub use health::{Backlog, ClientHealth, NotReady, ServerInfo, WorkerHealth, WorkerSummary};
pub use keys::StreamNames;
pub use worker::{Drained, Monitor, Request, Worker};

//! The real binaries as processes against a real, private Redis, with faults; each test asserts the history of what
//! the callers saw, and that nothing is left of it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod callers;
mod problem;
use system_tests as system;

mod answers;
mod answers_raw;
mod chaos;
mod concurrency;
mod crashes;
mod disconnects;
mod failover;
mod faults;
mod hostile;
mod http2;
mod leaving;
mod main_path;
mod metrics_document;
mod network;
mod observation;
mod overload;
mod poison;
mod redis_refuses;
mod redis_restarts;
mod refusals;
mod security;
mod settings;
mod settings_document;
mod start_order;
mod traces;

//! What both services and the engine stand on: retry, circuit breaker, messages, metrics, health, shutdown, telemetry,
//! traces.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

pub mod breaker;
pub mod health;
pub mod message;
pub mod metrics;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod properties;
pub mod retry;
pub mod shutdown;
pub mod telemetry;
pub mod trace;

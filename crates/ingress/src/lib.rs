//! The HTTP front: turns `POST /WeatherForecast/city` into a request on a Redis stream and answers with
//! the reply, or with a problem that says what to do.
//!
//! In reading order: [`run()`] puts the parts together; `weather` is the story of one request; `error` is
//! the one place that turns what went wrong into a status.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod config;
mod run;

mod error;
mod failures;
mod media_type;
mod prefer;
mod weather;

mod health;
mod openapi;
mod router;

#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod properties;

pub use config::{Config, ReplyStreamChoice, Requests};
pub use run::run;

//! The proxy: takes weather requests from a Redis stream and serves them with a bounded number of terminals.
//!
//! In reading order: `run` puts the parts together and takes them apart again; `handler` is what a terminal
//! does with one request; `providers` know the weather; `terminals` shows who is doing what.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod config;
mod run;

mod handler;
mod providers;
mod terminals;

mod health;
mod metrics;
mod openapi;
mod router;

pub use config::{Config, ProviderKind, ProviderSettings, Work};
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub use providers::properties;
pub use providers::{OpenMeteo, OpenMeteoConfig, OpenMeteoError, ProviderError, Weather};
pub use run::run;

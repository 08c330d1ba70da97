//! What an HTTP service process is made of.
//!
//! A binary reads its [`settings`], hands over to [`run_process`], binds its [`Endpoints`] and serves its
//! routes there. [`server`] keeps connections within their bounds and leaves without losing anybody; every
//! request goes through [`Exchanges`], which answers with a [`Problem`] what no route does; the
//! [admin routes](admin_routes) and the [Swagger routes](swagger_routes) are the same everywhere.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod otlp;
mod process;
pub mod settings;

mod app;
mod endpoints;
pub mod https;
pub mod server;

mod body;
mod correlation;
mod exchange;
mod http_metrics;
mod problem;
mod spans;

mod admin;
mod openapi;
mod parts;
mod scrapes;
mod swagger;

#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod properties;

pub use admin::{LivenessDocument, Probe, ReadinessDocument, admin_routes};
pub use app::App;
pub use body::{BodyError, read_body};
pub use correlation::{Correlation, X_REQUEST_ID};
pub use endpoints::{BindError, Endpoints};
pub use exchange::Exchanges;
pub use openapi::document_problems;
pub use parts::{backlog_part, readiness, redis_part, serving_part, summaries};
pub use problem::{Kind, Problem, ProblemDocument};
pub use process::{Process, ServiceError, Setup, run_process};
pub use swagger::swagger_routes;

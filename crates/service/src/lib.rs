//! What an HTTP service process is made of: settings, accept loop with time limits, admin routes.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod admin;
mod body;
mod endpoints;
mod exchange;
mod http_metrics;
mod parts;
mod problem;
mod process;
mod request_id;
pub mod server;
pub mod settings;
mod swagger;

pub use admin::{LivenessDocument, Probe, ReadinessDocument, admin_routes};
pub use body::{BodyError, read_body};
pub use endpoints::{BindError, Endpoints};
pub use exchange::{Exchanges, MAX_HEADER_FIELDS};
pub use parts::{backlog_part, readiness, redis_part, serving_part};
pub use problem::{Kind, Problem, ProblemDocument};
pub use process::{Process, ServiceError, run_process};
pub use request_id::{RequestId, X_REQUEST_ID, traceparent};
pub use swagger::swagger_routes;

//! The ingress as its callers meet it: in this process or as a real one, with and without a Redis.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod admin;
mod answers;
mod bodies;
mod document;
mod leaving;
mod process;
mod refusals;
mod support;
mod validation;

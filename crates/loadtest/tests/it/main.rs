//! Runs against a target in this process that behaves as each test needs it to, and through the real binary.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod binary;
mod failures;
mod loops;
mod stub;
mod tls;

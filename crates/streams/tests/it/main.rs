//! The engine against a private Redis.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    unreachable_pub
)]

mod deadlines;
mod leases;
mod path;
mod support;

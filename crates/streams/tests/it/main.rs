//! The engine against a private Redis.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    unreachable_pub
)]

mod acl;
mod admission;
mod along;
mod chaos;
mod connections;
mod dead_letters;
mod deadlines;
mod drain;
mod ends;
mod examples;
mod faults;
mod foreign;
mod leases;
mod log;
mod path;
mod scene;
mod sentinel;
mod server_figures;
mod slow_link;
mod support;
mod tls;
mod traces;
mod wire;

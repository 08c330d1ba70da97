//! What only a process of its own can show: signals, standard output, panics.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod child;
mod shutdown;
mod telemetry;

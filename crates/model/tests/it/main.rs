//! The model, explored: what holds, that every run ends, and that each broken variant is caught.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![allow(
    clippy::print_stdout,
    reason = "a test shows the counterexample that it found"
)]

mod broken;
mod ends;
mod explore;
mod holds;
mod threads;

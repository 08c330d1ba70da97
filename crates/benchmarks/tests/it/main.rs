//! The benchmark on real systems, with debug builds: whether it measures, not what.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod guard;

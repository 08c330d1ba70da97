//! The proxy from outside: its providers against stubs, its routes, its binary, and the whole against a Redis.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod binary;
mod fixture;
mod open_meteo;
mod serving;
mod settings;

#![doc = include_str!("../README.md")]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod cli;
mod options;
mod stop;
mod target;
mod values;

mod alarm;
mod closed_loop;
mod health;
mod open_loop;
mod run;
mod schedule;

mod caller;
mod client;
mod connection;
mod failure;
mod reply;
mod request;
mod request_ids;

mod progress;
mod recorder;
mod report;
mod timeline;
mod verdict;

pub use cli::{Invocation, Refusal, parse};
pub use connection::TlsError;
pub use health::NotReady;
pub use options::{Length, Limits, Load, Options, Progress, Protocol};
pub use report::{
    Bin, FailureGroup, Generator, Latencies, Latency, PercentilePoint, Punctuality, Report,
    Requests, Settings,
};
pub use run::{RunError, run};
pub use stop::{Stage, Stop};
pub use target::{InvalidUrl, Target};
pub use timeline::{Interval, Timeline};
pub use verdict::{Check, Verdict};

/// What the page is made of, for pages about many runs.
pub mod page {
    pub use crate::report::html::axis::Axis;
    pub use crate::report::html::chart::Chart;
    pub use crate::report::html::page::{card, checks, document, escape};
    pub use crate::report::units::{count, duration, percent, rate, three_digits};
}

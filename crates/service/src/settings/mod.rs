//! Settings: environment variables with humane values, the same names as `--flags`.
//!
//! A binary derives [`clap::Parser`] for a struct of its own, flattens the groups below into it and
//! calls [`parse_or_exit`] first of all.

mod groups;
mod health;
mod parse;
mod print;
mod refusal;
mod traces;
mod values;

pub use groups::{Drain, Http, Log, Redis, Streams, refused_by_engine};
pub use parse::{ParseError, parse_from, parse_or_exit};
pub use traces::{Optional, Pairs, Protocol, SamplerChoice, Traces};
pub use values::{Secret, address, bytes, count, duration, positive_duration, text};

//! Which events are logged.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

/// What `RUST_LOG` says: levels, for all or by target, as in `info,streams=debug`. What no directive covers is not
/// logged; without any directive everything is logged from `info` up, which is also the default.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogFilter(String);

/// A filter that cannot be understood.
#[derive(Debug, Error)]
#[error("not a log filter (such as info or info,streams=debug): {0}")]
pub struct InvalidFilter(#[from] tracing_subscriber::filter::ParseError);

impl FromStr for LogFilter {
    type Err = InvalidFilter;

    fn from_str(directives: &str) -> Result<Self, InvalidFilter> {
        parse(directives)?;
        Ok(Self(directives.to_owned()))
    }
}

impl Default for LogFilter {
    fn default() -> Self {
        Self("info".into())
    }
}

impl fmt::Display for LogFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl LogFilter {
    pub(super) fn build(&self) -> EnvFilter {
        // It was parsed before, so there is no error to hide.
        parse(&self.0).unwrap_or_default()
    }
}

fn parse(directives: &str) -> Result<EnvFilter, tracing_subscriber::filter::ParseError> {
    EnvFilter::builder()
        .with_default_directive(LevelFilter::INFO.into())
        .parse(directives)
}

//! Logs: one event, one line on standard output, readable on a terminal and JSON elsewhere.
//!
//! A JSON line is one flat object: `timestamp`, `level`, `target`, `message` and the fields of the event; the fields of
//! the span around it, if there is one, are under `span`. A text line has the same in the order in which people read.
//! In both, characters that could end, overwrite or reorder a line are escaped wherever they come from, so that a
//! line in the log is an event in the program.
//!
//! Logging never waits. Lines go through a bounded queue to a thread that writes them; while standard output is
//! blocked or broken they are dropped and counted, and the program goes on.

mod error;
mod escape;
mod filter;
mod format;
mod lines;
mod panic;
mod throttle;

pub use error::error_text;
pub use filter::{InvalidFilter, LogFilter};
pub use format::{InvalidLogFormat, LogFormat};
pub use panic::panic_text;
pub use throttle::LogThrottle;

use std::io;

use prometheus::{Error, Opts, Registry};
use thiserror::Error;
use tracing_subscriber::util::SubscriberInitExt;

use crate::metrics::register_counter;
use lines::{Lines, Stdout};

/// The logs of the process, from [`init`]. Keep it until the end of `main`: dropping it waits until the lines so far
/// are written, for a second at most.
#[derive(Debug)]
#[must_use = "the last lines are lost without it"]
pub struct Logs {
    lines: Lines,
}

/// Why logging could not be set up.
#[derive(Debug, Error)]
pub enum TelemetryError {
    /// Standard output cannot be used, or the thread that writes to it not be started.
    #[error("could not log to standard output: {0}")]
    Stdout(#[from] io::Error),
    /// The process logs already, through this or another library.
    #[error("logging is set up already")]
    AlreadySet,
}

/// Sends all events that pass the filter, and every panic, to standard output. Once in a process, at its start.
pub fn init(format: LogFormat, filter: &LogFilter) -> Result<Logs, TelemetryError> {
    let stdout = Stdout::open()?;
    let style = format.on(stdout.is_terminal());
    let lines = Lines::start(stdout)?;
    format::subscriber(style, filter.build(), lines.clone())
        .try_init()
        .map_err(|_| TelemetryError::AlreadySet)?;
    panic::log_panics();
    Ok(Logs { lines })
}

impl Logs {
    /// How many lines could not be written so far.
    pub fn dropped(&self) -> u64 {
        self.lines.dropped()
    }

    /// Registers `log_lines_dropped_total`.
    pub fn register_metrics(&self, registry: &Registry) -> Result<(), Error> {
        let lines = self.lines.clone();
        let opts = Opts::new(
            "log_lines_dropped_total",
            "Log lines that were lost, because standard output did not take them in time.",
        );
        register_counter(registry, opts, move || lines.dropped() as f64)
    }
}

impl Drop for Logs {
    fn drop(&mut self) {
        self.lines.flush();
    }
}

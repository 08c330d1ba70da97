//! What one run is to do, as plain data that cannot contradict itself.

use std::time::Duration;

use crate::target::Target;

/// Everything one run needs to know.
#[derive(Clone, Debug)]
pub struct Options {
    /// The service under test.
    pub target: Target,
    /// How requests arrive.
    pub load: Load,
    /// How much of it is measured.
    pub length: Length,
    /// How long requests are sent before anything is measured; zero for not at all.
    pub warmup: Duration,
    /// How long a request may take, counted from the moment it was meant to start. At most an hour.
    pub timeout: Duration,
    /// How often a request is sent at most: again, at once, when it was refused (429, 503) or its connection failed.
    pub tries: u32,
    /// The version of HTTP to speak.
    pub protocol: Protocol,
    /// Whether the target must say that it is ready before the run starts.
    pub health_check: bool,
    /// What the run must reach to pass.
    pub limits: Limits,
    /// What is shown on stderr while the run goes on.
    pub progress: Progress,
}

/// How requests arrive.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Load {
    /// One at a time: each starts when the one before it was answered.
    Sequential,
    /// A closed loop: as many callers as given, each of which waits for its answer before it asks again.
    Concurrent {
        /// The number of callers.
        concurrency: usize,
    },
    /// An open loop: requests arrive on a schedule that does not care how the target is doing.
    Open {
        /// Arrivals per second.
        rate: f64,
        /// How many requests may be in flight; arrivals beyond that wait, and their latency counts the wait.
        max_in_flight: usize,
    },
}

/// How much is measured, warm-up not counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    /// So many requests.
    Count(u64),
    /// Requests are started for so long; those in flight at the end are still waited for.
    Duration(Duration),
}

/// The version of HTTP to speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1, a kept-alive connection for each request in flight.
    Http1,
    /// HTTP/2 by prior knowledge, many requests on each connection.
    Http2,
}

/// What a run must reach to pass.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// The 99th percentile of the latency of successes may be at most this.
    pub max_p99: Option<Duration>,
    /// At least this share of the requests must succeed, in percent.
    pub min_success: f64,
}

/// What is shown on stderr while the run goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Nothing.
    Quiet,
    /// A line every five seconds, for logs.
    Lines,
    /// A bar that redraws itself, for terminals.
    Bar,
}

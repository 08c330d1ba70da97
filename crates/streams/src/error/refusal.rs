//! Which bound a request met.

use std::fmt;

/// Why a request was refused before anything was written to Redis.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// This client has as many requests waiting as it may.
    InFlight,
    /// The circuit to Redis is open.
    CircuitOpen,
    /// The request stream holds as many requests as it may.
    StreamFull,
    /// No worker is known to make progress and the quota for that case is used up.
    UnknownRate,
    /// This process is short of processor time and behind by too much of the request's budget.
    Lag,
    /// The wait that backlog and service rate predict is longer than the request's budget.
    PredictedWait,
}

impl Refusal {
    pub(crate) const ALL: [Self; 6] = [
        Self::InFlight,
        Self::CircuitOpen,
        Self::StreamFull,
        Self::UnknownRate,
        Self::Lag,
        Self::PredictedWait,
    ];

    /// A short token for logs and metric labels.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InFlight => "in-flight",
            Self::CircuitOpen => "circuit-open",
            Self::StreamFull => "stream-full",
            Self::UnknownRate => "unknown-rate",
            Self::Lag => "lag",
            Self::PredictedWait => "predicted-wait",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::InFlight => "too many requests are waiting in this process",
            Self::CircuitOpen => "the circuit to Redis is open",
            Self::StreamFull => "the request stream is full",
            Self::UnknownRate => "requests are waiting and no worker is known to make progress",
            Self::Lag => "this process is short of processor time",
            Self::PredictedWait => "the wait would be longer than the request allows",
        })
    }
}

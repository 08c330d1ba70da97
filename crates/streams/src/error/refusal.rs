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
    /// The wait that backlog and service rate predict is longer than the request's budget.
    PredictedWait,
}

impl Refusal {
    pub(crate) const ALL: [Self; 5] = [
        Self::InFlight,
        Self::CircuitOpen,
        Self::StreamFull,
        Self::UnknownRate,
        Self::PredictedWait,
    ];

    /// A short token for logs and metric labels.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InFlight => "in-flight",
            Self::CircuitOpen => "circuit-open",
            Self::StreamFull => "stream-full",
            Self::UnknownRate => "unknown-rate",
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
            Self::PredictedWait => "the wait would be longer than the request allows",
        })
    }
}

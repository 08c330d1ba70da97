//! What can go wrong, for whom, and whether trying again can help.

use std::{fmt, time::Duration};

use common::breaker::InvalidBreaker;

/// A setting that contradicts itself or another.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// A value below its bound.
    #[error("{setting} is too small, the least is {least}")]
    TooSmall {
        /// The field of the configuration.
        setting: &'static str,
        /// The smallest value that is accepted.
        least: String,
    },
    /// A value above its bound.
    #[error("{setting} is too large, the most is {most}")]
    TooLarge {
        /// The field of the configuration.
        setting: &'static str,
        /// The largest value that is accepted.
        most: String,
    },
    /// A stream or group name that is empty, longer than 256 bytes or holds control characters.
    #[error("the name of {setting} is empty, too long or holds control characters")]
    Name {
        /// The field of [`StreamNames`](crate::StreamNames).
        setting: &'static str,
    },
    /// Two roles would share one key.
    #[error("the request and response streams must not share a name, nor one lie below the other")]
    NamesCollide,
    /// The URL cannot be understood; it is not repeated here, since it may hold a password.
    #[error("the Redis URL is not valid: {reason}")]
    Url {
        /// What is wrong with it.
        reason: String,
    },
    /// The metrics are already in the registry: two clients, or two workers, share one.
    #[error("the metrics cannot be registered: {reason}")]
    Metrics {
        /// What the registry said.
        reason: String,
    },
    /// The circuit breaker was given bounds that contradict each other.
    #[error(transparent)]
    Breaker(InvalidBreaker),
    /// A worker without terminals would never serve.
    #[error("a worker needs at least one terminal")]
    NoTerminals,
}

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

/// A failure that the handler reports in place of a reply.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct Failure {
    /// A short token that programs branch on, chosen by the service; cut after 1 KiB.
    pub code: String,
    /// A sentence for people; cut where a reply's body would be too large.
    pub message: String,
}

impl Failure {
    /// A failure with a code for programs and a message for people.
    pub fn new(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            code: code.into(),
            message: message.into(),
        }
    }
}

/// Why [`Client::request`](crate::Client::request) has no reply.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// Not admitted; nothing was written.
    #[error("refused: {reason}")]
    Refused {
        /// Which bound was met.
        reason: Refusal,
        /// When trying again is worthwhile.
        retry_after: Duration,
    },
    /// Redis did not take the request; no worker will see it.
    #[error("could not be sent: {reason}")]
    Unavailable {
        /// What Redis, or the way there, said.
        reason: Fault,
        /// When trying again is worthwhile.
        retry_after: Duration,
    },
    /// Sent, or perhaps sent, and not answered by the deadline.
    #[error("no reply by the deadline")]
    TimedOut,
    /// The handler answered with a failure.
    #[error("the handler failed: {0}")]
    Failed(Failure),
    /// The handler panicked.
    #[error("the handler panicked")]
    Panicked,
    /// The request was delivered too often without an answer, or could not be understood by the worker.
    #[error("given up as a dead letter: {cause}")]
    DeadLettered {
        /// Why, as the dead-letter stream says it.
        cause: String,
    },
    /// The body is larger than the client sends.
    #[error("the body has {size} bytes, the most is {max}")]
    TooLarge {
        /// Its size in bytes.
        size: usize,
        /// The most bytes that are sent.
        max: usize,
    },
    /// Another request of this client waits under the same id.
    #[error("another request waits under the same id")]
    DuplicateId,
    /// The client was closed while the request waited.
    #[error("the client is closed")]
    Closed,
}

/// Who has to act on an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Party {
    /// Whoever sent the request.
    Caller,
    /// The worker and what stands behind its handler.
    Worker,
    /// Redis, the network, or the capacity of the whole.
    Infrastructure,
}

impl RequestError {
    /// Whether the same request may be sent again. The work of a request that timed out may have been
    /// done, so a repetition is only right where the work may be done twice.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Refused { .. } | Self::Unavailable { .. } | Self::TimedOut | Self::Closed => true,
            Self::Failed(_)
            | Self::Panicked
            | Self::DeadLettered { .. }
            | Self::TooLarge { .. }
            | Self::DuplicateId => false,
        }
    }

    /// Who has to act.
    pub fn party(&self) -> Party {
        match self {
            Self::TooLarge { .. } | Self::DuplicateId => Party::Caller,
            Self::Failed(_) | Self::Panicked | Self::DeadLettered { .. } => Party::Worker,
            Self::Refused { .. } | Self::Unavailable { .. } | Self::TimedOut | Self::Closed => {
                Party::Infrastructure
            }
        }
    }
}

/// What Redis, or the way there, answered in place of a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fault {
    /// Refused, reset, closed or not resolved.
    Disconnected,
    /// No answer in time.
    Timeout,
    /// The certificate, the handshake or the CA file.
    Tls,
    /// Redis is loading its data.
    Loading,
    /// This server is a replica, or was made one.
    ReadOnly,
    /// `maxmemory` is reached: additions are refused, reads and acks go on.
    OutOfMemory,
    /// Redis cannot persist and refuses writes (`MISCONF`).
    Misconfigured,
    /// Too few replicas to accept writes.
    NoReplicas,
    /// The credentials are missing or wrong.
    NoAuth,
    /// The ACL user lacks a permission.
    NoPermission,
    /// The stream or its group does not exist.
    NoGroup,
    /// A key holds something that is no stream.
    WrongType,
    /// A script or command is blocking the server.
    Busy,
    /// Anything else.
    Other,
}

impl Fault {
    /// A short token for logs and metric labels.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Disconnected => "disconnected",
            Self::Timeout => "timeout",
            Self::Tls => "tls",
            Self::Loading => "loading",
            Self::ReadOnly => "read-only",
            Self::OutOfMemory => "out-of-memory",
            Self::Misconfigured => "misconf",
            Self::NoReplicas => "no-replicas",
            Self::NoAuth => "no-auth",
            Self::NoPermission => "no-permission",
            Self::NoGroup => "no-group",
            Self::WrongType => "wrong-type",
            Self::Busy => "busy",
            Self::Other => "other",
        }
    }
}

impl Fault {
    /// Whether it stays until somebody changes a key, a setting or a right; waiting a moment is no use.
    pub(crate) fn lasts(self) -> bool {
        matches!(
            self,
            Self::WrongType | Self::NoPermission | Self::NoAuth | Self::Tls
        )
    }

    /// Whether the next write will most likely be refused as well, although Redis answers.
    pub(crate) fn refuses_writes(self) -> bool {
        matches!(
            self,
            Self::OutOfMemory | Self::Misconfigured | Self::NoReplicas
        ) || self.lasts()
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Disconnected => "Redis cannot be reached",
            Self::Timeout => "Redis did not answer in time",
            Self::Tls => {
                "the TLS connection to Redis failed; check the certificate and the CA file"
            }
            Self::Loading => "Redis is loading its data",
            Self::ReadOnly => "this Redis is a replica and takes no writes",
            Self::OutOfMemory => "Redis is out of memory (maxmemory)",
            Self::Misconfigured => "Redis refuses commands because it cannot persist (MISCONF)",
            Self::NoReplicas => "Redis has too few replicas to accept writes",
            Self::NoAuth => "Redis refuses the credentials",
            Self::NoPermission => "the Redis user lacks a permission",
            Self::NoGroup => "the stream or its consumer group does not exist",
            Self::WrongType => "a key of ours holds something that is no stream",
            Self::Busy => "Redis is busy with a script",
            Self::Other => "Redis answered with an unexpected error",
        })
    }
}

/// Why [`Worker::serve`](crate::Worker::serve) ended early.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// Settings that contradict each other.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// One of the worker's loops panicked, which is a bug. What the worker had is taken over by others when
    /// its leases have lapsed.
    #[error("the loop of the worker that is called {part} ended by itself")]
    Ended {
        /// Which one: `fetch`, `settle`, `janitor` or `lease`.
        part: &'static str,
    },
    /// The thread that renews leases could not be started.
    #[error("the lease thread could not be started: {0}")]
    Thread(#[source] std::io::Error),
}

//! How a request ends without a reply.

use std::time::Duration;

use super::{Fault, Refusal};

/// Why [`Client::request`](crate::Client::request) has no reply.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// Not admitted; nothing was written.
    #[error("refused: {reason}")]
    Refused {
        /// Which bound was met.
        reason: Refusal,
        /// After what time to try again: from 1 to 121 whole seconds, drawn anew for each caller.
        retry_after: Duration,
    },
    /// Redis did not take the request; no worker will see it.
    #[error("could not be sent: {reason}")]
    Unavailable {
        /// What Redis, or the way there, said.
        reason: Fault,
        /// After what time to try again: from 1 to 121 whole seconds, drawn anew for each caller.
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
    /// The client is closed. If that happened while the request waited, it may still be worked on.
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
    /// Whether sending the same request again can help. The work of one that timed out, or whose client was
    /// closed, may have been done, so a repetition is only right where the work may be done twice.
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

//! Why a provider has no weather, whose fault that is, and whether asking again can help.

use std::time::Duration;

use common::{message::FailureCode, retry::Retryable};

/// Why a provider gave no weather.
#[derive(Debug, thiserror::Error)]
pub enum ProviderError {
    /// The provider knows no such city; the caller has to ask for another.
    #[error("no city called \"{city}\" is known")]
    CityUnknown {
        /// The name that was looked for.
        city: String,
    },
    /// The provider has failed too often of late and is not asked for a while.
    #[error("the weather provider keeps failing and is left alone for a while")]
    CircuitOpen,
    /// No answer within the time limit of one attempt.
    #[error("the weather provider did not answer in time")]
    TimedOut,
    /// No connection could be made: the name, the network, the port or the certificate.
    #[error("the weather provider cannot be reached")]
    Unreachable(#[source] hyper_util::client::legacy::Error),
    /// The connection ended in the middle of an answer.
    #[error("the weather provider broke off its answer")]
    Interrupted(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The provider asked to be asked less often (status 429).
    #[error("the weather provider takes no more requests for now")]
    RateLimited {
        /// The least time it wants to be left alone for, if it said so.
        retry_after: Option<Duration>,
    },
    /// The provider said that it failed (a status of 500 and above).
    #[error("the weather provider failed with status {status}")]
    Failed {
        /// The HTTP status code.
        status: u16,
    },
    /// The provider did not accept what it was asked (any other status).
    #[error("the weather provider refused the request with status {status}")]
    Rejected {
        /// The HTTP status code.
        status: u16,
    },
    /// The answer is longer than any answer has a reason to be.
    #[error("the weather provider's answer has more than {limit} bytes")]
    TooLarge {
        /// The most bytes that are read.
        limit: usize,
    },
    /// The answer is not what the provider's interface promises.
    #[error("the weather provider's answer makes no sense: {reason}")]
    Malformed {
        /// What is wrong with it.
        reason: String,
    },
    /// A failure that an experiment asked for.
    #[error("the simulated provider was told to fail")]
    Simulated,
}

impl ProviderError {
    /// Every value of [`cause`](Self::cause).
    pub const CAUSES: [&'static str; 11] = [
        "city-unknown",
        "circuit-open",
        "timeout",
        "unreachable",
        "interrupted",
        "rate-limited",
        "failed",
        "rejected",
        "too-large",
        "malformed",
        "simulated",
    ];

    /// A short token for logs and metric labels.
    pub fn cause(&self) -> &'static str {
        match self {
            Self::CityUnknown { .. } => "city-unknown",
            Self::CircuitOpen => "circuit-open",
            Self::TimedOut => "timeout",
            Self::Unreachable(_) => "unreachable",
            Self::Interrupted(_) => "interrupted",
            Self::RateLimited { .. } => "rate-limited",
            Self::Failed { .. } => "failed",
            Self::Rejected { .. } => "rejected",
            Self::TooLarge { .. } => "too-large",
            Self::Malformed { .. } => "malformed",
            Self::Simulated => "simulated",
        }
    }

    /// The status of the provider's answer that is this failure, where it is that.
    pub(super) fn status(&self) -> Option<u16> {
        match self {
            Self::RateLimited { .. } => Some(429),
            Self::Failed { status } | Self::Rejected { status } => Some(*status),
            _ => None,
        }
    }

    /// The code that the caller's reply carries.
    pub fn code(&self) -> FailureCode {
        match self {
            Self::CityUnknown { .. } => FailureCode::CityUnknown,
            Self::CircuitOpen | Self::RateLimited { .. } => FailureCode::ProviderUnavailable,
            Self::TimedOut => FailureCode::ProviderTimeout,
            Self::Unreachable(_)
            | Self::Interrupted(_)
            | Self::Failed { .. }
            | Self::Rejected { .. }
            | Self::TooLarge { .. }
            | Self::Malformed { .. }
            | Self::Simulated => FailureCode::ProviderFailed,
        }
    }

    /// Whether it speaks against the provider's health, and so towards opening its circuit. A refusal of
    /// this one request does not.
    pub(super) fn is_providers_fault(&self) -> bool {
        match self {
            Self::CityUnknown { .. } | Self::CircuitOpen | Self::Rejected { .. } => false,
            Self::TimedOut
            | Self::Unreachable(_)
            | Self::Interrupted(_)
            | Self::RateLimited { .. }
            | Self::Failed { .. }
            | Self::TooLarge { .. }
            | Self::Malformed { .. }
            | Self::Simulated => true,
        }
    }
}

impl Retryable for ProviderError {
    /// Asking for weather changes nothing, so that it may be repeated whenever the next answer may differ.
    fn is_retryable(&self) -> bool {
        match self {
            Self::TimedOut
            | Self::Unreachable(_)
            | Self::Interrupted(_)
            | Self::RateLimited { .. }
            | Self::Failed { .. } => true,
            Self::CityUnknown { .. }
            | Self::CircuitOpen
            | Self::Rejected { .. }
            | Self::TooLarge { .. }
            | Self::Malformed { .. }
            | Self::Simulated => false,
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::RateLimited { retry_after } => *retry_after,
            _ => None,
        }
    }
}

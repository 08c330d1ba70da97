//! Settings that do not hold.

use common::breaker::InvalidBreaker;

/// A setting that is out of bounds, or contradicts another.
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
    /// The URL asks for certificates not to be checked (`#insecure`).
    #[error("certificates are always checked; #insecure is not supported")]
    Insecure,
    /// Certificates are given, and the connection would not be encrypted.
    #[error("certificates are given, and the Redis URL is not one for TLS (rediss://)")]
    NotEncrypted,
    /// The metrics are already in the registry: two clients, or two workers, share one.
    #[error("the metrics cannot be registered: {reason}")]
    Metrics {
        /// What the registry said.
        reason: String,
    },
    /// The circuit breaker was given bounds that contradict each other.
    #[error(transparent)]
    Breaker(InvalidBreaker),
    /// A worker without terminals would never serve, and no semaphore counts more than 2⁶¹ − 1.
    #[error("a worker needs at least one terminal, and no more than can be counted")]
    NoTerminals,
}

//! What Redis, or the way there, can do to us.

use std::fmt;

/// What Redis, or the way there, answered in place of a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fault {
    /// Refused, reset, closed or not resolved.
    Disconnected,
    /// No answer in time.
    Timeout,
    /// A certificate, its file or the handshake.
    Tls,
    /// No sentinel names a primary.
    NoPrimary,
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
            Self::NoPrimary => "no-primary",
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
            Self::Tls => "no TLS connection to Redis can be made",
            Self::NoPrimary => "no sentinel names a primary",
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

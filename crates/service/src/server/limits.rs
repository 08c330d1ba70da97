//! The bounds of a listener.

use std::time::Duration;

/// What a listener allows its connections.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Most connections at once. At the bound nothing more is accepted: further callers wait in the
    /// kernel's listen backlog, which costs this process nothing, until a connection ends.
    pub max_connections: usize,
    /// Most bytes of a request head that get an answer of ours. hyper's own bound is twice as high,
    /// at least 8 KiB, so that what is a little too large still gets a problem document.
    pub max_headers: usize,
    /// How long a request head may take: from the accept for the first one of a connection, so that a
    /// silent connection ends as well, from its first byte for later ones.
    pub header_timeout: Duration,
    /// How long a connection may be open without a handler at work for it. A client that does not take
    /// its response is cut off by this as well.
    pub keep_alive_timeout: Duration,
    /// How long an idle connection stays open after it was told to leave: a request that crosses with
    /// that is still answered.
    pub linger: Duration,
}

/// How a listener leaves.
#[derive(Debug, Clone, Copy)]
pub struct Drain {
    /// How long to go on accepting after the signal.
    pub delay: Duration,
    /// How long requests in flight may take to end after that; what is left then is cut off.
    pub timeout: Duration,
}

impl Drain {
    /// Closes at once, whoever is in flight.
    pub(crate) const AT_ONCE: Self = Self {
        delay: Duration::ZERO,
        timeout: Duration::ZERO,
    };
}

//! The settings of client and worker. Each has a default that works against a Redis on this machine;
//! contradictions are refused when the client or worker is made, not found out under load.

use std::{fmt, path::PathBuf, time::Duration};

use prometheus::Registry;

use crate::{error::ConfigError, keys::StreamNames, wire::check_url};

/// Where Redis is and how to get in.
#[derive(Clone)]
pub struct RedisConfig {
    /// `redis://[user[:password]@]host[:port][/db]`, `rediss://…` for TLS, or `unix:///path`.
    pub url: String,
    /// The ACL user; overrides the one in the URL.
    pub username: Option<String>,
    /// The password; overrides the one in the URL. Never logged.
    pub password: Option<String>,
    /// A file that holds the password, read again at every connect so that it can be rotated.
    /// Overrides [`password`](Self::password); one trailing line break is dropped.
    pub password_file: Option<PathBuf>,
    /// A PEM file with the certificate authorities to trust for `rediss://`, in place of the
    /// public ones.
    pub ca_file: Option<PathBuf>,
    /// How long one attempt to connect may take, TLS and authentication included. Default 2 s.
    pub connect_timeout: Duration,
    /// How long a command that does not block may take to answer before the connection is given up.
    /// Default 2 s.
    pub response_timeout: Duration,
}

impl RedisConfig {
    /// The defaults for a Redis at `url`.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            username: None,
            password: None,
            password_file: None,
            ca_file: None,
            connect_timeout: Duration::from_secs(2),
            response_timeout: Duration::from_secs(2),
        }
    }

    fn validate(&self) -> Result<(), ConfigError> {
        check_url(&self.url)?;
        at_least(
            "connect_timeout",
            self.connect_timeout,
            Duration::from_millis(10),
        )?;
        at_least(
            "response_timeout",
            self.response_timeout,
            Duration::from_millis(10),
        )
    }
}

impl fmt::Debug for RedisConfig {
    /// Leaves out the URL and the passwords: either may hold a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisConfig")
            .field("username", &self.username)
            .field("password_file", &self.password_file)
            .field("ca_file", &self.ca_file)
            .field("connect_timeout", &self.connect_timeout)
            .field("response_timeout", &self.response_timeout)
            .finish_non_exhaustive()
    }
}

/// Where the replies of one client go. The worker follows the request; it has no such setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ReplyStream {
    /// All clients read the one response stream and pick out their own. Good for a few instances.
    #[default]
    Shared,
    /// Each client has a stream of its own, so that a reply is read by nobody else. Good for many.
    Dedicated,
}

/// The settings of a [`Client`](crate::Client).
#[derive(Debug, Clone)]
pub struct ClientConfig {
    /// Where Redis is.
    pub redis: RedisConfig,
    /// The streams and the group.
    pub names: StreamNames,
    /// One reply stream for all clients or one for each. Default shared.
    pub reply_stream: ReplyStream,
    /// Most requests waiting in this client at once; more are refused. Default 10 000.
    pub max_in_flight: usize,
    /// Most requests outstanding on the request stream, of all clients together; more are refused.
    /// Each client checks it against the length it saw last, so that N clients that write at the same
    /// moment may overshoot by what they have in flight. Default 100 000.
    pub max_outstanding: u64,
    /// Most requests on the request stream while the service rate is unknown: no worker lives, or
    /// none has finished anything yet. Default 1 000.
    pub unknown_rate_quota: u64,
    /// How long an admitted request may wait to be written to Redis before it is given up as
    /// unavailable, its deadline permitting. Default 5 s.
    pub send_timeout: Duration,
    /// How long replies are kept. A client that was paused for longer misses replies. Default 60 s.
    pub reply_retention: Duration,
    /// Most bytes that the reply stream may take, older replies go first. Default 64 MiB.
    pub reply_bytes: u64,
    /// Largest request body in bytes. Default 1 MiB.
    pub max_body: usize,
    /// Where the client's metrics are registered; `None` keeps them to itself.
    pub registry: Option<Registry>,
}

impl ClientConfig {
    /// The defaults for a Redis at `url` and the given names.
    pub fn new(url: impl Into<String>, names: StreamNames) -> Self {
        Self {
            redis: RedisConfig::new(url),
            names,
            reply_stream: ReplyStream::Shared,
            max_in_flight: 10_000,
            max_outstanding: 100_000,
            unknown_rate_quota: 1_000,
            send_timeout: Duration::from_secs(5),
            reply_retention: Duration::from_secs(60),
            reply_bytes: 64 << 20,
            max_body: 1 << 20,
            registry: None,
        }
    }

    /// Whether the settings hold together; [`Client::connect`](crate::Client::connect) does this too, a program may want to know before it
    /// opens anything.
    ///
    /// # Errors
    ///
    /// The first setting that does not.
    pub fn validate(&self) -> Result<(), ConfigError> {
        self.redis.validate()?;
        self.names.validate()?;
        nonzero("max_in_flight", self.max_in_flight as u64)?;
        nonzero("max_outstanding", self.max_outstanding)?;
        nonzero("unknown_rate_quota", self.unknown_rate_quota)?;
        nonzero("max_body", self.max_body as u64)?;
        at_least("send_timeout", self.send_timeout, Duration::from_millis(10))?;
        at_least(
            "reply_retention",
            self.reply_retention,
            Duration::from_secs(1),
        )?;
        at_least_bytes("reply_bytes", self.reply_bytes, 64 << 10)
    }
}

/// The settings of a [`Worker`](crate::Worker).
#[derive(Debug, Clone)]
pub struct WorkerConfig {
    /// Where Redis is.
    pub redis: RedisConfig,
    /// The streams and the group.
    pub names: StreamNames,
    /// How long a delivered request belongs to this worker without a renewal. Work may take longer:
    /// the lease is renewed at a third of it. A dead worker's requests are taken over after one
    /// lease and one sweep, which is a quarter of a lease. Default 10 s, at least 100 ms.
    pub lease: Duration,
    /// How often a request is delivered before it becomes a dead letter. A worker makes one last delivery at
    /// a time, so that requests which died with another one's worker do not become dead letters with it.
    /// Default 3.
    pub max_deliveries: u64,
    /// How long a drain waits for work that runs before it hands the rest back. Default 25 s.
    pub drain_timeout: Duration,
    /// Most dead letters kept; the oldest go first. Default 10 000.
    pub max_dead_letters: u64,
    /// How long a dedicated reply stream outlives its last reply. Default 60 s.
    pub reply_retention: Duration,
    /// Largest reply body in bytes; a larger one is answered as a failure. Default 1 MiB.
    pub max_body: usize,
    /// Where the worker's metrics are registered; `None` keeps them to itself.
    pub registry: Option<Registry>,
}

impl WorkerConfig {
    /// The defaults for a Redis at `url` and the given names.
    pub fn new(url: impl Into<String>, names: StreamNames) -> Self {
        Self {
            redis: RedisConfig::new(url),
            names,
            lease: Duration::from_secs(10),
            max_deliveries: 3,
            drain_timeout: Duration::from_secs(25),
            max_dead_letters: 10_000,
            reply_retention: Duration::from_secs(60),
            max_body: 1 << 20,
            registry: None,
        }
    }

    /// Whether the settings hold together; [`Worker::connect`](crate::Worker::connect) does this too, a program may want to know before it
    /// opens anything.
    ///
    /// # Errors
    ///
    /// The first setting that does not.
    pub fn validate(&self) -> Result<(), ConfigError> {
        self.redis.validate()?;
        self.names.validate()?;
        at_least("lease", self.lease, Duration::from_millis(100))?;
        nonzero("max_deliveries", self.max_deliveries)?;
        nonzero("max_dead_letters", self.max_dead_letters)?;
        nonzero("max_body", self.max_body as u64)?;
        at_least(
            "reply_retention",
            self.reply_retention,
            Duration::from_secs(1),
        )
    }
}

fn at_least(setting: &'static str, value: Duration, least: Duration) -> Result<(), ConfigError> {
    if value < least {
        return Err(ConfigError::TooSmall {
            setting,
            least: format!("{least:?}"),
        });
    }
    Ok(())
}

fn at_least_bytes(setting: &'static str, value: u64, least: u64) -> Result<(), ConfigError> {
    if value < least {
        return Err(ConfigError::TooSmall {
            setting,
            least: format!("{least} bytes"),
        });
    }
    Ok(())
}

fn nonzero(setting: &'static str, value: u64) -> Result<(), ConfigError> {
    if value == 0 {
        return Err(ConfigError::TooSmall {
            setting,
            least: "1".into(),
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_hold() {
        let names = StreamNames::for_service("echo");
        assert_eq!(
            ClientConfig::new("redis://h", names.clone()).validate(),
            Ok(())
        );
        assert_eq!(WorkerConfig::new("redis://h", names).validate(), Ok(()));
    }

    #[test]
    fn a_value_out_of_bounds_names_its_setting() {
        let mut config = WorkerConfig::new("redis://h", StreamNames::for_service("echo"));
        config.lease = Duration::from_millis(99);
        let error = config.validate().expect_err("too short");
        assert_eq!(error.to_string(), "lease is too small, the least is 100ms");
    }

    #[test]
    fn no_secret_is_printed() {
        let mut redis = RedisConfig::new("redis://user:hunter2@host");
        redis.password = Some("hunter2".into());
        assert!(!format!("{redis:?}").contains("hunter2"));
    }
}

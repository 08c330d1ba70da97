//! The groups of settings that both services have. The doc comment of a field is its help text.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use clap::{Args, ValueHint};
use common::telemetry::{LogFilter, LogFormat};
use streams::{ClientCertificate, ConfigError, RedisConfig, StreamNames};

use super::values::{Secret, address, bytes, count, duration, positive_duration, text};
use crate::server::{self, Limits};

/// More threads than any machine has cores; asking for more is a slip.
const MOST_THREADS: u32 = 1024;

/// How long idle connections stay open once a drain began; no setting, since nobody has to choose it.
const LINGER: Duration = Duration::from_secs(1);

/// Where Redis is and how to get in.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Redis")]
pub struct Redis {
    /// redis://host:port, rediss:// for TLS, unix:///path; may hold a user, a password and a database. With
    /// sentinels redis+sentinel://host:port,host:port/name, all of them and what they call the primary
    #[arg(long, env, default_value = "redis://127.0.0.1:6379", value_parser = secret, hide_env_values = true,
        value_hint = ValueHint::Url)]
    pub redis_url: Secret,
    /// The ACL user; wins over the one in the URL
    #[arg(long, env, value_parser = text)]
    pub redis_username: Option<String>,
    /// The password; wins over the one in the URL
    #[arg(long, env, value_parser = secret, hide_env_values = true)]
    pub redis_password: Option<Secret>,
    /// A file that holds the password, read again at every connect; wins over REDIS_PASSWORD
    #[arg(long, env, value_parser = path)]
    pub redis_password_file: Option<PathBuf>,
    /// The ACL user at the sentinels
    #[arg(long, env, value_parser = text)]
    pub redis_sentinel_username: Option<String>,
    /// The password at the sentinels, where they ask for one
    #[arg(long, env, value_parser = secret, hide_env_values = true)]
    pub redis_sentinel_password: Option<Secret>,
    /// A file that holds the sentinels' password, read each time they are asked; wins over REDIS_SENTINEL_PASSWORD
    #[arg(long, env, value_parser = path)]
    pub redis_sentinel_password_file: Option<PathBuf>,
    /// A PEM file with the certificate authorities to trust for TLS, in place of the public ones
    #[arg(long, env, value_parser = path)]
    pub redis_ca_file: Option<PathBuf>,
    /// A PEM file with the certificate to show to a Redis that asks for one (mutual TLS)
    #[arg(long, env, value_parser = path)]
    pub redis_cert_file: Option<PathBuf>,
    /// A PEM file with the key of that certificate
    #[arg(long, env, value_parser = path)]
    pub redis_key_file: Option<PathBuf>,
}

impl Redis {
    /// Settings that are of use only together, in one line that names them.
    pub fn check(&self) -> Result<(), String> {
        if self.redis_cert_file.is_some() != self.redis_key_file.is_some() {
            return Err(
                "REDIS_CERT_FILE, REDIS_KEY_FILE: a certificate and its key go together, give both or neither"
                    .into(),
            );
        }
        Ok(())
    }

    /// These settings as the engine takes them.
    pub fn config(&self) -> RedisConfig {
        let mut config = RedisConfig::new(self.redis_url.reveal());
        let revealed =
            |secret: &Option<Secret>| secret.as_ref().map(|secret| secret.reveal().to_owned());
        config.username.clone_from(&self.redis_username);
        config.password = revealed(&self.redis_password);
        config.password_file.clone_from(&self.redis_password_file);
        config
            .sentinel_username
            .clone_from(&self.redis_sentinel_username);
        config.sentinel_password = revealed(&self.redis_sentinel_password);
        config
            .sentinel_password_file
            .clone_from(&self.redis_sentinel_password_file);
        config.ca_file.clone_from(&self.redis_ca_file);
        let own = (&self.redis_cert_file, &self.redis_key_file);
        if let (Some(certificate), Some(key)) = own {
            config.client_certificate = Some(ClientCertificate {
                certificate_file: certificate.clone(),
                key_file: key.clone(),
            });
        }
        config
    }
}

/// The names that both services must agree on.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Streams")]
pub struct Streams {
    /// The stream that carries requests
    #[arg(long, env, default_value = "weather-requests", value_parser = text)]
    pub request_stream: String,
    /// The stream that carries replies, and the prefix of dedicated reply streams
    #[arg(long, env, default_value = "weather-responses", value_parser = text)]
    pub response_stream: String,
    /// The consumer group of the proxies
    #[arg(long, env, default_value = "weather-proxies", value_parser = text)]
    pub consumer_group: String,
}

impl Streams {
    /// These settings as the engine takes them.
    pub fn names(&self) -> StreamNames {
        StreamNames {
            requests: self.request_stream.clone(),
            responses: self.response_stream.clone(),
            group: self.consumer_group.clone(),
        }
    }
}

/// One line for a setting that the engine refused, naming the variable it came from.
pub fn refused_by_engine(error: &ConfigError) -> String {
    let variable = match error {
        ConfigError::Name {
            setting: "requests",
        } => "REQUEST_STREAM",
        ConfigError::Name {
            setting: "responses",
        } => "RESPONSE_STREAM",
        ConfigError::Name { .. } => "CONSUMER_GROUP",
        ConfigError::NamesCollide => "REQUEST_STREAM, RESPONSE_STREAM",
        // The reason names no part of the URL, which may hold a password, and helps nobody to mend it.
        ConfigError::Url { .. } => {
            return "REDIS_URL: the value is not the URL of a Redis: redis://, rediss://, unix:// or \
                    redis+sentinel://host,host/name is expected, for example redis://127.0.0.1:6379"
                .into();
        }
        ConfigError::Insecure => {
            return "REDIS_URL: certificates are always checked, #insecure is not supported: trust a private authority \
                    by REDIS_CA_FILE"
                .into();
        }
        ConfigError::NotEncrypted => {
            return "REDIS_URL: REDIS_CA_FILE and REDIS_CERT_FILE are for rediss://, this connection would not be \
                    encrypted"
                .into();
        }
        ConfigError::NoTerminals => "TERMINALS",
        ConfigError::TooSmall { setting, .. } | ConfigError::TooLarge { setting, .. } => {
            return format!("{}: {error}", setting.to_uppercase());
        }
        ConfigError::Metrics { .. } | ConfigError::Breaker(_) => return error.to_string(),
    };
    format!("{variable}: {error}")
}

/// The bounds of the HTTP server.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "HTTP")]
pub struct Http {
    /// A second address for /health and /metrics alone, outside the connection bounds; unset: none
    #[arg(long, env, value_parser = address)]
    pub admin_listen: Option<SocketAddr>,
    /// Most connections at once; further ones wait in the listen backlog
    #[arg(long, env, default_value = "10000", value_parser = count)]
    pub max_connections: u32,
    /// How long a request head may take to arrive, from the connection's start or the head's first byte
    #[arg(long, env, default_value = "10s", value_parser = positive_duration)]
    pub header_timeout: Duration,
    /// How long a connection may stay open without a request at work; a client that does not read its
    /// response is cut off by this as well
    #[arg(long, env, default_value = "75s", value_parser = positive_duration)]
    pub keep_alive_timeout: Duration,
    /// Largest request head: request line and headers together
    #[arg(long, env, default_value = "16KiB", value_parser = bytes)]
    pub max_headers: usize,
    /// Threads that serve; 1 costs the least CPU per request, more processes scale further
    #[arg(long, env, default_value = "1", value_parser = threads)]
    pub worker_threads: u32,
}

impl Http {
    /// What the server enforces of these settings.
    pub fn limits(&self) -> Limits {
        Limits {
            max_connections: self.max_connections as usize,
            max_headers: self.max_headers,
            header_timeout: self.header_timeout,
            keep_alive_timeout: self.keep_alive_timeout,
            linger: LINGER,
        }
    }
}

/// How a service leaves.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Leaving")]
pub struct Drain {
    /// How long to serve on after the signal, readiness already off, so that load balancers notice
    #[arg(long, env, default_value = "0s", value_parser = duration)]
    pub drain_delay: Duration,
    /// How long requests in flight may take to end after that
    #[arg(long, env, default_value = "25s", value_parser = duration)]
    pub drain_timeout: Duration,
}

impl Drain {
    /// These settings as the server takes them.
    pub fn server(&self) -> server::Drain {
        server::Drain {
            delay: self.drain_delay,
            timeout: self.drain_timeout,
        }
    }
}

/// What is logged, and how.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Log")]
pub struct Log {
    /// Which lines: a level, or levels by module such as info,streams=debug
    #[arg(long, env, default_value_t, value_parser = log_filter)]
    pub rust_log: LogFilter,
    /// auto (text on a terminal and json elsewhere), text or json
    #[arg(long, env, default_value_t, value_parser = log_format)]
    pub log_format: LogFormat,
}

fn threads(text: &str) -> Result<u32, String> {
    match count(text)? {
        threads @ ..=MOST_THREADS => Ok(threads),
        _ => Err(format!("is more than {MOST_THREADS} threads")),
    }
}

fn log_filter(text: &str) -> Result<LogFilter, String> {
    text.parse().map_err(|error| format!("is {error}"))
}

fn log_format(text: &str) -> Result<LogFormat, String> {
    text.parse().map_err(|error| format!("is {error}"))
}

fn secret(value: &str) -> Result<Secret, String> {
    if value.is_empty() {
        Err("is empty: unset it or give it a value".into())
    } else {
        Ok(Secret::from(value))
    }
}

fn path(value: &str) -> Result<PathBuf, String> {
    text(value).map(PathBuf::from)
}

//! The settings of client and worker. Each has a default that works against a Redis on this machine;
//! contradictions are refused when the client or worker is made, not found out under load.

mod bounds;
mod client;
mod server;
mod worker;

pub use client::{ClientConfig, ReplyStream};
pub use server::{ClientCertificate, RedisConfig};
pub use worker::WorkerConfig;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::keys::StreamNames;

    fn worker() -> WorkerConfig {
        WorkerConfig::new("redis://h", StreamNames::for_service("echo"))
    }

    fn client() -> ClientConfig {
        ClientConfig::new("redis://h", StreamNames::for_service("echo"))
    }

    #[test]
    fn the_defaults_hold() {
        assert_eq!(client().validate(), Ok(()));
        assert_eq!(worker().validate(), Ok(()));
    }

    #[test]
    fn a_value_out_of_bounds_names_its_setting() {
        let lease = Duration::from_millis(99);
        let error = WorkerConfig { lease, ..worker() }.validate();
        let error = error.expect_err("too short").to_string();
        assert_eq!(error, "lease is too small, the least is 100ms");
        let max_body = 1 << 30;
        let error = ClientConfig {
            max_body,
            ..client()
        }
        .validate();
        let error = error.expect_err("too large").to_string();
        assert_eq!(error, "max_body is too large, the most is 268435456 bytes");
    }

    /// "For ever" would overflow the clock of whichever loop adds it to now.
    #[test]
    fn no_time_is_without_an_end() {
        let for_ever = Duration::MAX;
        let mut redis = RedisConfig::new("redis://h");
        redis.response_timeout = for_ever;
        let mut hasty = RedisConfig::new("redis://h");
        hasty.connect_timeout = for_ever;
        for config in [
            ClientConfig { redis, ..client() },
            ClientConfig {
                redis: hasty,
                ..client()
            },
            ClientConfig {
                send_timeout: for_ever,
                ..client()
            },
            ClientConfig {
                reply_retention: for_ever,
                ..client()
            },
        ] {
            assert!(config.validate().is_err(), "{config:?}");
        }
        for config in [
            WorkerConfig {
                lease: for_ever,
                ..worker()
            },
            WorkerConfig {
                drain_timeout: for_ever,
                ..worker()
            },
            WorkerConfig {
                reply_retention: for_ever,
                ..worker()
            },
            WorkerConfig {
                max_dead_letters: u64::MAX,
                ..worker()
            },
        ] {
            assert!(config.validate().is_err(), "{config:?}");
        }
    }
}

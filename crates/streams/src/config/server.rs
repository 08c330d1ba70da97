//! Where Redis is and how to get in.

use std::{fmt, path::PathBuf, time::Duration};

use super::bounds::duration;
use crate::{error::ConfigError, wire::check_url};

/// A certificate of one's own, for a server that asks its clients for one. Both files are PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientCertificate {
    /// The certificate, with the authorities between it and one that the server trusts.
    pub certificate_file: PathBuf,
    /// Its key.
    pub key_file: PathBuf,
}

/// Where Redis is and how to get in.
#[derive(Clone)]
pub struct RedisConfig {
    /// `redis://[user[:password]@]host[:port][/db]`, `rediss://…` for TLS, or `unix:///path`. With sentinels
    /// `redis+sentinel://[user[:password]@]host[:port][,host[:port]]…/name[/db]`: the hosts are all the sentinels
    /// (port 26379 unless given, 16 at most), the name is what they call the primary, and the user and the
    /// password are for the servers. `rediss+sentinel://…` for TLS to sentinels and servers.
    pub url: String,
    /// The ACL user; overrides the one in the URL.
    pub username: Option<String>,
    /// The password; overrides the one in the URL. Never logged.
    pub password: Option<String>,
    /// A file that holds the password, read again at every connect so that it can be rotated.
    /// Overrides [`password`](Self::password); one trailing line break is dropped.
    pub password_file: Option<PathBuf>,
    /// The ACL user at the sentinels.
    pub sentinel_username: Option<String>,
    /// The password at the sentinels, where they ask for one. Never logged.
    pub sentinel_password: Option<String>,
    /// A file that holds the sentinels' password, read each time they are asked. Overrides
    /// [`sentinel_password`](Self::sentinel_password); one trailing line break is dropped.
    pub sentinel_password_file: Option<PathBuf>,
    /// A PEM file with the certificate authorities to trust for TLS, in place of the public ones. Read again at
    /// every connect, as the client's own certificate is.
    pub ca_file: Option<PathBuf>,
    /// The certificate to show to a server that asks for one (mutual TLS).
    pub client_certificate: Option<ClientCertificate>,
    /// How long one attempt to connect may take, TLS and authentication included; sentinels have half of it to
    /// answer. Default 2 s, 10 ms at least, a day at most.
    pub connect_timeout: Duration,
    /// How long a command that does not block may take to answer before the connection is given up.
    /// Default 2 s, 10 ms at least, a day at most.
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
            sentinel_username: None,
            sentinel_password: None,
            sentinel_password_file: None,
            ca_file: None,
            client_certificate: None,
            connect_timeout: Duration::from_secs(2),
            response_timeout: Duration::from_secs(2),
        }
    }

    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        let certificates = self.ca_file.is_some() || self.client_certificate.is_some();
        check_url(&self.url, certificates)?;
        let least = Duration::from_millis(10);
        duration("connect_timeout", self.connect_timeout, least)?;
        duration("response_timeout", self.response_timeout, least)
    }
}

impl fmt::Debug for RedisConfig {
    /// Leaves out the URL and the passwords: either may hold a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisConfig")
            .field("username", &self.username)
            .field("password_file", &self.password_file)
            .field("sentinel_username", &self.sentinel_username)
            .field("sentinel_password_file", &self.sentinel_password_file)
            .field("ca_file", &self.ca_file)
            .field("client_certificate", &self.client_certificate)
            .field("connect_timeout", &self.connect_timeout)
            .field("response_timeout", &self.response_timeout)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_secret_is_printed() {
        let mut redis = RedisConfig::new("redis://user:hunter2@host");
        redis.password = Some("hunter2".into());
        redis.sentinel_password = Some("hunter2".into());
        assert!(!format!("{redis:?}").contains("hunter2"));
    }

    #[test]
    fn what_only_looks_encrypted_is_refused() {
        let ca = Some(PathBuf::from("ca.pem"));
        let own = Some(ClientCertificate {
            certificate_file: "own.pem".into(),
            key_file: "own.key".into(),
        });
        let check = |url: &str, ca_file: &Option<_>, client_certificate: &Option<_>| {
            let redis = RedisConfig {
                ca_file: ca_file.clone(),
                client_certificate: client_certificate.clone(),
                ..RedisConfig::new(url)
            };
            redis.validate()
        };
        assert_eq!(check("rediss://h", &ca, &own), Ok(()));
        assert_eq!(check("rediss+sentinel://h/name", &ca, &own), Ok(()));
        assert_eq!(check("redis://h", &None, &None), Ok(()));
        for plain in ["redis://h", "unix:///h", "redis+sentinel://h/name"] {
            assert_eq!(check(plain, &ca, &None), Err(ConfigError::NotEncrypted));
            assert_eq!(check(plain, &None, &own), Err(ConfigError::NotEncrypted));
        }
        let unchecked = check("rediss://h/#insecure", &ca, &None);
        assert_eq!(unchecked, Err(ConfigError::Insecure));
    }
}

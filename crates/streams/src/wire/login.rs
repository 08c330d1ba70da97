//! What it takes to be let in: a password and certificates, read anew for each connection, so that a rotated
//! password and a new authority are picked up.

use std::path::Path;

use redis::{ConnectionInfo, ProtocolVersion, TlsCertificates};

use super::WireError;
use crate::{config::RedisConfig, error::Fault};

/// Who asks, and whom to trust. What is set here overrides what the URL says.
pub(super) struct Login<'a> {
    username: Option<&'a str>,
    password: Option<&'a str>,
    password_file: Option<&'a Path>,
    ca_file: Option<&'a Path>,
}

impl<'a> Login<'a> {
    /// At the servers that keep the data.
    pub(super) fn at_redis(config: &'a RedisConfig) -> Self {
        Self {
            username: config.username.as_deref(),
            password: config.password.as_deref(),
            password_file: config.password_file.as_deref(),
            ca_file: config.ca_file.as_deref(),
        }
    }

    /// At the sentinels.
    pub(super) fn at_sentinel(config: &'a RedisConfig) -> Self {
        Self {
            username: config.sentinel_username.as_deref(),
            password: config.sentinel_password.as_deref(),
            password_file: config.sentinel_password_file.as_deref(),
            ca_file: config.ca_file.as_deref(),
        }
    }

    /// What connects there with these credentials.
    pub(super) async fn client(&self, info: ConnectionInfo) -> Result<redis::Client, WireError> {
        // The answers are read in the shapes of RESP2, whatever the URL asks for.
        let mut settings = info
            .redis_settings()
            .clone()
            .set_protocol(ProtocolVersion::RESP2)
            .set_skip_set_lib_name();
        if let Some(username) = self.username {
            settings = settings.set_username(username);
        }
        if let Some(file) = self.password_file {
            let password = read(file, Fault::NoAuth).await?;
            let password = String::from_utf8(password)
                .map_err(|_| WireError::new(Fault::NoAuth, "the password file is not UTF-8"))?;
            let line = password.strip_suffix('\n').unwrap_or(&password);
            settings = settings.set_password(line.strip_suffix('\r').unwrap_or(line));
        } else if let Some(password) = self.password {
            settings = settings.set_password(password);
        }
        let info = info.set_redis_settings(settings);
        Ok(match self.ca_file {
            Some(file) => {
                let root_cert = Some(read(file, Fault::Tls).await?);
                redis::Client::build_with_tls(
                    info,
                    TlsCertificates {
                        client_tls: None,
                        root_cert,
                    },
                )?
            }
            None => redis::Client::open(info)?,
        })
    }
}

async fn read(file: &Path, fault: Fault) -> Result<Vec<u8>, WireError> {
    tokio::fs::read(file).await.map_err(|error| {
        WireError::new(fault, format!("{} cannot be read: {error}", file.display()))
    })
}

//! What it takes to be let in: a password and certificates, read anew for each connection, so that a rotated
//! password and a new authority are picked up.

use std::path::Path;

use redis::{ConnectionInfo, ProtocolVersion};

use super::{WireError, file::read, tls};
use crate::{
    config::{ClientCertificate, RedisConfig},
    error::Fault,
};

/// Who asks, and whom to trust. What is set here overrides what the URL says.
pub(super) struct Login<'a> {
    username: Option<&'a str>,
    password: Option<&'a str>,
    password_file: Option<&'a Path>,
    ca_file: Option<&'a Path>,
    client_certificate: Option<&'a ClientCertificate>,
}

impl<'a> Login<'a> {
    /// At the servers that keep the data.
    pub(super) fn at_redis(config: &'a RedisConfig) -> Self {
        Self {
            username: config.username.as_deref(),
            password: config.password.as_deref(),
            password_file: config.password_file.as_deref(),
            ca_file: config.ca_file.as_deref(),
            client_certificate: config.client_certificate.as_ref(),
        }
    }

    /// At the sentinels.
    pub(super) fn at_sentinel(config: &'a RedisConfig) -> Self {
        Self {
            username: config.sentinel_username.as_deref(),
            password: config.sentinel_password.as_deref(),
            password_file: config.sentinel_password_file.as_deref(),
            ca_file: config.ca_file.as_deref(),
            client_certificate: config.client_certificate.as_ref(),
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
        let certificates = tls::certificates(self.ca_file, self.client_certificate).await?;
        Ok(match certificates {
            Some(certificates) => redis::Client::build_with_tls(info, certificates)
                .map_err(|error| WireError::new(Fault::Tls, error.to_string()))?,
            None => redis::Client::open(info)?,
        })
    }
}

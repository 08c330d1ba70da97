//! What it takes to be let in: a password and certificates, read anew for each connection, so that a rotated
//! password and a new authority are picked up.

use std::{borrow::Cow, path::Path, time::Duration};

use redis::{ConnectionAddr, ConnectionInfo};

use super::{
    WireError,
    exchange::Exchange,
    fault::checked,
    file::read,
    reach::reach,
    resp::{Commands, Value},
    tls,
};
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

    /// A connection that is let in, and what is answered to the `first` commands on it. A name or a password given
    /// here overrides that of the URL.
    pub(super) async fn open(
        &self,
        info: &ConnectionInfo,
        first: Commands,
        within: Duration,
    ) -> Result<(Exchange, Vec<Value>), WireError> {
        let encrypted = matches!(info.addr(), ConnectionAddr::TcpTls { .. });
        let connector = match encrypted {
            true => Some(tls::connector(self.ca_file, self.client_certificate).await?),
            false => None,
        };
        let settings = info.redis_settings();
        let mut commands = Commands::new();
        let password = self.password().await?;
        let password = password.as_deref().or(settings.password());
        if let Some(password) = password {
            commands.cmd("AUTH");
            if let Some(username) = self.username.or(settings.username()) {
                commands.arg(username);
            }
            commands.arg(password);
        }
        if settings.db() != 0 {
            commands.cmd("SELECT").arg(settings.db().to_string());
        }
        let to_get_in = commands.count();
        commands.append(first);
        let mut exchange = Exchange::new(reach(info.addr(), connector).await?);
        let answers = exchange.send(commands, within).await;
        let mut answers = answers.map_err(|error| tls::unanswered(error, encrypted))?;
        let of_the_first = answers.split_off(to_get_in);
        let mut answers = answers.into_iter().map(checked);
        if password.is_some() {
            // Whatever the words, it is this that the server did not take.
            answers.next().transpose().map_err(|refusal| {
                let words = format!("authentication failed: {}", refusal.message);
                WireError::new(Fault::NoAuth, words)
            })?;
        }
        answers.next().transpose()?;
        Ok((exchange, of_the_first))
    }

    async fn password(&self) -> Result<Option<Cow<'a, str>>, WireError> {
        let Some(file) = self.password_file else {
            return Ok(self.password.map(Cow::Borrowed));
        };
        let password = String::from_utf8(read(file, Fault::NoAuth).await?)
            .map_err(|_| WireError::new(Fault::NoAuth, "the password file is not UTF-8"))?;
        let line = password.strip_suffix('\n').unwrap_or(&password);
        Ok(Some(
            line.strip_suffix('\r').unwrap_or(line).to_owned().into(),
        ))
    }
}

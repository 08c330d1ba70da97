//! Opening connections: names resolved anew each time, credentials read anew, TLS, the server probed,
//! a replica refused, everything within its time.
//!
//! All connections of one client or worker must end at the same server process, or a request could
//! be written to a new primary while its reply is awaited from the old one. Each connection therefore
//! publishes the `run_id` it found in [`Followed`]; whoever holds a connection to another server sees
//! the change and gives its connection up.

use std::{path::Path, sync::Arc, time::Duration};

use redis::{
    AsyncConnectionConfig, IntoConnectionInfo, Pipeline, ProtocolVersion, TlsCertificates, Value,
    aio::MultiplexedConnection,
};
use tokio::sync::watch;

use super::{WireError, probe::Server};
use crate::{
    config::RedisConfig,
    error::{ConfigError, Fault},
};

/// The server that the newest connection found.
pub(crate) type Followed = watch::Receiver<Option<Server>>;

/// Whether this can be the URL of a Redis. What is wrong is told without the URL, which may hold a password.
pub(crate) fn check_url(url: &str) -> Result<(), ConfigError> {
    match url.into_connection_info() {
        Ok(_) => Ok(()),
        Err(error) => Err(ConfigError::Url {
            reason: error.category().to_owned(),
        }),
    }
}

/// Opens connections to one Redis.
#[derive(Debug, Clone)]
pub(crate) struct Connector {
    config: Arc<RedisConfig>,
    name: Arc<str>,
    followed: watch::Sender<Option<Server>>,
}

/// A connection and the server it leads to.
pub(crate) struct Connection {
    inner: MultiplexedConnection,
    pub server: Server,
}

impl Connector {
    /// `name` is what `CLIENT LIST` shows, followed by the part that uses the connection.
    pub(crate) fn new(config: RedisConfig, name: &str) -> Self {
        Self {
            config: Arc::new(config),
            name: name.into(),
            followed: watch::Sender::new(None),
        }
    }

    /// Watches which server the connections lead to.
    pub(crate) fn followed(&self) -> Followed {
        self.followed.subscribe()
    }

    /// Opens a connection for `part`. Its commands may block on the server for up to `block` and are
    /// given up when no answer came a response timeout after that.
    pub(crate) async fn open(&self, part: &str, block: Duration) -> Result<Connection, WireError> {
        let attempt = self.attempt(part, block);
        match tokio::time::timeout(self.config.connect_timeout, attempt).await {
            Ok(result) => result,
            Err(_elapsed) => Err(WireError::new(Fault::Timeout, "connecting took too long")),
        }
    }

    async fn attempt(&self, part: &str, block: Duration) -> Result<Connection, WireError> {
        let settings = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.config.connect_timeout))
            .set_response_timeout(Some(self.config.response_timeout + block));
        let mut inner = self
            .client()
            .await?
            .get_multiplexed_async_connection_with_config(&settings)
            .await?;
        let mut probe = Server::probe();
        probe
            .cmd("CLIENT")
            .arg("SETNAME")
            .arg(format!("{}:{part}", self.name));
        let mut answers = inner.send_packed_commands(&probe, 0, probe.len()).await?;
        // The name is a courtesy to whoever reads CLIENT LIST; an ACL may forbid it.
        answers.pop();
        let server = Server::read(answers)?;
        server.require_primary()?;
        self.followed.send_if_modified(|followed| {
            let changed = followed.as_ref() != Some(&server);
            *followed = Some(server.clone());
            changed
        });
        Ok(Connection { inner, server })
    }

    /// Made anew for each connection, so that a rotated password and a new CA are picked up.
    async fn client(&self) -> Result<redis::Client, WireError> {
        let config = &self.config;
        let info = config.url.as_str().into_connection_info()?;
        // The answers are read in the shapes of RESP2, whatever the URL asks for.
        let mut settings = info
            .redis_settings()
            .clone()
            .set_protocol(ProtocolVersion::RESP2)
            .set_skip_set_lib_name();
        if let Some(username) = &config.username {
            settings = settings.set_username(username);
        }
        if let Some(file) = &config.password_file {
            let password = read(file, Fault::NoAuth).await?;
            let password = String::from_utf8(password)
                .map_err(|_| WireError::new(Fault::NoAuth, "the password file is not UTF-8"))?;
            let line = password.strip_suffix('\n').unwrap_or(&password);
            settings = settings.set_password(line.strip_suffix('\r').unwrap_or(line));
        } else if let Some(password) = &config.password {
            settings = settings.set_password(password);
        }
        let info = info.set_redis_settings(settings);
        Ok(match &config.ca_file {
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

impl Connection {
    /// Sends what is in the pipeline in one write and gives one answer per command, errors included.
    pub(crate) async fn send(&mut self, pipe: &Pipeline) -> Result<Vec<Value>, WireError> {
        Ok(self.inner.send_packed_commands(pipe, 0, pipe.len()).await?)
    }

    /// The answer to a pipeline of one command.
    pub(crate) async fn one(&mut self, pipe: &Pipeline) -> Result<Value, WireError> {
        let mut answers = self.send(pipe).await?;
        answers
            .pop()
            .ok_or_else(|| WireError::new(Fault::Other, "no answer"))
    }

    /// Whether the newest connection of this client or worker leads to the same server.
    pub(crate) fn leads_to(&self, followed: &Followed) -> bool {
        followed
            .borrow()
            .as_ref()
            .is_none_or(|server| server.run_id == self.server.run_id)
    }
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection")
            .field("server", &self.server)
            .finish_non_exhaustive()
    }
}

async fn read(file: &Path, fault: Fault) -> Result<Vec<u8>, WireError> {
    tokio::fs::read(file).await.map_err(|error| {
        WireError::new(fault, format!("{} cannot be read: {error}", file.display()))
    })
}

//! Opening connections: the primary asked for where there are sentinels, names resolved anew each time,
//! credentials read anew, TLS, the server probed, a replica refused, everything within its time.
//!
//! All connections of one client or worker must end at the same server process, or a request could
//! be written to a new primary while its reply is awaited from the old one. Each connection therefore
//! publishes the `run_id` it found in [`Followed`]; whoever holds a connection to another server sees
//! the change and gives its connection up.
//!
//! An old primary that was cut off from its sentinels looks as well as before to whoever is still connected.
//! So the sentinels are also asked from time to time: [`Connector::look`] opens a connection to a primary that
//! nobody is connected to yet, and with that all others follow. One that was on its way to the old primary
//! meanwhile is given up.

use std::{sync::Arc, time::Duration};

use redis::{ConnectionAddr, IntoConnectionInfo};
use tokio::sync::watch;

use super::{
    WireError,
    exchange::Exchange,
    login::Login,
    probe::Server,
    refused::Refused,
    resp::{Commands, Value},
    sentinel::{Primary, SentinelUrl, Sentinels},
};
use crate::{
    config::RedisConfig,
    error::{ConfigError, Fault},
};

/// The server that the newest connection found.
pub(crate) type Followed = watch::Receiver<Option<Lead>>;

/// A server that all connections lead to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Lead {
    pub server: Server,
    /// As the sentinels named it, where there are any.
    pub primary: Option<Primary>,
}

/// Whether this can be the URL of a Redis, one for TLS if it goes `with_certificates`. What is wrong is told without
/// the URL, which may hold a password.
pub(crate) fn check_url(url: &str, with_certificates: bool) -> Result<(), ConfigError> {
    let addr = match SentinelUrl::parse(url) {
        Some(parsed) => parsed?.sentinels.into_iter().next(),
        None => match url.into_connection_info() {
            Ok(info) => Some(info.addr().clone()),
            Err(error) => {
                return Err(ConfigError::Url {
                    reason: error.category().to_owned(),
                });
            }
        },
    };
    match addr {
        Some(ConnectionAddr::TcpTls { insecure: true, .. }) => Err(ConfigError::Insecure),
        Some(ConnectionAddr::TcpTls { .. }) => Ok(()),
        // Whoever names certificates takes the connection to be encrypted.
        _ if with_certificates => Err(ConfigError::NotEncrypted),
        _ => Ok(()),
    }
}

/// Opens connections to one Redis, or to the primary that sentinels name.
#[derive(Debug, Clone)]
pub(crate) struct Connector {
    config: Arc<RedisConfig>,
    sentinels: Option<Arc<Sentinels>>,
    name: Arc<str>,
    followed: watch::Sender<Option<Lead>>,
    refused: Refused,
}

/// A connection and the server it leads to.
pub(crate) struct Connection {
    exchange: Exchange,
    /// How long an answer may take.
    response_timeout: Duration,
    pub server: Server,
}

impl Connector {
    /// `name` is what `CLIENT LIST` shows, followed by the part that uses the connection.
    pub(crate) fn new(config: RedisConfig, name: &str) -> Self {
        let config = Arc::new(config);
        // One that is wrong was refused with the settings.
        let sentinels = SentinelUrl::parse(&config.url)
            .and_then(Result::ok)
            .map(|url| Arc::new(Sentinels::new(url, &config)));
        Self {
            config,
            sentinels,
            name: name.into(),
            followed: watch::Sender::new(None),
            refused: Refused::default(),
        }
    }

    /// Watches which server the connections lead to.
    pub(crate) fn followed(&self) -> Followed {
        self.followed.subscribe()
    }

    /// Opens a connection for `part`.
    pub(crate) async fn open(&self, part: &str) -> Result<Connection, WireError> {
        self.refused.turn()?;
        let attempt = self.attempt(part);
        let outcome = tokio::time::timeout(self.config.connect_timeout, attempt)
            .await
            .unwrap_or_else(|_elapsed| Err(self.took_too_long()));
        self.refused.tried(&outcome);
        outcome
    }

    pub(crate) fn has_sentinels(&self) -> bool {
        self.sentinels.is_some()
    }

    /// Asks the sentinels, where there are any, whether the primary is still the one that the connections lead to,
    /// and has them follow if not.
    pub(crate) async fn look(&self) -> Result<(), WireError> {
        let Some(sentinels) = &self.sentinels else {
            return Ok(());
        };
        sentinels.ask().await?;
        let elsewhere = match (&*self.followed.borrow(), sentinels.primary()) {
            (Some(lead), Some(primary)) => !lead.is_at(&primary),
            // Whoever needs a connection opens the first.
            _ => false,
        };
        if elsewhere {
            self.open("sentinels").await?;
        }
        Ok(())
    }

    async fn attempt(&self, part: &str) -> Result<Connection, WireError> {
        let (info, primary) = match &self.sentinels {
            None => (self.config.url.as_str().into_connection_info()?, None),
            Some(sentinels) => {
                let asked = sentinels.ask().await;
                let Some(primary) = sentinels.primary() else {
                    asked?;
                    return Err(WireError::new(Fault::NoPrimary, "nobody was asked"));
                };
                let info = sentinels.url.server(&primary.host, primary.port);
                (info, Some(primary))
            }
        };
        let mut probe = Server::probe();
        probe
            .cmd("CLIENT")
            .arg("SETNAME")
            .arg(format!("{}:{part}", self.name));
        let login = Login::at_redis(&self.config);
        let (exchange, mut answers) = login
            .open(&info, probe, self.config.connect_timeout)
            .await?;
        // The name is a courtesy to whoever reads CLIENT LIST; an ACL may forbid it.
        answers.pop();
        let server = Server::read(answers)?;
        server.require_primary()?;
        self.lead(Lead {
            server: server.clone(),
            primary,
        })?;
        Ok(Connection {
            exchange,
            response_timeout: self.config.response_timeout,
            server,
        })
    }

    fn took_too_long(&self) -> WireError {
        let encrypted = self.config.url.starts_with("rediss");
        let may_be = if encrypted {
            ": the server is slow, or does not speak TLS on this port"
        } else {
            ""
        };
        WireError::new(Fault::Timeout, format!("connecting took too long{may_be}"))
    }

    /// Has all connections lead there, unless the sentinels have named another primary in the meantime.
    fn lead(&self, lead: Lead) -> Result<(), WireError> {
        let mut replaced = false;
        self.followed.send_if_modified(|followed| {
            let newest = self.sentinels.as_ref().and_then(|known| known.primary());
            replaced = newest.is_some_and(|newest| !lead.is_at(&newest));
            let changed = !replaced && followed.as_ref() != Some(&lead);
            if changed {
                *followed = Some(lead);
            }
            changed
        });
        if replaced {
            return Err(WireError::new(
                Fault::Disconnected,
                "the sentinels name another primary now",
            ));
        }
        Ok(())
    }
}

impl Lead {
    fn is_at(&self, primary: &Primary) -> bool {
        self.primary
            .as_ref()
            .is_some_and(|lead| lead.is_at(primary))
    }
}

impl Connection {
    /// Sends commands in one write and gives one answer for each, refusals included.
    pub(crate) async fn send(&mut self, commands: Commands) -> Result<Vec<Value>, WireError> {
        Ok(self.exchange.send(commands, self.response_timeout).await?)
    }

    /// Sends commands in one write. All their [answers](Self::answers) are to be asked for before anything else is
    /// sent.
    pub(crate) async fn begin(&mut self, commands: Commands) -> Result<(), WireError> {
        Ok(self.exchange.begin(commands, self.response_timeout).await?)
    }

    /// The next so many answers to what was begun, where the server may wait for so long before it gives them.
    pub(crate) async fn answers(
        &mut self,
        count: usize,
        block: Duration,
    ) -> Result<Vec<Value>, WireError> {
        let within = self.response_timeout + block;
        Ok(self.exchange.answers(count, within).await?)
    }

    /// The answer to a single command.
    pub(crate) async fn one(&mut self, command: Commands) -> Result<Value, WireError> {
        let mut answers = self.send(command).await?;
        answers
            .pop()
            .ok_or_else(|| WireError::new(Fault::Other, "no answer"))
    }

    /// Whether the newest connection of this client or worker leads to the same server.
    pub(crate) fn leads_to(&self, followed: &Followed) -> bool {
        followed
            .borrow()
            .as_ref()
            .is_none_or(|lead| lead.server.run_id == self.server.run_id)
    }
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection")
            .field("server", &self.server)
            .finish_non_exhaustive()
    }
}

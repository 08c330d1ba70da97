//! A private Redis or Valkey per test: its own port, folder and process.
//!
//! Two ways lead to it. Programs under test use the TCP port that [`RedisServer::url`] names. The test itself uses
//! a Unix socket in the server's folder, one connection per command: so it needs no TLS, is untouched by what is
//! done to the TCP side, never holds a connection that `CLIENT KILL` or a restart would break, and does not stand
//! in `CLIENT LIST` between two commands.

mod builder;
mod documented_acl;
mod sentinels;
mod version;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use nix::sys::signal::Signal;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, FromRedisValue};

pub use builder::RedisServerBuilder;
pub use documented_acl::documented_acl;
pub use sentinels::{Sentinels, SentinelsBuilder};
pub use version::ServerVersion;

use crate::eventually::eventually;
use crate::folder::Folder;
use crate::ports::Port;
use crate::process::Process;
use builder::{Access, server_process};

/// Bound on one command of the test's own. A longer one goes over [`RedisServer::connect`].
const COMMAND_TIMEOUT: Duration = Duration::from_secs(5);
/// Bound on a start, which on a busy machine with data to load can take a while.
const READY_TIMEOUT: Duration = Duration::from_secs(30);
/// Bound on an orderly end, in which Redis writes its data to disk.
const STOP_TIMEOUT: Duration = Duration::from_secs(30);

/// A running or stopped server. Dropping it kills it and removes its folder (see [`Folder`]).
#[derive(Debug)]
pub struct RedisServer {
    // Before the folder and the port, so that the server has ended when they are given back.
    process: Mutex<Arc<Process>>,
    folder: Folder,
    port: Port,
    program: PathBuf,
    through: Vec<String>,
    access: Access,
    sentinel: bool,
    control: redis::Client,
}

impl RedisServer {
    /// Starts a server with nothing set: no persistence, no password, no TLS.
    pub async fn start() -> anyhow::Result<Self> {
        Self::builder().start().await
    }

    /// Describes a server to start.
    pub fn builder() -> RedisServerBuilder {
        RedisServerBuilder::default()
    }

    /// Its address as programs are given it, with the password if it has one.
    pub fn url(&self) -> String {
        match &self.access.password {
            Some(password) => self.url_with(&format!(":{password}@")),
            None => self.url_with(""),
        }
    }

    /// Its address for an ACL user. Name and password must be fit for a URL as they are.
    pub fn url_for(&self, user: &str, password: &str) -> String {
        self.url_with(&format!("{user}:{password}@"))
    }

    /// The TCP port on 127.0.0.1, the same after every restart.
    pub fn port(&self) -> u16 {
        self.port.number()
    }

    /// Its folder: `redis.conf`, `redis.log` and its data.
    pub fn dir(&self) -> &Path {
        self.folder.path()
    }

    /// The id of its process.
    pub fn pid(&self) -> u32 {
        self.process().pid()
    }

    /// Its process, for its figures and for waiting on its log. After a restart it is another one.
    pub fn process(&self) -> Arc<Process> {
        Arc::clone(&self.lock())
    }

    /// All it logged since the first start; of a log over 8 MiB the end.
    pub fn log(&self) -> String {
        self.process().log()
    }

    /// Runs one command, for at most 5 s, and converts its reply.
    ///
    /// `command::<()>` ignores the reply, `command::<redis::Value>` takes any. A server error is an error; its
    /// source is the [`redis::RedisError`].
    pub async fn command<T: FromRedisValue>(&self, parts: &[&str]) -> anyhow::Result<T> {
        let (name, args) = parts.split_first().context("a command needs a name")?;
        let mut command = redis::cmd(name);
        command.arg(args);
        let run = async {
            let mut connection = self.connect().await?;
            anyhow::Ok(command.query_async(&mut connection).await?)
        };
        tokio::time::timeout(COMMAND_TIMEOUT, run)
            .await
            .unwrap_or_else(|_| bail!("no reply within {COMMAND_TIMEOUT:?}"))
            .with_context(|| format!("redis command {} failed", parts.join(" ")))
    }

    /// Opens a connection to keep, with full rights and without a response timeout: for many commands, binary
    /// arguments, pipelines, blocking reads.
    pub async fn connect(&self) -> anyhow::Result<MultiplexedConnection> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(COMMAND_TIMEOUT))
            .set_response_timeout(None);
        Ok(self
            .control
            .get_multiplexed_async_connection_with_config(&config)
            .await?)
    }

    /// One section of `INFO`, as its lines are named.
    pub async fn info(&self, section: &str) -> anyhow::Result<BTreeMap<String, String>> {
        let text: String = self.command(&["INFO", section]).await?;
        let fields = text.lines().filter_map(|line| line.split_once(':'));
        Ok(fields
            .map(|(name, value)| (name.to_owned(), value.trim_end().to_owned()))
            .collect())
    }

    /// Which server this is.
    pub async fn version(&self) -> anyhow::Result<ServerVersion> {
        ServerVersion::from_info(&self.info("server").await?)
    }

    /// SIGKILL: the server is gone when this returns, and what it had not written to disk with it.
    pub async fn kill_hard(&self) -> anyhow::Result<()> {
        self.process().kill().await?;
        Ok(())
    }

    /// SIGTERM: the server writes its data as it is configured to, and has ended when this returns.
    pub async fn stop_gracefully(&self) -> anyhow::Result<()> {
        let process = self.process();
        process.terminate()?;
        process.wait_exit(STOP_TIMEOUT).await?;
        Ok(())
    }

    /// Starts a stopped or killed server again, on the same port and folder, and waits until it answers.
    pub async fn start_again(&self) -> anyhow::Result<()> {
        ensure!(
            self.process().exit_status().is_some(),
            "the server is still running"
        );
        let process = Arc::new(
            server_process(&self.program, self.dir(), &self.through, self.sentinel).spawn()?,
        );
        *self.lock() = process;
        self.wait_ready().await
    }

    /// Stops it in an orderly way and starts it again.
    pub async fn restart(&self) -> anyhow::Result<()> {
        self.stop_gracefully().await?;
        self.start_again().await
    }

    /// SIGSTOP: connections stay open, nothing is answered.
    pub async fn freeze(&self) -> anyhow::Result<()> {
        self.process().freeze().await
    }

    /// SIGCONT: goes on after [`freeze`](Self::freeze).
    pub fn thaw(&self) -> anyhow::Result<()> {
        self.process().thaw()
    }

    /// Waits until it answers; says why it ended if it did.
    async fn wait_ready(&self) -> anyhow::Result<()> {
        let process = self.process();
        let ready = eventually(READY_TIMEOUT, async || {
            match self.command::<()>(&["PING"]).await {
                Ok(()) => Ok(true),
                Err(_) if process.exit_status().is_some() => Ok(false),
                Err(not_yet) => Err(not_yet),
            }
        });
        let log = || format!("the end of the server's log:\n{}", process.log_tail());
        ensure!(
            ready.await.with_context(log)?,
            "the server ended at its start; {}",
            log()
        );
        Ok(())
    }

    /// Waits until a replica has its primary's data.
    async fn wait_for_primary(&self) -> anyhow::Result<()> {
        let follows = eventually(READY_TIMEOUT, async || {
            let link = self.info("replication").await?.remove("master_link_status");
            ensure!(
                link.as_deref() == Some("up"),
                "the link to the primary is {link:?}"
            );
            Ok(())
        });
        follows.await.with_context(|| {
            format!(
                "the end of the server's log:\n{}",
                self.process().log_tail()
            )
        })
    }

    fn url_with(&self, user: &str) -> String {
        let scheme = if self.access.tls.is_some() {
            "rediss"
        } else {
            "redis"
        };
        format!("{scheme}://{user}127.0.0.1:{}", self.port())
    }

    fn lock(&self) -> MutexGuard<'_, Arc<Process>> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        // Others may hold the process; the server ends with this value all the same. An error means it has ended.
        let _ = self.process().signal(Signal::SIGKILL);
    }
}

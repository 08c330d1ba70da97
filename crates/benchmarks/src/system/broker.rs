//! What stands between fronts and workers.

use std::env;
use std::ffi::OsString;
use std::process::Command;
use std::sync::Arc;

use anyhow::Context;
use testbed::{Port, Process, RedisServer};

use super::LONG;
use super::spec::{Kind, Spec};

/// A server of a system's own.
pub(crate) enum Broker {
    Redis(Box<RedisServer>),
    Nats { process: Arc<Process>, port: Port },
}

impl Broker {
    /// The one that a system of this kind needs.
    pub(super) async fn start(spec: &Spec) -> anyhow::Result<Option<Self>> {
        Ok(match spec.kind {
            Kind::Floor => None,
            Kind::Nats => Some(nats().await?),
            Kind::Straightforward | Kind::Ours | Kind::Engine => {
                // A rewrite would be the work of a child, whose processor time is not the server's.
                let redis = RedisServer::builder()
                    .aof(spec.aof)
                    .config("auto-aof-rewrite-percentage", "0")
                    .start()
                    .await?;
                Some(Self::Redis(Box::new(redis)))
            }
        })
    }

    /// How fronts and workers find it.
    pub(super) fn setting(&self) -> (&'static str, String) {
        match self {
            Self::Redis(redis) => ("REDIS_URL", redis.url()),
            Self::Nats { port, .. } => ("NATS_URL", format!("nats://127.0.0.1:{}", port.number())),
        }
    }

    /// Its process.
    pub(super) fn process(&self) -> Arc<Process> {
        match self {
            Self::Redis(redis) => redis.process(),
            Self::Nats { process, .. } => Arc::clone(process),
        }
    }
}

async fn nats() -> anyhow::Result<Broker> {
    let port = Port::reserve()?;
    let number = port.number().to_string();
    let process = Process::builder("nats-server", nats_program())
        .args(["--addr", "127.0.0.1", "--port", &number])
        .spawn()?;
    let process = Arc::new(process);
    process.wait_for_log("Server is ready", LONG).await?;
    Ok(Broker::Nats { process, port })
}

/// What `NATS_SERVER` names, else `nats-server` on `PATH`.
fn nats_program() -> OsString {
    env::var_os("NATS_SERVER").unwrap_or_else(|| "nats-server".into())
}

/// What the server says that it is, such as `v2.9.10`.
pub(crate) fn nats_version() -> anyhow::Result<String> {
    let program = nats_program();
    let said = Command::new(&program).arg("--version").output();
    let said = said.with_context(|| format!("could not run {}", program.display()))?;
    let text = String::from_utf8_lossy(&said.stdout);
    Ok(text.trim().trim_start_matches("nats-server: ").to_owned())
}

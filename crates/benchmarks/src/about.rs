//! What was measured on, and which servers.

use testbed::{RedisServer, load_average, machine};

use crate::system::nats_version;

/// The machine and the servers, in a line.
///
/// # Errors
/// A server cannot be started.
pub async fn about() -> anyhow::Result<String> {
    let redis = RedisServer::start().await?.version().await?;
    Ok(format!(
        "{}; {redis}, NATS {}; load average at the start {}",
        machine(),
        nats_version()?,
        load_average()
    ))
}
